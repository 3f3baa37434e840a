//! Many clients at one cold object: one of them is enough for the upstream, whichever worker each of them is with.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use serde_yaml_ng::Mapping;

use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::{Plan, Result};
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::gateway::Gateway;
use crate::origin::Origin;
use crate::running::Running;

pub(super) const KEY: &str = "cold_herd_upstream_calls";
pub(super) const TWO_WORKERS: &str = "cold_herd_two_workers_upstream_calls";

const CLIENTS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let figure = |key, workers| {
        Figure::of(
            key,
            Target::Exactly(1.0),
            "upstream calls",
            &calls(plan.herds, workers),
            |calls| measured(calls, workers),
        )
    };
    vec![figure(KEY, 1), figure(TWO_WORKERS, 2)]
}

fn measured(calls: &[f64], workers: u16) -> Option<Measured> {
    let spread = Spread::of(calls.iter().copied())?;
    // The worst is what counts here.
    let worst = Spread {
        median: spread.max,
        ..spread
    };
    Some(
        Measured::plain(worst)
            .with("clients", json!(CLIENTS))
            .with("workers", json!(workers))
            .with("value_is", json!("the largest of the runs")),
    )
}

/// How often the upstream was asked, for each of `herds` objects.
fn calls(herds: usize, workers: u16) -> Result<Vec<f64>> {
    let origin = Origin::start(&[])?;
    let gateway = Gateway::builder()
        .upstream(&origin.url())
        .workers(workers)
        .edit(evenly)
        .start()?;
    (0..herds)
        .map(|number| {
            herd(
                &origin,
                &gateway,
                &format!("/bench.example/n{number}/@v/v1.0.0.mod"),
            )
        })
        .collect()
}

/// Each worker gets its part of the connections: with a socket for each, the kernel would choose.
fn evenly(bootstrap: &mut Bootstrap) -> std::result::Result<(), BootstrapError> {
    let listener = &mut bootstrap.tree()["static_resources"]["listeners"][0];
    listener["enable_reuse_port"] = false.into();
    listener["connection_balance_config"]["exact_balance"] = Mapping::new().into();
    Ok(())
}

fn herd(origin: &Origin, gateway: &Running, path: &str) -> Result<f64> {
    origin.forget()?;
    // The origin answers when all have asked, so that nobody comes late and finds the answer in the cache.
    origin.fault(&json!({"path": path, "kind": "hold"}))?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(gateway.local_addr())?;
        client.set_read_timeout(Some(PATIENCE))?;
        write!(
            client,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )?;
        clients.push(client);
    }
    let until = Instant::now() + PATIENCE;
    while active(gateway)? < CLIENTS as u64 {
        if Instant::now() > until {
            return Err(format!(
                "expected {CLIENTS} clients at the gateway, got {}",
                active(gateway)?
            )
            .into());
        }
        // Envoy tells of no event here, so it is asked again.
        let _ = gateway.child().wait_at_most(Duration::from_millis(5));
    }
    origin.await_seen(path, 1)?;
    origin.clear_faults()?;
    for mut client in clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer)?;
        if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.ends_with(b"\n") {
            let head: String = String::from_utf8_lossy(&answer).chars().take(200).collect();
            return Err(format!("expected a whole 200 for each client, got {head:?}").into());
        }
    }
    let asked = origin
        .seen()?
        .iter()
        .filter(|seen| seen.path == path)
        .count();
    Ok(asked as f64)
}

fn active(gateway: &Running) -> Result<u64> {
    Ok(gateway
        .stat("http.goproxy.downstream_rq_active")?
        .unwrap_or_default())
}
