//! A `.mod` of 2 KiB that another worker fetched, against one from the worker's own memory.
//!
//! What a worker finds in the shared slots it keeps, so that only its first answer comes from there. To look at that one again
//! and again, one of the two Envoys has no memory of its own.

use serde_json::{Value, json};

use super::load::{self, Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::variants::with_memory;
use super::{Plan, Result};
use crate::origin::Origin;
use crate::running::Running;

pub(super) const KEY: &str = "second_worker_hit_vs_memory_hit";

const PATH: &str = "/bench.example/n1/@v/v1.0.0.mod";

struct Round {
    shared: Sample,
    memory: Sample,
}

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let rounds = rounds(plan);
    let target = Target::AtLeast(0.90, None);
    vec![Figure::of(
        KEY,
        target,
        "ratio of requests/s",
        &rounds,
        |rounds| measured(rounds),
    )]
}

fn measured(rounds: &[Round]) -> Option<Measured> {
    let of = |take: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(take));
    let spread =
        of(&|round| round.shared.requests_per_second() / round.memory.requests_per_second())?;
    let by_cpu_time =
        of(&|round| round.memory.cpu_micros_per_request() / round.shared.cpu_micros_per_request());
    let median = |take: &dyn Fn(&Round) -> f64| of(take).map(|spread| spread.median);
    let requests = json!({
        "shared": median(&|round| round.shared.requests_per_second()),
        "memory": median(&|round| round.memory.requests_per_second()),
    });
    let measured = Measured {
        spread,
        by_cpu_time,
        detail: serde_json::Map::new(),
    };
    let load = "wrk, 16 connections, 1 worker, body of 2,048 bytes; without a memory of its own, and with it";
    Some(
        measured
            .with("requests_per_second", requests)
            .with("load", json!(load)),
    )
}

fn rounds(plan: &Plan) -> Result<Vec<Round>> {
    let origin = Origin::start(&[])?;
    let start = |memory: Value, from: &str| -> Result<Running> {
        let gateway = with_memory(&origin, &memory, false)?.start()?;
        gateway.get(PATH)?;
        let hit = gateway.get(PATH)?;
        let status = hit.header("cache-status").unwrap_or_default();
        if status.ends_with(from) {
            Ok(gateway)
        } else {
            Err(format!("expected a hit with {from:?}, got {status:?}").into())
        }
    };
    let shared = start(json!({"size": "0B"}), "; detail=shared")?;
    let memory = start(json!({}), "; detail=memory")?;
    origin.forget()?;
    let load = Load {
        connections: 16,
        seconds: 1,
        ask: Ask::Path(PATH.to_owned()),
    };
    let envoys = [&shared, &memory];
    for envoy in envoys {
        load::measure(envoy, &load)?;
    }
    let rounds = interleave(plan.hit_rounds, envoys.len(), |variant| {
        load::measure(envoys[variant], &load)
    })?;
    match origin.seen()?.len() {
        0 => Ok(rounds.into_iter().filter_map(round).collect()),
        asked => Err(format!("expected hits, but the origin was asked {asked} times").into()),
    }
}

fn round(samples: Vec<Sample>) -> Option<Round> {
    match samples.as_slice() {
        &[shared, memory] => Some(Round { shared, memory }),
        _ => None,
    }
}
