//! Host calls of each path of a request, as the strict host counted them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::{Plan, Result, target_folder};
use crate::places;

pub(super) const KEY: &str = "host_calls";

pub(super) fn figures(_: &Plan) -> Vec<Figure> {
    let figure = Figure::of(
        KEY,
        Target::AtMost(8.0),
        "calls of a memory hit",
        &counted(),
        |paths| {
            let hit = paths.pointer("/hit/host_calls").and_then(Value::as_f64)?;
            Some(Measured::plain(Spread::exact(hit)).with("paths", json!(paths)))
        },
    );
    vec![figure]
}

/// The count that the strict host's test wrote; it is run where nobody ran it yet.
fn counted() -> Result<Value> {
    let file: PathBuf = target_folder().join("strict").join("host-calls.json");
    if !file.exists() {
        let test = "every_path_keeps_to_its_budget_of_host_calls";
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(places::root());
        cargo.args([
            "test",
            "-q",
            "--profile",
            "strict",
            "-p",
            "goproxy-strict-host",
            test,
        ]);
        if !cargo.stdout(Stdio::null()).status()?.success() {
            return Err("the strict host counted no calls (see above)".into());
        }
    }
    Ok(serde_json::from_str(&fs::read_to_string(&file)?)?)
}
