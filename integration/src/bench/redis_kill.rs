//! What clients notice when Redis dies: requests at a steady rate, for objects that only the upstream has, so that each asks
//! Redis in vain first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::{Plan, Result};
use crate::gateway::Gateway;
use crate::origin::Origin;
use crate::redis_server::{RedisServer, Webdis};
use crate::running::Running;

pub(super) const KILLED: &str = "redis_kill_p99_ms";
pub(super) const OPEN: &str = "redis_kill_open_p99_ms";

const CLIENTS: u64 = 8;
/// Between two requests of one client.
const PERIOD: Duration = Duration::from_millis(20);
/// Of each phase: before, after, and with the breaker open.
const PHASE: Duration = Duration::from_secs(2);
const PHASES: usize = 3;

/// How Redis goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Its process ends: webdis says so at once.
    Killed,
    /// It hangs, and so does every answer of webdis.
    Stopped,
}

/// The 99th percentile of each phase, in ms.
type Round = [f64; PHASES];

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let taken = rounds(plan.herds);
    let figure = |key, most, phase: usize| {
        Figure::of(key, Target::AtMost(most), "ms", &taken, |taken| {
            let (killed, stopped) = taken;
            let added =
                |rounds: &[Round]| Spread::of(rounds.iter().map(|round| round[phase] - round[0]));
            let worse = added(killed)?.median.max(added(stopped)?.median);
            let spread = Spread {
                median: worse,
                ..Spread::of(
                    [killed, stopped]
                        .into_iter()
                        .flatten()
                        .map(|round| round[phase] - round[0]),
                )?
            };
            let all = |rounds: &[Round]| json!(rounds);
            Some(
                Measured::plain(spread)
                    .with("value_is", json!("added p99; the worse median of a Redis that is killed and of one that is stopped"))
                    .with("added_when_killed", json!(added(killed)?.median))
                    .with("added_when_stopped", json!(added(stopped)?.median))
                    .with("p99_before_after_open_when_killed", all(killed))
                    .with("p99_before_after_open_when_stopped", all(stopped))
                    .with("load", json!("400 requests/s by 8 clients, each for a cold .mod; timeout 100 ms, 3 failures")),
            )
        })
    };
    vec![figure(KILLED, 110.0, 1), figure(OPEN, 1.0, 2)]
}

fn rounds(count: usize) -> Result<(Vec<Round>, Vec<Round>)> {
    let origin = Origin::start(&[])?;
    let (mut killed, mut stopped) = (Vec::new(), Vec::new());
    for round in 0..count {
        // In turn, so that what else the machine does falls on both.
        for way in [Way::Killed, Way::Stopped] {
            let phases = one(&origin, way, (round * 2 + way as usize) as u64)?;
            match way {
                Way::Killed => killed.push(phases),
                Way::Stopped => stopped.push(phases),
            }
        }
    }
    Ok((killed, stopped))
}

fn one(origin: &Origin, way: Way, series: u64) -> Result<Round> {
    let redis = RedisServer::start()?;
    let webdis = Webdis::start(redis.addr())?;
    let gateway = Gateway::builder()
        .upstream(&origin.url())
        .redis_http(&webdis.addr().to_string())
        .start()?;
    let next = AtomicU64::new(series * 1_000_000);
    // Connections are made and code is compiled before it counts.
    let warmed_up = Instant::now() + Duration::from_millis(500);
    let began = warmed_up;
    let samples = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (gateway, next) = (&gateway, &next);
                scope.spawn(move || client(gateway, next, began, number))
            })
            .collect();
        let _ = gateway
            .child()
            .wait_at_most((began + PHASE).saturating_duration_since(Instant::now()));
        redis.child().signal(match way {
            Way::Killed => Signal::SIGKILL,
            Way::Stopped => Signal::SIGSTOP,
        });
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, String>(all)
    })?;
    let mut phases: [Vec<f64>; PHASES] = Default::default();
    for (since, took) in samples {
        let phase = (since.as_secs_f64() / PHASE.as_secs_f64()) as usize;
        if let Some(phase) = phases.get_mut(phase) {
            phase.push(took.as_secs_f64() * 1e3);
        }
    }
    Ok(phases.map(p99))
}

/// When each request was due, counted from `began`, and how long after that its answer was there: who is late makes the
/// next ones late, and that counts.
fn client(
    gateway: &Running,
    next: &AtomicU64,
    began: Instant,
    number: u64,
) -> std::result::Result<Vec<(Duration, Duration)>, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let mut samples = Vec::new();
    let offset = PERIOD.mul_f64(number as f64 / CLIENTS as f64);
    let mut due = Instant::now() + offset;
    while due < began + PHASE * PHASES as u32 {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let number = next.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}/bench.example/n{number}/@v/v1.0.0.mod", gateway.url());
        let answer = agent.get(&url).call();
        let mut answer = answer.map_err(|error| format!("{url}: {error}"))?;
        let body = answer.body_mut().read_to_vec();
        let body = body.map_err(|error| format!("{url}: {error}"))?;
        if answer.status() != 200 || body.len() != 2048 {
            return Err(format!("{url}: {}, {} bytes", answer.status(), body.len()));
        }
        if due >= began {
            samples.push((due - began, due.elapsed()));
        }
        due += PERIOD;
    }
    Ok(samples)
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() as f64 * 0.99).ceil() as usize;
    times
        .get(place.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_what_one_in_a_hundred_exceeds() {
        assert_eq!(p99((1..=100).map(f64::from).collect()), 99.0);
        assert_eq!(p99((1..=1000).map(f64::from).collect()), 990.0);
        assert_eq!(p99(Vec::new()), 0.0);
    }
}
