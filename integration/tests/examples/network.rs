//! Where a registry is: below a path, behind a proxy, at addresses that change, at several of them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use goproxy_integration::origin::Origin;
use serde_json::json;

use crate::authority::Authority;
use crate::counterparts::{Dns, LOCALHOST_V6, Proxy};
use crate::example::{
    BOTH_WAYS, Example, REGISTRY, refused_both_ways, registry, serves_both_ways, stat, until,
};

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
