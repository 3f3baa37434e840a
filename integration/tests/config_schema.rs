//! The checked-in JSON Schema is the one that the types give, and agrees with the examples.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use goproxy_core::config::json_schema;
use serde_json::Value;

/// Makes the schema anew, from the top of the repository.
const REGENERATE: &str = "cargo run -p goproxy-integration --bin goproxy-check -- --print-schema > filter/config/schema/config.schema.json";

/// What a schema cannot say: ranges of what has a unit, the calendar, and what no single field can tell.
const BEYOND_A_SCHEMA: &[&str] = &[
    "admin-bits",
    "admin-mapped",
    "admin-octets",
    "authority-of-sumdb-name",
    "authority-port",
    "chain-dangling",
    "chain-dangling-many-names",
    "chain-dangling-rule",
    "chain-first-with-rule",
    "chain-off",
    "chain-repeated",
    "disk-target-of-redirect",
    "disk-target-of-upstream",
    "fail-timeout-too-long",
    "fail-timeout-too-short",
    "freshness-immutable-zero",
    "freshness-too-long",
    "invalidate-before-1970",
    "invalidate-day",
    "invalidate-hour",
    "invalidate-month",
    "key-twice",
    "max-object-above-size",
    "max-object-too-large",
    "max-object-too-small",
    "max-object-while-off",
    "memory-size-overflow",
    "memory-size-too-large",
    "memory-size-too-small",
    "name-twice",
    "name-twice-sumdb",
    "name-upstream-and-sumdb",
    "path-empty-element",
    "path-parent",
    "path-parent-escaped",
    "pattern-class",
    "pattern-url",
    "redirects-host-twice",
    "redirects-host-twice-array",
    "redis-authority-of-target",
    "redis-fail-timeout-too-short",
    "redis-max-value-above-queue",
    "redis-max-value-too-large",
    "redis-max-value-too-small",
    "redis-queue-too-large",
    "redis-queue-too-small",
    "redis-timeout-zero",
    "redis-ttl-too-long",
    "redis-ttl-zero",
    "redis-upstash-without-token",
    "redis-webdis-with-token",
    "route-after-catch-all",
    "route-pattern-covered",
    "route-pattern-twice",
    "several-problems-between-fields",
    "shared-size-too-large",
    "shared-size-too-small",
    "timeout-overflow",
    "timeout-overflow-sum",
    "timeout-too-long",
    "timeout-zero",
];

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../filter/config")
}

/// Of the examples in `examples/events`, which the filter does not act on yet: the same.
const EVENTS_BEYOND_A_SCHEMA: &[&str] = &[
    "authority-required",
    "context-too-long",
    "context-twice",
    "index-of-json",
    "index-required",
    "max-age-too-long",
    "max-age-too-short",
    "max-bytes-too-large",
    "max-bytes-too-small",
    "no-sink",
    "no-sink-stdout-false",
    "queue-too-large",
    "queue-too-small",
    "timeout-zero",
];

/// The examples of a folder that are JSON at all.
fn examples(folder: &str) -> Result<Vec<(String, Value)>, Box<dyn Error>> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(crate_folder().join("examples").join(folder))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
            && let Ok(json) = serde_json::from_slice(&fs::read(&path)?)
        {
            examples.push((name, json));
        }
    }
    examples.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(examples)
}

#[test]
fn the_checked_in_schema_is_that_of_the_types() -> Result<(), Box<dyn Error>> {
    let checked_in: Value =
        serde_json::from_slice(&fs::read(crate_folder().join("schema/config.schema.json"))?)?;
    if checked_in == json_schema() {
        return Ok(());
    }
    Err(
        format!("filter/config/schema/config.schema.json is stale; make it anew:\n  {REGENERATE}")
            .into(),
    )
}

#[test]
fn the_schema_is_a_schema() -> Result<(), Box<dyn Error>> {
    let schema = json_schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    jsonschema::meta::validate(&schema).map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn the_schema_accepts_every_valid_example() -> Result<(), Box<dyn Error>> {
    let validator = jsonschema::validator_for(&json_schema())?;
    for folder in ["config/valid", "events/valid"] {
        let examples = examples(folder)?;
        assert!(examples.len() >= 5, "{} examples", examples.len());
        for (name, example) in examples {
            validator
                .validate(&example)
                .map_err(|error| format!("{folder}/{name}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn the_schema_refuses_every_invalid_example_but_what_it_cannot_say() -> Result<(), Box<dyn Error>> {
    let validator = jsonschema::validator_for(&json_schema())?;
    for (folder, beyond) in [
        ("config/invalid", BEYOND_A_SCHEMA),
        ("events/invalid", EVENTS_BEYOND_A_SCHEMA),
    ] {
        let examples = examples(folder)?;
        assert!(examples.len() >= 40, "{} examples", examples.len());
        let accepted: Vec<&str> = examples
            .iter()
            .filter(|(_, example)| validator.is_valid(example))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            accepted, beyond,
            "{folder}: accepted by the schema (left), expected (right)"
        );
    }
    Ok(())
}
