//! Archives that the host streams: what the filter costs where it only looks on.

use serde_json::json;

use super::load::{Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::variants::{Round, Variants, medians, ratio};
use super::{Plan, Result};

pub(super) const VS_NOOP_FILTER: &str = "zip_stream_vs_noop_filter";
pub(super) const VS_PLAIN_ENVOY: &str = "zip_stream_vs_plain_envoy";
pub(super) const LARGE: &str = "zip_70mb_vs_plain_envoy";

const REMEMBERED: &str = "/bench.example/n1/@v/v1.0.0.mod";
const SMALL_PATH: &str = "/example.com/tenk/@v/v1.0.0.zip";
const LARGE_PATH: &str = "/example.com/huge/@v/v1.0.0.zip";

/// Rounds with archives of 10 KiB, and of 70 MB.
type Rounds = (Vec<Round>, Vec<Round>);

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let rounds = rounds(plan);
    let small = |key, target, base: fn(&Round) -> Sample| {
        Figure::of(key, target, "ratio of requests/s", &rounds, |(small, _)| {
            measured_small(small, base)
        })
    };
    vec![
        small(VS_NOOP_FILTER, Target::AtLeast(0.95, None), |round| {
            round.noop
        }),
        small(VS_PLAIN_ENVOY, Target::None, |round| round.plain),
        Figure::of(
            LARGE,
            Target::AtLeast(0.95, None),
            "ratio of MB/s",
            &rounds,
            |(_, large)| measured_large(large),
        ),
    ]
}

fn measured_small(rounds: &[Round], base: fn(&Round) -> Sample) -> Option<Measured> {
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
        json!("wrk, 16 connections, 1 worker, archive of 10 KiB"),
    ))
}

fn measured_large(rounds: &[Round]) -> Option<Measured> {
    let medians = medians(
        rounds,
        ("megabytes_per_second", Sample::megabytes_per_second),
        ("cpu_us_per_megabyte", Sample::cpu_micros_per_megabyte),
    );
    let measured = ratio(
        rounds,
        |round| round.plain,
        Sample::megabytes_per_second,
        Sample::cpu_micros_per_megabyte,
    )?;
    Some(measured.with("medians", medians).with(
        "load",
        json!("wrk, 2 connections, 1 worker, archive of 70 MB"),
    ))
}

fn rounds(plan: &Plan) -> Result<Rounds> {
    let variants = Variants::start(REMEMBERED)?;
    let compare = |path: &str, connections, seconds, rounds| {
        let load = Load {
            connections,
            seconds,
            ask: Ask::Path(path.to_owned()),
        };
        variants.compare(rounds, &load)
    };
    let before = asked(&variants)?;
    let small = compare(SMALL_PATH, 16, 1, plan.archive_rounds)?;
    let answered: f64 = small
        .iter()
        .map(|round| round.filter.requests + round.noop.requests + round.plain.requests)
        .sum();
    let asked = asked(&variants)? - before;
    if asked < answered {
        return Err(format!(
            "expected every archive to be streamed, but {answered} answers took {asked} requests"
        )
        .into());
    }
    let large = compare(
        LARGE_PATH,
        2,
        plan.large_archive_seconds,
        plan.large_archive_rounds,
    )?;
    Ok((small, large))
}

/// How many requests the origin has had.
fn asked(variants: &Variants) -> Result<f64> {
    let stats = variants.origin.control("GET", "/__stats", "")?;
    Ok(stats["requests"].as_f64().unwrap_or_default())
}
