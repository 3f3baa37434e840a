//! TLS on both sides: the listener's, with the real `go`, and the verification of upstreams.

mod common;

use std::path::Path;

use common::Authority;
use goproxy_integration::gateway::Gateway;
use goproxy_integration::go::GoHome;
use goproxy_integration::origin::Origin;
use goproxy_integration::running::Running;
use goproxy_integration::settings::Tls;

fn gateway(origin: &Origin) -> Gateway {
    Gateway::builder()
        .upstream(&origin.url())
        .sumdb(origin.sumdb(), &origin.sumdb_url())
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
fn with_a_client_ca_only_clients_with_a_certificate_come_in() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let origin = Origin::start(&[]).unwrap();
    let tls = Tls {
        certificate,
        key,
        client_ca: Some(authority.ca()),
    };
    let running = gateway(&origin).tls(tls).start().unwrap();
    // `go` has none; what it sees of the refusal depends on which side is faster.
    let (ok, said) = go_download(&running, &origin, &authority.ca());
    assert!(!ok, "{said}");
    assert!(
        running
            .stats("ssl.fail_verify_no_cert")
            .unwrap()
            .values()
            .any(|count| *count > 0)
    );
    assert!(origin.seen().unwrap().is_empty());

    // A gateway before it, as a sidecar would be, has one.
    let (certificate, key) = authority.sign("sidecar.example");
    let sidecar = Gateway::builder()
        .upstream(&running.url())
        .upstream_ca(&authority.ca())
        .edit(move |bootstrap| {
            let clusters = &mut bootstrap.tree()["static_resources"]["clusters"];
            let context = &mut clusters[0]["transport_socket"]["typed_config"]["common_tls_context"];
            context["tls_certificates"] = serde_yaml_ng::from_str(&format!(
                "[{{certificate_chain: {{filename: {certificate:?}}}, private_key: {{filename: {key:?}}}}}]"
            ))
            .unwrap();
            Ok(())
        })
        .start()
        .unwrap();
    for path in [
        "/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/v1.0.0.zip",
    ] {
        let answer = sidecar.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert_eq!(origin.seen().unwrap().len(), 2);
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
