//! What a build gets: `go mod download` of the whole family with its checksums, from an upstream that is far away, through a
//! cold gateway, through a warm one, and without any.

use std::path::Path;

use serde_json::json;

use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::{Plan, Result};
use crate::gateway::Gateway;
use crate::go::GoHome;
use crate::origin::Origin;
use crate::running::Running;

pub(super) const WARM: &str = "warm_build_speedup";
pub(super) const COLD: &str = "cold_build_overhead";

/// How far away the upstream is.
const AWAY: &str = "100ms";

/// One round: seconds without a gateway, through a cold one, through a warm one.
type Round = [f64; 3];

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let rounds = rounds(plan.builds);
    let figure = |key, target, of: fn(&Round) -> f64| {
        Figure::of(key, target, "ratio of times", &rounds, |rounds| {
            let median = |variant: usize| {
                Spread::of(rounds.iter().map(|round| round[variant])).map(|spread| spread.median)
            };
            let measured = Measured::plain(Spread::of(rounds.iter().map(of))?);
            Some(
                measured
                    .with("seconds_direct", json!(median(0)))
                    .with("seconds_cold_gateway", json!(median(1)))
                    .with("seconds_warm_gateway", json!(median(2)))
                    .with("upstream", json!(format!("{AWAY} away")))
                    .with("load", json!("go mod download of 64 modules, cold GOMODCACHE, no go.sum, so 64 lookups too")),
            )
        })
    };
    vec![
        figure(WARM, Target::AtLeast(10.0, None), |[direct, _, warm]| {
            direct / warm
        }),
        figure(COLD, Target::AtMost(1.10), |[direct, cold, _]| {
            cold / direct
        }),
    ]
}

fn rounds(count: usize) -> Result<Vec<Round>> {
    let origin = Origin::start(&["-delay", AWAY])?;
    let warm = gateway(&origin)?;
    download(&origin, warm.url())?;
    let rounds = interleave(count, 3, |variant| match variant {
        0 => download(&origin, origin.url()),
        1 => {
            let cold = gateway(&origin)?;
            download(&origin, cold.url())
        }
        _ => {
            origin.forget()?;
            let took = download(&origin, warm.url())?;
            match origin.seen()?.len() {
                0 => Ok(took),
                asked => Err(format!("expected a warm gateway, it asked {asked} times").into()),
            }
        }
    })?;
    let rounds = rounds.into_iter().filter_map(|round| round.try_into().ok());
    Ok(rounds.collect())
}

fn gateway(origin: &Origin) -> Result<Running> {
    let gateway = Gateway::builder()
        .upstream(&origin.url())
        .sumdb(origin.sumdb(), &origin.sumdb_url());
    Ok(gateway.start()?)
}

/// Seconds of a download into an empty module cache.
fn download(origin: &Origin, proxy: String) -> Result<f64> {
    let home = GoHome::new()?.proxy(proxy).sumdb(origin.sumdb_key());
    let program = home.folder().join("program");
    Origin::write_program(&program)?;
    let output = home.go(["mod", "download"]).dir(&program).run()?;
    let archives = count_archives(&home.folder().join("modcache/cache/download"))?;
    if !output.status.success() || archives < 64 {
        return Err(format!(
            "go mod download: {}, {archives} archives: {}",
            output.status, output.stderr
        )
        .into());
    }
    Ok(output.took.as_secs_f64())
}

fn count_archives(folder: &Path) -> std::io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += count_archives(&path)?;
        } else if path.extension().is_some_and(|end| end == "zip") {
            count += 1;
        }
    }
    Ok(count)
}
