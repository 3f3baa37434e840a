//! `envoy/metrics.md` names everything that there is to name, and what it shows is what is shipped.

use goproxy_pages::metrics::{FAMILIES, PREFIX, Shape};
use serde_json::Value;

use crate::files;

#[test]
fn the_page_names_every_metric_with_its_type_and_labels() {
    let page = files::text("metrics.md");
    for family in FAMILIES {
        let shape = match family.shape {
            Shape::Counter => "counter",
            Shape::Gauge => "gauge",
            Shape::Histogram => "histogram",
        };
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let row = format!(
            "| `{PREFIX}{}` | {shape} | {} |",
            family.name,
            labels.join(", ")
        );
        assert!(
            page.contains(&row),
            "envoy/metrics.md: expected a row that begins with {row}"
        );
    }
}

#[test]
fn the_page_has_a_part_for_every_alert_and_for_no_other() {
    let page = files::text("metrics.md");
    let headings = page
        .lines()
        .filter_map(|line| line.strip_prefix("### Goproxy"));
    let mut described: Vec<String> = headings.map(|name| format!("Goproxy{name}")).collect();
    described.sort();
    assert_eq!(described, files::alerts().into_iter().collect::<Vec<_>>());
}

#[test]
fn the_pages_monitors_are_yaml_and_scrape_as_the_shipped_configuration_does() {
    let page = files::text("metrics.md");
    let scrape = &files::yaml("prometheus/prometheus.yml")["scrape_configs"][0];
    let kept = &scrape["metric_relabel_configs"][0]["regex"];
    let mut kinds = Vec::new();
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().expect("an end");
        let read: Value =
            serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let Some(kind) = read["kind"].as_str() else {
            continue;
        };
        let endpoints = match kind {
            "PodMonitor" => &read["spec"]["podMetricsEndpoints"],
            "ServiceMonitor" => &read["spec"]["endpoints"],
            _ => continue,
        };
        kinds.push(kind.to_owned());
        assert_eq!(read["apiVersion"], "monitoring.coreos.com/v1", "{kind}");
        assert_eq!(endpoints[0]["path"], scrape["metrics_path"], "{kind}");
        assert_eq!(
            endpoints[0]["metricRelabelings"][0]["regex"], *kept,
            "{kind}"
        );
        assert_eq!(endpoints[0]["port"], "metrics", "{kind}");
    }
    assert_eq!(kinds, ["PodMonitor", "ServiceMonitor"]);
}
