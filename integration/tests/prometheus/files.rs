//! The shipped files for Prometheus and Grafana, read, and promtool, which reads them too.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use goproxy_integration::places;
use serde_json::Value;

/// Where rules and their tests are.
pub(crate) fn folder() -> PathBuf {
    places::envoy_file("prometheus").expect("envoy/prometheus")
}

/// A shipped file, `prometheus/goproxy.rules.yml`.
pub(crate) fn text(name: &str) -> String {
    let file = places::envoy_file(name).expect(name);
    std::fs::read_to_string(file).expect(name)
}

pub(crate) fn yaml(name: &str) -> Value {
    serde_yaml_ng::from_str(&text(name)).expect(name)
}

/// One rule, of whatever group.
pub(crate) struct Rule {
    /// What it records; or the alert's name.
    pub(crate) name: String,
    pub(crate) expr: String,
    /// All of it.
    pub(crate) all: Value,
}

impl Rule {
    pub(crate) fn is_alert(&self) -> bool {
        self.all.get("alert").is_some()
    }
}

/// Every rule that is shipped.
pub(crate) fn rules() -> Vec<Rule> {
    let file = yaml("prometheus/goproxy.rules.yml");
    let groups = file["groups"].as_array().expect("groups");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"));
    let rules: Vec<Rule> = rules
        .map(|rule| Rule {
            name: rule["alert"]
                .as_str()
                .or(rule["record"].as_str())
                .expect("a name")
                .to_owned(),
            expr: rule["expr"].as_str().expect("expr").to_owned(),
            all: rule.clone(),
        })
        .collect();
    assert!(rules.len() > 10, "{}", rules.len());
    rules
}

/// The names of all alerts.
pub(crate) fn alerts() -> BTreeSet<String> {
    let rules = rules().into_iter().filter(Rule::is_alert);
    rules.map(|rule| rule.name).collect()
}

/// One query of the dashboard.
pub(crate) struct Query {
    /// The panel that it is of, and its letter.
    pub(crate) of: String,
    pub(crate) expr: String,
}

/// Every panel of the dashboard that asks something.
pub(crate) fn panels() -> Vec<Value> {
    let dashboard: Value =
        serde_json::from_str(&text("grafana/goproxy.json")).expect("a dashboard");
    let panels = dashboard["panels"].as_array().expect("panels").clone();
    let panels = panels.into_iter().filter(|panel| panel["type"] != "row");
    panels.collect()
}

/// Every query that the dashboard makes.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for panel in panels() {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().expect("targets") {
            queries.push(Query {
                of: format!("{title} {}", target["refId"].as_str().expect("refId")),
                expr: target["expr"].as_str().expect("expr").to_owned(),
            });
        }
    }
    assert!(queries.len() > 30, "{}", queries.len());
    queries
}

/// promtool with these arguments, beside the rules; what it is given is its standard input.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Output {
    let tool = places::promtool().unwrap_or_else(|error| panic!("{error}"));
    let mut child = Command::new(tool)
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("promtool ends");
    writer.join().expect("no panic").expect("promtool reads");
    output
}

/// It found nothing to say against it.
pub(crate) fn assert_promtool(arguments: &[&str]) {
    let output = promtool(arguments, "");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "promtool {arguments:?}: {said:?}");
}
