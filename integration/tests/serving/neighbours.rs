//! The gateway as a guest: another application on its listener, another configuration in its VM.

use goproxy_integration::bootstrap::{Bootstrap, BootstrapError};
use goproxy_integration::gateway::Gateway;
use goproxy_integration::origin::Origin;
use goproxy_integration::running::Running;
use serde_json::json;

use crate::world::app::App;
use crate::world::{World, assert_unharmed, config, eventually, h1, prometheus};

/// What is not the gateway's goes to the application, by a cluster that takes nothing out.
fn route_to_app(bootstrap: &mut Bootstrap) -> Result<(), BootstrapError> {
    let host = &mut bootstrap.connection_manager(0)?["route_config"]["virtual_hosts"][0];
    let routes = host["routes"].as_sequence_mut().expect("routes");
    let route = routes
        .iter_mut()
        .find(|route| route["name"] == "not_ours")
        .expect("the shipped route of what is not the gateway's");
    *route = serde_yaml_ng::from_str("{name: not_ours, match: {prefix: /}, route: {cluster: app}}")
        .expect("a route");
    let clusters = bootstrap.tree()["static_resources"]["clusters"].as_sequence_mut();
    for cluster in clusters
        .into_iter()
        .flatten()
        .filter(|cluster| cluster["name"] == "app")
    {
        let options = &mut cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        options
            .as_mapping_mut()
            .expect("options")
            .remove("http_filters");
    }
    Ok(())
}

/// A client's own `x-goproxy-upstream` reaches the filter.
fn without_early_removal(bootstrap: &mut Bootstrap) -> Result<(), BootstrapError> {
    let manager = bootstrap.connection_manager(0)?;
    let removed = manager
        .as_mapping_mut()
        .and_then(|manager| manager.remove("early_header_mutation_extensions"));
    assert!(
        removed.is_some(),
        "the shipped listener removes these headers early"
    );
    Ok(())
}

fn beside(app: &App, origin: &Origin) -> Gateway {
    let serve = json!({"serve": {"hosts": ["go.example", "*.go.example"], "base_path": "/go"}});
    Gateway::builder()
        .cluster("origin", &origin.url())
        .cluster("sums", &origin.url())
        .cluster("app", &app.url())
        .config_json(config(origin, serve).to_string())
        .edit(route_to_app)
}

fn start(gateway: Gateway) -> Running {
    gateway.start().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn requests_that_are_not_ours_pass_as_if_there_were_no_filter() {
    let (app, origin) = (App::start(), Origin::start(&[]).expect("the origin starts"));
    let with = start(beside(&app, &origin));
    let without = start(beside(&app, &origin).without_filter());
    while !app.is_quiet() {}
    let big = "x".repeat(300_000);
    let post = |fields: &str, body: &str| {
        format!("POST /go-form?q=%zz HTTP/1.1\r\nHost: go.example\r\n{fields}\r\n{body}")
    };
    let length = format!("Content-Length: {}\r\n", big.len());
    let mut passed = 0;
    for request in [
        b"GET / HTTP/1.1\r\nHost: go.example\r\n\r\n".to_vec(),
        b"GET /golang HTTP/1.1\r\nHost: go.example\r\n\r\n".to_vec(),
        b"GET /Go/x HTTP/1.1\r\nHost: go.example\r\n\r\n".to_vec(),
        b"GET /go/example.com/a/@v/list HTTP/1.1\r\nHost: www.example\r\n\r\n".to_vec(),
        b"GET /go/example.com/a/@v/list HTTP/1.1\r\nHost: xgo.example\r\n\r\n".to_vec(),
        b"GET /a/../b//c%2Fd?x HTTP/1.1\r\nHost: other\r\n\r\n".to_vec(),
        b"GET /x HTTP/1.1\r\nHost: other\r\nX-Odd: \xff\xfe\r\nAuthorization: Basic eA==\r\nCookie: a=b\r\nCookie: c=d\r\nAccept-Encoding: gzip\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-1\r\n\r\n".to_vec(),
        b"GET /x HTTP/1.1\r\nHost: other\r\nX-Goproxy-Upstream: origin\r\nX-Goproxy-Cache-Key: evil\r\nx-request-id: mine\r\ntraceparent: 00-1\r\n\r\n".to_vec(),
        b"DELETE /x HTTP/1.1\r\nHost: other\r\n\r\n".to_vec(),
        b"OPTIONS /x HTTP/1.1\r\nHost: other\r\nOrigin: https://a\r\n\r\n".to_vec(),
        post("Content-Length: 11\r\nContent-Type: text/x\r\n", "hello\0world").into_bytes(),
        post(&length, &big).into_bytes(),
        post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n").into_bytes(),
    ] {
        let what = request[..request.len().min(200)].escape_ascii().to_string();
        let exchange = |gateway: &Running| {
            let answer = h1::exchange(gateway.addr(), &request).unwrap_or_else(|error| panic!("{what}: {error}"));
            let reached = app.request();
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date" && name != "x-envoy-upstream-service-time");
            (reached, answer.status, headers, answer.body)
        };
        let (plain, filtered) = (exchange(&without), exchange(&with));
        // Without one of the client's, each request has an id of its own.
        let anonymous = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| match line.split_once("x-request-id: ") {
                Some((start, id)) if id.len() == 36 => format!("{start}x-request-id: (made)"),
                _ => line.clone(),
            }).collect()
        };
        assert_eq!(anonymous(&filtered.0.head), anonymous(&plain.0.head), "{what}: the request that arrived");
        assert!(filtered.0.body == plain.0.body, "{what}: {} bytes arrived, expected {}", filtered.0.body.len(), plain.0.body.len());
        assert_eq!(filtered.1, 299, "{what}");
        assert_eq!((filtered.2, filtered.3), (plain.2, plain.3), "{what}: the answer");
        passed += 1;
    }
    assert_eq!(passed, 13);
    assert_eq!(
        origin.await_seen("*", 0).expect("the origin answers").len(),
        0,
        "the origin is not the application"
    );
    // Ours are ours, and only they are counted.
    for host in ["go.example", "GO.example:8080", "a.go.example"] {
        let answer = h1::get_with(with.addr(), "/go/example.com/a/@v/list", &[("Host", host)]);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/plain; charset=utf-8")),
            "{host}"
        );
    }
    assert!(
        app.is_quiet(),
        "what is ours does not reach the application"
    );
    let counted = || {
        let page = prometheus(&with);
        let lines = page
            .lines()
            .filter(|line| line.starts_with("goproxy_requests_total{"));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>()
    };
    // Two more are the launcher's look at readiness, if it was made through the same door.
    eventually("three requests are counted", || {
        (3..=4).contains(&counted())
    });
    assert_unharmed(&with, "a neighbour's requests");
}

#[test]
fn a_client_cannot_choose_an_upstream() {
    let (app, origin) = (App::start(), Origin::start(&[]).expect("the origin starts"));
    for early in [true, false] {
        let mut gateway = beside(&app, &origin);
        if !early {
            gateway = gateway.edit(without_early_removal);
        }
        let gateway = start(gateway);
        while !app.is_quiet() {}
        for host in ["go.example", "other"] {
            for field in ["x-goproxy-upstream", "X-Goproxy-Upstream"] {
                for target in ["app", "origin", "nowhere", ""] {
                    let what = format!("{field}: {target} for {host}, removed early: {early}");
                    let headers = [
                        ("Host", host),
                        (field, target),
                        ("x-goproxy-cache-key", "evil"),
                    ];
                    let answer = h1::get_with(
                        gateway.addr(),
                        "/go/example.com/large/@v/v1.0.0.zip",
                        &headers,
                    );
                    if host == "other" {
                        assert_eq!(answer.status, 299, "{what}: {answer:?}");
                        let head = app.request().head;
                        assert!(
                            !head.iter().any(|line| line.contains("x-goproxy")),
                            "{what}: {head:?}"
                        );
                    } else {
                        assert_eq!(
                            (answer.status, answer.whole),
                            (200, true),
                            "{what}: {answer:?}"
                        );
                        assert!(answer.body.starts_with(b"PK"), "{what}");
                    }
                    assert!(app.is_quiet(), "{what}");
                }
            }
        }
        assert_unharmed(&gateway, "chosen upstreams");
    }
    let headers = origin.seen().expect("the origin answers");
    assert!(headers.iter().all(|seen| {
        !seen.all["headers"]
            .to_string()
            .to_lowercase()
            .contains("x-goproxy")
    }));
}

#[test]
fn two_listeners_of_one_vm_each_obey_their_own_configuration() {
    let second = Origin::start(&[]).expect("a second origin starts");
    let world = World::with(|gateway, origin| {
        let other = json!({
            "upstreams": [{"name": "second", "target": "second", "authority": second.addr().to_string()}],
            "routes": [{"modules": ["example.com"], "chain": ["second"]}],
            "serve": {"base_path": "/other"},
            "cache": {"freshness": {"mutable": "7s"}},
        });
        // The same upstreams as the first, in the first one's namespace.
        let sharing = config(
            origin,
            json!({"namespace": "goproxy", "cache": {"freshness": {"mutable": "8s"}}}),
        );
        gateway
            .cluster("second", &second.url())
            .extra_listener("other", &other.to_string())
            .extra_listener("sharing", &sharing.to_string())
    });
    let list = "/example.com/a/@v/list";
    let ask = |name: &str, path: &str| h1::get(world.gateway.listener(name), path);
    let asked = |origin: &Origin| {
        origin
            .await_seen(list, 0)
            .expect("the origin answers")
            .len()
    };

    let first = world.get(list);
    assert_eq!(
        (first.status, first.header("cache-control")),
        (200, Some("public, max-age=60"))
    );
    assert_eq!((asked(&world.origin), asked(&second)), (1, 0));

    let other = ask("other", &format!("/other{list}"));
    assert_eq!(
        (other.status, other.header("cache-control")),
        (200, Some("public, max-age=7")),
        "{other:?}"
    );
    assert_eq!(
        (asked(&world.origin), asked(&second)),
        (1, 1),
        "a namespace of its own"
    );
    assert_eq!(ask("other", list).text(), "not a path of this gateway\n");
    assert_eq!(
        ask("other", "/other/bench.example/n1/@v/v1.0.0.mod").status,
        404,
        "no route"
    );
    assert_eq!(
        ask("other", "/other/sumdb/sum.origin.example/supported").status,
        404,
        "no database"
    );
    assert_eq!(world.get("/sumdb/sum.origin.example/supported").status, 200);

    let shared = ask("sharing", list);
    assert!(
        shared
            .header("cache-status")
            .is_some_and(|status| status.contains("; hit;")),
        "{shared:?}"
    );
    assert_eq!(
        (asked(&world.origin), asked(&second)),
        (1, 1),
        "the same namespace"
    );

    // A new configuration of one does not touch the other.
    let new = json!({
        "upstreams": [{"name": "second", "target": "second", "authority": second.addr().to_string()}],
        "routes": [{"modules": ["*"], "chain": ["second"]}],
        "cache": {"freshness": {"mutable": "9s"}},
    });
    world
        .gateway
        .reconfigure_plugin("other", &new.to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        ask("other", "/bench.example/n1/@v/list").header("cache-control"),
        Some("public, max-age=9")
    );
    assert_eq!(
        world
            .get("/bench.example/n1/@v/list")
            .header("cache-control"),
        Some("public, max-age=60")
    );
    world.assert_unharmed("three configurations in one VM");
}
