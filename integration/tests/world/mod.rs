//! What the end-to-end tests share: an origin and a gateway to start, clients that see every byte, and the checks that
//! hold after each test.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod app;
pub mod elasticsearch;
pub mod fluent_bit;
pub mod h1;
pub mod h2;
pub mod stub;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use goproxy_integration::gateway::{Gateway, MAIN};
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::running::Running;
use serde_json::{Value, json};

/// Nothing that a test waits for takes this long, on a busy machine either.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a page that sends no event.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// An origin, and a gateway whose only upstream it is.
pub struct World {
    pub gateway: Running,
    pub origin: Origin,
}

impl World {
    /// One worker, and what [`config`] says.
    pub fn start() -> Self {
        Self::with(|gateway, _| gateway)
    }

    /// The same, changed by `change`.
    pub fn with(change: impl FnOnce(Gateway, &Origin) -> Gateway) -> Self {
        let origin = Origin::start(&[]).expect("the origin starts");
        let gateway = Gateway::builder()
            .cluster("origin", &origin.url())
            .cluster("sums", &origin.url())
            .config_json(config(&origin, json!({})).to_string());
        let gateway = change(gateway, &origin)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Self { gateway, origin }
    }

    pub fn addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    /// GET on a connection of its own.
    pub fn get(&self, path: &str) -> h1::Answer {
        h1::get(self.addr(), path)
    }

    /// Orders a fault for the paths of a glob.
    pub fn fault(&self, path: &str, kind: &str, more: Value) -> Fault<'_> {
        let mut order = json!({"path": path, "kind": kind});
        merge(&mut order, more);
        let id = self
            .origin
            .fault(&order)
            .unwrap_or_else(|error| panic!("{order}: {error}"));
        Fault {
            origin: &self.origin,
            id,
        }
    }

    /// How often the origin was asked for the paths of a glob, now.
    pub fn asked(&self, glob: &str) -> usize {
        self.origin
            .await_seen(glob, 0)
            .expect("the origin answers")
            .len()
    }

    /// Waits until the origin was asked `count` times.
    pub fn await_asked(&self, glob: &str, count: usize) {
        let seen = self
            .origin
            .await_seen(glob, count)
            .expect("the origin answers");
        assert!(
            seen.len() >= count,
            "{glob}: the origin was asked {} times, expected {count}",
            seen.len()
        );
    }

    /// Waits until exactly so many requests of clients are in Envoy.
    pub fn await_active(&self, count: u64) {
        let name = "http.goproxy.downstream_rq_active";
        eventually(&format!("{name} is {count}"), || {
            self.gateway.stat(name).expect("Envoy answers") == Some(count)
        });
    }

    /// Envoy lives, its VM is the one that it started with, and a request that was never made before is served.
    pub fn assert_unharmed(&self, after: &str) {
        assert_unharmed(&self.gateway, after);
        let next = self
            .origin
            .control("GET", "/__stats", "")
            .expect("the origin answers")["requests"]
            .as_u64()
            .unwrap_or_default();
        let path = format!("/bench.example/n{}/@v/v1.0.0.mod", 4_000_000_000 + next);
        let answer = self.get(&path);
        assert_eq!(
            (answer.status, answer.body.len(), answer.whole),
            (200, 2048, true),
            "the next good request after {after}: {answer:?}"
        );
    }
}

/// Envoy lives, and no VM of it was ever lost or in trouble.
pub fn assert_unharmed(gateway: &Running, after: &str) {
    assert_alive(gateway, after);
    let log = gateway.log();
    for trouble in [
        "panicked",
        "Function: proxy_",
        "wasm vm failed",
        "Wasm VM failed",
        "[critical]",
        "the host refuses",
        "cannot answer",
    ] {
        let line = log.lines().find(|line| line.contains(trouble));
        assert_eq!(line, None, "Envoy's log after {after}");
    }
}

/// Envoy lives, and no VM was started again.
pub fn assert_alive(gateway: &Running, after: &str) {
    assert_eq!(
        gateway.child().exit(),
        None,
        "Envoy ended after {after}; its log ends with\n{}",
        gateway.log_tail()
    );
    let reloads = gateway.stats("vm_reload").expect("Envoy answers");
    assert!(
        reloads.values().all(|count| *count == 0),
        "the VM was started again after {after}: {reloads:?}"
    );
}

/// A fault that stands until it is dropped.
pub struct Fault<'a> {
    origin: &'a Origin,
    id: u64,
}

impl Fault<'_> {
    /// Takes it back, so that what it holds goes on.
    pub fn release(self) {}
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        let taken = self
            .origin
            .control("DELETE", &format!("/__fault?id={}", self.id), "");
        if !std::thread::panicking() {
            taken.expect("the origin takes a fault back");
        }
    }
}

/// A configuration with the origin as the only upstream, and its checksum database; `more` replaces whole fields.
pub fn config(origin: &Origin, more: Value) -> Value {
    let mut config = json!({
        "upstreams": [{"name": "origin", "target": "origin", "authority": origin.addr().to_string()}],
        "routes": [{"modules": ["*"], "chain": ["origin"]}],
        "sumdb": [{"name": origin.sumdb(), "target": "sums", "authority": origin.addr().to_string(),
                   "path": format!("/sumdb/{}", origin.sumdb())}],
    });
    merge(&mut config, more);
    config
}

/// Puts the fields of `more` into `into`.
pub fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// Looks again and again at something that sends no event.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A port of 127.0.0.1 at which nobody listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Envoy's Prometheus page.
pub fn prometheus(gateway: &Running) -> String {
    http::get(gateway.admin(), "/stats/prometheus")
        .expect("Envoy answers")
        .text()
}

/// An error that `go` shows to its user: text, at most 8 lines and 648 bytes, printable, and with the last line that
/// says what, where and which request (cmd/go/internal/web, `formatErrorDetail`).
pub fn assert_shown(answer: &h1::Answer, error_type: &str, upstream: &str, what: &str) {
    let text = answer.text();
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8"),
        "{what}: {answer:?}"
    );
    assert!(answer.whole, "{what}: {answer:?}");
    assert!(text.len() <= 648, "{what}: {} bytes: {text}", text.len());
    assert!(text.lines().count() <= 8, "{what}: {text}");
    assert!(
        text.ends_with('\n') && !text.contains("\n\n") && !text.starts_with('\n'),
        "{what}: {text:?}"
    );
    assert!(
        text.chars()
            .all(|letter| letter == '\n' || !(letter.is_control() || letter == '\u{202e}')),
        "{what}: {text:?}"
    );
    let trailer = format!("(goproxy-wasm: {error_type}, upstream {upstream}, request ");
    let last = text.lines().last().unwrap_or_default();
    assert!(
        last.starts_with(&trailer) && last.ends_with(')'),
        "{what}: expected {trailer}..), got {text}"
    );
}

/// The main listener's name, as Envoy's counters have it.
pub const LISTENER: &str = MAIN;
