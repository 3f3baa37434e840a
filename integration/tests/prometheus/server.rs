//! A Prometheus with the shipped configuration and rules, addresses and intervals replaced.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use goproxy_integration::children::{self, Child};
use goproxy_integration::{http, places};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files;
use crate::world::PATIENCE;

/// How often it looks, at targets and at rules.
const INTERVAL: &str = "500ms";

/// A running Prometheus. Dropped, it is killed.
pub(crate) struct Prometheus {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

/// One series of an answer, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Prometheus {
    /// Starts it on a free port, and waits until it serves.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = files::yaml("prometheus/prometheus.yml");
        config["global"] = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL});
        let rules = &mut config["rule_files"][0];
        *rules = json!(files::folder().join(rules.as_str().expect("a name")));
        config["scrape_configs"][0]["static_configs"] = json!([{"targets": [target.to_string()]}]);
        let text = serde_yaml_ng::to_string(&config).expect("YAML");
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, text).expect("a configuration");

        let log = folder.path().join("log");
        let mut command =
            Command::new(places::prometheus().unwrap_or_else(|error| panic!("{error}")));
        command
            .arg("--config.file")
            .arg(config)
            .arg("--storage.tsdb.path")
            .arg(folder.path().join("data"))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a log"));
        let child = children::start("prometheus", command).expect("prometheus starts");
        let address = await_some("where Prometheus listens", || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            assert_eq!(child.exit(), None, "Prometheus ended: {log}");
            let line = log
                .lines()
                .find(|line| line.contains("msg=\"Listening on\""))?;
            line.rsplit_once("address=")?.1.trim().parse().ok()
        });
        await_some("Prometheus is ready", || {
            let answer = http::get(address, "/-/ready").ok()?;
            (answer.status == 200).then_some(())
        });
        Self {
            child,
            folder,
            address,
        }
    }

    /// What a query gives now.
    pub(crate) fn query(&self, text: &str) -> Vec<Sample> {
        let data = self.api(&format!("query?query={}", encoded(text)));
        let result = match data["resultType"].as_str() {
            Some("vector") => data["result"].as_array().expect("a vector").clone(),
            other => panic!("{text}: expected a vector, got {other:?}"),
        };
        let samples = result.iter().map(|sample| Sample {
            labels: serde_json::from_value(sample["metric"].clone()).expect("labels"),
            value: sample["value"][1]
                .as_str()
                .and_then(|value| value.parse().ok())
                .expect("a number"),
        });
        samples.collect()
    }

    /// Every rule with its state.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let data = self.api("rules");
        let groups = data["groups"].as_array().expect("groups");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array());
        rules.flatten().cloned().collect()
    }

    fn api(&self, path: &str) -> Value {
        let answer = http::get(self.address, &format!("/api/v1/{path}")).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            panic!("{error}; Prometheus: {:?} {log:?}", self.child.exit())
        });
        let text = answer.text();
        assert_eq!(answer.status, 200, "{path}: {text}");
        let mut read: Value = serde_json::from_str(&text).expect("JSON");
        read["data"].take()
    }
}

/// Looks until there is something.
fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A text as the value of a query's field.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
