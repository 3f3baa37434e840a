//! A `.mod` of 2 KiB from the worker's memory, against Envoy's own `direct_response` of the same bytes and header.

use serde_json::json;

use super::load::{Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::variants::{Round, Variants, medians, ratio};
use super::{Plan, Result};

pub(super) const VS_DIRECT_RESPONSE: &str = "memory_hit_mod_vs_direct_response";
pub(super) const VS_NOOP_FILTER: &str = "memory_hit_mod_vs_noop_filter";

const PATH: &str = "/bench.example/n1/@v/v1.0.0.mod";

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let rounds = rounds(plan);
    let figure = |key, least, aim, base: fn(&Round) -> Sample| {
        let target = Target::AtLeast(least, Some(aim));
        Figure::of(key, target, "ratio of requests/s", &rounds, |rounds| {
            measured(rounds, base)
        })
    };
    vec![
        figure(VS_DIRECT_RESPONSE, 0.55, 0.65, |round| round.plain),
        figure(VS_NOOP_FILTER, 0.80, 0.92, |round| round.noop),
    ]
}

fn measured(rounds: &[Round], base: fn(&Round) -> Sample) -> Option<Measured> {
    let medians = medians(
        rounds,
        ("requests_per_second", Sample::requests_per_second),
        ("cpu_us_per_request", Sample::cpu_micros_per_request),
    );
    let measured = ratio(
        rounds,
        base,
        Sample::requests_per_second,
        Sample::cpu_micros_per_request,
    )?;
    Some(measured.with("medians", medians).with(
        "load",
        json!("wrk, 16 connections, 1 worker, body of 2,048 bytes"),
    ))
}

fn rounds(plan: &Plan) -> Result<Vec<Round>> {
    let variants = Variants::start(PATH)?;
    variants.origin.forget()?;
    let load = Load {
        connections: 16,
        seconds: 1,
        ask: Ask::Path(PATH.to_owned()),
    };
    let rounds = variants.compare(plan.hit_rounds, &load)?;
    match variants.origin.seen()?.len() {
        0 => Ok(rounds),
        asked => Err(format!("expected hits, but the origin was asked {asked} times").into()),
    }
}
