//! Several workers of one process: entries that all find, one flight for all, and what goes wrong with either.

use super::*;
use crate::cache::shared::fake::Fake;
use crate::capabilities::SharedData;

const LIST_BODY: &str = "v1.0.0\n";
const LATER_BODY: &str = "v1.0.0\nv1.1.0\n";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Workers of one process. The first has the queue 1, and so on.
struct Process {
    host: Rc<Fake>,
    workers: Vec<Rig>,
}

fn config() -> Config {
    Config::from_json(ONE.as_bytes(), "test").unwrap()
}

/// Each worker's memory holds nothing, so that all comes from what is shared.
fn forgetful() -> Config {
    let mut config = config();
    (config.memory.size, config.memory.max_object) = (0, 0);
    config
}

impl Process {
    fn of(config: &Config, count: u32) -> Self {
        let host = Rc::new(Fake::default());
        let workers = (1..=count).map(|queue| worker(config, &host, queue));
        let workers = workers.collect();
        Self { host, workers }
    }

    fn new(count: u32) -> Self {
        Self::of(&config(), count)
    }

    /// Time passes for all, and all tick.
    fn pass(&mut self, time: Duration) {
        for worker in &mut self.workers {
            worker.pass(time);
        }
    }

    /// Messages reach their workers.
    fn deliver(&mut self) {
        for (queue, worker) in (1..).zip(&mut self.workers) {
            for message in self.host.messages(queue) {
                worker.gateway.on_message(message.as_bytes(), worker.now);
            }
        }
    }

    fn total(&self, counter: impl Fn(&Counters) -> u64) -> u64 {
        let counts = self.workers.iter();
        counts.map(|rig| counter(&rig.gateway.counters())).sum()
    }
}

fn worker(config: &Config, host: &Rc<Fake>, queue: u32) -> Rig {
    let shared: Rc<dyn SharedData> = host.worker(queue);
    let host = HostCapabilities {
        shared: Some(shared),
        ..HostCapabilities::none()
    };
    Rig::on(config, &Rc::default(), &host)
}

fn status(reply: &Reply) -> &str {
    field(reply, "cache-status")
}

#[test]
fn what_one_worker_fetched_is_a_hit_in_another_and_then_in_its_memory() {
    let mut process = Process::new(2);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    process.pass(7 * SECOND);
    for told in [
        "goproxy-wasm; hit; ttl=53; detail=shared",
        "goproxy-wasm; hit; ttl=53; detail=memory",
    ] {
        let reply = process.workers[1].reply(LIST);
        assert_eq!((seen(&reply), status(&reply)), (ok(LIST_BODY), told));
        assert_eq!(field(&reply, "age"), "7");
    }
    process.workers[1].no_callout();
    let counters = process.workers[1].gateway.counters();
    assert_eq!(
        (counters.shared_hits_total, counters.memory_misses_total),
        (1, 1)
    );
    assert_eq!(
        (counters.shared_misses_total, counters.stored_total),
        (0, 1)
    );
}

#[test]
fn absences_are_shared_as_well_and_never_stale() {
    let mut process = Process::new(2);
    let missing = process.workers[0].fetch(MOD, 404, "not found: no such version");
    let reply = process.workers[1].reply(MOD);
    assert_eq!(seen(&reply), missing);
    assert!(status(&reply).ends_with("detail=shared"));
    process.pass(MINUTE);
    process.workers[1].wait(MOD);
}

#[test]
fn what_is_no_longer_fresh_is_no_hit_where_nobody_may_be_asked_for_it_anew() {
    let mut process = Process::of(&forgetful(), 2);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    process.pass(MINUTE);
    // Served while it is asked for anew, as what memory has.
    let reply = process.workers[1].reply(LIST);
    assert_eq!(
        status(&reply),
        "goproxy-wasm; hit; ttl=0; detail=shared",
        "aging"
    );
    process.workers[1].answer(200, LATER_BODY);
    assert_eq!(seen(&process.workers[0].reply(LIST)), ok(LATER_BODY));
    process.pass(6 * MINUTE);
    process.workers[0].wait(LIST);
    let failed = process.workers[0].callout();
    process.workers[0].tell(&failed, CalloutOutcome::Timeout);
    assert_eq!(process.workers[0].seen(), ok(LATER_BODY), "in an outage");
}

#[test]
fn an_invalidated_entry_is_not_served() {
    let mut process = Process::new(1);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    let text = ONE.replace(
        r#""cache": {"#,
        r#""cache": {"invalidate": [{"modules": ["example.com"], "before": "2033-01-01T00:00:00Z"}], "#,
    );
    let config = Config::from_json(text.as_bytes(), "test").unwrap();
    let mut other = worker(&config, &process.host, 2);
    other.wait(LIST);
}

#[test]
fn namespaces_do_not_see_each_other() {
    let mut process = Process::new(1);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    let other = Config::from_json(ONE.as_bytes(), "other").unwrap();
    worker(&other, &process.host, 2).wait(LIST);
}

#[test]
fn a_client_of_the_cache_only_gets_what_is_shared_and_else_404() {
    let mut process = Process::new(2);
    let path = format!("/cached-only{LIST}");
    assert_eq!(process.workers[1].reply(&path).status, 404);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    assert_eq!(seen(&process.workers[1].reply(&path)), ok(LIST_BODY));
    process.workers[1].no_callout();
}

#[test]
fn a_small_archive_that_one_worker_copied_is_a_hit_in_another() {
    let mut process = Process::new(2);
    let length = EMPTY_ZIP.len().to_string();
    let fields = [
        ("content-type", "application/zip"),
        ("content-length", &*length),
    ];
    process.workers[0].stream(ZIP, &fields, EMPTY_ZIP);
    let reply = process.workers[1].reply(ZIP);
    assert_eq!(reply.body.as_bytes(), EMPTY_ZIP);
    assert!(status(&reply).ends_with("detail=shared"));
}

#[test]
fn two_workers_make_one_callout_and_both_answer() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[1].no_callout();
    process.workers[0].answer(200, LIST_BODY);
    process.workers[0].seen();
    assert!(
        process.workers[1].steps().is_empty(),
        "it is told by message"
    );
    process.deliver();
    let steps = process.workers[1].steps();
    assert_eq!(steps.len(), 2);
    for (_, step) in &steps {
        let Step::Reply(reply) = step else {
            panic!("{step:?}")
        };
        let told = "goproxy-wasm; fwd=uri-miss; fwd-status=200; stored; collapsed";
        assert_eq!((seen(reply), status(reply)), (ok(LIST_BODY), told));
    }
    process.workers[1].no_callout();
    assert_eq!(process.total(|counters| counters.callouts_total), 1);
    assert_eq!(process.total(|counters| counters.coalesced_total), 2);
    assert_eq!(process.total(|counters| counters.leases_taken_total), 1);
    assert_eq!(process.total(|counters| counters.leases_followed_total), 1);
}

#[test]
fn followers_of_an_answer_that_nobody_may_keep_do_not_queue_up() {
    let mut process = Process::new(4);
    for worker in &mut process.workers {
        worker.wait(LIST);
    }
    let no_store = [("cache-control", "no-store")];
    let callout = process.workers[0].callout();
    process.workers[0].tell(&callout, answer_with(200, LIST_BODY, &no_store));
    assert_eq!(process.workers[0].seen(), ok(LIST_BODY));
    process.deliver();
    // All at once, and each for itself.
    let callouts: Vec<Callout> = process.workers[1..].iter_mut().map(Rig::callout).collect();
    for (worker, callout) in process.workers[1..].iter_mut().zip(&callouts) {
        worker.tell(callout, answer_with(200, LIST_BODY, &no_store));
        assert_eq!(worker.seen(), ok(LIST_BODY));
    }
    assert_eq!(process.total(|counters| counters.coalesced_total), 0);
}

#[test]
fn followers_of_a_failure_ask_for_themselves() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[0].answer(403, "no");
    assert_eq!(process.workers[0].seen().status, 403);
    process.deliver();
    process.workers[1].answer(200, LIST_BODY);
    assert_eq!(process.workers[1].seen(), ok(LIST_BODY));
}

#[test]
fn what_is_too_large_to_share_is_fetched_by_each() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    let body: String = (0..8000).map(|n| format!("v1.{n}.0\n")).collect();
    process.workers[0].answer(200, &body);
    process.deliver();
    process.workers[1].answer(200, &body);
    assert_eq!(process.workers[1].seen(), ok(&body));
}

#[test]
fn a_leader_that_takes_its_time_is_followed_all_along() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    let callout = process.workers[0].callout();
    process.workers[1].wait(LIST);
    for _ in 0..250 {
        process.pass(SECOND / 10);
        process.workers[1].no_callout();
    }
    process.workers[0].tell(&callout, answer(200, LIST_BODY));
    process.deliver();
    assert_eq!(process.workers[1].seen(), ok(LIST_BODY));
}

#[test]
fn a_worker_that_dies_with_the_lease_is_replaced_by_one_of_its_followers() {
    let mut process = Process::new(3);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[2].wait(LIST);
    // Not a word from it: nothing is dropped as it should be.
    std::mem::forget(process.workers.remove(0));
    process.pass(3 * SECOND - SECOND / 10);
    process.workers[0].no_callout();
    process.pass(SECOND / 10);
    process.workers[1].no_callout();
    process.workers[0].answer(200, LIST_BODY);
    assert_eq!(process.workers[0].seen(), ok(LIST_BODY));
    let worker = &mut process.workers[1];
    for message in process.host.messages(3) {
        worker.gateway.on_message(message.as_bytes(), worker.now);
    }
    assert_eq!(worker.seen(), ok(LIST_BODY));
    assert_eq!(
        process.total(|counters| counters.leases_taken_over_total),
        1
    );
}

#[test]
fn a_configuration_that_ends_gives_its_leases_up() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers.remove(0);
    let worker = &mut process.workers[0];
    for message in process.host.messages(2) {
        worker.gateway.on_message(message.as_bytes(), worker.now);
    }
    worker.answer(200, LIST_BODY);
    assert_eq!(worker.seen(), ok(LIST_BODY));
}

#[test]
fn a_message_that_is_lost_costs_the_rest_of_a_lease() {
    for (status, body) in [(200, LIST_BODY), (403, "no")] {
        let mut process = Process::new(2);
        process.workers[0].wait(LIST);
        process.workers[1].wait(LIST);
        process.workers[0].answer(status, body);
        assert_eq!(process.host.messages(2).len(), 1, "and nobody reads it");
        process.pass(3 * SECOND);
        if status != 200 {
            process.workers[1].answer(200, LIST_BODY);
        }
        assert_eq!(process.workers[1].seen(), ok(LIST_BODY), "{status}");
    }
}

#[test]
fn messages_that_say_nothing_change_nothing() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[0].wait(MOD);
    process.workers[1].wait(LIST);
    let key = format!("v1/test/public{LIST}");
    for message in [
        &b""[..],
        b"v1/test/public/example.com/b/@v/list",
        b"\xff\xfe",
        b"\0",
        key.as_bytes(),
        &[b'x'; 100_000],
    ] {
        for worker in &mut process.workers {
            worker.gateway.on_message(message, worker.now);
        }
    }
    process.workers[1].no_callout();
    assert!(process.workers[1].steps().is_empty(), "it waits still");
    process.workers[0].answer(200, LIST_BODY);
    process.deliver();
    assert_eq!(process.workers[1].seen(), ok(LIST_BODY));
}

#[test]
fn a_clock_that_is_set_back_strands_nobody() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    std::mem::forget(process.workers.remove(0));
    let worker = &mut process.workers[0];
    worker.now = Timestamp::from_millis(worker.now.as_millis() - 3_600_000);
    worker.pass(Duration::ZERO);
    worker.answer(200, LIST_BODY);
    assert_eq!(worker.seen(), ok(LIST_BODY));
}

#[test]
fn nobody_follows_for_ever() {
    let mut process = Process::new(2);
    process.workers[0].wait(LIST);
    let _out = process.workers[0].callout();
    process.workers[1].wait(LIST);
    let key = format!("v1/test/public{LIST}");
    let Process { host, workers } = &mut process;
    // The leader's flight has no end, or another plugin plays a leader.
    let leader: Rc<dyn SharedData> = host.worker(1);
    let leader = crate::cache::shared::Shared::open(&leader, 1 << 20).unwrap();
    for _ in 1..120 {
        workers[1].pass(SECOND);
        assert!(leader.leases.renew(&key, workers[1].now).is_some());
        workers[1].no_callout();
    }
    for _ in 0..3 {
        workers[1].pass(SECOND);
    }
    workers[1].answer(200, LIST_BODY);
    assert_eq!(workers[1].seen(), ok(LIST_BODY));
}

#[test]
fn one_worker_asks_anew_in_the_background_for_all() {
    let mut process = Process::new(3);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    for worker in &mut process.workers {
        worker.reply(LIST);
    }
    process.pass(MINUTE);
    for worker in &mut process.workers {
        assert_eq!(seen(&worker.reply(LIST)), ok(LIST_BODY));
    }
    process.workers[0].answer(200, LATER_BODY);
    process.deliver();
    for worker in &mut process.workers {
        worker.no_callout();
        let reply = worker.reply(LIST);
        assert_eq!(seen(&reply), ok(LATER_BODY));
        assert!(status(&reply).ends_with("detail=memory"), "{reply:?}");
    }
    assert_eq!(process.total(|counters| counters.coalesced_total), 0);
}

#[test]
fn objects_that_share_a_slot_are_each_served_right() {
    let mut process = Process::of(&forgetful(), 2);
    // Two slots are enough for one to be taken twice by so many.
    let path = |number: u32| format!("/example.com/a/@v/v1.{number}.0.mod");
    for number in 0..6000 {
        let body = format!("module example.com/a // {number}\n");
        process.workers[0].fetch(&path(number), 200, &body);
    }
    let mut hits = 0;
    for number in 0..6000 {
        match process.workers[1].ask(&path(number)) {
            (_, Step::Reply(reply)) => {
                let body = format!("module example.com/a // {number}\n");
                assert_eq!(seen(&reply), ok(&body));
                hits += 1;
            }
            (id, Step::Wait) => {
                let worker = &mut process.workers[1];
                worker.gateway.on_closed(id, End::Left, worker.now);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((2000..4097).contains(&hits), "{hits}");
    let refused = process.total(|counters| counters.shared_refused_total);
    assert_eq!(refused, 0, "another object's entry is none that is broken");
}

#[test]
fn what_does_not_verify_is_a_counted_miss() {
    let mut process = Process::of(&forgetful(), 2);
    process.workers[0].fetch(LIST, 200, LIST_BODY);
    let values = process.host.values();
    let (name, _) = values
        .iter()
        .find(|(name, _)| name.contains("/small/"))
        .unwrap();
    process.host.overwrite(name, b"gopx, but not what it was");
    process.workers[1].wait(LIST);
    process.workers[1].answer(200, LATER_BODY);
    assert_eq!(process.workers[1].seen(), ok(LATER_BODY));
    let counters = process.workers[1].gateway.counters();
    assert_eq!(
        (counters.shared_refused_total, counters.shared_misses_total),
        (1, 1)
    );
    assert_eq!(seen(&process.workers[0].reply(LIST)), ok(LATER_BODY));
}

#[test]
fn what_redis_had_is_shared_and_wakes_those_who_wait() {
    let mut config = config();
    config.redis = Some(super::redis::settings());
    let mut process = Process::of(&config, 2);
    process.workers[0].miss(LIST);
    process.workers[0].answer(200, LIST_BODY);
    process.pass(SECOND);
    let write = process.workers[0].callout();
    let value = write.body.clone().unwrap();

    // The next process has the same Redis, and nothing else.
    let mut process = Process::of(&config, 2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[1].no_callout();
    let read = process.workers[0].callout();
    process.workers[0].tell(&read, super::redis::raw(&value));
    assert_eq!(process.workers[0].seen(), ok(LIST_BODY));
    process.deliver();
    assert_eq!(process.workers[1].seen(), ok(LIST_BODY));
    process.workers[1].no_callout();
}

#[test]
fn without_a_size_nothing_is_shared() {
    let mut config = config();
    config.shared.size = 0;
    let mut process = Process::of(&config, 2);
    process.workers[0].wait(LIST);
    process.workers[1].wait(LIST);
    process.workers[0].answer(200, LIST_BODY);
    process.workers[1].answer(200, LIST_BODY);
    // There are places for reports only, and nothing was written.
    assert_eq!((process.host.names(), process.host.values()), (256, vec![]));
    assert_eq!(process.total(|counters| counters.shared_misses_total), 0);
}
