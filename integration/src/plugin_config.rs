//! The plugin's configuration, made from UPSTREAM and SUMDB, and the clusters that it names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::archives;
use crate::base_url::BaseUrl;
use crate::events::EventsHttp;
use crate::lists::{FallThrough, Link, Named};
use crate::redis_http::RedisHttp;

/// Puts `upstreams`, one route, `sumdb`, `cache.redis`, `cache.disk` and `events.http` into the shipped configuration; what else stands
/// there stays.
///
/// # Errors
/// The shipped configuration is no JSON object.
pub fn make(
    shipped: &str,
    chain: &[Link],
    databases: &[Named],
    redis: Option<&RedisHttp>,
    on_disk: bool,
    events_http: Option<&EventsHttp>,
) -> Result<String, serde_json::Error> {
    let mut configuration: serde_json::Map<String, Value> = serde_json::from_str(shipped)?;
    let upstreams: Vec<Value> = chain
        .iter()
        .enumerate()
        .map(|(index, link)| {
            let mut upstream = json!({
                "name": format!("up{index}"), "target": upstream_cluster(index), "authority": link.url.authority(),
            });
            if !link.url.path.is_empty() {
                upstream["path"] = link.url.path.as_str().into();
            }
            upstream
        })
        .collect();
    let databases: Vec<Value> = databases
        .iter()
        .enumerate()
        .map(|(index, database)| {
            let mut entry = json!({
                "name": database.name, "target": database_cluster(index), "authority": database.url.authority(),
            });
            if !database.url.path.is_empty() {
                entry["path"] = database.url.path.as_str().into();
            }
            entry
        })
        .collect();
    configuration.insert("upstreams".to_owned(), upstreams.into());
    configuration.insert(
        "routes".to_owned(),
        json!([{"modules": ["*"], "chain": links(chain)}]),
    );
    configuration.insert("sumdb".to_owned(), databases.into());
    if let Some(redis) = redis {
        let cache = configuration.entry("cache").or_insert(json!({}));
        cache["redis"] = redis.configuration();
    }
    if on_disk {
        let cache = configuration.entry("cache").or_insert(json!({}));
        cache["disk"] = json!({"target": archives::TARGET});
    }
    if let Some(collector) = events_http {
        let events = configuration.entry("events").or_insert(json!({}));
        events["http"] = collector.configuration();
    }
    serde_json::to_string_pretty(&configuration)
}

/// The clusters that [`make`] names.
#[must_use]
pub fn clusters(chain: &[Link], databases: &[Named]) -> Vec<(String, BaseUrl)> {
    let upstreams = chain
        .iter()
        .enumerate()
        .map(|(index, link)| (upstream_cluster(index), link.url.clone()));
    let databases = databases
        .iter()
        .enumerate()
        .map(|(index, named)| (database_cluster(index), named.url.clone()));
    upstreams.chain(databases).collect()
}

/// Every `target` that a configuration names. One that is no JSON names none: the filter will say what is wrong with it.
#[must_use]
pub fn targets(configuration: &str) -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(entries) => {
                found.extend(
                    entries
                        .get("target")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                entries.values().for_each(|value| collect(value, found));
            }
            Value::Array(entries) => entries.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(
        &serde_json::from_str(configuration).unwrap_or(Value::Null),
        &mut found,
    );
    found
}

/// The environment variables that a configuration names (`env:NAME`), in order.
#[must_use]
pub fn environment(configuration: &str) -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => found.extend(text.strip_prefix("env:").map(str::to_owned)),
            Value::Object(entries) => entries.values().for_each(|value| collect(value, found)),
            Value::Array(entries) => entries.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(
        &serde_json::from_str(configuration).unwrap_or(Value::Null),
        &mut found,
    );
    found
}

/// Where a configuration serves: what a client has to ask for to be answered by the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Without a slash at its end; empty for the root.
    pub base_path: String,
    /// A host that is served, where not every one is.
    pub host: Option<String>,
}

/// Reads `serve`.
#[must_use]
pub fn served(configuration: &str) -> Served {
    let configuration: Value = serde_json::from_str(configuration).unwrap_or(Value::Null);
    let serve = &configuration["serve"];
    let hosts: Vec<&str> = serve["hosts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let host = match hosts.first() {
        _ if hosts.contains(&"*") => None,
        // Any name below will do.
        Some(first) => Some(
            first
                .strip_prefix("*.")
                .map_or((*first).to_owned(), |name| format!("goproxy.{name}")),
        ),
        None => None,
    };
    Served {
        base_path: serve["base_path"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches('/')
            .to_owned(),
        host,
    }
}

fn upstream_cluster(index: usize) -> String {
    format!("goproxy_up{index}")
}

fn database_cluster(index: usize) -> String {
    format!("sumdb_{index}")
}

/// A chain in the configuration's form: a name is asked after 404 and 410, an object says when else.
fn links(chain: &[Link]) -> Vec<Value> {
    let mut before = FallThrough::NotFound;
    let mut links = Vec::new();
    for (index, link) in chain.iter().enumerate() {
        let name = format!("up{index}");
        links.push(match before {
            FallThrough::NotFound => json!(name),
            FallThrough::AnyError => json!({"to": name, "on": "any_error"}),
        });
        before = link.then;
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{chain, sumdb};

    #[test]
    fn the_shipped_configuration_keeps_what_the_variables_do_not_say() {
        let shipped =
            r#"{"upstreams": [{"name": "public"}], "routes": [], "serve": {"base_path": "/"}}"#;
        let chain = chain("https://a.example/x|http://127.0.0.1:3000,https://c.example").unwrap();
        let databases = sumdb("sum.golang.org=http://127.0.0.1:3000/sumdb/sum.golang.org").unwrap();
        let made = make(shipped, &chain, &databases, None, false, None).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&made).unwrap(),
            json!({
                "upstreams": [
                    {"name": "up0", "target": "goproxy_up0", "authority": "a.example", "path": "/x"},
                    {"name": "up1", "target": "goproxy_up1", "authority": "127.0.0.1:3000"},
                    {"name": "up2", "target": "goproxy_up2", "authority": "c.example"},
                ],
                "routes": [{"modules": ["*"], "chain": ["up0", {"to": "up1", "on": "any_error"}, "up2"]}],
                "sumdb": [{"name": "sum.golang.org", "target": "sumdb_0", "authority": "127.0.0.1:3000",
                           "path": "/sumdb/sum.golang.org"}],
                "serve": {"base_path": "/"},
            })
        );
        let clusters = clusters(&chain, &databases);
        let names: Vec<_> = clusters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["goproxy_up0", "goproxy_up1", "goproxy_up2", "sumdb_0"]
        );
        assert_eq!(
            targets(&made),
            names.into_iter().map(str::to_owned).collect()
        );
    }

    #[test]
    fn redis_comes_into_the_shipped_cache_and_its_secrets_are_named() {
        let shipped = r#"{"cache": {"memory": {"size": "32MiB"}}}"#;
        let redis = RedisHttp::parse("upstash+http://127.0.0.1:8080", true, true).unwrap();
        let made = make(shipped, &[], &[], Some(&redis), true, None).unwrap();
        let cache = &serde_json::from_str::<Value>(&made).unwrap()["cache"];
        assert_eq!(cache["memory"]["size"], "32MiB");
        assert_eq!(cache["redis"], redis.configuration());
        assert_eq!(cache["disk"], json!({"target": "archives"}));
        let targets = targets(&made);
        assert!(targets.contains("redis_http") && targets.contains("archives"));
        let names: Vec<String> = environment(&made).into_iter().collect();
        assert_eq!(names, ["REDIS_SIGNING_KEY", "REDIS_TOKEN"]);
    }

    #[test]
    fn a_collector_comes_beside_what_the_shipped_file_says_of_events() {
        let shipped = r#"{"events": {"stdout": true}}"#;
        let collector = EventsHttp::parse("elasticsearch+http://127.0.0.1:9200").unwrap();
        let made = make(shipped, &[], &[], None, false, Some(&collector)).unwrap();
        let events = &serde_json::from_str::<Value>(&made).unwrap()["events"];
        assert_eq!(
            events,
            &json!({"stdout": true, "http": collector.configuration()})
        );
        assert!(targets(&made).contains("events_http"));
    }

    #[test]
    fn a_configuration_that_is_no_json_names_no_target() {
        assert!(targets("{").is_empty());
    }

    #[test]
    fn what_is_served_is_asked_for() {
        for (serve, base_path, host) in [
            ("{}", "", None),
            (r#"{"serve": {"hosts": ["*"], "base_path": "/"}}"#, "", None),
            (
                r#"{"serve": {"hosts": ["go.example", "*"], "base_path": "/mod/"}}"#,
                "/mod",
                None,
            ),
            (
                r#"{"serve": {"hosts": ["go.example:8080"]}}"#,
                "",
                Some("go.example:8080"),
            ),
            (
                r#"{"serve": {"hosts": ["*.example"]}}"#,
                "",
                Some("goproxy.example"),
            ),
        ] {
            let expected = Served {
                base_path: base_path.to_owned(),
                host: host.map(str::to_owned),
            };
            assert_eq!(served(serve), expected, "{serve}");
        }
    }
}
