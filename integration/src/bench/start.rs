//! How much longer Envoy takes to serve when it has the filter, and how large the filter is.

use serde_json::json;

use super::load::cpu_seconds;
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

/// How long one start took, and what processor time.
struct Start {
    millis: f64,
    cpu_millis: f64,
}

fn measured(starts: &[Vec<Start>]) -> Option<Measured> {
    let more = |of: fn(&Start) -> f64| {
        Spread::of(starts.iter().filter_map(|pair| match pair.as_slice() {
            [with, without] => Some(of(with) - of(without)),
            _ => None,
        }))
    };
    let median = |variant: usize| {
        let millis = starts
            .iter()
            .filter_map(|pair| Some(pair.get(variant)?.millis));
        Spread::of(millis).map(|spread| spread.median)
    };
    let mut measured = Measured::plain(more(|start| start.millis)?)
        .with("with_the_filter_ms", json!(median(0)))
        .with("no_filter_ms", json!(median(1)))
        .with("of", json!("from the start of Envoy until it serves, with the VMs of the main thread and of one worker; V8 compiles the whole plugin then, on the main thread and one more"));
    measured.by_cpu_time = more(|start| start.cpu_millis);
    Some(measured)
}

/// Pairs: with the filter, and without one.
fn starts(count: usize) -> Result<Vec<Vec<Start>>> {
    let origin = Origin::start(&[])?;
    let start = |variant: usize| {
        let gateway = Gateway::builder().upstream(&origin.url());
        let gateway = if variant == 0 {
            gateway
        } else {
            gateway.without_filter()
        };
        let running = gateway.start()?;
        Ok(Start {
            millis: running.started_in().as_secs_f64() * 1e3,
            cpu_millis: cpu_seconds(&running)? * 1e3,
        })
    };
    // The files are in the page cache from then on.
    start(0)?;
    interleave(count, 2, start)
}

fn size() -> Result<f64> {
    Ok(std::fs::metadata(places::filter_wasm()?)?.len() as f64)
}
