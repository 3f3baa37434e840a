//! The pages of a gateway in a real Envoy: what they say of a process with several workers, who sees them, and that whoever
//! asks what became of a download finds out.

#[path = "../world/mod.rs"]
mod world;

use goproxy_integration::bootstrap::{Bootstrap, BootstrapError};
use serde_json::{Value, json};

use crate::world::{World, assert_unharmed, closed_port, config, eventually, h1, merge};

const GUARDED: [&str; 5] = [
    "/",
    "/-/env",
    "/-/status",
    "/-/metrics",
    "/-/explain?path=/example.com/a/@v/list",
];

fn text(answer: &h1::Answer) -> String {
    assert!(answer.whole, "{answer:?}");
    answer.text()
}

fn status(world: &World) -> Value {
    let answer = world.get("/-/status");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Waits until the status says something.
fn await_status(world: &World, what: &str, check: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    eventually(what, || {
        last = status(world);
        check(&last)
    });
    last
}

#[test]
fn a_browser_may_show_a_page_and_nothing_more() {
    let world = World::start();
    for path in GUARDED {
        let answer = world.get(path);
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{path}: {answer:?}"
        );
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        let mut connection = h1::Connection::open(world.addr());
        connection.send(&h1::request("HEAD", path, &[]));
        let head = connection.answer(true).expect("an answer to HEAD");
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(
            head.header("content-type"),
            answer.header("content-type"),
            "{path}"
        );
        // The connection is in order: nothing of a body came behind the head.
        connection.ask("/-/readyz", &[]);
        assert_eq!(
            connection.answer(false).expect("the next answer").status,
            200
        );
    }
    world.assert_unharmed("pages");
}

#[test]
fn the_line_that_sets_up_go_has_the_address_that_the_client_used() {
    let world = World::with(|gateway, origin| {
        let more = json!({"serve": {"base_path": "/go"}});
        gateway.config_json(config(origin, more).to_string())
    });
    // The name by which this client calls every gateway.
    let address = "http://gateway.example/go";
    let env = text(&world.get("/go/-/env"));
    let line = format!("go env -w GOPROXY={address}\n");
    assert!(env.starts_with(&line), "{env}");
    assert!(text(&world.get("/go/")).contains(&format!("GOPROXY={address}<")));
    assert_eq!(
        world.get("/-/env").status,
        404,
        "not ours: Envoy's own route"
    );
    assert_unharmed(&world.gateway, "a base path");
}

#[test]
fn the_numbers_are_those_of_all_workers() {
    let world = World::with(|gateway, _| gateway.workers(2));
    let list = "/example.com/a/@v/list";
    // Envoy gives a connection to whichever worker is faster: enough of them come to both.
    let both = |status: &Value| status["workers"] == 2;
    let mut asked = 0;
    eventually("both workers have served", || {
        for _ in 0..8 {
            assert_eq!(world.get(list).status, 200);
        }
        asked += 8;
        both(&status(&world))
    });
    let all = await_status(&world, "every request is counted", |status| {
        let requests = &status["requests"];
        let count = |name: &str| requests[name].as_u64().unwrap_or_default();
        count("hit") + count("miss") == asked
    });
    assert_eq!(all["requests"]["error"], 0, "{all}");
    assert!(all["cache"]["memory"]["hit"].as_u64() > Some(0), "{all}");
    assert_eq!(all["upstreams"][0]["state"], "well", "{all}");
    assert_eq!(all["failures"], json!([]), "{all}");
    let page = text(&world.get("/"));
    assert!(
        page.contains("2 workers") && page.contains("None is told of since"),
        "{page}"
    );
    let digest = all["config_digest"].as_str().unwrap_or_default();
    assert!(
        digest.len() == 16 && page.contains(digest),
        "{digest}: {page}"
    );
}

#[test]
fn a_failed_download_is_on_the_page_and_is_explained() {
    let world = World::start();
    let path = "/example.com/a/@v/v1.9.9.zip";
    let words = "<script>alert(1)</script> & nothing\n";
    let _fault = world.fault(
        "/example.com/a/@v/v1.9.9.*",
        "status",
        json!({"status": 404, "body": words, "headers": {"Content-Type": "text/plain"}}),
    );
    assert_eq!(world.get(path).status, 404);
    let all = await_status(&world, "the failure is told", |status| {
        status["failures"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    let failure = &all["failures"][0];
    assert_eq!(failure["module"]["name"], "example.com/a");
    assert_eq!(failure["error"]["code"], "404");
    let page = text(&world.get("/"));
    assert!(
        page.contains("<b class=\"mono\">example.com/a@v1.9.9</b>"),
        "{page}"
    );
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; nothing"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    let link = format!("/-/explain?path={path}");
    assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    let explained = text(&world.get(&link));
    for line in [
        "path        /example.com/a/@v/v1.9.9.zip\n",
        "is          zip for example.com/a@v1.9.9, which never changes\n",
        "upstreams   origin: well\n",
        "memory      404 of ",
        "now         answered from the cache\n",
    ] {
        assert!(explained.contains(line), "{line}: {explained}");
    }
    let seen = world.asked(path);
    world.get(&link);
    assert_eq!(world.asked(path), seen, "looking asks nobody");
    world.assert_unharmed("a failed download");
}

#[test]
fn an_upstream_that_is_left_alone_is_seen_by_people_and_by_probes() {
    let nowhere = format!("http://127.0.0.1:{}", closed_port());
    let world = World::with(|gateway, origin| {
        let mut config = config(origin, json!({}));
        let dead = json!({"name": "dead", "target": "dead", "authority": "dead.example", "fail_timeout": "60s"});
        merge(
            &mut config,
            json!({"upstreams": [dead], "routes": [{"modules": ["*"], "chain": ["dead"]}]}),
        );
        gateway
            .cluster("dead", &nowhere)
            .config_json(config.to_string())
    });
    assert_eq!(world.get("/-/readyz?upstream").status, 200);
    for module in ["a", "b", "c"] {
        assert_eq!(
            world.get(&format!("/example.com/{module}/@v/list")).status,
            502
        );
    }
    let probe = world.get("/-/readyz?upstream");
    assert_eq!(probe.status, 503, "{probe:?}");
    assert!(
        probe.text().ends_with("requests failed: dead\n"),
        "{probe:?}"
    );
    assert_eq!(world.get("/-/readyz").status, 200);
    await_status(&world, "the upstream is aside", |status| {
        let dead = status["upstreams"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["name"] == "dead");
        dead.is_some_and(|dead| dead["state"] == "aside" && dead["aside_workers"] == 1)
    });
    let page = text(&world.get("/"));
    assert!(
        page.contains("1 upstream is left alone, since requests failed"),
        "{page}"
    );
    let explained = text(&world.get("/-/explain?path=/example.com/a/@v/list"));
    assert!(explained.contains("dead: left alone for "), "{explained}");
}

/// Envoy believes what the load balancer before it says of the client.
fn behind_a_load_balancer(bootstrap: &mut Bootstrap) -> Result<(), BootstrapError> {
    bootstrap.connection_manager(0)?["xff_num_trusted_hops"] = 1.into();
    Ok(())
}

#[test]
fn whoever_is_in_no_network_of_admin_sees_the_probes_only() {
    let world = World::with(|gateway, _| gateway.edit(behind_a_load_balancer));
    for (client, status) in [
        ("203.0.113.9", 403),
        ("2001:db8::9", 403),
        ("10.1.2.3", 200),
        ("fd00::9", 200),
        ("127.0.0.1", 200),
    ] {
        let from = [("X-Forwarded-For", client)];
        for path in GUARDED {
            let answer = h1::get_with(world.addr(), path, &from);
            assert_eq!(answer.status, status, "{client} {path}: {answer:?}");
            if status == 403 {
                assert_eq!(
                    answer.header("content-type"),
                    Some("text/plain; charset=utf-8")
                );
                let body = answer.text();
                assert!(
                    body.contains("admin.cidrs") && body.contains(client),
                    "{body}"
                );
            }
        }
        for path in [
            "/-/healthz",
            "/-/readyz",
            "/-/readyz?upstream",
            "/example.com/a/@v/list",
        ] {
            assert_eq!(
                h1::get_with(world.addr(), path, &from).status,
                200,
                "{client} {path}"
            );
        }
        assert_eq!(h1::get_with(world.addr(), "/-/nothing", &from).status, 404);
    }
    let nobody = World::with(|gateway, origin| {
        let more = json!({"admin": {"cidrs": ["192.0.2.0/24"]}});
        gateway.config_json(config(origin, more).to_string())
    });
    // Without a load balancer nobody's word is believed.
    let claims = [("X-Forwarded-For", "192.0.2.7")];
    for path in GUARDED {
        assert_eq!(
            h1::get_with(nobody.addr(), path, &claims).status,
            403,
            "{path}"
        );
    }
    world.assert_unharmed("pages that were not shown");
}
