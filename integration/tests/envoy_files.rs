//! The files under `envoy/`: valid as they stand, and doing what their comments say.

use std::path::{Path, PathBuf};
use std::process::Command;

use goproxy_integration::gateway::{Gateway, GatewayError, Ready};
use goproxy_integration::go::GoHome;
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::places;
use goproxy_integration::running::{ReconfigureError, Running};
use goproxy_integration::settings::Tls;
use serde_json::{Value, json};

fn gateway(origin: &Origin) -> Gateway {
    Gateway::builder()
        .upstream(&origin.url())
        .sumdb(origin.sumdb(), &origin.sumdb_url())
}

fn configuration(origin: &Origin, target: &str) -> Value {
    json!({
        "upstreams": [{"name": "up", "target": target, "authority": origin.addr().to_string()}],
        "routes": [{"modules": ["*"], "chain": ["up"]}],
    })
}

/// A CA for one test, and what it signed.
struct Authority {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // Not the name that rcgen gives to all: BoringSSL would take what it signs for self-signed.
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "test CA");
        let certificate = parameters.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            folder,
            issuer: rcgen::Issuer::new(parameters, key),
        }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files of a certificate for this name or address, and of its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let file = |what: &str| {
            self.folder
                .path()
                .join(format!("{}-{what}.pem", name.replace(':', "_")))
        };
        std::fs::write(file("cert"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        (file("cert"), file("key"))
    }
}

/// The names of the headers that the origin got with the last request, without Host.
fn sent_names(origin: &Origin) -> Vec<String> {
    let seen = origin.seen().unwrap();
    let headers = seen.last().unwrap().all["headers"]
        .as_object()
        .unwrap()
        .clone();
    headers
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| name != "host")
        .collect()
}

#[test]
fn the_shipped_bootstrap_is_valid_as_it_stands() {
    let output = Command::new(places::envoy().unwrap())
        .args(["--mode", "validate", "--config-path", "envoy/envoy.yaml"])
        .current_dir(places::root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        !said.contains("[warning]") && !said.contains("eprecated"),
        "{said}"
    );
}

#[test]
fn the_shipped_plugin_is_taken_by_the_filter() {
    // Its upstreams are on the Internet: nothing is asked of them, and Envoy serves whether or not their names resolve.
    let file = std::fs::read_to_string(places::envoy_file("plugin/goproxy.yaml").unwrap()).unwrap();
    let json = &file[file.find("          {").unwrap()..];
    let running = Gateway::builder()
        .config_json(json)
        .cluster("goproxy_public", "http://127.0.0.1:9")
        .cluster("sumdb_public", "http://127.0.0.1:9")
        .start();
    assert_eq!(
        running
            .unwrap()
            .get("/sumdb/sum.golang.org/supported")
            .unwrap()
            .status,
        200
    );
}

#[test]
fn an_upstream_is_sent_nothing_that_only_this_proxy_understands() {
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin).start().unwrap();
    let hostile = [
        ("x-goproxy-upstream", "sumdb_0"),
        ("x-goproxy-cache-key", "v1/x"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("cookie", "a=b"),
        ("authorization", "Bearer secret"),
        ("x-original-url", "/other"),
        ("accept-encoding", "gzip"),
    ];
    let allowed = ["user-agent", "x-request-id", "traceparent"];
    // The first by a callout of the filter, the second forwarded by Envoy.
    for path in [
        "/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/v1.0.0.zip",
    ] {
        let answer = http::get_with(running.addr(), path, &hostile).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let unexpected: Vec<String> = sent_names(&origin)
            .into_iter()
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect();
        assert!(unexpected.is_empty(), "{path}: {unexpected:?}");
        assert_eq!(origin.seen().unwrap().last().unwrap().path, path);
    }
}

#[test]
fn a_client_cannot_choose_the_cluster() {
    let origin = Origin::start(&[]).unwrap();
    let mut json = configuration(&origin, "up");
    json["serve"] = json!({"base_path": "/ours"});
    let running = Gateway::builder()
        .cluster("up", &origin.url())
        .config_json(json.to_string())
        .start()
        .unwrap();
    let answer =
        http::get_with(running.addr(), "/theirs", &[("x-goproxy-upstream", "up")]).unwrap();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "not a path of this gateway\n")
    );
    assert!(origin.seen().unwrap().is_empty());
}

#[test]
fn an_archive_is_asked_again_where_that_can_help() {
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin).start().unwrap();
    for (fault, version, status, asked) in [
        (
            json!({"kind": "status", "status": 503, "times": 2}),
            "v1.0.0",
            200,
            3,
        ),
        (json!({"kind": "close", "times": 2}), "v1.1.0", 200, 3),
        (json!({"kind": "status", "status": 503}), "v1.2.0", 502, 3),
        (
            json!({"kind": "status", "status": 403, "body": "no"}),
            "v1.2.1",
            403,
            1,
        ),
    ] {
        origin.clear_faults().unwrap();
        origin.forget().unwrap();
        let path = format!("/example.com/a/@v/{version}.zip");
        let mut order = fault.clone();
        order["path"] = path.as_str().into();
        origin.fault(&order).unwrap();
        let answer = running.get(&path).unwrap();
        let requests = origin
            .seen()
            .unwrap()
            .iter()
            .filter(|seen| seen.path == path)
            .count();
        assert_eq!(
            (answer.status, requests),
            (status, asked),
            "{fault}: {}",
            answer.text()
        );
    }
}

#[test]
fn an_archive_that_stalls_is_ended_and_one_that_flows_is_not() {
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin)
        .edit(|bootstrap| {
            let manager = bootstrap.connection_manager(0)?;
            let route = &mut manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
            assert_eq!(route["idle_timeout"], "30s");
            route["idle_timeout"] = "1s".into();
            Ok(())
        })
        .start()
        .unwrap();
    let large = "/example.com/large/@v/v1.0.0.zip";
    origin
        .fault(&json!({"path": large, "kind": "hang", "times": 1}))
        .unwrap();
    assert_eq!(running.get(large).unwrap().status, 504);
    // 2 s in all, and never 1 s without a byte.
    origin
        .fault(
            &json!({"path": large, "kind": "drip", "chunk": 131_072, "delay": "250ms", "times": 1}),
        )
        .unwrap();
    let answer = running.get(large).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() >= 1 << 20);
}

#[test]
fn a_new_configuration_is_taken_while_it_runs_and_a_bad_one_changes_nothing() {
    let (first, second) = (Origin::start(&[]).unwrap(), Origin::start(&[]).unwrap());
    let running = Gateway::builder()
        .cluster("one", &first.url())
        .cluster("two", &second.url())
        .config_json(configuration(&first, "one").to_string())
        .start()
        .unwrap();
    assert_eq!(
        running.get("/example.com/a/@v/v1.0.0.mod").unwrap().status,
        200
    );
    assert_eq!(first.seen().unwrap().len(), 1);

    let refused = running.reconfigure(r#"{"upstreams": 3}"#).unwrap_err();
    assert!(
        matches!(&refused, ReconfigureError::Refused(why) if why.contains("upstreams")),
        "{refused}"
    );
    assert_eq!(
        running.get("/example.com/a/@v/v1.1.0.mod").unwrap().status,
        200
    );
    assert_eq!(first.seen().unwrap().len(), 2);

    running
        .reconfigure(&configuration(&second, "two").to_string())
        .unwrap();
    assert_eq!(
        running.get("/example.com/a/@v/v1.2.0.mod").unwrap().status,
        200
    );
    assert_eq!(
        (first.seen().unwrap().len(), second.seen().unwrap().len()),
        (2, 1)
    );
}

#[test]
fn a_second_listener_has_a_configuration_of_its_own() {
    let (first, second) = (Origin::start(&[]).unwrap(), Origin::start(&[]).unwrap());
    let running = Gateway::builder()
        .cluster("one", &first.url())
        .cluster("two", &second.url())
        .config_json(configuration(&first, "one").to_string())
        .extra_listener("other", &configuration(&second, "two").to_string())
        .start()
        .unwrap();
    let path = "/example.com/a/@v/v1.0.0.mod";
    assert_eq!(running.get(path).unwrap().status, 200);
    assert_eq!(
        (first.seen().unwrap().len(), second.seen().unwrap().len()),
        (1, 0)
    );
    assert_eq!(
        http::get(running.listener("other"), path).unwrap().status,
        200
    );
    assert_eq!(
        (first.seen().unwrap().len(), second.seen().unwrap().len()),
        (1, 1)
    );
}

/// `go` fetches a module through the gateway, trusting this CA and no other.
fn go_download(running: &Running, origin: &Origin, ca: &Path) -> (bool, String) {
    let home = GoHome::new()
        .unwrap()
        .proxy(running.url())
        .sumdb(origin.sumdb_key());
    let output = home
        .go(["mod", "download", "-json", "example.com/a@v1.0.0"])
        .env("SSL_CERT_FILE", ca)
        .run()
        .unwrap();
    (
        output.status.success(),
        format!("{}{}", output.stdout, output.stderr),
    )
}

#[test]
fn the_listener_speaks_tls_and_http2_with_the_real_go() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin)
        .tls(Tls {
            certificate,
            key,
            client_ca: None,
        })
        .start()
        .unwrap();
    assert!(running.url().starts_with("https://"));
    let (ok, said) = go_download(&running, &origin, &authority.ca());
    assert!(ok, "{said}");
    assert!(
        running
            .stat("http.goproxy.downstream_cx_http2_total")
            .unwrap()
            > Some(0)
    );
    let (ok, said) = go_download(&running, &origin, &Authority::new().ca());
    assert!(!ok && said.contains("certificate"), "{said}");
}

#[test]
fn with_a_client_ca_nobody_comes_in_without_a_certificate() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin)
        .tls(Tls {
            certificate,
            key,
            client_ca: Some(authority.ca()),
        })
        .start()
        .unwrap();
    let (ok, said) = go_download(&running, &origin, &authority.ca());
    assert!(!ok && said.contains("certificate required"), "{said}");
}

#[test]
fn an_https_upstream_is_verified() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let flags = [
        "-tls-cert",
        certificate.to_str().unwrap(),
        "-tls-key",
        key.to_str().unwrap(),
    ];
    let origin = Origin::start(&flags).unwrap();
    let url = format!("https://{}", origin.tls_addr().unwrap());
    let path = "/example.com/a/@v/v1.0.0.zip";
    let running = Gateway::builder()
        .upstream(&url)
        .upstream_ca(&authority.ca())
        .start()
        .unwrap();
    let answer = running.get(path).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        running
            .stats("goproxy_up0.ssl.versions.TLSv1.3")
            .unwrap()
            .values()
            .any(|count| *count > 0)
    );
    assert_eq!(
        origin.seen().unwrap().last().unwrap().all["proto"],
        "HTTP/2.0"
    );

    origin.forget().unwrap();
    let stranger = Authority::new();
    // Another CA; and the right one, but for another name.
    let other_name = format!("https://localhost:{}", origin.tls_addr().unwrap().port());
    for (url, ca) in [(url, stranger.ca()), (other_name, authority.ca())] {
        let running = Gateway::builder()
            .upstream(&url)
            .upstream_ca(&ca)
            .start()
            .unwrap();
        for path in [path, "/example.com/a/@v/v1.0.0.mod"] {
            let answer = running.get(path).unwrap();
            assert!(
                (500..600).contains(&answer.status),
                "{url}{path}: {}",
                answer.status
            );
        }
        assert!(
            running
                .stats("ssl.fail_verify")
                .unwrap()
                .values()
                .sum::<u64>()
                > 0,
            "{url}"
        );
    }
    assert!(origin.seen().unwrap().is_empty());
}

#[test]
fn ipv6_is_spoken_on_both_sides() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no ::1");
        return;
    }
    let origin = Origin::start(&["-listen", "[::1]:0"]).unwrap();
    let running = Gateway::builder()
        .listen("[::1]:0".parse().unwrap())
        .upstream(&origin.url())
        .start()
        .unwrap();
    assert!(
        running.url().starts_with("http://[::1]:"),
        "{}",
        running.url()
    );
    for path in [
        "/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/v1.0.0.zip",
    ] {
        assert_eq!(running.get(path).unwrap().status, 200, "{path}");
    }
}

#[test]
fn what_the_benchmarks_compare_with_starts_too() {
    let plain = Gateway::builder().without_filter().start().unwrap();
    assert_eq!(
        plain.get("/x").unwrap().text(),
        "not a path of this gateway\n"
    );
    let noop = Gateway::builder()
        .wasm(&places::noop_filter_wasm().unwrap())
        .ready_when(Ready::Answers)
        .start()
        .unwrap();
    assert_eq!(
        noop.get("/x").unwrap().text(),
        "not a path of this gateway\n"
    );
}

#[test]
fn a_wasm_file_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.wasm");
    std::fs::write(&file, "no wasm").unwrap();
    let error = Gateway::builder()
        .upstream("http://127.0.0.1:9")
        .wasm(&file)
        .start()
        .unwrap_err();
    assert!(
        matches!(&error, GatewayError::Start(_)) && error.to_string().contains("asm"),
        "{error}"
    );
}
