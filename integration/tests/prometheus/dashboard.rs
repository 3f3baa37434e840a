//! The dashboard by itself: Grafana can lay it out, and it asks for what there is.

use std::collections::BTreeSet;

use goproxy_pages::metrics::{FAMILIES, PREFIX};
use serde_json::{Value, json};

use crate::files;
use crate::selectors::selectors;

/// Labels that Prometheus adds to what it scrapes, and the bound of a bucket.
const LABELS: [&str; 3] = ["job", "instance", "le"];

#[test]
fn every_panel_has_a_place_a_datasource_that_can_be_chosen_and_queries_with_letters() {
    let panels = files::panels();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in &panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "{title}: its id is another panel's too"
        );
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().expect("gridPos"));
        assert!(x + w <= 24, "{title}: stands out on the right");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title}: lies on another panel");
        }
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().expect("targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                letters.insert(target["refId"].as_str().expect("refId")),
                "{title}"
            );
        }
        assert_eq!(
            panel["datasource"],
            json!({"type": "prometheus", "uid": "${datasource}"}),
            "{title}"
        );
    }
}

#[test]
fn its_variables_are_those_that_its_queries_have() {
    let dashboard: Value =
        serde_json::from_str(&files::text("grafana/goproxy.json")).expect("JSON");
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert!(
        dashboard["schemaVersion"].as_u64() >= Some(38),
        "Grafana 10"
    );
    for query in files::queries() {
        let rest = query
            .expr
            .replace("$job", "")
            .replace("$instance", "")
            .replace("$__rate_interval", "");
        assert!(!rest.contains('$'), "{}: {}", query.of, query.expr);
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are_by_labels_that_they_have() {
    let recorded: BTreeSet<String> = files::rules().into_iter().map(|rule| rule.name).collect();
    let queries = files::queries()
        .into_iter()
        .map(|query| (query.of, query.expr));
    let rules = files::rules()
        .into_iter()
        .map(|rule| (rule.name, rule.expr));
    for (of, query) in queries.chain(rules) {
        for selector in selectors(&query) {
            let (name, labels) = selector.split_once('{').unwrap_or((&selector, ""));
            let Some(name) = name.strip_prefix(PREFIX) else {
                assert!(
                    !name.contains(':') || recorded.contains(name),
                    "{of}: nothing records {name}"
                );
                continue;
            };
            let family = FAMILIES.iter().find(|family| {
                let suffix = name.strip_prefix(family.name);
                suffix.is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
            });
            let family =
                family.unwrap_or_else(|| panic!("{of}: there is no metric {PREFIX}{name}"));
            for label in labels
                .trim_end_matches('}')
                .split("\",")
                .filter(|label| !label.is_empty())
            {
                let label = label.split(['=', '!']).next().expect("a label");
                assert!(
                    family.labels.contains(&label) || LABELS.contains(&label),
                    "{of}: {name} has no label {label}"
                );
            }
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let queries: Vec<String> = files::queries()
        .into_iter()
        .map(|query| query.expr)
        .collect();
    for family in FAMILIES {
        let name = format!("{PREFIX}{}", family.name);
        assert!(queries.iter().any(|query| query.contains(&name)), "{name}");
    }
}
