//! What is told of what was counted: to the host, and from worker to worker.

use goproxy_pages::{Report, metrics};

use super::*;
use crate::cache::shared::fake::Fake;
use crate::capabilities::SharedData;
use crate::testing::test;

#[test]
fn counts_are_told_once() {
    const HITS: &str = "cache_operations_total.tier.memory.result.hit";
    const MISSES: &str = "cache_operations_total.tier.memory.result.miss";
    let mut rig = Rig::new(ONE);
    let of = |counts: &[(String, u64)], key: &str| {
        let mut counts = counts.iter().filter(|(known, _)| known == key);
        let count = counts.next().map(|(_, by)| *by);
        assert_eq!(counts.next(), None, "{key} twice");
        count
    };
    rig.fetch(LIST, 200, "v1.0.0\n");
    rig.reply(LIST);
    let counts = rig.gateway.take_counts();
    assert_eq!((of(&counts, HITS), of(&counts, MISSES)), (Some(1), Some(1)));
    let untouched = of(&counts, "overloads_total");
    assert_eq!(untouched, Some(0), "so that the host knows it");
    assert_eq!(rig.gateway.take_counts(), []);
    rig.reply(LIST);
    rig.reply(LIST);
    let counts = rig.gateway.take_counts();
    assert_eq!((of(&counts, HITS), of(&counts, MISSES)), (Some(2), None));
}

#[test]
fn two_gateways_of_one_namespace_tell_a_count_once() {
    let store = Rc::default();
    let (mut one, mut other) = (Rig::in_store(ONE, &store), Rig::in_store(ONE, &store));
    one.fetch(LIST, 200, "v1.0.0\n");
    other.reply(LIST);
    assert!(!one.gateway.take_counts().is_empty());
    assert_eq!(other.gateway.take_counts(), []);
}

/// Workers of one process, each with its VM's store.
fn process(config: &str, count: u32) -> Vec<Rig> {
    let fake = Rc::new(Fake::default());
    (1..=count)
        .map(|queue| worker(config, "test", &fake, queue, &Rc::default()))
        .collect()
}

fn worker(
    config: &str,
    namespace: &str,
    fake: &Rc<Fake>,
    queue: u32,
    store: &Rc<RefCell<Store>>,
) -> Rig {
    let shared: Rc<dyn SharedData> = fake.worker(queue);
    let host = HostCapabilities {
        shared: Some(shared),
        ..HostCapabilities::none()
    };
    let config = Config::from_json(config.as_bytes(), namespace).unwrap();
    Rig::on(&config, store, &host)
}

impl Rig {
    /// A tick, as the adapter makes it; what comes back is for the host's gauges.
    fn publish(&mut self) -> Vec<(String, u64)> {
        self.gateway.on_tick(self.now);
        self.gateway.take_counts();
        self.gateway.publish(self.now)
    }

    fn report(&self) -> Report {
        self.gateway.process_report(self.now)
    }

    fn wait_for(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

fn value(samples: &[(String, u64)], key: &str) -> Option<u64> {
    metrics::value(samples, key)
}

const MOD_HITS: &str = "requests_total.endpoint.mod.result.hit";
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn workers_add_up_and_one_that_is_lost_is_forgotten() {
    let mut rigs = process(ONE, 2);
    rigs[0].fetch(MOD, 200, "module example.com/a\n");
    rigs[0].reply(MOD);
    rigs[1].reply(MOD);
    rigs[1].reply(MOD);
    for rig in &mut rigs {
        rig.publish();
    }
    for rig in &rigs {
        let report = rig.report();
        assert_eq!(report.workers, 2);
        assert_eq!(value(&report.samples, "workers"), Some(2));
        assert_eq!(value(&report.samples, MOD_HITS), Some(3));
        let asked = "upstream_requests_total.upstream.public.code.2xx";
        assert_eq!(value(&report.samples, asked), Some(1));
        let entries = value(&report.samples, "cache_entries.tier.memory");
        assert_eq!(entries, Some(2), "each has a copy");
        assert!(matches!(report.minutes.as_slice(), [minute] if minute.requests == 4));
        let build = ["build_info.version.", env!("CARGO_PKG_VERSION")].concat();
        assert_eq!(value(&report.samples, &build), Some(1));
        assert_eq!(report.digest.len(), 16);
    }
    // What was not told yet is known of oneself.
    rigs[0].reply(MOD);
    assert_eq!(value(&rigs[0].report().samples, MOD_HITS), Some(4));
    assert_eq!(value(&rigs[1].report().samples, MOD_HITS), Some(3));
    rigs[0].wait_for(31 * SECOND);
    let report = rigs[0].report();
    assert_eq!(
        (report.workers, value(&report.samples, MOD_HITS)),
        (1, Some(2))
    );
    // One that ends well is forgotten at once.
    rigs[0].publish();
    rigs[1].wait_for(31 * SECOND);
    rigs[1].publish();
    assert_eq!(rigs[1].report().workers, 2);
    rigs.remove(0);
    assert_eq!(rigs[0].report().workers, 1);
}

#[test]
fn a_report_is_written_at_most_once_a_second_and_not_for_ever_silent() {
    let mut rigs = process(ONE, 2);
    let [teller, reader] = rigs.as_mut_slice() else {
        panic!("two")
    };
    let hits = |reader: &Rig| value(&reader.report().samples, MOD_HITS);
    teller.fetch(MOD, 200, "module example.com/a\n");
    teller.publish();
    for expected in [0, 0, 0, 0, 5] {
        teller.reply(MOD);
        teller.wait_for(Duration::from_millis(200));
        teller.publish();
        reader.now = teller.now;
        assert_eq!(hits(reader), Some(expected));
    }
    for _ in 0..600 {
        teller.wait_for(Duration::from_millis(100));
        teller.publish();
        reader.now = teller.now;
        assert_eq!(reader.report().workers, 2, "an idle one lives");
    }
}

#[test]
fn one_worker_tells_the_gauges_of_all() {
    let mut rigs = process(ONE, 3);
    let all: Vec<_> = rigs.iter_mut().map(Rig::publish).collect();
    let workers = |gauges: &[(String, u64)]| value(gauges, "workers");
    assert_eq!(workers(&all[0]), Some(1));
    assert_eq!(value(&all[0], "upstream_aside.upstream.public"), Some(0));
    assert_eq!(value(&all[0], "coalesced_total"), None, "no counter");
    assert!(all[1].is_empty() && all[2].is_empty(), "{all:?}");
    for rig in &mut rigs {
        rig.wait_for(5 * SECOND);
    }
    let all: Vec<_> = rigs.iter_mut().map(Rig::publish).collect();
    assert_eq!(all[0], [("workers".to_owned(), 3)], "what has changed");
    assert!(all[1].is_empty() && all[2].is_empty(), "{all:?}");
    // The first one is lost: another speaks, and not of it.
    for rig in &mut rigs {
        rig.wait_for(31 * SECOND);
    }
    assert_eq!(workers(&rigs[1].publish()), Some(1));
    assert!(rigs[2].publish().is_empty());
}

#[test]
fn two_listeners_of_one_worker_are_one_worker() {
    let fake = Rc::new(Fake::default());
    let store = Rc::default();
    let mut one = worker(ONE, "test", &fake, 1, &store);
    let two = ONE.replace("public", "second");
    let mut same = worker(&two, "test", &fake, 2, &store);
    let mut apart = worker(ONE, "apart", &fake, 3, &store);
    one.fetch(MOD, 200, "module example.com/a\n");
    apart.fetch(MOD, 200, "module example.com/a\n");
    let mut gauges = Vec::new();
    for _ in 0..3 {
        for rig in [&mut one, &mut same, &mut apart] {
            rig.wait_for(2 * SECOND);
            rig.reply(MOD);
            for (key, value) in rig.publish() {
                gauges.retain(|(known, _)| *known != key);
                gauges.push((key, value));
            }
        }
    }
    let report = same.report();
    assert_eq!(
        (report.workers, value(&report.samples, MOD_HITS)),
        (1, Some(6))
    );
    let names: Vec<_> = report.upstreams.iter().map(|place| &*place.name).collect();
    assert_eq!(names, ["public", "second", "sum.example"]);
    assert_ne!(
        one.report().digest,
        report.digest,
        "its own configuration's"
    );
    let report = apart.report();
    assert_eq!(
        (report.workers, value(&report.samples, MOD_HITS)),
        (1, Some(3))
    );
    gauges.sort();
    assert_eq!(value(&gauges, "workers"), Some(1));
    assert_eq!(value(&gauges, "cache_entries.tier.memory"), Some(2));
    // An old configuration's upstreams go with it, and what the others know stays.
    drop(one);
    let report = same.report();
    let names: Vec<_> = report.upstreams.iter().map(|place| &*place.name).collect();
    assert_eq!(
        (report.workers, names.as_slice()),
        (1, ["second", "sum.example"].as_slice())
    );
    drop(same);
    let mut slots = fake.values();
    slots.retain(|(name, bytes)| name.contains("/report/") && *bytes > 1);
    assert_eq!(slots.len(), 1, "given back");
}

#[test]
fn a_worker_alone_tells_of_itself() {
    let mut rig = Rig::new(ONE);
    rig.fetch(MOD, 200, "module example.com/a\n");
    let gauges = rig.publish();
    assert_eq!(value(&gauges, "workers"), Some(1));
    assert_eq!(rig.report().workers, 1);
    assert!(rig.report().redis.is_none());
    let text = metrics::render(&rig.report().samples);
    assert!(text.contains("goproxy_workers 1\n"), "{text}");
}

#[test]
fn an_upstream_that_is_left_alone_is_told_of_until_it_is_not() {
    let config = ONE.replace(
        r#""timeout": "30s""#,
        r#""max_fails": 1, "fail_timeout": "20s""#,
    );
    let mut rigs = process(&config, 2);
    let key = "upstream_aside.upstream.public";
    let aside = |rig: &Rig| {
        let report = rig.report();
        let place = report.upstreams.iter().find(|place| place.name == "public");
        let place = place.unwrap();
        assert_eq!(value(&report.samples, key), Some(u64::from(place.aside)));
        (place.aside, rig.now.seconds_since(place.since))
    };
    assert_eq!(value(&rigs[0].publish(), key), Some(0));
    rigs[1].publish();
    for rig in &mut rigs {
        rig.wait_for(10 * SECOND);
    }
    assert_eq!(aside(&rigs[0]), (0, 10));
    rigs[1].wait(MOD);
    for _ in 0..3 {
        rigs[1].pass(SECOND);
        rigs[1].outcome(CalloutOutcome::Unreachable);
    }
    rigs[0].now = rigs[1].now;
    rigs[1].publish();
    assert_eq!(value(&rigs[0].publish(), key), Some(1), "one of two");
    assert_eq!(aside(&rigs[0]), (1, 0));
    for rig in &mut rigs {
        rig.wait_for(25 * SECOND);
    }
    rigs[1].publish();
    assert_eq!(
        value(&rigs[0].publish(), key),
        Some(0),
        "nobody asked for anything"
    );
    assert_eq!(aside(&rigs[0]), (0, 5));
}

#[test]
fn failures_that_are_told_late_stand_where_they_belong() {
    let mut rigs = process(ONE, 2);
    let rig = &mut rigs[0];
    // Held back, since the version may be found elsewhere.
    rig.fetch(INFO, 404, "not found\n");
    rig.pass(SECOND);
    rig.fetch(MOD, 404, "not found\n");
    rig.pass(2 * SECOND);
    rig.publish();
    rigs[1].now = rigs[0].now;
    let failures = rigs[1].report().failures;
    let kinds: Vec<_> = failures
        .iter()
        .map(|line| {
            (
                line.contains(r#""kind":"mod""#),
                line.contains(r#""kind":"info""#),
            )
        })
        .collect();
    assert_eq!(kinds, [(true, false), (false, true)], "{failures:?}");
}
