//! Redis as a tier (DESIGN 4, 6): asked before an upstream, written behind the client's back, never an error.

use super::*;
use crate::cache::Key;
use crate::cache::redis::{open, seal};
use crate::cache::{Answered, ContentType, Entry, Lifetime};
use crate::config::{Redis, RedisGateway};
use crate::gateway::caching::TROUBLE;

const TICK: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);
const BODY: &str = "module example.com/a\n";
const NIL: &[u8] = b"$-1\r\n";

pub(super) fn settings() -> Redis {
    Redis {
        gateway: RedisGateway::Webdis,
        target: "redis".into(),
        authority: "redis".into(),
        path: String::new(),
        token: None,
        timeout: Duration::from_millis(100),
        max_fails: 3,
        fail_timeout: Duration::from_secs(2),
        prefix: "gomod".into(),
        ttl: 30 * DAY,
        max_value: 256 << 10,
        signing_key: None,
        queue: 4 << 20,
    }
}

fn rig_with(redis: Redis) -> Rig {
    rig_in(redis, &Rc::default())
}

fn rig_in(redis: Redis, store: &Rc<RefCell<Store>>) -> Rig {
    let mut config = Config::from_json(ONE.as_bytes(), "test").unwrap();
    config.redis = Some(redis);
    Rig::of(&config, store)
}

fn rig() -> Rig {
    rig_with(settings())
}

fn bytes(status: u16, body: &[u8]) -> CalloutOutcome {
    let body = AnswerBody::Whole(body.to_vec());
    let head = AnswerHead::default();
    CalloutOutcome::Answer(Answer { status, head, body })
}

/// What webdis says of a value.
pub(super) fn raw(value: &[u8]) -> CalloutOutcome {
    let length = format!("${}\r\n", value.len());
    bytes(200, &[length.as_bytes(), value, b"\r\n"].concat())
}

fn key_of(path: &str) -> Key {
    Key::public("test", path)
}

fn lifetime_of(path: &str) -> Lifetime {
    let config = Config::from_json(ONE.as_bytes(), "test").unwrap();
    let request = Request::parse(path.as_bytes()).unwrap();
    Lifetime::of_found(&config.freshness, request.class())
}

/// The value of an object that was fetched and written at these moments.
fn value(path: &str, body: &str, stored_at: Timestamp, written_at: Timestamp) -> Vec<u8> {
    let answer = Answered {
        status: 200,
        content_type: ContentType::Text,
        upstream: "public",
        body: body.as_bytes(),
    };
    let entry = Entry::of(answer, key_of(path).as_str(), lifetime_of(path), stored_at).unwrap();
    seal(&entry, written_at, None)
}

impl Rig {
    /// The next callout is to Redis, and reads.
    fn read(&mut self, outcome: CalloutOutcome) -> Callout {
        let callout = self.outcome(outcome);
        assert_eq!((&*callout.target, callout.method), ("redis", Method::Get));
        callout
    }

    /// Asks for what Redis does not have.
    pub(super) fn miss(&mut self, path: &str) -> StreamId {
        let id = self.wait(path);
        self.read(bytes(200, NIL));
        id
    }

    fn now(&self, value: &str) -> CalloutOutcome {
        raw(&self::value(MOD, value, self.now, self.now))
    }

    fn cache_status(&mut self) -> (u16, String) {
        let steps = self.steps();
        let [(_, Step::Reply(reply))] = steps.as_slice() else {
            panic!("{steps:?}")
        };
        (reply.status, field(reply, "cache-status").to_owned())
    }

    fn missed(&self, reason: &str) -> u64 {
        let key = ["redis_missed_total.reason.", reason].concat();
        self.gateway.counters().get(&key).unwrap()
    }
}

#[test]
fn what_redis_has_is_asked_of_nobody_else_and_then_of_memory() {
    let mut rig = rig();
    rig.wait(MOD);
    let found = rig.now(BODY);
    let read = rig.read(found);
    assert!(read.path.starts_with("/GET/gomod-v1-"), "{}", read.path);
    assert_eq!(read.timeout, Duration::from_millis(100));
    let told = "goproxy-wasm; hit; ttl=31536000; detail=redis";
    assert_eq!(rig.cache_status(), (200, told.to_owned()));
    assert_eq!(seen(&rig.reply(MOD)), ok(BODY));
    rig.pass(TICK);
    rig.no_callout();
    assert_eq!(rig.gateway.counters().redis_hits_total, 1);
}

#[test]
fn what_redis_does_not_have_is_fetched_and_written_on_tick_with_its_ttl() {
    let mut rig = rig();
    rig.miss(MOD);
    rig.answer(200, BODY);
    assert_eq!(rig.seen(), ok(BODY), "nobody waits for the write");
    rig.no_callout();
    rig.pass(TICK);
    let write = rig.callout();
    assert_eq!((&*write.target, write.method), ("redis", Method::Put));
    let ending = format!("/{}.raw", 30 * 86_400);
    assert!(
        write.path.starts_with("/SETEX/gomod-v1-") && write.path.ends_with(&ending),
        "{}",
        write.path
    );
    let sealed = open(write.body.as_deref().unwrap(), key_of(MOD).as_str(), None).unwrap();
    assert_eq!(sealed.entry.body(), BODY.as_bytes());
    rig.tell(&write, bytes(200, b"+OK\r\n"));
    rig.pass(TICK);
    rig.no_callout();
    assert_eq!(rig.gateway.counters().redis_writes_total, 1);
}

#[test]
fn what_moves_on_is_written_for_as_long_as_it_may_be_served() {
    for (path, status, body, seconds) in [
        (LIST, 200, "v1.0.0\n", 60 + 86_400),
        (MOD, 404, "not here", 60),
    ] {
        let mut rig = rig();
        rig.miss(path);
        rig.answer(status, body);
        rig.steps();
        rig.pass(TICK);
        let write = rig.callout();
        let ending = format!("/{}.raw", seconds - 1);
        let now = format!("/{seconds}.raw");
        assert!(
            write.path.ends_with(&ending) || write.path.ends_with(&now),
            "{}",
            write.path
        );
    }
}

#[test]
fn what_must_not_be_stored_is_not_written() {
    for (status, fields) in [
        (200, &[("cache-control", "no-store")][..]),
        (403, &[]),
        (429, &[]),
        (500, &[]),
    ] {
        let mut rig = rig();
        rig.miss(MOD);
        rig.outcome(answer_with(status, BODY, fields));
        rig.steps();
        rig.pass(TICK);
        rig.no_callout();
    }
}

#[test]
fn whatever_is_no_entry_is_a_miss_with_its_reason() {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let good = value(MOD, BODY, at, at);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let other = value(INFO, BODY, at, at);
    for (outcome, reason) in [
        (bytes(200, b"-OOM command not allowed\r\n"), "oom"),
        (bytes(200, b"-MOVED 1 127.0.0.1:1\r\n"), "moved"),
        (bytes(200, b"-LOADING Redis is loading\r\n"), "loading"),
        (
            bytes(200, b"-NOAUTH Authentication required.\r\n"),
            "noauth",
        ),
        (bytes(200, b"<html>hello</html>"), "not_resp"),
        (bytes(200, b"$100\r\nshort"), "truncated"),
        (bytes(503, b""), "status"),
        (raw(b"<html>"), "magic"),
        (raw(&good[..good.len() - 1]), "length"),
        (raw(&flipped), "checksum"),
        (raw(&other), "key"),
        (CalloutOutcome::Timeout, "timeout"),
        (CalloutOutcome::Unreachable, "unreachable"),
        (CalloutOutcome::Reset, "reset"),
        (CalloutOutcome::NotSent, "not_sent"),
        (CalloutOutcome::UnknownTarget, "unknown_target"),
    ] {
        let mut rig = rig();
        rig.wait(MOD);
        rig.read(outcome);
        rig.answer(200, BODY);
        assert_eq!(rig.seen(), ok(BODY), "{reason}");
        assert_eq!(rig.missed(reason), 1, "{reason}");
    }
}

#[test]
fn a_redis_that_hangs_costs_its_time_limit_and_no_more() {
    let mut rig = rig();
    rig.wait(MOD);
    let read = rig.callout();
    rig.pass(Duration::from_millis(350));
    rig.answer(200, BODY);
    assert_eq!(
        rig.seen(),
        ok(BODY),
        "though the host never told the outcome"
    );
    rig.tell(&read, CalloutOutcome::Timeout);
    assert_eq!(rig.gateway.counters().late_outcomes_total, 1);
}

#[test]
fn after_some_failures_it_is_left_alone_until_it_answers_a_probe() {
    let mut rig = rig();
    for number in 0..3 {
        rig.wait(&format!("/example.com/m{number}/@v/list"));
        rig.read(CalloutOutcome::Timeout);
        rig.answer(200, "");
        rig.steps();
    }
    rig.fetch(LIST, 200, "v1.0.0\n");
    rig.pass(TICK);
    rig.no_callout();
    rig.pass(Duration::from_secs(2));
    let probe = rig.callout();
    assert_eq!((&*probe.target, &*probe.path), ("redis", "/PING.raw"));
    rig.fetch(MOD, 200, BODY);
    rig.tell(&probe, CalloutOutcome::Timeout);
    rig.pass(Duration::from_secs(1));
    rig.no_callout();
    rig.pass(Duration::from_secs(1));
    let probe = rig.callout();
    rig.tell(&probe, bytes(200, b"+PONG\r\n"));
    let written = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).count();
    assert_eq!(written, 5, "what waited is written");
    rig.wait(INFO);
    rig.read(bytes(200, NIL));
}

#[test]
fn a_crowd_before_redis_goes_on_to_the_upstream_and_is_no_failure_of_redis() {
    let mut rig = rig();
    for number in 0..MAX_TO_ONE + 10 {
        rig.wait(&format!("/example.com/m{number}/@v/list"));
    }
    let reads = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).count();
    assert_eq!(reads, MAX_TO_ONE);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.missed("not_sent"), 10);
    let upstream = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).count();
    assert_eq!(upstream, 10);
}

#[test]
fn what_waits_to_be_written_is_bounded_and_what_is_dropped_is_counted() {
    let mut rig = rig_with(Redis {
        queue: 1_000,
        ..settings()
    });
    for number in 0..20 {
        rig.miss(&format!("/example.com/m{number}/@v/v1.0.0.mod"));
        rig.answer(200, BODY);
    }
    rig.steps();
    rig.pass(TICK);
    let written = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).count() as u64;
    let dropped = rig.gateway.counters().redis_writes_dropped_total;
    assert!(
        written > 0 && dropped > 0 && written + dropped == 20,
        "{written} {dropped}"
    );
}

#[test]
fn few_writes_are_under_way_at_a_time() {
    let mut rig = rig();
    for number in 0..20 {
        rig.miss(&format!("/example.com/m{number}/@v/v1.0.0.mod"));
        rig.answer(200, BODY);
    }
    rig.steps();
    rig.pass(TICK);
    let first: Vec<_> = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).collect();
    assert_eq!(first.len(), 8);
    rig.tell(&first[0], bytes(200, b"+OK\r\n"));
    assert_eq!(rig.callout().method, Method::Put);
    rig.no_callout();
    // Those whose outcome the host never tells make room in time.
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.callout().method, Method::Put);
}

#[test]
fn a_redis_that_is_full_is_still_read() {
    let mut rig = rig();
    for number in 0..5 {
        rig.miss(&format!("/example.com/m{number}/@v/v1.0.0.mod"));
        rig.answer(200, BODY);
        rig.steps();
        rig.pass(TICK);
        rig.outcome(bytes(
            200,
            b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        ));
    }
    let counters = rig.gateway.counters();
    assert_eq!(
        (rig.missed("oom"), counters.redis_writes_dropped_total),
        (5, 5)
    );
    rig.wait(MOD);
    let found = rig.now(BODY);
    rig.read(found);
    assert_eq!(rig.seen(), ok(BODY));
}

#[test]
fn a_late_hit_is_written_again_and_an_early_one_is_not() {
    for (days, again) in [(14, false), (16, true)] {
        let mut rig = rig();
        let before = Timestamp::from_millis(rig.now.as_millis() - days * 86_400_000);
        rig.wait(MOD);
        rig.read(raw(&value(MOD, BODY, before, before)));
        rig.pass(TICK);
        let write = rig.gateway.next_callout(rig.now);
        assert_eq!(write.is_some(), again, "{days} days");
    }
}

#[test]
fn an_aging_answer_of_redis_is_served_and_asked_for_anew() {
    let mut rig = rig();
    let before = Timestamp::from_millis(rig.now.as_millis() - 90_000);
    rig.wait(LIST);
    rig.read(raw(&value(LIST, "v1.0.0\n", before, before)));
    let told = "goproxy-wasm; hit; ttl=-30; detail=redis";
    assert_eq!(rig.cache_status(), (200, told.to_owned()));
    // Another replica may have asked meanwhile; this one's copy is the same, and does not end the refresh.
    rig.read(raw(&value(LIST, "v1.0.0\n", before, before)));
    rig.answer(200, "v1.1.0\n");
    assert_eq!(seen(&rig.reply(LIST)), ok("v1.1.0\n"));
    assert_eq!(rig.gateway.counters().refreshes_total, 1);
}

#[test]
fn an_old_answer_of_redis_bridges_an_outage() {
    let mut rig = rig();
    let before = Timestamp::from_millis(rig.now.as_millis() - 3_600_000);
    rig.wait(LIST);
    rig.read(raw(&value(LIST, "v1.0.0\n", before, before)));
    rig.outcome(CalloutOutcome::Timeout);
    let told = "goproxy-wasm; fwd=stale; detail=stale-if-error";
    assert_eq!(rig.cache_status(), (200, told.to_owned()));
    assert_eq!(seen(&rig.reply(LIST)), ok("v1.0.0\n"), "from memory now");
    rig.no_callout();
    rig.pass(TROUBLE);
    rig.reply(LIST);
    rig.read(bytes(200, NIL));
}

#[test]
fn a_dead_answer_of_redis_is_a_miss() {
    let mut rig = rig();
    let before = Timestamp::from_millis(rig.now.as_millis() - 2 * 86_400_000);
    rig.wait(LIST);
    rig.read(raw(&value(LIST, "v1.0.0\n", before, before)));
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn who_asks_the_caches_only_asks_redis_too_and_waits_for_no_upstream() {
    let mut rig = rig();
    let cached_only = "/cached-only/example.com/a/@v/v1.0.0.mod";
    rig.wait(MOD);
    rig.read(bytes(200, NIL));
    let upstream = rig.callout();
    rig.wait(cached_only);
    rig.read(bytes(200, NIL));
    assert_eq!(rig.seen().status, 404);
    rig.no_callout();
    rig.tell(&upstream, answer(200, BODY));
    assert_eq!(rig.seen(), ok(BODY));
    let mut rig = self::rig();
    rig.wait(cached_only);
    let found = rig.now(BODY);
    rig.read(found);
    assert_eq!(rig.seen(), ok(BODY));
}

#[test]
fn a_small_archive_is_written_and_read_and_others_stream() {
    let mut rig = rig();
    let id = rig.miss(ZIP);
    let steps = rig.steps();
    assert!(
        matches!(steps.as_slice(), [(one, Step::Forward(_))] if *one == id),
        "{steps:?}"
    );
    rig.head(
        id,
        200,
        &[
            ("content-type", "application/zip"),
            ("content-length", "22"),
        ],
    );
    assert_eq!(rig.piece(id, EMPTY_ZIP, true), BodyStep::Pass);
    rig.pass(TICK);
    let write = rig.callout();
    let mut other = self::rig();
    other.wait(ZIP);
    other.read(raw(write.body.as_deref().unwrap()));
    let steps = other.steps();
    let [(_, Step::Reply(reply))] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(reply.body.as_bytes(), EMPTY_ZIP);
    assert_eq!(field(reply, "content-type"), "application/zip");
}

#[test]
fn an_archive_too_large_for_redis_and_a_toolchain_are_not_written() {
    let mut rig = rig_with(Redis {
        max_value: 10,
        ..settings()
    });
    let id = rig.miss(ZIP);
    rig.steps();
    rig.head(
        id,
        200,
        &[
            ("content-type", "application/zip"),
            ("content-length", "22"),
        ],
    );
    rig.piece(id, EMPTY_ZIP, true);
    rig.forwarded("/golang.org/toolchain/@v/v0.0.1-go1.27.0.linux-amd64.zip");
    rig.pass(TICK);
    rig.no_callout();
}

#[test]
fn many_clients_of_one_object_ask_redis_once() {
    let mut rig = rig();
    for _ in 0..50 {
        rig.wait(MOD);
    }
    let found = rig.now(BODY);
    rig.read(found);
    rig.no_callout();
    assert_eq!(rig.steps().len(), 50);
}

#[test]
fn a_new_configuration_writes_what_the_old_one_left() {
    let store = Rc::default();
    let mut old = rig_in(settings(), &store);
    old.miss(MOD);
    old.answer(200, BODY);
    old.steps();
    old.pass(TICK);
    old.callout();
    let mut new = rig_in(settings(), &store);
    new.now = old.now;
    new.no_callout();
    drop(old);
    new.pass(TICK);
    assert_eq!(new.callout().method, Method::Put);
}

#[test]
fn an_invalidated_entry_of_redis_is_a_miss() {
    let rule = r#""cache": {"invalidate": [{"modules": ["example.com/a"], "before": "2024-01-01T00:00:00Z"}], "#;
    let mut config =
        Config::from_json(ONE.replace(r#""cache": {"#, rule).as_bytes(), "test").unwrap();
    config.redis = Some(settings());
    let mut rig = Rig::of(&config, &Rc::default());
    rig.wait(MOD);
    let found = rig.now(BODY);
    rig.read(found);
    rig.answer(200, "module example.com/a\n\ngo 1.20\n");
    assert_eq!(rig.seen(), ok("module example.com/a\n\ngo 1.20\n"));
}

#[test]
fn a_secret_that_the_host_does_not_hand_on_is_named() {
    let name = crate::config::EnvName::new("REDIS_SIGNING_KEY").unwrap();
    let mut config = Config::from_json(ONE.as_bytes(), "test").unwrap();
    config.redis = Some(Redis {
        signing_key: Some(name),
        ..settings()
    });
    let new = |value: Option<&'static str>| {
        let host = HostCapabilities {
            environment: Rc::new(move |name: &str| {
                assert_eq!(name, "REDIS_SIGNING_KEY");
                value.map(str::to_owned)
            }),
            ..HostCapabilities::none()
        };
        Gateway::new(&config, &Rc::default(), &host)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let missing =
        "cache.redis.signing_key: the host hands on no environment variable REDIS_SIGNING_KEY";
    assert_eq!(new(None), Err(missing.to_owned()));
    let short = "cache.redis.signing_key: expected a signing key of at least 16 bytes, got 5";
    assert_eq!(new(Some("short")), Err(short.to_owned()));
    assert_eq!(new(Some("long enough to be a key")), Ok(()));
}
