//! How much longer Envoy takes to serve when it has the filter, and how large the filter is.

use serde_json::json;

use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::{Plan, Result};
use crate::gateway::Gateway;
use crate::origin::Origin;
use crate::places;

pub(super) const KEY: &str = "vm_start_ms";
pub(super) const SIZE: &str = "wasm_bytes";

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    vec![
        Figure::of(
            KEY,
            Target::AtMost(150.0),
            "ms",
            &starts(plan.starts),
            |starts| measured(starts),
        ),
        Figure::of(SIZE, Target::AtMost(512_000.0), "bytes", &size(), |size| {
            Some(Measured::plain(Spread::exact(*size)))
        }),
    ]
}

fn measured(starts: &[Vec<f64>]) -> Option<Measured> {
    let median = |variant: usize| {
        Spread::of(starts.iter().map(|pair| pair[variant])).map(|spread| spread.median)
    };
    let more = Spread::of(starts.iter().map(|pair| pair[0] - pair[1]))?;
    Some(
        Measured::plain(more)
            .with("with_the_filter_ms", json!(median(0)))
            .with("no_filter_ms", json!(median(1)))
            .with("of", json!("from the start of Envoy until it serves, with the VMs of the main thread and of one worker")),
    )
}

/// Pairs of milliseconds: with the filter, and without one.
fn starts(count: usize) -> Result<Vec<Vec<f64>>> {
    let origin = Origin::start(&[])?;
    let start = |variant: usize| {
        let gateway = Gateway::builder().upstream(&origin.url());
        let gateway = if variant == 0 {
            gateway
        } else {
            gateway.without_filter()
        };
        Ok(gateway.start()?.started_in().as_secs_f64() * 1e3)
    };
    // The files are in the page cache from then on.
    start(0)?;
    interleave(count, 2, start)
}

fn size() -> Result<f64> {
    Ok(std::fs::metadata(places::filter_wasm()?)?.len() as f64)
}
