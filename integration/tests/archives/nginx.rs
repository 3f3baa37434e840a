//! nginx that is dead, dies, hangs, or is not there at all: a slower way, and never an error or a wrong byte.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bytes::{LARGE, archive};
use crate::client::{Download, fetch};
use crate::depot::Depot;
use crate::source::Plan;
use crate::world::{assert_unharmed, eventually};

#[test]
fn without_nginx_archives_come_from_the_upstream() {
    let depot = Depot::start();
    depot.nginx().child().signal(Signal::SIGKILL);
    let _ = depot.nginx().child().wait();
    for path in [
        archive(LARGE, "a"),
        archive(10_240, "b"),
        archive(10_240, "b"),
    ] {
        let fetched = depot.get(&path);
        fetched.is_archive(&path);
        fetched.is_miss();
    }
    assert_eq!((depot.source.gets("b10240"), depot.kept()), (2, 0));
    assert_unharmed(&depot.gateway, "the death of nginx");
}

#[test]
fn when_nginx_dies_who_waits_is_served_and_who_reads_sees_that_it_broke_off() {
    let depot = Depot::start();
    let (reading, waiting) = (archive(LARGE, "reading"), archive(LARGE, "waiting"));
    depot.get(&reading).is_archive(&reading);
    let mut reader = Download::start(depot.addr(), "GET", &reading, &[]).unwrap();
    reader.read_to(1 << 20);
    depot.source.plan("waiting", Plan::Hold(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| depot.get(&waiting)))
            .collect();
        depot.source.await_gets("waiting", 1);
        eventually("all are there", || {
            let active = depot.gateway.stat("cluster.archives.upstream_rq_active");
            active.unwrap() == Some(6)
        });
        depot.nginx().child().signal(Signal::SIGKILL);
        depot.source.await_gets("waiting", 6);
        depot.source.open_gates();
        for client in clients {
            client.join().unwrap().is_archive(&waiting);
        }
    });
    let broken = reader.finish();
    assert!(!broken.whole, "{broken:?}");
    depot.get(&reading).is_archive(&reading);
    assert_unharmed(&depot.gateway, "the death of nginx");
}

#[test]
fn while_nginx_hangs_archives_come_from_the_upstream_and_then_from_the_disk_again() {
    let depot = Depot::start();
    let path = archive(LARGE, "hang");
    depot.get(&path).is_archive(&path);
    let mut reader = Download::start(depot.addr(), "GET", &path, &[]).unwrap();
    reader.read_to(1 << 20);
    depot.nginx().child().signal(Signal::SIGSTOP);
    let began = Instant::now();
    let other = archive(10_240, "other");
    let fetched = depot.get(&other);
    fetched.is_archive(&other);
    fetched.is_miss();
    let limit = Duration::from_secs(30);
    assert!(began.elapsed() < limit, "after {:?}", began.elapsed());
    let broken = reader.finish();
    assert!(!broken.whole, "{broken:?}");
    assert!(began.elapsed() < limit, "after {:?}", began.elapsed());
    eventually("nginx is out of service", || {
        depot
            .gateway
            .stat("cluster.archives.health_check.healthy")
            .unwrap()
            == Some(0)
    });
    let began = Instant::now();
    depot.get(&path).is_archive(&path);
    assert!(
        began.elapsed() < limit,
        "nobody waits for it now: {:?}",
        began.elapsed()
    );
    depot.nginx().child().signal(Signal::SIGCONT);
    eventually("it serves again", || {
        let fetched = depot.get(&path);
        fetched.is_archive(&path);
        fetched.header("cache-status").contains("hit")
    });
    assert_unharmed(&depot.gateway, "a hang of nginx");
}

/// As the host's configuration would be without the egress as a second priority, without health checks and retries.
#[test]
fn where_envoy_has_no_way_around_nginx_the_filter_has() {
    let depot = Depot::with(|gateway| {
        gateway.edit(|bootstrap| {
            let route = bootstrap.route(0, "archives")?;
            let route = route["route"].as_mapping_mut().expect("a route");
            route.remove("retry_policy").expect("a policy");
            Ok(())
        })
        .argument("--config-yaml")
        // A second cluster, with nobody at its end.
        .argument("static_resources: {clusters: [{name: alone, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: alone, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /nonexistent.sock}}}}]}]}}]}")
    });
    let json = |target: &str| {
        serde_json::json!({
            "upstreams": [{"name": "up", "target": "up", "authority": depot.source.addr().to_string()}],
            "routes": [{"modules": ["*"], "chain": ["up"]}],
            "cache": {"memory": {"size": "0B"}, "disk": {"target": target, "fail_timeout": "1h"}},
        })
    };
    for (number, target) in ["alone", "nowhere"].into_iter().enumerate() {
        let config = json(target);
        let config = serde_json::json!({"namespace": format!("n{number}")})
            .as_object()
            .into_iter()
            .flatten()
            .fold(config, |mut config, (name, value)| {
                config[name] = value.clone();
                config
            });
        depot.gateway.reconfigure(&config.to_string()).unwrap();
        let path = archive(10_240, target);
        let first = depot.get(&path);
        assert_eq!(first.status, 302, "{target}: {first:?}");
        let location = format!("{path}?direct");
        assert_eq!(first.header("location"), location);
        depot.get(&location).is_archive(&path);
        // It is aside now: nobody is sent around.
        depot.get(&path).is_archive(&path);
        assert_eq!(depot.source.gets(target), 2);
    }
    assert_unharmed(&depot.gateway, "a disk cache that is not there");
}

/// Both ways behind the disk cache end at the same socket: the filter has a third.
#[test]
fn when_the_way_behind_nginx_is_gone_archives_come_without_it() {
    let depot = Depot::start();
    let cold = archive(10_240, "cold");
    std::fs::remove_file(depot.gateway.folder().join("egress.sock")).unwrap();
    let first = depot.get(&cold);
    assert_eq!(first.status, 302, "{first:?}");
    assert_eq!(first.header("location"), format!("{cold}?direct"));
    fetch(depot.addr(), first.header("location")).is_archive(&cold);
    assert_unharmed(&depot.gateway, "a way that is gone");
}

#[test]
fn what_has_no_key_is_refused_by_nginx_in_words_that_envoy_knows() {
    let depot = Depot::start();
    let socket = depot.gateway.folder().join("archives.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ask = async |key: Option<&str>| {
        let stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::get("http://any.example/no/key");
        if let Some(key) = key {
            request = request.header("x-goproxy-cache-key", key);
        }
        let (answer, _) = client
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        let answer = answer.await.unwrap();
        let said = answer.headers().get("x-goproxy-disk");
        let said = said.map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), said)
    };
    for (key, expected) in [
        (None, (503, Some("failed".to_owned()))),
        (Some(""), (503, Some("failed".to_owned()))),
        // Without an origin only what is on the disk is wanted.
        (Some("v1/x"), (404, Some("miss".to_owned()))),
    ] {
        assert_eq!(runtime.block_on(ask(key)), expected, "{key:?}");
    }
    assert_eq!(depot.kept(), 0);
}
