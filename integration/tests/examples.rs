//! The files of `envoy/examples/`, each started as its head says, against a real counterpart on loopback. Nothing in
//! them is replaced but addresses, names of files, and times that a test cannot wait for.

mod common;
mod counterparts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Authority;
use counterparts::{Dns, Guard, LOCALHOST_V6, Proxy};
use goproxy_integration::gateway::Gateway;
use goproxy_integration::http::{self, Answer};
use goproxy_integration::origin::Origin;
use goproxy_integration::places;
use goproxy_integration::running::Running;
use serde_json::{Value as Json, json};
use serde_yaml_ng::Value as Yaml;

const NAMES: [&str; 8] = [
    "base-path",
    "private-ca",
    "client-certificate",
    "credential",
    "corporate-proxy",
    "changing-dns",
    "ipv6-only",
    "health-checks",
];
const REGISTRY: &str = "registry.corp.example";
const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A file of `envoy/examples/`.
struct Example {
    tree: Yaml,
    /// Of the plugin's configuration, as the head says.
    upstreams: Vec<Json>,
}

impl Example {
    fn read(name: &str) -> Self {
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

    fn cluster(&mut self) -> &mut Yaml {
        &mut self.tree["static_resources"]["clusters"][0]
    }

    /// Where the registry is: an address, or a name that the example's DNS server answers.
    fn registry(mut self, host: &str, port: u16) -> Self {
        let endpoint = &mut self.cluster()["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        let socket = &mut endpoint["endpoint"]["address"]["socket_address"];
        assert_eq!(socket["address"], REGISTRY);
        socket["address"] = host.into();
        socket["port_value"] = port.into();
        self
    }

    fn registry_at(self, address: SocketAddr) -> Self {
        self.registry(&address.ip().to_string(), address.port())
    }

    /// The CA of the registry, in place of the system's or the company's.
    fn ca(mut self, file: &Path) -> Self {
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
    fn without_tls(mut self) -> Self {
        let cluster = self.cluster().as_mapping_mut().unwrap();
        cluster.remove("transport_socket").unwrap();
        let options = &mut cluster["typed_extension_protocol_options"][PROTOCOL];
        let auto = options.as_mapping_mut().unwrap().remove("auto_config");
        options["explicit_http_config"] = yaml("{http_protocol_options: {}}");
        assert!(auto.is_some());
        self
    }

    /// The server that is asked for the registry's address.
    fn dns(mut self, server: SocketAddr) -> Self {
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

    fn text(&self) -> String {
        serde_yaml_ng::to_string(&self.tree).unwrap()
    }

    fn start(self) -> Running {
        let upstream = self.upstreams[0].clone();
        self.start_with(&upstream)
    }

    fn start_with(&self, upstream: &Json) -> Running {
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

fn yaml(text: &str) -> Yaml {
    serde_yaml_ng::from_str(text).unwrap()
}

/// A registry that speaks TLS as `registry.corp.example`, with these further flags of the origin.
fn registry(authority: &Authority, flags: &[&str]) -> Origin {
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
const BOTH_WAYS: [&str; 3] = [
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/list",
    "/example.com/large/@v/v1.0.0.zip",
];

fn serves_both_ways(running: &Running) {
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
fn refused_both_ways(running: &Running, words: &str) -> Vec<Answer> {
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

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(15), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stat(running: &Running, name: &str) -> u64 {
    running.stat(name).unwrap().unwrap_or(0)
}

/// Nothing that a person, a log or a page of Envoy shows has it.
fn nowhere(secret: &str, running: &Running, answers: &[Answer]) {
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

#[test]
fn every_example_is_valid_and_its_cluster_is_as_the_shipped_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let shipped: Yaml =
        yaml(&std::fs::read_to_string(places::envoy_file("envoy.yaml").unwrap()).unwrap());
    let shipped = &shipped["static_resources"]["clusters"][0];
    let mut files: Vec<_> = std::fs::read_dir(places::envoy_file("examples").unwrap())
        .unwrap()
        .filter_map(|file| {
            Some(
                file.ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".yaml")?
                    .to_owned(),
            )
        })
        .collect();
    files.sort();
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(files, names);
    for name in NAMES {
        let example = Example::read(name).ca(&authority.ca());
        let file = folder.path().join(name);
        std::fs::write(&file, example.text()).unwrap();
        let output = Command::new(places::envoy().unwrap())
            .args([
                "--mode",
                "validate",
                "--config-path",
                "envoy/envoy.yaml",
                "--config-yaml",
            ])
            .arg(example.text())
            .current_dir(places::root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        assert!(
            !said.contains("[warning]") && !said.contains("eprecated"),
            "{name}: {said}"
        );

        let cluster = &example.tree["static_resources"]["clusters"][0];
        for same in [
            "connect_timeout",
            "per_connection_buffer_limit_bytes",
            "circuit_breakers",
            "upstream_connection_options",
        ] {
            assert_eq!(cluster[same], shipped[same], "{name}: {same}");
        }
        let (options, as_shipped) = (
            &cluster["typed_extension_protocol_options"][PROTOCOL],
            &shipped["typed_extension_protocol_options"][PROTOCOL],
        );
        for same in ["auto_config", "common_http_protocol_options"] {
            assert_eq!(options[same], as_shipped[same], "{name}: {same}");
        }
        let filters = |options: &Yaml| {
            let mut filters = options["http_filters"].as_sequence().unwrap().clone();
            filters.retain(|filter| filter["name"] != "envoy.filters.http.credential_injector");
            filters
        };
        assert_eq!(filters(options), filters(as_shipped), "{name}");
    }
}

#[test]
fn a_registry_below_a_base_path() {
    let authority = Authority::new();
    let example = Example::read("base-path");
    let bases: Vec<_> = example
        .upstreams
        .iter()
        .map(|one| one["path"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(
        bases,
        [
            "/artifactory/api/go/go",
            "/repository/go",
            "/api/v4/projects/42/packages/go",
            ""
        ]
    );
    for upstream in &example.upstreams {
        let base = upstream["path"].as_str().unwrap_or("");
        let flags = if base.is_empty() {
            vec![]
        } else {
            vec!["-base", base]
        };
        let registry = registry(&authority, &flags);
        let running = Example::read("base-path")
            .registry_at(registry.tls_addr().unwrap())
            .ca(&authority.ca())
            .start_with(upstream);
        serves_both_ways(&running);
        for (seen, asked) in registry.seen().unwrap().iter().zip(BOTH_WAYS) {
            assert_eq!(seen.raw, format!("{base}{asked}"));
        }
        let missing = running.get("/example.com/absent/@v/v1.0.0.info").unwrap();
        assert_eq!(missing.status, 404, "{}", missing.text());
    }
}

#[test]
fn a_private_ca() {
    let authority = Authority::new();
    let registry = registry(&authority, &[]);
    let example = |ca: &Path| {
        Example::read("private-ca")
            .registry_at(registry.tls_addr().unwrap())
            .ca(ca)
            .start()
    };
    serves_both_ways(&example(&authority.ca()));
    registry.forget().unwrap();
    let stranger = Authority::new();
    refused_both_ways(&example(&stranger.ca()), "connection");
    assert!(registry.seen().unwrap().is_empty());
}

/// A folder with a link `current` to what is used, as Kubernetes mounts a secret.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts copies of these files under `current`, at one moment.
    fn put(&self, generation: &str, files: &[(&str, &Path)]) {
        std::fs::create_dir(self.path(generation)).unwrap();
        for (name, file) in files {
            std::fs::copy(file, self.path(generation).join(name)).unwrap();
        }
        std::os::unix::fs::symlink(generation, self.path("next")).unwrap();
        std::fs::rename(self.path("next"), self.path("current")).unwrap();
    }
}

#[test]
fn a_client_certificate_that_is_renewed() {
    let authority = Authority::new();
    let ca = authority.ca();
    let registry = registry(&authority, &["-tls-client-ca", ca.to_str().unwrap()]);
    let mount = Mount::new();
    let put = |name: &str| {
        let (certificate, key) = authority.sign(name);
        mount.put(name, &[("cert.pem", &certificate), ("key.pem", &key)]);
    };
    put("one.corp.example");

    let mut secret = yaml(
        &std::fs::read_to_string(
            places::envoy_file("examples/secrets/client-certificate.yaml").unwrap(),
        )
        .unwrap(),
    );
    let files = &mut secret["resources"][0]["tls_certificate"];
    let current = |name: &str| {
        mount
            .path("current")
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    };
    files["certificate_chain"]["filename"] = current("cert.pem").into();
    files["private_key"]["filename"] = current("key.pem").into();
    files["watched_directory"]["path"] = mount.0.path().to_str().unwrap().into();
    let sds = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(sds.path(), serde_yaml_ng::to_string(&secret).unwrap()).unwrap();

    let example = || {
        Example::read("client-certificate")
            .registry_at(registry.tls_addr().unwrap())
            .ca(&authority.ca())
    };
    let mut with = example();
    let context = &mut with.cluster()["transport_socket"]["typed_config"]["common_tls_context"];
    let source =
        &mut context["tls_certificate_sds_secret_configs"][0]["sds_config"]["path_config_source"];
    assert!(source["path"].is_string());
    source["path"] = sds.path().to_str().unwrap().into();
    // So that the next request is on a connection of its own.
    with.cluster()["typed_extension_protocol_options"][PROTOCOL]["common_http_protocol_options"]
        ["max_requests_per_connection"] = 1.into();
    let running = with.start();
    serves_both_ways(&running);
    let client = || registry.seen().unwrap().last().unwrap().all["client_name"].clone();
    assert!(
        client().to_string().contains("one.corp.example"),
        "{}",
        client()
    );

    let updates = "cluster.registry.client_ssl_socket_factory.ssl_context_update_by_sds";
    let before = stat(&running, updates);
    put("two.corp.example");
    until("the new certificate is read", || {
        stat(&running, updates) > before
    });
    assert_eq!(
        running.get("/example.com/a/@v/v1.1.0.info").unwrap().status,
        200
    );
    assert!(
        client().to_string().contains("two.corp.example"),
        "{}",
        client()
    );
    let key = std::fs::read_to_string(mount.path("current").join("key.pem")).unwrap();
    nowhere(key.lines().nth(1).unwrap(), &running, &[]);

    registry.forget().unwrap();
    let mut without = example();
    let context = &mut without.cluster()["transport_socket"]["typed_config"]["common_tls_context"];
    context
        .as_mapping_mut()
        .unwrap()
        .remove("tls_certificate_sds_secret_configs")
        .unwrap();
    refused_both_ways(&without.start(), "(goproxy-wasm: ");
    assert!(registry.seen().unwrap().is_empty());
}

/// The example's credential in a folder of its own, to be replaced by another.
struct Credential(tempfile::TempDir);

impl Credential {
    fn put(&self, value: &str) {
        let shipped = places::envoy_file("examples/secrets/registry-authorization.yaml").unwrap();
        let mut secret = yaml(&std::fs::read_to_string(shipped).unwrap());
        let text = &mut secret["resources"][0]["generic_secret"]["secret"]["inline_string"];
        assert_eq!(*text, "Bearer replace-me");
        *text = value.into();
        let (next, file) = (
            self.0.path().join("next"),
            self.0.path().join("credential.yaml"),
        );
        std::fs::write(&next, serde_yaml_ng::to_string(&secret).unwrap()).unwrap();
        std::fs::rename(&next, &file).unwrap();
    }

    fn example(&self) -> Example {
        let mut example = Example::read("credential");
        let filter =
            &mut example.cluster()["typed_extension_protocol_options"][PROTOCOL]["http_filters"][1];
        let source = &mut filter["typed_config"]["credential"]["typed_config"]["credential"]["sds_config"]
            ["path_config_source"];
        assert!(source["path"].is_string());
        source["path"] = self
            .0
            .path()
            .join("credential.yaml")
            .to_str()
            .unwrap()
            .into();
        source["watched_directory"]["path"] = self.0.path().to_str().unwrap().into();
        example
    }
}

#[test]
fn a_credential_that_rotates_and_is_shown_nowhere() {
    const FIRST: &str = "Bearer 9f1c-the-first-token";
    const SECOND: &str = "Basic Z2F0ZXdheTo3YjJlLXRoZS1zZWNvbmQ=";
    let origin = Origin::start(&[]).unwrap();
    let guard = Guard::before(origin.addr(), FIRST);
    let credential = Credential(tempfile::tempdir().unwrap());
    credential.put(FIRST);
    let running = credential
        .example()
        .registry_at(guard.addr)
        .without_tls()
        .start();
    serves_both_ways(&running);
    // A client's own is not sent in its place, and no header of the sort comes back.
    let path = "/example.com/a/@v/v1.1.0.zip";
    let answer = http::get_with(
        running.addr(),
        path,
        &[("authorization", "Bearer of-the-client")],
    )
    .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("www-authenticate"), None);

    guard.expect(SECOND);
    let mut shown = refused_both_ways(&running, "upstream_4xx");
    credential.put(SECOND);
    let mut version = 0;
    until("the new credential is sent", || {
        version += 1;
        let answer = running
            .get(&format!("/bench.example/n{version}/@v/v1.0.0.info"))
            .unwrap();
        shown.push(answer);
        shown.last().unwrap().status == 200
    });
    let zip = running.get("/example.com/a/@v/v1.2.0.zip").unwrap();
    assert_eq!(zip.status, 200);
    for secret in [FIRST, SECOND] {
        let secret = secret.split(' ').nth(1).unwrap();
        nowhere(secret, &running, &shown);
    }
}

#[test]
fn a_credential_is_sent_by_tls_and_only_to_the_registry() {
    let authority = Authority::new();
    let (registry, store) = (registry(&authority, &[]), Origin::start(&[]).unwrap());
    let credential = Credential(tempfile::tempdir().unwrap());
    credential.put("Bearer 51ab-token");
    let example = credential
        .example()
        .registry_at(registry.tls_addr().unwrap())
        .ca(&authority.ca());
    let upstream = &example.upstreams[0];
    let configuration = json!({
        "upstreams": [upstream],
        "routes": [{"modules": ["*"], "chain": [upstream["name"]]}],
        "redirects": [{"host": "store.example", "target": "store"}],
    });
    let running = Gateway::builder()
        .config_json(configuration.to_string())
        .cluster("store", &store.url())
        .argument("--config-yaml")
        .argument(&example.text())
        .start()
        .unwrap();
    serves_both_ways(&running);
    let location = "https://store.example/__signed{path}?Signature=x";
    registry
        .fault(&json!({"path": "/example.com/tool/*", "kind": "redirect", "location": location}))
        .unwrap();
    assert_eq!(
        running
            .get("/example.com/tool/@v/v1.0.0.mod")
            .unwrap()
            .status,
        200
    );
    let zip = "/example.com/tool/@v/v1.0.0.zip";
    let mut answer = running.get(zip).unwrap();
    if answer.status == 302 {
        answer = running.get(answer.header("location").unwrap()).unwrap();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());

    let authorization = |origin: &Origin| -> Vec<String> {
        let seen = origin.seen().unwrap();
        assert!(seen.len() >= 2);
        seen.iter()
            .map(|seen| seen.all["headers"]["Authorization"].to_string())
            .collect()
    };
    assert!(
        authorization(&registry)
            .iter()
            .all(|got| got.contains("Bearer 51ab-token"))
    );
    assert!(authorization(&store).iter().all(|got| got == "null"));
}

#[test]
fn a_corporate_proxy() {
    let authority = Authority::new();
    let registry = registry(&authority, &[]);
    let proxy = Proxy::knows("registry.corp.example:8443", registry.tls_addr().unwrap());
    let start = |ca: &Path| {
        let mut example = Example::read("corporate-proxy").ca(ca);
        example.cluster()["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
            ["socket_address"]["port_value"] = 8443.into();
        let address = &mut example.cluster()["transport_socket"]["typed_config"]["default_proxy_address"]
            ["socket_address"];
        assert_eq!(address["address"], "10.0.0.8");
        address["address"] = proxy.addr.ip().to_string().into();
        address["port_value"] = proxy.addr.port().into();
        example.start()
    };
    let running = start(&authority.ca());
    serves_both_ways(&running);
    let asked = proxy.log.lines();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|line| line == "CONNECT registry.corp.example:8443 HTTP/1.1"),
        "{asked:?}"
    );
    let stranger = Authority::new();
    refused_both_ways(&start(&stranger.ca()), "connection");
}

/// Two registries at one port: of 127.0.0.1 and of 127.0.0.2.
fn two_registries(authority: &Authority) -> (Origin, Origin, u16) {
    let one = registry(authority, &[]);
    let port = one.tls_addr().unwrap().port();
    let listen = format!("127.0.0.2:{port}");
    let two = registry(authority, &["-tls-listen", &listen]);
    (one, two, port)
}

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn dns_that_changes() {
    let authority = Authority::new();
    let (one, two, port) = two_registries(&authority);
    let dns = Dns::answers(&[ONE]);
    let example = Example::read("changing-dns")
        .registry(REGISTRY, port)
        .ca(&authority.ca());
    let running = example.dns(dns.addr).start();
    serves_both_ways(&running);
    assert!(two.seen().unwrap().is_empty());

    dns.change(&[TWO]);
    one.forget().unwrap();
    until("the old address is left", || {
        stat(&running, "cluster.registry.membership_change") > 1
    });
    for path in [
        "/example.com/tool/@v/list",
        "/example.com/tool/@v/v1.0.0.zip",
    ] {
        assert_eq!(running.get(path).unwrap().status, 200, "{path}");
    }
    assert_eq!(two.seen().unwrap().len(), 2);
    assert!(one.seen().unwrap().is_empty());

    // A server that fails does not take away what was known.
    dns.change(&[]);
    let asked = dns.log.lines().len();
    until("it is asked again", || dns.log.lines().len() > asked + 1);
    let answer = running.get("/example.com/tool/@v/v1.1.0.zip").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn an_upstream_that_has_ipv6_only() {
    let authority = Authority::new();
    let registry = registry(&authority, &["-tls-listen", "[::1]:0"]);
    let dns = Dns::answers(&[ONE, LOCALHOST_V6]);
    let port = registry.tls_addr().unwrap().port();
    let example = Example::read("ipv6-only")
        .registry(REGISTRY, port)
        .ca(&authority.ca());
    let running = example.dns(dns.addr).start();
    serves_both_ways(&running);
    assert!(
        dns.log
            .lines()
            .iter()
            .all(|asked| *asked == format!("AAAA {REGISTRY}")),
        "{:?}",
        dns.log.lines()
    );
    let seen = registry.seen().unwrap();
    assert!(
        seen.iter()
            .all(|seen| seen.all["remote"].as_str().unwrap().starts_with("[::1]"))
    );
}

#[test]
fn active_health_checks_and_outlier_detection() {
    let authority = Authority::new();
    let (one, two, port) = two_registries(&authority);
    let well = json!({"path": "/healthz", "kind": "body", "body": "ok"});
    for origin in [&one, &two] {
        origin.fault(&well).unwrap();
    }
    let dns = Dns::answers(&[ONE, TWO]);
    let mut example = Example::read("health-checks")
        .registry(REGISTRY, port)
        .ca(&authority.ca());
    let check = &mut example.cluster()["health_checks"][0];
    for seldom in ["interval", "no_traffic_interval"] {
        assert_eq!(check[seldom], "5s");
        check[seldom] = "0.1s".into();
    }
    let running = example.dns(dns.addr).start();
    let healthy = |count| {
        until("as many are well", || {
            stat(&running, "cluster.registry.membership_healthy") == count
        });
    };
    healthy(2);
    serves_both_ways(&running);
    let version = std::cell::Cell::new(0);
    let ask = || {
        for _ in 0..4 {
            version.set(version.get() + 1);
            let path = format!("/bench.example/n{}/@v/v1.0.0.info", version.get());
            assert_eq!(running.get(&path).unwrap().status, 200, "{path}");
        }
    };
    let asked = |origin: &Origin| {
        let seen = origin.seen().unwrap();
        let answers = seen
            .iter()
            .filter(|seen| seen.path.starts_with("/bench.example/"));
        answers.count()
    };
    ask();
    assert_eq!((asked(&one), asked(&two)), (2, 2));

    // Its own probe says that it is ill: it is not asked. (Workers hear of it within a second.)
    two.clear_faults().unwrap();
    healthy(1);
    let left_alone = |what: &str| {
        until(what, || {
            let before = asked(&two);
            ask();
            asked(&two) == before
        });
    };
    left_alone("the one whose probe fails is left alone");

    // Its probe is well and its answers are not: no client notices, and it is left alone.
    two.fault(&json!({"path": "/bench.example/*", "kind": "status", "status": 503}))
        .unwrap();
    two.fault(&well).unwrap();
    healthy(2);
    let ejected = || {
        stat(
            &running,
            "cluster.registry.outlier_detection.ejections_active",
        ) == 1
    };
    until("the one whose answers fail is ejected", || {
        ask();
        ejected()
    });
    assert!(two.seen().unwrap().iter().any(|seen| seen.status == 503));
    left_alone("the one whose answers fail is left alone");
    assert!(ejected());
}
