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

#[test]
fn an_nginx_that_refuses_is_gone_around() {
    let depot = Depot::start();
    let path = archive(10_240, "refused");
    // Too long for nginx as it is shipped, and not for Envoy: its own error, which Envoy must not take for an upstream's.
    let sockets = depot.gateway.folder();
    let refused = std::process::Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{header_json}",
            "--http2-prior-knowledge",
        ])
        .args([
            "--unix-socket",
            sockets.join("archives.sock").to_str().unwrap(),
        ])
        .arg("http://any.example/no/key")
        .output();
    if let Ok(refused) = refused {
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert!(
            said.starts_with("503 ") && said.contains("failed"),
            "{said}"
        );
    }
    depot.get(&path).is_archive(&path);
    fetch(depot.addr(), &path).is_hit();
}
