//! A real Prometheus that scraped a real run: every query of the dashboard and every rule finds what it looks for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use goproxy_integration::http;
use goproxy_integration::running::Running;
use serde_json::json;

use crate::files;
use crate::mortal;
use crate::scraping::Scene;
use crate::selectors::selectors;
use crate::server::{Prometheus, Sample};
use crate::world::{self, closed_port, eventually, h1};

/// Some samples are there only when a rule was computed and a rate has two points: seconds, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(90);

/// Alerts of which somebody is told.
const FIRING: &str = r#"ALERTS{alertstate="firing"}"#;

/// What a healthy run has nothing of, and why.
const ABSENT: &[(&str, &str)] = &[];

/// What Grafana puts in place of its variables.
fn substituted(query: &str) -> String {
    let query = query
        .replace("$job", "goproxy")
        .replace("$instance", ".*")
        .replace("$__rate_interval", "30s");
    assert!(
        !query.contains('$'),
        "a variable that the test does not know: {query}"
    );
    query
}

/// Everything that must have data, by what it is of.
fn wanted() -> BTreeMap<String, BTreeSet<String>> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut want = |query: String, of: String| wanted.entry(query).or_default().insert(of);
    for query in files::queries() {
        let text = substituted(&query.expr);
        for selector in selectors(&text) {
            want(selector, query.of.clone());
        }
        want(text, query.of);
    }
    for rule in files::rules() {
        for selector in selectors(&rule.expr) {
            want(selector, rule.name.clone());
        }
        if !rule.is_alert() {
            want(rule.name.clone(), rule.name.clone());
            want(rule.expr, rule.name);
        }
    }
    // Alerts of the run are no data that anybody must have.
    wanted.retain(|query, _| !query.starts_with("ALERTS{"));
    wanted
}

fn is_data(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| !sample.value.is_nan())
}

#[test]
fn every_query_of_the_dashboard_and_every_rule_finds_data() {
    let scene = Scene::start(|gateway| gateway.workers(2));
    let prometheus = Prometheus::start(scene.gateway.admin());
    let mut missing = wanted();
    for (query, reason) in ABSENT {
        assert!(
            missing.remove(*query).is_some(),
            "nobody asks {query} ({reason})"
        );
    }
    let until = Instant::now() + PATIENCE;
    for round in 0.. {
        scene.clients_ask(round);
        missing.retain(|query, _| !is_data(&prometheus.query(query)));
        if missing.is_empty() {
            break;
        }
        let late = Instant::now() > until;
        assert!(!late, "no data within {PATIENCE:?}: {missing:#?}");
    }
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    world::assert_unharmed(&scene.gateway, "a run that was scraped");
    assert!(!scene.collector.documents().is_empty());
}

/// Waits until an alert fires.
fn await_alert(prometheus: &Prometheus, name: &str) {
    let query = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
    eventually(&format!("{name} fires"), || {
        !prometheus.query(&query).is_empty()
    });
}

#[test]
fn what_envoy_alone_can_tell_is_an_alert() {
    let plugin = mortal::plugin();
    let scene = Scene::start(|gateway| gateway.wasm(plugin.path()));
    let prometheus = Prometheus::start(scene.gateway.admin());
    let quiet = "envoy_wasm_goproxy_vm_reload_success == 0";
    eventually("Prometheus has seen that nothing happened", || {
        !prometheus.query(quiet).is_empty()
    });
    assert_eq!(prometheus.query(FIRING), []);

    let refused = scene.gateway.reconfigure("{\"upstreams\": 1}");
    assert!(refused.is_err());
    await_alert(&prometheus, "GoproxyConfigurationRefused");

    mortal::kill(&mut h1::Connection::open(scene.gateway.addr()));
    scene.clients_ask(0);
    await_alert(&prometheus, "GoproxyVmReloaded");
}

#[test]
fn lost_events_are_an_alert() {
    // Nobody takes them, and hardly any can wait.
    let scene = Scene::start(|gateway| gateway);
    let prometheus = Prometheus::start(scene.gateway.admin());
    let dropped = r#"goproxy_events_total{sink="http",result="dropped"}"#;
    scene.clients_ask(0);
    eventually("Prometheus knows that nothing was dropped", || {
        let samples = prometheus.query(dropped);
        !samples.is_empty() && samples.iter().all(|sample| sample.value == 0.0)
    });
    let mut config = scene.config.clone();
    config["events"]["http"]["target"] = json!("dead");
    config["events"]["http"]["queue"] = json!("64KiB");
    scene
        .gateway
        .reconfigure(&config.to_string())
        .expect("a good configuration");
    let mut round = 1;
    eventually("an event is dropped", || {
        round += 1;
        scene.clients_ask(round);
        prometheus
            .query(dropped)
            .iter()
            .any(|sample| sample.value > 0.0)
    });
    await_alert(&prometheus, "GoproxyEventsDropped");
}

/// The listener of `envoy/metrics.yaml`, in a gateway.
#[test]
fn the_port_for_prometheus_gives_metrics_and_nothing_else() {
    let port = closed_port();
    let admin = closed_port();
    let extra = files::text("metrics.yaml")
        .replace(
            "0.0.0.0, port_value: 9902",
            &format!("127.0.0.1, port_value: {port}"),
        )
        .replace("port_value: 9901", &format!("port_value: {admin}"));
    assert!(extra.contains(&admin.to_string()) && extra.contains(&port.to_string()));
    let scene = Scene::start(|gateway| {
        gateway
            .edit(move |bootstrap| bootstrap.admin(([127, 0, 0, 1], admin).into()))
            .argument("--config-yaml")
            .argument(&extra)
    });
    let (door, gateway) = (([127, 0, 0, 1], port).into(), &scene.gateway);
    assert!(
        http::get(door, "/stats/prometheus")
            .expect("an answer")
            .text()
            .contains("envoy_server_live")
    );
    for (method, path) in [
        ("GET", "/stats/prometheus?usedonly"),
        ("GET", "/stats"),
        ("GET", "/config_dump"),
        ("GET", "/stats/prometheus/../../config_dump"),
        ("POST", "/stats/prometheus"),
        ("POST", "/quitquitquit"),
    ] {
        let answer = http::send(method, door, path, "").expect("an answer");
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    assert_scraped_from(door, gateway);
}

fn assert_scraped_from(door: std::net::SocketAddr, gateway: &Running) {
    let prometheus = Prometheus::start(door);
    eventually("Prometheus scrapes the port", || {
        prometheus.query(r#"up{job="goproxy"} == 1"#).len() == 1
    });
    world::assert_alive(gateway, "a scrape through the port for it");
}
