//! What is shipped for Elasticsearch and Kibana names the fields that events have, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::strict::template;
use crate::world::elasticsearch::mapping_types;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/elasticsearch")
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The dotted name of every field that a record can have, with the type that it should have in an index.
fn fields_of_events() -> BTreeMap<String, String> {
    let schema = read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../filter/core/schema/event.schema.json"),
    );
    let mut fields = BTreeMap::new();
    for record in ["failure", "download"] {
        collect(&schema, &schema["$defs"][record], "", &mut fields);
    }
    fields
}

fn collect(schema: &Value, object: &Value, parent: &str, fields: &mut BTreeMap<String, String>) {
    for (name, property) in object["properties"].as_object().expect("properties") {
        let name = if parent.is_empty() {
            name.clone()
        } else {
            format!("{parent}.{name}")
        };
        let of_reference = property["$ref"]
            .as_str()
            .and_then(|reference| schema.pointer(&reference[1..]));
        let shape = of_reference.unwrap_or(property);
        if name == "context" {
            for fixed in shape["required"].as_array().expect("fixed names") {
                let fixed = format!("context.{}", fixed.as_str().expect("a name"));
                let kind = if fixed == "context.node_ip" {
                    "ip"
                } else {
                    "keyword"
                };
                fields.insert(fixed, kind.to_owned());
            }
        } else if shape.get("properties").is_some() {
            collect(schema, shape, &name, fields);
        } else {
            let kind = match (name.as_str(), &shape["type"]) {
                ("timestamp", _) => "date",
                ("error.message", _) => "text",
                (_, kind) if kind == "integer" => "long",
                _ => "keyword",
            };
            fields.insert(name, kind.to_owned());
        }
    }
}

#[test]
fn the_template_has_exactly_the_fields_of_events() {
    let template = template();
    let index = "cce-logpilot-failures-2024.06";
    assert_eq!(mapping_types(index, &template), fields_of_events());
    assert_eq!(mapping_types("other", &template), BTreeMap::new());
    let mappings = &template["template"]["mappings"];
    // What a log shipper adds is kept with the document and disturbs no mapping; a context of one's own is searchable.
    assert_eq!(mappings["dynamic"], false);
    assert_eq!(mappings["properties"]["context"]["dynamic"], true);
    // Not every gateway knows its node.
    assert_eq!(
        mappings["properties"]["context"]["properties"]["node_ip"]["ignore_malformed"],
        true
    );
}

/// Every text behind the key `name`, at any depth.
fn texts_of(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if let (true, Some(text)) = (key == name, value.as_str()) {
                    found.insert(text.to_owned());
                }
                texts_of(value, name, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, name, found)),
        _ => {}
    }
}

/// An aggregation needs a field that is not analysed.
fn assert_can_be_aggregated(field: &str, what: &str) {
    let fields = fields_of_events();
    let kind = fields
        .get(field)
        .unwrap_or_else(|| panic!("{what}: no event has a field {field}"));
    assert_ne!(kind, "text", "{what}: {field} is full text");
}

#[test]
fn the_queries_ask_for_fields_of_events() {
    let mut queries = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with("query-") {
            continue;
        }
        let query = read(&path);
        let mut fields = BTreeSet::new();
        texts_of(&query, "field", &mut fields);
        assert!(fields.len() >= 2, "{name}: {fields:?}");
        for field in &fields {
            assert_can_be_aggregated(field, &name);
        }
        // A record stands for several failures, and an audited download is none.
        assert!(fields.contains("suppressed"), "{name}");
        let filters = query["query"]["bool"]["filter"]
            .as_array()
            .expect("filters");
        assert!(
            filters.contains(&json!({"term": {"event_type": "module_download_failure"}})),
            "{name}"
        );
        for filter in filters {
            for kind in ["term", "range"] {
                for field in filter[kind]
                    .as_object()
                    .into_iter()
                    .flat_map(|filter| filter.keys())
                {
                    assert_can_be_aggregated(field, &name);
                }
            }
        }
        queries += 1;
    }
    assert_eq!(queries, 3);
}

/// The JSON in a text of a saved object.
fn inner(object: &Value, pointer: &str) -> Value {
    let text = object.pointer(pointer).and_then(Value::as_str);
    let text = text.unwrap_or_else(|| panic!("{} has no {pointer}", object["id"]));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{} {pointer}: {error}", object["id"]))
}

#[test]
fn the_saved_objects_hold_together_and_show_fields_of_events() {
    let text = fs::read_to_string(folder().join("kibana.ndjson")).expect("the export");
    assert!(text.ends_with('\n'));
    let mut objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let summary = objects.pop().expect("a summary");
    assert_eq!(summary["exportedCount"], objects.len());
    let ids: BTreeSet<(&str, &str)> = objects
        .iter()
        .map(|object| {
            (
                object["type"].as_str().expect("a type"),
                object["id"].as_str().expect("an id"),
            )
        })
        .collect();
    assert_eq!(ids.len(), objects.len(), "each once");
    for object in &objects {
        let references = object["references"].as_array().expect("references");
        let mut names = BTreeSet::new();
        for reference in references {
            let (kind, id) = (
                reference["type"].as_str().expect("a type"),
                reference["id"].as_str().expect("an id"),
            );
            assert!(
                ids.contains(&(kind, id)),
                "{}: {kind} {id} is not there",
                object["id"]
            );
            names.insert(reference["name"].as_str().expect("a name"));
        }
        let attributes = &object["attributes"];
        match object["type"].as_str().expect("a type") {
            "index-pattern" => {
                assert_eq!(json!([attributes["title"]]), template()["index_patterns"]);
                assert_eq!(attributes["timeFieldName"], "timestamp");
            }
            "search" => {
                let columns = attributes["columns"].as_array().expect("columns");
                for column in columns.iter().filter_map(Value::as_str) {
                    assert!(fields_of_events().contains_key(column), "{column}");
                }
            }
            "visualization" => {
                let state = inner(object, "/attributes/visState");
                assert_eq!(state["title"], attributes["title"]);
                let mut fields = BTreeSet::new();
                texts_of(&state, "field", &mut fields);
                assert!(!fields.is_empty(), "{}", object["id"]);
                for field in &fields {
                    assert_can_be_aggregated(
                        field,
                        attributes["title"].as_str().unwrap_or_default(),
                    );
                }
            }
            "dashboard" => {
                let panels = inner(object, "/attributes/panelsJSON");
                let panels = panels.as_array().expect("panels");
                assert_eq!(panels.len(), references.len());
                for panel in panels {
                    let name = format!(
                        "{}:{}",
                        panel["panelIndex"].as_str().unwrap_or_default(),
                        panel["panelRefName"].as_str().unwrap_or_default()
                    );
                    assert!(names.contains(name.as_str()), "{name}");
                }
            }
            other => panic!("{other}"),
        }
        if object["type"] != "index-pattern" {
            let source = inner(object, "/attributes/kibanaSavedObjectMeta/searchSourceJSON");
            if let Some(name) = source["indexRefName"].as_str() {
                assert!(names.contains(name), "{}: {name}", object["id"]);
            }
        }
    }
}
