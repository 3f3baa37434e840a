//! Two workers, and clients of which it is known who serves them.

use goproxy_integration::bootstrap::Bootstrap;
use goproxy_integration::gateway::Gateway;
use goproxy_integration::origin::Origin;
use serde_json::{Value, json};

use crate::world::{World, config, h1};

pub(crate) const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
pub(crate) const BODY: &str = "module example.com/a\n\ngo 1.21\n";

/// Two workers with these fields in their configuration. Envoy gives each connection to the worker that has the fewest, so
/// of two that are open each has one.
pub(crate) fn two_workers(more: Value) -> World {
    two_workers_with(more, |gateway, _| gateway)
}

pub(crate) fn two_workers_with(
    more: Value,
    change: impl FnOnce(Gateway, &Origin) -> Gateway,
) -> World {
    World::with(|gateway, origin| {
        let gateway = gateway
            .workers(2)
            .config_json(config(origin, more).to_string())
            .edit(|bootstrap: &mut Bootstrap| {
                let listener = &mut bootstrap.tree()["static_resources"]["listeners"][0];
                // With a socket for each worker, the kernel would choose.
                listener["enable_reuse_port"] = false.into();
                let balance = json!({"exact_balance": {}});
                listener["connection_balance_config"] =
                    serde_yaml_ng::to_value(balance).expect("plain values");
                Ok(())
            });
        change(gateway, origin)
    })
}

/// Connections, every other one with the other worker.
pub(crate) fn connect(world: &World, count: usize) -> Vec<h1::Connection> {
    world.await_active(0);
    let clients: Vec<_> = (0..count)
        .map(|_| h1::Connection::open(world.addr()))
        .collect();
    crate::world::eventually("each worker has its half of the connections", || {
        let open = world
            .gateway
            .stats("downstream_cx_active")
            .expect("Envoy answers");
        let of_worker = open
            .iter()
            .filter(|(name, _)| name.starts_with("listener.") && name.contains(".worker_"))
            .filter(|(name, _)| !name.contains("admin"));
        let halves: Vec<u64> = of_worker.map(|(_, open)| *open).collect();
        halves == vec![count as u64 / 2; 2]
    });
    clients
}

/// One of the filter's counters. It tells Envoy of them as it ticks, every 0.1 s.
pub(crate) fn counted(world: &World, name: &str) -> u64 {
    let name = format!("wasmcustom.goproxy_{name}");
    let value = world.gateway.stat(&name).expect("Envoy answers");
    value.unwrap_or_default()
}

/// Waits until a counter has exactly this value.
pub(crate) fn await_counted(world: &World, name: &str, value: u64) {
    crate::world::eventually(&format!("{name} is {value}"), || {
        counted(world, name) == value
    });
}

pub(crate) fn ask(client: &mut h1::Connection, path: &str) -> h1::Answer {
    client.ask(path, &[]);
    client.answer(false).expect("an answer")
}

/// The answer's `Cache-Status`.
pub(crate) fn status(answer: &h1::Answer) -> &str {
    answer.header("cache-status").unwrap_or_default()
}
