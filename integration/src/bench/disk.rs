//! Archives from the disk cache: what the filter costs between a client and nginx that has them.

use std::path::Path;

use serde_json::json;
use serde_yaml_ng::Value;

use super::load::{self, Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::variants::with_filter;
use super::{Plan, Result};
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::gateway::{Gateway, Ready};
use crate::origin::Origin;
use crate::running::Running;

pub(super) const KEY: &str = "archive_hit_vs_plain_envoy";

/// So many archives of 10 KiB are on the disk, and asked for in turn.
const ARCHIVES: u64 = 2000;
/// Archives are larger, so none is copied into memory, and none is answered from there.
const MAX_OBJECT: &str = "8KiB";

struct Round {
    filter: Sample,
    plain: Sample,
}

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let target = Target::AtLeast(0.80, None);
    let rounds = rounds(plan);
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
        of(&|round| round.filter.requests_per_second() / round.plain.requests_per_second())?;
    let by_cpu_time =
        of(&|round| round.plain.cpu_micros_per_request() / round.filter.cpu_micros_per_request());
    let median = |take: &dyn Fn(&Round) -> f64| of(take).map(|spread| spread.median);
    let requests = json!({
        "with_the_filter": median(&|round| round.filter.requests_per_second()),
        "no_filter": median(&|round| round.plain.requests_per_second()),
    });
    let measured = Measured {
        spread,
        by_cpu_time,
        detail: serde_json::Map::new(),
    };
    let load = format!(
        "wrk, 16 connections, 1 worker, {ARCHIVES} archives of 10 KiB in turn, all on the disk of one nginx"
    );
    Some(
        measured
            .with("requests_per_second", requests)
            .with("load", load),
    )
}

fn rounds(plan: &Plan) -> Result<Vec<Round>> {
    let origin = Origin::start(&[])?;
    let folder = tempfile::tempdir()?;
    let filter = with_filter(&origin, MAX_OBJECT, true)?
        .archives(folder.path())
        .start()?;
    for number in 0..ARCHIVES {
        let answer = filter.get(&format!("/bench.example/n{number}/@v/v1.0.0.zip"))?;
        if answer.status != 200 {
            return Err(format!("expected archive {number}, got {answer:?}").into());
        }
    }
    let run = filter.folder().to_owned();
    let plain = Gateway::builder()
        .without_filter()
        .ready_when(Ready::Answers)
        .edit(move |bootstrap| straight_to_nginx(bootstrap, &run))
        .start()?;
    let load = Load {
        connections: 16,
        seconds: 1,
        ask: Ask::Zips(ARCHIVES),
    };
    let before = counts(&filter, &origin)?;
    let envoys = [&filter, &plain];
    for envoy in envoys {
        load::measure(envoy, &load)?;
    }
    let rounds = interleave(plan.archive_rounds, envoys.len(), |variant| {
        load::measure(envoys[variant], &load)
    })?;
    let after = counts(&filter, &origin)?;
    if before != after {
        return Err(format!(
            "expected all archives from the disk, but (hits in the filter, requests of the origin) went from {before:?} to {after:?}"
        )
        .into());
    }
    let pair = |round: Vec<Sample>| match round.as_slice() {
        &[filter, plain] => Some(Round { filter, plain }),
        _ => None,
    };
    Ok(rounds.into_iter().filter_map(pair).collect())
}

/// Hits in the filter's own caches, and requests that the origin has had.
fn counts(filter: &Running, origin: &Origin) -> Result<(u64, u64)> {
    let hits = filter.stats("goproxy_cache_operations_total")?;
    let own = hits
        .iter()
        .filter(|(name, _)| name.ends_with(".hit") && !name.contains(".disk."));
    let hits = own.map(|(_, count)| count).sum();
    let stats = origin.control("GET", "/__stats", "")?;
    Ok((hits, stats["requests"].as_u64().unwrap_or_default()))
}

/// What the filter does, as a route: the same nginx, with the same keys.
fn straight_to_nginx(
    bootstrap: &mut Bootstrap,
    run: &Path,
) -> std::result::Result<(), BootstrapError> {
    bootstrap.archives(run)?;
    // That listener is the other Envoy's.
    if let Some(listeners) = bootstrap.tree()["static_resources"]["listeners"].as_sequence_mut() {
        listeners.retain(|listener| listener["name"] != "egress");
    }
    let mut route = bootstrap.route(0, "archives")?.clone();
    route["match"] = from_json(json!({"prefix": "/"}));
    route["request_headers_to_add"] = from_json(json!([
        {"header": {"key": "x-goproxy-cache-key", "value": "v1/goproxy/public%REQ(:PATH)%"}},
        {"header": {"key": "x-goproxy-origin", "value": "none"}},
    ]));
    if let Some(action) = route["route"].as_mapping_mut() {
        action.remove("cluster_header");
        action.insert("cluster".into(), "archives".into());
    }
    let manager = bootstrap.connection_manager(0)?;
    manager["route_config"]["virtual_hosts"][0]["routes"] = Value::Sequence(vec![route]);
    Ok(())
}

fn from_json(value: serde_json::Value) -> Value {
    serde_yaml_ng::to_value(value).unwrap_or_default()
}
