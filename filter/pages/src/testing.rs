//! What unit tests share: the `test` attribute that works natively and, under `wasm-bindgen-test`, in Node.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use ::core::prelude::v1::test;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

use goproxy_event::{Code, Context, ErrorType, Event, Failure, Kind, Timestamp, Window, line};

use crate::{Minute, Place, Report};

/// 2023-11-14T22:13:20Z
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The event of an archive that is not there.
pub(crate) fn failure_line(module: &str, version: &str, message: &str) -> String {
    let failure = Failure {
        kind: Kind::Zip,
        module,
        version,
        url: "https://proxy.example/m/@v/v1.0.0.zip",
        code: Code::Status(404),
        error: ErrorType::NotFound,
        message,
        retry_count: 3,
        upstream: "public",
        request_id: "id-1",
        duration_ms: 12,
    };
    let event = Event::failure(&failure, "pod", NOW);
    let context = Context::resolve(&[], true, &|_| None).unwrap();
    let id = event.identity().in_window(Window::of(NOW));
    line(&event, &context, id, 2)
}

/// What two workers tell that had some work and some trouble.
pub(crate) fn busy() -> Report {
    let before = |seconds: u64| Timestamp::from_millis(NOW.as_millis() - 1000 * seconds);
    let place = |name: &str, aside, seconds| Place {
        name: name.to_owned(),
        aside,
        since: before(seconds),
    };
    let this_minute = NOW.as_millis() / 60_000;
    let minute = |ago: u64| Minute {
        minute: this_minute - ago,
        requests: 1_000 - 10 * ago,
        hits: 800 - 10 * ago,
        failures: u64::from(ago == 3) * 25,
    };
    let samples = [
        ("cache_bytes.tier.memory", 30_000_000),
        ("cache_entries.tier.memory", 12_345),
        ("cache_operations_total.tier.memory.result.hit", 9_000),
        ("cache_operations_total.tier.memory.result.miss", 1_000),
        ("cache_operations_total.tier.redis.result.failed", 7),
        ("cache_operations_total.tier.redis.result.hit", 0),
        ("cache_operations_total.tier.redis.result.miss", 400),
        ("requests_total.endpoint.mod.result.hit", 8_900),
        ("requests_total.endpoint.mod.result.miss", 900),
        ("requests_total.endpoint.page.result.hit", 100),
        ("requests_total.endpoint.zip.result.error", 25),
        ("requests_total.endpoint.zip.result.not_found", 75),
    ];
    Report {
        at: NOW,
        since: before(7_200),
        workers: 2,
        digest: "0123456789abcdef".to_owned(),
        samples: samples.map(|(key, value)| (key.to_owned(), value)).into(),
        upstreams: vec![place("public", 0, 7_200), place("mirror", 2, 190)],
        redis: Some(place("redis", 0, 7_200)),
        minutes: (0..60).rev().map(minute).collect(),
        failures: vec![failure_line("example.com/M", "v1.0.0", "no such module").into()],
    }
}
