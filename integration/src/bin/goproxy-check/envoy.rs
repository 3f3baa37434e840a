//! What a file of Envoy's or Istio's says that matters to a plugin configuration: clusters, and the
//! configurations embedded in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use goproxy_core::config::Config;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The clusters of a bootstrap.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    file: String,
    clusters: BTreeSet<String>,
    /// Whether Envoy learns of more clusters while it runs.
    discovers_more: bool,
}

impl Bootstrap {
    /// Reads a file that must be a bootstrap with static clusters.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| format!("{file}: {error}"))?;
        let documents = documents(&bytes).map_err(|error| format!("{file}: {error}"))?;
        let found = documents
            .iter()
            .find_map(|document| Self::of_document(&file, document));
        found.ok_or_else(|| format!("{file}: expected static_resources.clusters, got none"))
    }

    fn of_document(file: &str, document: &Value) -> Option<Self> {
        let document = document.as_object()?;
        let resources = either(document, "static_resources", "staticResources")?;
        let dynamic =
            either(document, "dynamic_resources", "dynamicResources").and_then(Value::as_object);
        let clusters = resources.get("clusters")?.as_array()?;
        let name = |cluster: &Value| Some(cluster.get("name")?.as_str()?.to_owned());
        Some(Self {
            file: file.to_owned(),
            clusters: clusters.iter().filter_map(name).collect(),
            discovers_more: dynamic
                .is_some_and(|dynamic| either(dynamic, "cds_config", "cdsConfig").is_some()),
        })
    }

    /// Whether a target that is no cluster here may still become one.
    pub(crate) fn discovers_more(&self) -> bool {
        self.discovers_more
    }

    /// A problem for each target that is no cluster here.
    pub(crate) fn missing_targets(&self, config: &Config) -> Vec<String> {
        let upstreams = config
            .upstreams
            .iter()
            .map(|upstream| ("upstreams", &upstream.target));
        let databases = config
            .sumdb
            .iter()
            .map(|database| ("sumdb", &database.upstream.target));
        // What was written as an array is told as the object that it stands for.
        let redirects = config.redirects.hosts.iter();
        let redirects = redirects.map(|listed| ("redirects.hosts", &listed.target));
        let listed = upstreams
            .enumerate()
            .chain(databases.enumerate())
            .chain(redirects.enumerate())
            .map(|(index, (list, target))| (format!("{list}[{index}]"), target));
        let redis = config.redis.iter();
        let redis = redis.map(|redis| ("cache.redis".to_owned(), &redis.target));
        let disk = config.disk.iter();
        let disk = disk.map(|disk| ("cache.disk".to_owned(), &disk.target));
        let targets = listed.chain(redis).chain(disk);
        let missing = targets.filter(|(_, target)| !self.clusters.contains(*target));
        let names: Vec<&str> = self.clusters.iter().map(String::as_str).collect();
        let (file, names) = (&self.file, names.join(", "));
        let tell = |(place, target): (String, &String)| {
            format!("{place}.target: expected a cluster of {file} ({names}), got {target:?}")
        };
        missing.map(tell).collect()
    }
}

/// A wasm plugin in a file of the host.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// What the host calls it.
    pub(crate) name: String,
    /// Its configuration as the host hands it over, or why there is none.
    pub(crate) configuration: Result<String, String>,
}

/// The clusters (if the file has any) and the wasm plugins of a file.
pub(crate) fn read_plugins(
    file: &str,
    bytes: &[u8],
) -> Result<(Option<Bootstrap>, Vec<Plugin>), serde_yaml_ng::Error> {
    let documents = documents(bytes)?;
    let bootstrap = documents
        .iter()
        .find_map(|document| Bootstrap::of_document(file, document));
    let mut plugins = Vec::new();
    for document in &documents {
        find_plugins(document, &mut plugins);
    }
    Ok((bootstrap, plugins))
}

/// The documents of a YAML file; JSON is YAML.
fn documents(bytes: &[u8]) -> Result<Vec<Value>, serde_yaml_ng::Error> {
    serde_yaml_ng::Deserializer::from_slice(bytes)
        .map(Value::deserialize)
        .collect()
}

/// Walks a document: a `PluginConfig` is what has a `vm_config`, wherever it stands.
fn find_plugins(value: &Value, plugins: &mut Vec<Plugin>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| find_plugins(value, plugins)),
        Value::Object(object) if object.get("kind").is_some_and(|kind| kind == "WasmPlugin") => {
            plugins.push(istio_plugin(object));
        }
        Value::Object(object) => {
            if either(object, "vm_config", "vmConfig").is_some() {
                plugins.push(envoy_plugin(object));
            }
            object
                .values()
                .for_each(|value| find_plugins(value, plugins));
        }
        _ => {}
    }
}

fn envoy_plugin(object: &Map<String, Value>) -> Plugin {
    let name = object
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Plugin {
        name: name.to_owned(),
        configuration: envoy_configuration(object.get("configuration")),
    }
}

/// What Envoy hands over: a `StringValue` as it is, a `Struct` as JSON.
fn envoy_configuration(any: Option<&Value>) -> Result<String, String> {
    let Some(any) = any else {
        return Ok(String::new());
    };
    let kind = any.get("@type").and_then(Value::as_str).unwrap_or_default();
    match (kind.rsplit('/').next(), any.get("value")) {
        (Some("google.protobuf.StringValue"), Some(Value::String(text))) => Ok(text.clone()),
        (Some("google.protobuf.Struct"), Some(value @ Value::Object(_))) => Ok(value.to_string()),
        _ => Err(format!(
            "configuration: expected a StringValue or a Struct with a value, got {kind:?}"
        )),
    }
}

/// Istio names the plugin `<namespace>.<name>` and hands `pluginConfig` over as JSON.
fn istio_plugin(object: &Map<String, Value>) -> Plugin {
    let metadata = |key: &str| object.get("metadata")?.get(key)?.as_str();
    let name = metadata("name").unwrap_or_default();
    let name = metadata("namespace").map_or_else(
        || name.to_owned(),
        |namespace| format!("{namespace}.{name}"),
    );
    let config = object.get("spec").and_then(|spec| spec.get("pluginConfig"));
    Plugin {
        name,
        configuration: Ok(config.map(Value::to_string).unwrap_or_default()),
    }
}

/// A field by its proto name or its JSON name; Envoy reads both.
fn either<'a>(object: &'a Map<String, Value>, proto: &str, json: &str) -> Option<&'a Value> {
    object.get(proto).or_else(|| object.get(json))
}
