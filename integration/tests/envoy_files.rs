//! The files under `envoy/`: valid as they stand, and doing what their comments say.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use goproxy_integration::children;
use goproxy_integration::gateway::{Gateway, GatewayError, Ready};
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::places;
use goproxy_integration::running::ReconfigureError;
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
    let [archives, metrics] = ["archives.yaml", "metrics.yaml"]
        .map(|name| std::fs::read_to_string(places::envoy_file(name).unwrap()).unwrap());
    for more in ["{}", &archives, &metrics] {
        let output = Command::new(places::envoy().unwrap())
            .args(["--mode", "validate", "--config-path", "envoy/envoy.yaml"])
            .args(["--config-yaml", more])
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
}

#[test]
fn the_files_for_redis_are_valid_as_they_stand() {
    let merged = ["webdis-cluster", "upstash-cluster", "redis-cluster"].map(|name| {
        let file = places::envoy_file(&format!("redis/{name}.yaml")).unwrap();
        [
            "envoy/envoy.yaml",
            "--config-yaml",
            &std::fs::read_to_string(file).unwrap(),
        ]
        .map(str::to_owned)
        .to_vec()
    });
    let alone = vec!["envoy/redis/redis-cluster.yaml".to_owned()];
    for arguments in merged.into_iter().chain([alone]) {
        let output = Command::new(places::envoy().unwrap())
            .args(["--mode", "validate", "--config-path"])
            .args(&arguments)
            .env("REDIS_PASSWORD", "change-me")
            .current_dir(places::root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(
            !said.contains("[warning]") && !said.contains("eprecated"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn the_shipped_files_serve_from_the_root_with_nothing_replaced_but_ports_and_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = std::fs::read_to_string(places::envoy_file("envoy.yaml").unwrap()).unwrap();
    for (shipped, here) in [
        ("port_value: 8080", "port_value: 0"),
        ("port_value: 9901", "port_value: 0"),
        ("address: proxy.golang.org", "address: 127.0.0.1"),
        ("address: sum.golang.org", "address: 127.0.0.1"),
    ] {
        assert!(text.contains(shipped), "{shipped}");
        text = text.replace(shipped, here);
    }
    if TcpListener::bind("[::1]:0").is_err() {
        let from = text.find("    additional_addresses:").unwrap();
        let to = from + text[from..].find("    # What Envoy buffers").unwrap();
        text.replace_range(from..to, "");
    }
    let (bootstrap, admin, log) = (
        folder.path().join("e.yaml"),
        folder.path().join("admin"),
        folder.path().join("log"),
    );
    std::fs::write(&bootstrap, text).unwrap();
    let mut command = Command::new(places::envoy().unwrap());
    command
        .arg("-c")
        .arg(&bootstrap)
        .arg("--admin-address-path")
        .arg(&admin)
        .current_dir(places::root());
    command
        .args(["--disable-hot-restart", "--concurrency", "1"])
        .stderr(std::fs::File::create(&log).unwrap());
    let envoy = children::start("envoy", command).unwrap();
    let mut serving = Vec::new();
    let until = Instant::now() + Duration::from_secs(20);
    while serving.is_empty() && Instant::now() < until {
        let _ = envoy.wait_at_most(Duration::from_millis(20));
        serving = listening(&admin).unwrap_or_default();
        serving.retain(|address| {
            http::get(*address, "/-/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }
    let log = std::fs::read_to_string(&log).unwrap();
    let expected = if TcpListener::bind("[::1]:0").is_err() {
        1
    } else {
        2
    };
    assert_eq!(serving.len(), expected, "{serving:?}\n{log}");
    assert!(!log.contains("[warning]"), "{log}");
}

/// All addresses of all listeners, by Envoy's admin pages.
fn listening(admin: &Path) -> Option<Vec<SocketAddr>> {
    let admin = std::fs::read_to_string(admin).ok()?.trim().parse().ok()?;
    let page: Value =
        serde_json::from_slice(&http::get(admin, "/listeners?format=json").ok()?.body).ok()?;
    let listener = page["listener_statuses"].get(0)?;
    let more = listener["additional_local_addresses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let addresses = std::iter::once(listener["local_address"].clone()).chain(more);
    addresses
        .map(|address| {
            let socket = &address["socket_address"];
            let ip: IpAddr = socket["address"].as_str()?.parse().ok()?;
            Some(SocketAddr::new(
                ip,
                socket["port_value"].as_u64()?.try_into().ok()?,
            ))
        })
        .collect()
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
            let route = &mut bootstrap.route(0, "forwarded")?["route"];
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

#[test]
fn with_the_readiness_filter_a_probe_fails_while_the_gateway_drains_and_nothing_else_does() {
    let origin = Origin::start(&[]).unwrap();
    let running = gateway(&origin)
        .edit(|bootstrap| {
            let fragment =
                std::fs::read_to_string(places::envoy_file("readiness-filter.yaml")?).unwrap();
            let filters = bootstrap.connection_manager(0)?["http_filters"].as_sequence_mut();
            filters
                .unwrap()
                .insert(0, serde_yaml_ng::from_str(&fragment).unwrap());
            Ok(())
        })
        .start()
        .unwrap();
    assert_eq!(
        http::send("POST", running.admin(), "/healthcheck/fail", "")
            .unwrap()
            .status,
        200
    );
    assert_eq!(running.get("/-/readyz").unwrap().status, 503);
    let served = running.get("/example.com/a/@v/list").unwrap();
    assert_eq!(
        (served.status, served.header("connection")),
        (200, Some("close"))
    );
}

#[test]
fn ipv6_is_spoken_on_both_sides() {
    if TcpListener::bind("[::1]:0").is_err() {
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
