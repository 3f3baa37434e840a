//! Upstreams that fail, lie and redirect, with a second one behind them: what the real `go` command and other clients get.

mod world;

use goproxy_integration::gateway::Gateway;
use goproxy_integration::go::GoHome;
use goproxy_integration::http::{self, Answer};
use goproxy_integration::origin::{Origin, Seen};
use goproxy_integration::running::Running;
use serde_json::{Value, json};
use world::{eventually, merge};

/// Two upstreams, and the gateway before them, which asks the second after any error of the first.
struct Pair {
    first: Origin,
    second: Origin,
    gateway: Running,
}

impl Pair {
    /// `upstream` is added to what is said of both; `more` to the whole configuration.
    fn start(upstream: &Value, more: Value) -> Self {
        Self::with(Origin::start(&[]).unwrap(), upstream, more)
    }

    fn with(second: Origin, upstream: &Value, more: Value) -> Self {
        let first = Origin::start(&[]).unwrap();
        let one = |name: &str, origin: &Origin| {
            let mut one =
                json!({"name": name, "target": name, "authority": origin.addr().to_string()});
            merge(&mut one, upstream.clone());
            one
        };
        let mut configuration = json!({
            "upstreams": [one("first", &first), one("second", &second)],
            "routes": [{"modules": ["*"], "chain": ["first", {"on": "any_error", "to": "second"}]}],
            "sumdb": [{"name": second.sumdb(), "target": "second", "authority": second.addr().to_string(),
                       "path": format!("/sumdb/{}", second.sumdb())}],
        });
        merge(&mut configuration, more);
        let gateway = Gateway::builder()
            .config_json(configuration.to_string())
            .cluster("first", &first.url())
            .cluster("second", &second.url())
            .start()
            .unwrap();
        Self {
            first,
            second,
            gateway,
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.gateway.get(path).unwrap()
    }

    fn go(&self) -> GoHome {
        let home = GoHome::new().unwrap();
        home.proxy(self.gateway.url())
            .sumdb(self.second.sumdb_key())
    }
}

fn ok(home: &GoHome, folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = home
        .go(arguments.iter().copied())
        .dir(folder)
        .run()
        .unwrap();
    assert!(
        output.status.success(),
        "go {arguments:?}\n{}",
        output.stderr
    );
    output.stdout
}

/// Every way that `integration/origin/README.md` lists but `tampered`, which a gateway cannot see and `go` does.
fn misbehaviours() -> Vec<Value> {
    vec![
        json!({"kind": "status", "status": 500}),
        json!({"kind": "status", "status": 503}),
        json!({"kind": "status", "status": 503, "headers": {"Retry-After": "60"}}),
        json!({"kind": "status", "status": 401, "headers": {"WWW-Authenticate": "Basic"}}),
        json!({"kind": "status", "status": 403}),
        json!({"kind": "status", "status": 404}),
        json!({"kind": "status", "status": 410}),
        json!({"kind": "status", "status": 418}),
        json!({"kind": "status", "status": 429, "headers": {"Retry-After": "60"}}),
        json!({"kind": "status", "status": 451}),
        json!({"kind": "status", "status": 502, "times": 1}),
        json!({"kind": "body", "body": "wrong bytes"}),
        json!({"kind": "body", "body": "{\"Version\": \"v9.9.9\"}"}),
        json!({"kind": "html"}),
        json!({"kind": "headers", "headers": {"Content-Encoding": "gzip", "Content-Type": "text/html"}}),
        json!({"kind": "headers", "headers": {"Set-Cookie": "a=b", "X-Odd": "\u{ff}", "Vary": "*"}}),
        json!({"kind": "delay", "delay": "50ms"}),
        json!({"kind": "delay", "delay": "20s"}),
        json!({"kind": "delay_body", "delay": "50ms"}),
        json!({"kind": "delay_body", "delay": "20s"}),
        json!({"kind": "drip", "chunk": 200, "delay": "1ms"}),
        json!({"kind": "drip", "chunk": 1, "delay": "1s"}),
        json!({"kind": "chunked"}),
        json!({"kind": "truncate"}),
        json!({"kind": "partial"}),
        json!({"kind": "redirect", "location": "{path}"}),
        json!({"kind": "redirect", "location": "https://evil.example{path}"}),
        json!({"kind": "redirect", "location": "http://169.254.169.254/latest"}),
        json!({"kind": "redirect", "status": 307, "location": "::"}),
        json!({"kind": "close"}),
        json!({"kind": "reset"}),
        json!({"kind": "reset_body"}),
        json!({"kind": "hang"}),
        json!({"kind": "hold"}),
        json!({"kind": "raw", "body": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"}),
        json!({"kind": "raw", "body": "220 smtp.example ESMTP\r\n"}),
    ]
}

/// The modules of the program: `m00.example/lib00` and so on.
const FAMILY: usize = 64;

#[test]
fn go_builds_while_the_first_upstream_misbehaves_in_every_way() {
    // None is put aside: each fault is met.
    let pair = Pair::start(&json!({"timeout": "500ms", "max_fails": 0}), json!({}));
    let kinds = misbehaviours();
    for number in 0..FAMILY {
        let mut order = kinds[number % kinds.len()].clone();
        order["path"] = format!("/m{number:02}.example/*").into();
        pair.first.fault(&order).unwrap();
    }
    pair.first
        .fault(&json!({"path": "/example.com/a/@v/list", "kind": "list", "lines": 1_000_000}))
        .unwrap();
    let home = pair.go();
    let program = home.folder().join("program");
    Origin::write_program(&program).unwrap();
    ok(&home, &program, &["mod", "download", "all"]);
    ok(&home, &program, &["build", "-o", "hello", "."]);
    let versions = ok(
        &home,
        &program,
        &["list", "-m", "-versions", "example.com/a"],
    );
    assert!(
        versions.starts_with("example.com/a v1.0.0 v1.1.0 "),
        "{versions}"
    );
    let met = pair.first.control("GET", "/__fault", "").unwrap();
    for order in met.as_array().unwrap() {
        assert!(order["hits"].as_u64() > Some(0), "never met: {order}");
    }
    // What was well at the first came from the first.
    let archives = |origin: &Origin| {
        let seen = origin.seen().unwrap();
        let archives = seen
            .iter()
            .filter(|seen| seen.method == "GET" && seen.path.ends_with(".zip"));
        archives.count()
    };
    assert!(archives(&pair.first) > 0 && archives(&pair.second) > 0);
    world::assert_unharmed(&pair.gateway, "all of them");
}

#[test]
fn bytes_that_only_the_checksum_database_can_tell_are_refused_by_go() {
    let pair = Pair::start(&json!({}), json!({}));
    pair.first
        .fault(&json!({"path": "/example.com/a/*.zip", "kind": "tampered"}))
        .unwrap();
    let home = pair.go();
    let output = home
        .go(["mod", "download", "example.com/a@v1.0.0"])
        .run()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        output.stderr.contains("SECURITY ERROR"),
        "{}",
        output.stderr
    );
}

fn modules_asked(seen: &[Seen]) -> Vec<&str> {
    let mut modules: Vec<&str> = seen
        .iter()
        .filter_map(|seen| seen.path.strip_prefix("/bench.example/")?.split('/').next())
        .collect();
    modules.dedup();
    modules
}

#[test]
fn a_dead_upstream_is_put_aside_and_taken_back() {
    let pair = Pair::start(&json!({"max_fails": 3, "fail_timeout": "1h"}), json!({}));
    pair.first
        .fault(&json!({"kind": "status", "status": 503}))
        .unwrap();
    for number in 0..8 {
        let answer = pair.get(&format!("/bench.example/n{number}/@v/v1.0.0.info"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for path in [
        "/bench.example/n8/@v/v1.0.0.zip",
        "/bench.example/n9/@v/list",
    ] {
        assert_eq!(pair.get(path).status, 200, "{path}");
    }
    let seen = pair.first.seen().unwrap();
    assert_eq!(modules_asked(&seen), ["n0", "n1", "n2"]);
    assert_eq!(seen.len(), 9, "each is asked three times: {seen:?}");

    // Who has nobody behind it is asked, however it is.
    let lonely = Gateway::builder()
        .upstream(&pair.first.url())
        .start()
        .unwrap();
    pair.first.forget().unwrap();
    for number in 0..5 {
        assert_eq!(
            lonely
                .get(&format!("/bench.example/n{number}/@v/list"))
                .unwrap()
                .status,
            502
        );
    }
    assert_eq!(
        modules_asked(&pair.first.seen().unwrap()),
        ["n0", "n1", "n2", "n3", "n4"]
    );
}

#[test]
fn an_upstream_that_is_well_again_is_asked_again() {
    let pair = Pair::start(&json!({"max_fails": 1, "fail_timeout": "1s"}), json!({}));
    pair.first.fault(&json!({"kind": "reset"})).unwrap();
    assert_eq!(pair.get("/bench.example/n0/@v/list").status, 200);
    pair.first.clear_faults().unwrap();
    pair.first.forget().unwrap();
    let mut number = 0;
    eventually("it is asked again", || {
        number += 1;
        assert_eq!(
            pair.get(&format!("/bench.example/n{number}/@v/list"))
                .status,
            200
        );
        !pair.first.seen().unwrap().is_empty()
    });
    pair.second.forget().unwrap();
    for number in 1_000..1_004 {
        assert_eq!(
            pair.get(&format!("/bench.example/n{number}/@v/list"))
                .status,
            200
        );
    }
    assert!(pair.second.seen().unwrap().is_empty());
}

#[test]
fn a_refusal_of_one_module_puts_nobody_aside() {
    let pair = Pair::start(&json!({"max_fails": 1}), json!({}));
    for (number, status) in [401, 403, 404, 410, 429, 500, 501].into_iter().enumerate() {
        let path = format!("/bench.example/n{number}/@v/list");
        pair.first
            .fault(&json!({"path": path, "kind": "status", "status": status}))
            .unwrap();
        assert_eq!(pair.get(&path).status, 200, "{status}");
        pair.first.await_seen(&path, 1).unwrap();
        pair.first.forget().unwrap();
        assert_eq!(
            pair.get(&format!("/bench.example/n{}/@v/list", number + 100))
                .status,
            200
        );
        assert_eq!(pair.first.seen().unwrap().len(), 1, "after {status}");
    }
}

#[test]
fn an_archive_of_the_second_upstream_is_found_by_head() {
    let pair = Pair::start(&json!({}), json!({}));
    let (path, status) = ("/example.com/tool/*", 404);
    pair.first
        .fault(&json!({"path": path, "kind": "status", "status": status}))
        .unwrap();
    let answer = pair.get("/example.com/tool/@v/v1.0.0.zip");
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"PK"));
    let asked = |origin: &Origin| -> Vec<String> {
        let seen = origin.seen().unwrap();
        seen.iter()
            .map(|seen| format!("{} {}", seen.method, seen.path))
            .collect()
    };
    assert_eq!(asked(&pair.first), ["HEAD /example.com/tool/@v/v1.0.0.zip"]);
    assert_eq!(
        asked(&pair.second),
        [
            "HEAD /example.com/tool/@v/v1.0.0.zip",
            "GET /example.com/tool/@v/v1.0.0.zip"
        ]
    );
}

/// A registry that sends its archives to a store, and a gateway before it.
struct Redirecting {
    registry: Origin,
    store: Origin,
    gateway: Running,
}

impl Redirecting {
    fn start(location: &str, redirects: &Value) -> Self {
        let (registry, store) = (Origin::start(&[]).unwrap(), Origin::start(&[]).unwrap());
        let location = location.replace("STORE", &store.addr().to_string());
        registry
            .fault(&json!({"path": "*.zip", "kind": "redirect", "location": location}))
            .unwrap();
        let configuration = json!({
            "upstreams": [{"name": "registry", "target": "registry", "authority": registry.addr().to_string()}],
            "routes": [{"modules": ["*"], "chain": ["registry"]}],
            "sumdb": [{"name": registry.sumdb(), "target": "registry", "authority": registry.addr().to_string(),
                       "path": format!("/sumdb/{}", registry.sumdb())}],
            "redirects": redirects,
        });
        let gateway = Gateway::builder()
            .config_json(configuration.to_string())
            .cluster("registry", &registry.url())
            .cluster("store", &store.url())
            .start()
            .unwrap();
        Self {
            registry,
            store,
            gateway,
        }
    }

    fn go(&self, module: &str) -> (bool, String) {
        let home = GoHome::new()
            .unwrap()
            .proxy(self.gateway.url())
            .sumdb(self.registry.sumdb_key());
        let output = home.go(["mod", "download", "-json", module]).run().unwrap();
        (
            output.status.success(),
            format!("{}{}", output.stdout, output.stderr),
        )
    }
}

const STORE: &str = "https://store.example/__signed{path}?Signature=x%2Fy&Expires=1";

#[test]
fn a_listed_redirect_of_an_archive_is_followed_by_the_gateway() {
    let one = Redirecting::start(
        STORE,
        &json!([{"host": "store.example", "target": "store"}]),
    );
    // The first is sent back to the gateway, which has learnt by then where to go.
    let first = one.gateway.get("/example.com/a/@v/v1.0.0.zip").unwrap();
    assert_eq!(first.status, 302);
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(
        first.header("location"),
        Some("/example.com/a/@v/v1.0.0.zip?follow")
    );
    let second = one
        .gateway
        .get("/example.com/a/@v/v1.0.0.zip?follow")
        .unwrap();
    assert_eq!(second.status, 200, "{}", second.text());
    assert!(second.body.starts_with(b"PK"));
    // From now on its archives are asked by HEAD first.
    assert_eq!(
        one.gateway
            .get("/example.com/large/@v/v1.0.0.zip")
            .unwrap()
            .status,
        200
    );
    for module in [
        "example.com/a@v1.1.0",
        "example.com/Upper/Case@v1.0.0",
        "example.com/tool@v1.0.0",
    ] {
        let (ok, said) = one.go(module);
        assert!(ok, "{module}: {said}");
    }
    let seen = one.store.seen().unwrap();
    assert!(seen.len() >= 5, "{seen:?}");
    for seen in &seen {
        assert!(
            seen.raw.starts_with("/__signed/") && seen.raw.ends_with("?Signature=x%2Fy&Expires=1"),
            "{}",
            seen.raw
        );
        assert_eq!(seen.all["host"], "store.example");
        assert_eq!(seen.all["headers"]["Referer"], Value::Null);
    }
}

#[test]
fn the_real_go_follows_the_first_redirect_of_all() {
    let one = Redirecting::start(
        STORE,
        &json!([{"host": "store.example", "target": "store"}]),
    );
    let (ok, said) = one.go("example.com/a@v1.0.0");
    assert!(ok, "{said}");
    assert_eq!(one.store.seen().unwrap().len(), 1);
}

#[test]
fn an_unlisted_redirect_is_handed_to_the_client_or_refused() {
    let unlisted = "http://STORE/__signed{path}?Signature=x";
    let pass = Redirecting::start(unlisted, &json!({"unlisted": "pass"}));
    let answer = pass.gateway.get("/example.com/a/@v/v1.0.0.zip").unwrap();
    assert_eq!(answer.status, 302);
    let expected = format!(
        "http://{}/__signed/example.com/a/@v/v1.0.0.zip?Signature=x",
        pass.store.addr()
    );
    assert_eq!(answer.header("location"), Some(&*expected));
    let (ok, said) = pass.go("example.com/a@v1.0.0");
    assert!(ok, "{said}");
    let seen = pass.store.seen().unwrap();
    assert_eq!(seen.len(), 1);
    let agent = seen[0].all["headers"]["User-Agent"].to_string();
    assert!(
        agent.contains("GoCommand") || agent.contains("Go-http-client"),
        "{agent}"
    );

    let refuse = Redirecting::start(unlisted, &json!({"unlisted": "refuse"}));
    let words = format!("redirects to {}, which is not listed", refuse.store.addr());
    for _ in 0..2 {
        let answer = refuse.gateway.get("/example.com/a/@v/v1.0.0.zip").unwrap();
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains(&words), "{}", answer.text());
        assert!(!answer.text().contains("Signature"), "{}", answer.text());
    }
    let (ok, said) = refuse.go("example.com/a@v1.0.0");
    assert!(!ok && said.contains(&words), "{said}");
    assert!(refuse.store.seen().unwrap().is_empty());
}

#[test]
fn metadata_follows_what_is_listed_so_far_and_no_further() {
    let one = Redirecting::start(
        STORE,
        &json!([{"host": "store.example", "target": "store"}]),
    );
    let redirect = |path: &str, location: &str| {
        one.registry
            .fault(&json!({"path": path, "kind": "redirect", "location": location}))
            .unwrap();
    };
    redirect("/example.com/a/@v/v1.0.0.mod", STORE);
    redirect("/example.com/a/@v/v1.0.0.info", "{path}");
    redirect(
        "/example.com/a/@v/list",
        "https://evil.example{path}?token=t0ps3cret",
    );
    let answer = one.gateway.get("/example.com/a/@v/v1.0.0.mod").unwrap();
    assert_eq!(
        (
            answer.status,
            answer.text().starts_with("module example.com/a")
        ),
        (200, true)
    );
    for (path, words) in [
        ("/example.com/a/@v/v1.0.0.info", "more than 5 times"),
        (
            "/example.com/a/@v/list",
            "redirects to evil.example, which is not listed",
        ),
    ] {
        let answer = one.gateway.get(path).unwrap();
        assert_eq!(answer.status, 502, "{path}");
        assert!(answer.text().contains(words), "{path}: {}", answer.text());
        assert!(!answer.text().contains("t0ps3cret"), "{}", answer.text());
    }
    assert_eq!(
        one.registry
            .await_seen("/example.com/a/@v/v1.0.0.info", 1)
            .unwrap()
            .len(),
        6
    );
    assert!(!one.gateway.log().contains("t0ps3cret"));
}

#[test]
fn retry_after_delays_what_it_was_said_of_and_nothing_else() {
    let origin = Origin::start(&[]).unwrap();
    let running = Gateway::builder().upstream(&origin.url()).start().unwrap();
    let list = "/example.com/a/@v/list";
    let order = json!({"path": list, "kind": "status", "status": 429, "body": "slow down", "headers": {"Retry-After": "60"}});
    origin.fault(&order).unwrap();
    for _ in 0..3 {
        let answer = running.get(list).unwrap();
        assert_eq!(answer.status, 429);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((50..=60).contains(&wait), "{wait}");
        assert!(answer.text().starts_with("slow down"), "{}", answer.text());
    }
    assert_eq!(origin.seen().unwrap().len(), 1);
    assert_eq!(
        running.get("/example.com/a/@v/v1.0.0.mod").unwrap().status,
        200
    );

    let mut order = order;
    order["headers"]["Retry-After"] = "1".into();
    order["path"] = "/example.com/tool/@v/list".into();
    order["times"] = 1.into();
    origin.fault(&order).unwrap();
    assert_eq!(
        running.get("/example.com/tool/@v/list").unwrap().status,
        429
    );
    eventually("it is asked again", || {
        running.get("/example.com/tool/@v/list").unwrap().status == 200
    });
}

#[test]
fn what_a_client_sends_along_does_not_reach_the_store() {
    let one = Redirecting::start(
        STORE,
        &json!([{"host": "store.example", "target": "store"}]),
    );
    let path = "/example.com/a/@v/v1.0.0.zip?follow";
    let secrets = [("authorization", "Bearer of-the-client"), ("cookie", "a=b")];
    let answer = http::get_with(one.gateway.addr(), path, &secrets).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    for seen in one.store.seen().unwrap() {
        for header in ["Authorization", "Cookie"] {
            assert_eq!(seen.all["headers"][header], Value::Null, "{header}");
        }
    }
}
