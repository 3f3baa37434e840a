//! An example as a test starts it, and what holds of all of them: both ways to the registry work, or both are refused, and
//! nothing that anybody sees has a secret.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use goproxy_integration::gateway::Gateway;
use goproxy_integration::http::{self, Answer};
use goproxy_integration::origin::Origin;
use goproxy_integration::places;
use goproxy_integration::running::Running;
use serde_json::{Value as Json, json};
use serde_yaml_ng::Value as Yaml;

use crate::authority::Authority;

pub const REGISTRY: &str = "registry.corp.example";

pub const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A file of `envoy/examples/`.
pub struct Example {
    pub tree: Yaml,
    /// Of the plugin's configuration, as the head says.
    pub upstreams: Vec<Json>,
}

impl Example {
    pub fn read(name: &str) -> Self {
        let file = places::envoy_file(&format!("examples/{name}.yaml")).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let upstreams: Vec<Json> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#     {").map(|rest| format!("{{{rest}")))
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        assert!(!upstreams.is_empty(), "{name}");
        let tree = serde_yaml_ng::from_str(&text).unwrap();
        Self { tree, upstreams }
    }

    pub fn cluster(&mut self) -> &mut Yaml {
        &mut self.tree["static_resources"]["clusters"][0]
    }

    /// Where the registry is: an address, or a name that the example's DNS server answers.
    pub fn registry(mut self, host: &str, port: u16) -> Self {
        let endpoint = &mut self.cluster()["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        let socket = &mut endpoint["endpoint"]["address"]["socket_address"];
        assert_eq!(socket["address"], REGISTRY);
        socket["address"] = host.into();
        socket["port_value"] = port.into();
        self
    }

    pub fn registry_at(self, address: SocketAddr) -> Self {
        self.registry(&address.ip().to_string(), address.port())
    }

    /// The CA of the registry, in place of the system's or the company's.
    pub fn ca(mut self, file: &Path) -> Self {
        let transport = &mut self.cluster()["transport_socket"]["typed_config"];
        let tls = match transport.get("transport_socket") {
            Some(_) => &mut transport["transport_socket"]["typed_config"],
            None => transport,
        };
        let ca = &mut tls["common_tls_context"]["validation_context"]["trusted_ca"]["filename"];
        assert!(ca.is_string());
        *ca = file.to_str().unwrap().into();
        self
    }

    /// The counterpart speaks HTTP/1.1 without TLS.
    pub fn without_tls(mut self) -> Self {
        let cluster = self.cluster().as_mapping_mut().unwrap();
        cluster.remove("transport_socket").unwrap();
        let options = &mut cluster["typed_extension_protocol_options"][PROTOCOL];
        let auto = options.as_mapping_mut().unwrap().remove("auto_config");
        options["explicit_http_config"] = yaml("{http_protocol_options: {}}");
        assert!(auto.is_some());
        self
    }

    /// The server that is asked for the registry's address.
    pub fn dns(mut self, server: SocketAddr) -> Self {
        let dns = &mut self.cluster()["cluster_type"]["typed_config"];
        dns["typed_dns_resolver_config"] = yaml(&format!(
            r#"
            name: envoy.network.dns_resolver.cares
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
              resolvers: [{{socket_address: {{address: {}, port_value: {}}}}}]
              dns_resolver_options: {{no_default_search_domain: true}}
            "#,
            server.ip(),
            server.port()
        ));
        self
    }

    pub fn text(&self) -> String {
        serde_yaml_ng::to_string(&self.tree).unwrap()
    }

    pub fn start(self) -> Running {
        let upstream = self.upstreams[0].clone();
        self.start_with(&upstream)
    }

    pub fn start_with(&self, upstream: &Json) -> Running {
        let configuration = json!({
            "upstreams": [upstream],
            "routes": [{"modules": ["*"], "chain": [upstream["name"]]}],
        });
        Gateway::builder()
            .config_json(configuration.to_string())
            .access_log()
            .argument("--config-yaml")
            .argument(&self.text())
            .start()
            .unwrap()
    }
}

pub fn yaml(text: &str) -> Yaml {
    serde_yaml_ng::from_str(text).unwrap()
}

/// A registry that speaks TLS as `registry.corp.example`, with these further flags of the origin.
pub fn registry(authority: &Authority, flags: &[&str]) -> Origin {
    let (certificate, key) = authority.sign(REGISTRY);
    let mut all = vec![
        "-tls-cert",
        certificate.to_str().unwrap(),
        "-tls-key",
        key.to_str().unwrap(),
    ];
    all.extend(flags);
    Origin::start(&all).unwrap()
}

/// By callout, and forwarded.
pub const BOTH_WAYS: [&str; 3] = [
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/list",
    "/example.com/large/@v/v1.0.0.zip",
];

pub fn serves_both_ways(running: &Running) {
    for path in BOTH_WAYS {
        let answer = running.get(path).unwrap();
        assert_eq!(
            answer.status,
            200,
            "{path}: {}\n{}",
            answer.text(),
            running.log_tail()
        );
    }
}

/// Paths that nobody asked for yet, so that no cache answers.
pub fn refused_both_ways(running: &Running, words: &str) -> Vec<Answer> {
    let paths = [
        "/example.com/tool/@v/v1.0.0.info",
        "/example.com/tool/@v/list",
        "/example.com/tool/@v/v1.0.0.zip",
    ];
    let ask = |path| {
        let answer = running.get(path).unwrap();
        let text = answer.text();
        assert_eq!(answer.status, 502, "{path}: {text}");
        assert!(text.contains(words), "{path}: {text}");
        assert!(
            text.contains("upstream registry, request "),
            "{path}: {text}"
        );
        answer
    };
    paths.into_iter().map(ask).collect()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(15), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn stat(running: &Running, name: &str) -> u64 {
    running.stat(name).unwrap().unwrap_or(0)
}

/// Nothing that a person, a log or a page of Envoy shows has it.
pub fn nowhere(secret: &str, running: &Running, answers: &[Answer]) {
    let mut shown = vec![
        ("log".to_owned(), running.log()),
        ("standard output".to_owned(), running.stdout()),
    ];
    for page in [
        "/config_dump?include_eds",
        "/clusters",
        "/stats",
        "/server_info",
        "/init_dump",
    ] {
        let answer = http::get(running.admin(), page).unwrap();
        assert_eq!(answer.status, 200, "{page}");
        shown.push((page.to_owned(), answer.text()));
    }
    for page in ["/", "/-/status", "/-/healthz", "/-/readyz", "/-/metrics"] {
        shown.push((page.to_owned(), running.get(page).unwrap().text()));
    }
    for answer in answers {
        shown.push((
            answer.text(),
            format!("{:?} {}", answer.headers, answer.text()),
        ));
    }
    for (place, text) in shown {
        assert!(!text.contains(secret), "{secret} is in {place}");
    }
}
