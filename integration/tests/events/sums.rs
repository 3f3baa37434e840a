//! The gateway's own count of its records, from Envoy's Prometheus page.

use std::time::{Duration, Instant};

use goproxy_integration::running::Running;

use crate::world::prometheus;

/// What became of the events that were meant for one sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub emitted: u64,
    pub delivered: u64,
    pub suppressed: u64,
    pub dropped: u64,
    pub refused: u64,
    pub queued: u64,
}

impl Sums {
    /// As they are told now.
    pub fn of(gateway: &Running, sink: &str) -> Self {
        let page = prometheus(gateway);
        let sink = format!("sink=\"{sink}\"");
        let result = |result: &str| {
            let result = format!("result=\"{result}\"");
            sample(&page, "goproxy_events_total", &[&sink, &result])
        };
        Self {
            emitted: result("emitted"),
            delivered: result("delivered"),
            suppressed: result("suppressed"),
            dropped: result("dropped"),
            refused: result("refused"),
            queued: sample(&page, "goproxy_events_queued", &[&sink]),
        }
    }

    /// Whether every event is somewhere, and none in two places.
    pub fn hold(&self) -> bool {
        let somewhere = self.delivered + self.suppressed + self.dropped + self.refused;
        self.emitted == somewhere + self.queued
    }
}

/// Waits until that many events were emitted for a sink and nothing waits for it any more: then the sums hold.
pub fn await_settled(gateway: &Running, sink: &str, emitted: u64, patience: Duration) -> Sums {
    let until = Instant::now() + patience;
    loop {
        let sums = Sums::of(gateway, sink);
        if sums.emitted >= emitted && sums.queued == 0 && sums.hold() {
            assert_eq!(sums.emitted, emitted, "{sink}: {sums:?}");
            return sums;
        }
        assert!(
            Instant::now() < until,
            "{sink}: not within {patience:?}: {emitted} events that are all accounted for; {sums:?}"
        );
        gateway.probe().expect("the gateway answers");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many failures are no events, for that reason.
pub fn ignored(gateway: &Running, reason: &str) -> u64 {
    let reason = format!("reason=\"{reason}\"");
    // Counters are told once in a while, so what has just happened may be missing.
    let until = Instant::now() + crate::world::PATIENCE;
    loop {
        let count = sample(
            &prometheus(gateway),
            "goproxy_failures_ignored_total",
            &[&reason],
        );
        if count > 0 || Instant::now() > until {
            return count;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The value of the sample of that name with these labels; nothing counted yet is 0.
fn sample(page: &str, name: &str, labels: &[&str]) -> u64 {
    let found = page.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.strip_prefix('{')?;
        let (all, value) = rest.split_once("} ")?;
        labels
            .iter()
            .all(|label| all.split(',').any(|one| one == *label))
            .then(|| value.trim().parse().ok())?
    });
    found.unwrap_or(0)
}
