//! What the core's own functions take, by criterion: `filter/core/benches`, run natively.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::{Plan, Result, target_folder};
use crate::children;
use crate::places;

/// The name of every benchmark there begins so.
pub(super) const PREFIX: &str = "core_";

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    match estimates(plan) {
        Ok(all) => all
            .into_iter()
            .map(|(name, spread)| figure(&name, &Ok(spread)))
            .collect(),
        Err(error) => vec![figure("core", &Err(error))],
    }
}

fn figure(name: &str, spread: &Result<Spread>) -> Figure {
    const OF: &str = "criterion's median, natively; min and max are its 95 % confidence interval";
    Figure::of(
        &format!("{name}_ns"),
        Target::None,
        "ns",
        spread,
        |spread| Some(Measured::plain(*spread).with("of", json!(OF))),
    )
}

/// Name and median of each benchmark.
fn estimates(plan: &Plan) -> Result<Vec<(String, Spread)>> {
    // A folder of its own, so that nothing of an earlier run can be read.
    let folder = target_folder().join("bench").join("criterion");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let (warm_up, measurement) = plan.core_seconds;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "bench",
            "--quiet",
            "--package",
            "goproxy-core",
            "--bench",
            "core",
            "--",
            "--noplot",
            "--output-format",
            "bencher",
        ])
        .args([
            "--warm-up-time",
            &warm_up.to_string(),
            "--measurement-time",
            &measurement.to_string(),
        ])
        .current_dir(places::root())
        .env("CRITERION_HOME", &folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let exit = children::start("cargo bench", command)?.wait();
    if !exit.success() {
        return Err(format!("cargo bench ended with {exit}").into());
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) {
            all.push((name, estimate(&entry.path())?));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    if all.is_empty() {
        return Err(format!("criterion left no estimates in {}", folder.display()).into());
    }
    Ok(all)
}

fn estimate(benchmark: &Path) -> Result<Spread> {
    let file = benchmark.join("new").join("estimates.json");
    let estimates: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let median = &estimates["median"];
    let number = |value: &Value| {
        value
            .as_f64()
            .ok_or_else(|| format!("{}: no median", file.display()))
    };
    let interval = &median["confidence_interval"];
    let (low, high) = (
        number(&interval["lower_bound"])?,
        number(&interval["upper_bound"])?,
    );
    let samples: Value =
        serde_json::from_slice(&std::fs::read(benchmark.join("new").join("sample.json"))?)?;
    Ok(Spread {
        median: number(&median["point_estimate"])?,
        min: low,
        lower_quartile: low,
        upper_quartile: high,
        max: high,
        runs: samples["iters"].as_array().map_or(0, Vec::len),
    })
}
