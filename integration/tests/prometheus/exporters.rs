//! What is told at both places: Envoy's exporter and the gateway's own page.

use std::collections::BTreeMap;

use goproxy_integration::http;

use crate::files::promtool;
use crate::scraping::Scene;
use crate::world::{self, eventually};

/// The samples of the gateway's own that do not move by being asked for, by name and labels in order.
fn samples(page: &str) -> BTreeMap<String, String> {
    let ours = page
        .lines()
        .filter(|line| line.starts_with("goproxy_") && !line.contains("endpoint=\"page\""));
    let samples = ours.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}');
        let mut labels: Vec<&str> = labels
            .split(',')
            .filter(|label| !label.is_empty())
            .collect();
        labels.sort_unstable();
        (format!("{name}{{{}}}", labels.join(",")), value.to_owned())
    });
    samples.collect()
}

#[test]
fn both_exporters_say_the_same_and_promtool_has_nothing_to_add() {
    let scene = Scene::start(|gateway| gateway.workers(2));
    scene.clients_ask(0);
    let own = || http::get(scene.gateway.addr(), "/-/metrics").expect("an answer");
    eventually("both exporters say the same", || {
        let (own, envoys) = (
            samples(&own().text()),
            samples(&world::prometheus(&scene.gateway)),
        );
        !own.is_empty() && own == envoys
    });
    let own = own();
    assert_eq!(
        (own.status, own.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    let output = promtool(&["check", "metrics"], &own.text());
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(said.concat(), "", "of /-/metrics");
    assert!(output.status.success());

    // Envoy knows neither help texts nor histograms of a filter; there is nothing else to say against the names.
    let output = promtool(&["check", "metrics"], &world::prometheus(&scene.gateway));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours = said.lines().filter(|line| line.starts_with("goproxy_"));
    let faults: Vec<&str> = ours
        .filter(|line| !line.ends_with(" no help text"))
        .filter(|line| !line.starts_with("goproxy_request_duration_seconds_"))
        .collect();
    assert_eq!(faults, [] as [&str; 0]);
    assert!(!said.contains("error while linting"), "{said}");
}
