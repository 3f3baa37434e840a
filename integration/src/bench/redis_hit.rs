//! `.mod` files of 2 KiB from Redis, through webdis on the same cores, against Envoy's own `direct_response` of as many bytes.

use nix::time::ClockId;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::load::{self, Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::variants::routes_of_the_gateway;
use super::{Plan, Result};
use crate::bootstrap::PluginFile;
use crate::children::Child;
use crate::gateway::{Gateway, Ready};
use crate::http::Answer;
use crate::lists;
use crate::origin::Origin;
use crate::plugin_config;
use crate::redis_server::{RedisServer, Webdis};
use crate::running::Running;

pub(super) const KEY: &str = "redis_hit_vs_direct_response";

/// Objects in Redis, asked in turn: clients that ask for the same one at once would share one answer of Redis.
const OBJECTS: u64 = 1_000;
const HITS: &str = "wasmcustom.goproxy_cache_operations_total.tier.redis.result.hit";
const PATIENCE: Duration = Duration::from_secs(10);

/// What the gateway with Redis and Envoy alone gave in one round; the first with the processor time of all three.
type Round = [Sample; 2];

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let rounds = rounds(plan);
    let figure = Figure::of(
        KEY,
        Target::AtLeast(0.20, Some(0.28)),
        "ratio of requests/s",
        &rounds,
        |rounds| measured(rounds),
    );
    vec![figure]
}

fn measured(rounds: &[Round]) -> Option<Measured> {
    let of = |take: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(take));
    let spread = of(&|[redis, plain]| redis.requests_per_second() / plain.requests_per_second())?;
    let median = |take: &dyn Fn(&Round) -> f64| of(take).map(|spread| spread.median);
    let mut measured = Measured::plain(spread)
        .with("from_redis_requests_per_second", json!(median(&|[redis, _]| redis.requests_per_second())))
        .with("direct_response_requests_per_second", json!(median(&|[_, plain]| plain.requests_per_second())))
        .with("from_redis_cpu_us_per_request", json!(median(&|[redis, _]| redis.cpu_micros_per_request())))
        .with("direct_response_cpu_us_per_request", json!(median(&|[_, plain]| plain.cpu_micros_per_request())))
        .with("cpu_is", json!("of Envoy, webdis and Redis"))
        .with("load", json!("wrk, 16 connections, 1 worker, memory off, body of 2,048 bytes, webdis with 2 threads, all on the same cores"));
    measured.by_cpu_time =
        of(&|[redis, plain]| plain.cpu_micros_per_request() / redis.cpu_micros_per_request());
    Some(measured)
}

fn rounds(plan: &Plan) -> Result<Vec<Round>> {
    let origin = Origin::start(&[])?;
    let redis = RedisServer::start()?;
    let webdis = Webdis::start(redis.addr())?;
    let gateway = forgetful(&origin, &webdis)?.start()?;
    let hit = fill(&gateway)?;
    let plain = plain(&origin, hit)?;
    origin.forget()?;
    let load = Load {
        connections: 16,
        seconds: 1,
        ask: Ask::Mods(OBJECTS),
    };
    let sample = |variant: usize| {
        if variant == 1 {
            return load::measure(&plain, &load);
        }
        let others =
            || Ok::<_, nix::Error>(cpu_seconds(redis.child())? + cpu_seconds(webdis.child())?);
        let before = others()?;
        let mut sample = load::measure(&gateway, &load)?;
        sample.cpu_seconds += others()? - before;
        Ok(sample)
    };
    sample(0)?;
    sample(1)?;
    let before = hits(&gateway)?;
    let rounds = interleave(plan.hit_rounds, 2, sample)?;
    let rounds: Vec<Round> = rounds
        .into_iter()
        .filter_map(|round| round.try_into().ok())
        .collect();
    were_hits(&origin, &gateway, before, &rounds)?;
    Ok(rounds)
}

/// Envoy alone, with the answer that the gateway gives.
fn plain(origin: &Origin, hit: Answer) -> Result<Running> {
    let path = path(0);
    let shape = (hit.status, hit.body.len());
    let plain = Gateway::builder()
        .without_filter()
        .upstream(&origin.url())
        .ready_when(Ready::Answers)
        .edit(move |bootstrap| {
            routes_of_the_gateway(bootstrap, "/", &hit)?;
            let routes =
                &mut bootstrap.connection_manager(0)?["route_config"]["virtual_hosts"][0]["routes"];
            routes[0]["match"] = serde_yaml_ng::Value::Mapping(
                [("prefix".into(), "/bench.example/".into())]
                    .into_iter()
                    .collect(),
            );
            Ok(())
        })
        .start()?;
    let answer = plain.get(&path)?;
    if (answer.status, answer.body.len()) == shape {
        Ok(plain)
    } else {
        Err(format!("Envoy alone answers {answer:?}, expected {shape:?}").into())
    }
}

/// What was measured came from Redis: the filter counted each, and the origin was not asked.
fn were_hits(origin: &Origin, gateway: &Running, before: u64, rounds: &[Round]) -> Result<()> {
    let asked = origin.seen()?.len();
    let requests: f64 = rounds.iter().map(|[redis, _]| redis.requests).sum();
    let until = Instant::now() + PATIENCE;
    // It is counted on a tick.
    loop {
        let read = hits(gateway)? - before;
        if read as f64 >= requests && asked == 0 {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!(
                "expected {requests} hits in Redis, got {read}, and the origin was asked {asked} times"
            )
            .into());
        }
        let _ = gateway.child().wait_at_most(Duration::from_millis(20));
    }
}

/// As shipped but for its upstream, a patient Redis, and a memory and shared slots that keep nothing.
fn forgetful(origin: &Origin, webdis: &Webdis) -> Result<Gateway> {
    let shipped = PluginFile::shipped()?.configuration()?;
    let gateway = Gateway::builder().redis_http(&webdis.addr().to_string());
    let chain = lists::chain(&origin.url())?;
    let made = plugin_config::make(&shipped, &chain, &[], gateway.redis(), false, None)?;
    let mut configuration: Value = serde_json::from_str(&made)?;
    configuration["cache"]["memory"] = json!({"size": "0B"});
    // What else the machine does must not open the breaker.
    configuration["cache"]["redis"]["timeout"] = json!("2s");
    configuration["cache"]["shared"] = json!({"size": "0B"});
    Ok(gateway
        .upstream(&origin.url())
        .config_json(configuration.to_string()))
}

/// Puts all objects into Redis; gives the last one as a hit.
fn fill(gateway: &Running) -> Result<Answer> {
    for number in 0..OBJECTS {
        gateway.get(&path(number))?;
    }
    let until = Instant::now() + PATIENCE;
    let mut number = 0;
    loop {
        let answer = gateway.get(&path(number))?;
        let from = answer.header("cache-status").unwrap_or_default();
        if from.contains("; hit") && from.contains("detail=redis") {
            number += 1;
            if number == OBJECTS {
                return Ok(answer);
            }
        } else if Instant::now() > until {
            return Err(format!("expected a hit in Redis, got {answer:?}").into());
        }
    }
}

fn path(number: u64) -> String {
    format!("/bench.example/n{number}/@v/v1.0.0.mod")
}

fn hits(gateway: &Running) -> Result<u64> {
    Ok(gateway.stat(HITS)?.unwrap_or_default())
}

fn cpu_seconds(child: &Child) -> nix::Result<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(child.id().cast_signed()))?;
    Ok(Duration::from(clock.now()?).as_secs_f64())
}
