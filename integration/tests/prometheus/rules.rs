//! The rules by themselves: promtool takes them, each alert is tried both ways, and the Operator's form says the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::files::{self, Rule};

const TESTS: [&str; 2] = ["goproxy.rules.test.yml", "goproxy.rules.days.test.yml"];

#[test]
fn promtool_takes_the_files() {
    files::assert_promtool(&["check", "rules", "goproxy.rules.yml"]);
    files::assert_promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn each_alert_fires_when_it_must_and_only_then() {
    files::assert_promtool(&["test", "rules", TESTS[0]]);
}

#[test]
fn so_do_those_that_look_at_days() {
    files::assert_promtool(&["test", "rules", TESTS[1]]);
}

/// promtool takes groups in any order, and an alert before what it looks at sees nothing.
#[test]
fn the_tests_compute_the_groups_in_the_order_of_the_file() {
    let rules = files::yaml("prometheus/goproxy.rules.yml");
    let groups = rules["groups"].as_array().expect("groups");
    let names: Value = groups.iter().map(|group| group["name"].clone()).collect();
    for file in TESTS {
        let tests = files::yaml(&format!("prometheus/{file}"));
        assert_eq!(tests["group_eval_order"], names, "{file}");
    }
}

#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in TESTS {
        let tests = files::yaml(&format!("prometheus/{file}"));
        for test in tests["tests"].as_array().expect("tests") {
            for case in test["alert_rule_test"].as_array().into_iter().flatten() {
                let name = case["alertname"].as_str().expect("alertname").to_owned();
                let expected = case["exp_alerts"].as_array().expect("exp_alerts");
                let labels = expected.iter().map(|alert| &alert["exp_labels"]);
                let variants: Vec<_> = labels.map(|l| l["window"].clone()).collect();
                match variants.is_empty() {
                    true => silent.extend([name]),
                    false => {
                        fires.extend(variants.into_iter().map(|v| (name.clone(), v.to_string())))
                    }
                }
            }
        }
    }
    let shipped = files::rules().into_iter().filter(Rule::is_alert);
    let shipped: BTreeSet<_> = shipped
        .map(|rule| (rule.name, rule.all["labels"]["window"].to_string()))
        .collect();
    assert_eq!(fires, shipped, "alerts with a case in which they fire");
    assert_eq!(
        silent,
        files::alerts(),
        "alerts with a case in which they do not"
    );
}

#[test]
fn each_alert_says_how_urgent_it_is_what_it_means_and_where_to_read_on() {
    let anchors = anchors(&files::text("metrics.md"));
    for rule in files::rules().iter().filter(|rule| rule.is_alert()) {
        let (name, labels) = (&rule.name, &rule.all["labels"]);
        let severity = labels["severity"].as_str().unwrap_or_default();
        assert!(["page", "ticket"].contains(&severity), "{name}: {labels}");
        let annotations = rule.all["annotations"].as_object().expect("annotations");
        let names: Vec<&str> = annotations.keys().map(String::as_str).collect();
        assert_eq!(names, ["description", "runbook_url", "summary"], "{name}");
        let anchor = name.to_lowercase();
        assert_eq!(
            annotations["runbook_url"],
            format!("envoy/metrics.md#{anchor}"),
            "{name}"
        );
        assert!(
            anchors.contains(&anchor),
            "{name}: envoy/metrics.md has no such heading"
        );
    }
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let texts = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    texts.map(|text| text.replace(' ', "-")).collect()
}

#[test]
fn the_operators_form_holds_the_same_rules() {
    let (shipped, made) = (
        files::text("prometheus/goproxy.prometheusrule.yaml"),
        files::text("prometheus/goproxy.rules.yml"),
    );
    let head = shipped
        .split_inclusive('\n')
        .take_while(|line| *line != "spec:\n");
    let head: String = head.chain(["spec:\n"]).collect();
    let rules = made.split_inclusive('\n').map(|line| match line {
        "\n" => line.to_owned(),
        line => format!("  {line}"),
    });
    let expected: String = std::iter::once(head).chain(rules).collect();
    assert!(
        shipped == expected,
        "make it anew by the command at its top: envoy/prometheus/goproxy.prometheusrule.yaml"
    );
    let read: Value = serde_yaml_ng::from_str(&shipped).expect("YAML");
    let rules = files::yaml("prometheus/goproxy.rules.yml");
    assert_eq!(read["spec"], rules);
    assert_eq!(
        (&read["apiVersion"], &read["kind"]),
        (&"monitoring.coreos.com/v1".into(), &"PrometheusRule".into())
    );
}

#[test]
fn each_window_of_the_error_ratio_is_computed_alike() {
    let rules = files::rules();
    let recorded = rules
        .iter()
        .filter(|rule| rule.name.starts_with("goproxy:request_errors:ratio_rate"));
    let mut forms: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for rule in recorded {
        let window = rule.name.rsplit("ratio_rate").next().expect("a window");
        let form = rule.expr.replace(&format!("[{window}]"), "[WINDOW]");
        forms.entry(form).or_default().push(window);
    }
    let windows: Vec<_> = forms.into_values().collect();
    assert_eq!(windows, [["5m", "30m", "1h", "2h", "6h", "1d", "3d"]]);
}
