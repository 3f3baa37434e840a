//! A chain of two: what the gateway adds to the two upstreams that it asks in turn.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::{Plan, Result};
use crate::gateway::Gateway;
use crate::http;
use crate::origin::Origin;

pub(super) const KEY: &str = "chain_of_two_overhead";

/// How far away each upstream is.
const AWAY: &str = "50ms";
/// Objects asked in one round; the round's figure is made of their medians.
const OBJECTS: usize = 15;

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let ratios = ratios(plan.herds);
    let figure = Figure::of(
        KEY,
        Target::AtMost(1.05),
        "ratio of times",
        &ratios,
        |ratios| {
            let measured = Measured::plain(Spread::of(ratios.iter().copied())?);
            Some(
                measured
                    .with("upstreams", json!(format!("two, each {AWAY} away")))
                    .with(
                        "load",
                        json!("cold .info, the first upstream says 404, one after the other"),
                    ),
            )
        },
    );
    vec![figure]
}

/// For each round, the median time of a cold `.info` over the sum of the medians of its two upstreams.
fn ratios(rounds: usize) -> Result<Vec<f64>> {
    let (first, second) = (
        Origin::start(&["-delay", AWAY])?,
        Origin::start(&["-delay", AWAY])?,
    );
    first.fault(&json!({"path": "/bench.example/*", "kind": "status", "status": 404}))?;
    let gateway = Gateway::builder()
        .upstream(&format!("{},{}", first.url(), second.url()))
        .workers(1)
        .start()?;
    (0..rounds)
        .map(|round| {
            let mut times = [Vec::new(), Vec::new(), Vec::new()];
            for object in 0..OBJECTS {
                // Interleaved, so that what else the machine does falls on all three alike.
                let number = round * OBJECTS + object;
                let path = format!("/bench.example/n{number}/@v/v1.0.0.info");
                times[0].push(time(gateway.local_addr(), &path, 200)?);
                times[1].push(time(first.addr(), &path, 404)?);
                times[2].push(time(second.addr(), &path, 200)?);
            }
            let [both, first, second] = times.map(|times| Spread::of(times).map(|all| all.median));
            let sum = first.zip(second).map(|(first, second)| first + second);
            both.zip(sum)
                .map(|(both, sum)| both / sum)
                .ok_or_else(|| "no time was taken".into())
        })
        .collect()
}

fn time(address: SocketAddr, path: &str, expected: u16) -> Result<f64> {
    let began = Instant::now();
    let answer = http::get(address, path)?;
    let took: Duration = began.elapsed();
    if answer.status != expected {
        return Err(format!("{path}: expected {expected}, got {}", answer.status).into());
    }
    Ok(took.as_secs_f64())
}
