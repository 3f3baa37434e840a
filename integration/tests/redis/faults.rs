//! Redis and webdis killed, hanging, slow, full, empty, locked: misses, never errors, and nobody waits long for them.

use std::time::{Duration, Instant};

use goproxy_integration::redis_server::{RedisServer, Webdis};
use goproxy_integration::running::Running;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::shared::{Look, Shared, config, get, of, start};
use crate::world::{assert_unharmed, eventually};

/// Far more than the half second below and an upstream on loopback need, on a machine that is busy; far less than any other
/// limit that a request could run into.
const SOON: Duration = Duration::from_secs(3);

fn path(number: usize) -> String {
    format!("/bench.example/n{number}/@v/v1.0.0.mod")
}

/// As shipped, three failures; but not 100 ms, which a busy machine may take for a good answer.
fn gateway(shared: &Shared) -> Running {
    shared.gateway_with(json!({"timeout": "500ms"}))
}

/// Objects that nobody has asked for yet, each whole and each soon.
fn serves(gateway: &Running, numbers: std::ops::Range<usize>, during: &str) {
    for number in numbers {
        let path = path(number);
        let began = Instant::now();
        let answer = get(gateway, &path);
        let took = began.elapsed();
        assert_eq!(
            (answer.status, answer.body.len(), answer.whole),
            (200, 2048, true),
            "{during}: {path}: {answer:?}"
        );
        assert!(
            answer
                .body
                .starts_with(format!("module bench.example/n{number}\n").as_bytes())
        );
        assert!(took < SOON, "{during}: {path} took {took:?}");
    }
}

/// Redis is used again: what is asked now comes to stand there.
fn writes_again(gateway: &Running, look: &mut Look, from: usize) {
    let mut number = from;
    let before: usize = look.ask(&["DBSIZE"]);
    eventually("Redis is written again", || {
        serves(gateway, number..number + 1, "afterwards");
        number += 1;
        look.ask::<usize>(&["DBSIZE"]) > before
    });
}

#[test]
fn redis_is_killed_and_comes_back_empty() {
    let mut shared = Shared::start();
    let gateway = gateway(&shared);
    serves(&gateway, 0..5, "before");
    shared.look().await_keys(5);
    shared.redis.kill();
    serves(&gateway, 5..25, "while Redis is dead");
    serves(&gateway, 0..5, "from memory");
    shared.redis.restart().unwrap();
    let mut look = shared.look();
    writes_again(&gateway, &mut look, 100);
    assert_unharmed(&gateway, "a Redis that was killed");
}

#[test]
fn webdis_is_killed_and_comes_back() {
    let mut shared = Shared::start();
    let gateway = gateway(&shared);
    serves(&gateway, 0..5, "before");
    let mut look = shared.look();
    look.await_keys(5);
    shared.webdis.kill();
    serves(&gateway, 5..25, "while webdis is dead");
    shared.webdis.restart().unwrap();
    writes_again(&gateway, &mut look, 100);
    assert_unharmed(&gateway, "a webdis that was killed");
}

#[test]
fn one_of_the_two_hangs() {
    let shared = Shared::start();
    let gateway = gateway(&shared);
    let mut look = shared.look();
    for (what, child) in [
        ("webdis", shared.webdis.child()),
        ("Redis", shared.redis.child()),
    ] {
        let from = if what == "webdis" { 1_000 } else { 2_000 };
        serves(&gateway, from..from + 5, "before");
        child.signal(Signal::SIGSTOP);
        serves(&gateway, from + 5..from + 25, &format!("{what} hangs"));
        child.signal(Signal::SIGCONT);
        writes_again(&gateway, &mut look, from + 100);
    }
    assert_unharmed(&gateway, "Redis and webdis that hung");
}

#[test]
fn a_hanging_redis_is_left_alone_after_three_failures() {
    let shared = Shared::start();
    let gateway = shared.gateway_with(json!({"timeout": "1s", "fail_timeout": "1h"}));
    serves(&gateway, 0..1, "before");
    shared.look().await_keys(1);
    shared.webdis.child().signal(Signal::SIGSTOP);
    let began = Instant::now();
    serves(&gateway, 1..21, "while webdis hangs");
    let took = began.elapsed();
    // Three of a second each, and a fourth that was on its way; twenty would be twenty.
    assert!(took < Duration::from_secs(8), "{took:?}");
    shared.webdis.child().signal(Signal::SIGCONT);
    assert_unharmed(&gateway, "an open breaker");
}

#[test]
fn a_full_redis_is_read_and_refuses_writes() {
    let shared = Shared::start();
    let first = gateway(&shared);
    serves(&first, 0..5, "before");
    let mut look = shared.look();
    look.await_keys(5);
    look.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    look.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    serves(&first, 5..25, "while Redis is full");
    assert_eq!(look.keys().len(), 5, "nothing more fits");
    // A Redis that is full still answers: what it has is used.
    shared.origin.forget().unwrap();
    let second = gateway(&shared);
    serves(&second, 0..5, "while Redis is full");
    assert!(shared.origin.seen().unwrap().is_empty());
    look.ask::<()>(&["CONFIG", "SET", "maxmemory", "1gb"]);
    writes_again(&first, &mut look, 100);
    assert_unharmed(&first, "a full Redis");
}

#[test]
fn a_redis_that_evicts_is_only_a_smaller_cache() {
    let shared = Shared::start();
    let gateway = shared.gateway();
    let mut look = shared.look();
    // webdis opens its connections with the first request, and they count.
    serves(&gateway, 1_000..1_020, "before");
    look.await_keys(20);
    let used: String = look.ask(&["INFO", "memory"]);
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let limit = used.unwrap().parse::<u64>().unwrap() + 100_000;
    look.ask::<()>(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    serves(&gateway, 0..200, "while Redis evicts");
    eventually("something was evicted", || {
        let info: String = look.ask(&["INFO", "stats"]);
        let evicted = info
            .lines()
            .find_map(|line| line.strip_prefix("evicted_keys:"));
        evicted.is_some_and(|count| count != "0")
    });
    serves(&gateway, 0..50, "afterwards");
    assert!(!look.keys().is_empty());
    assert_unharmed(&gateway, "a Redis that evicts");
}

#[test]
fn a_wrong_password_is_a_cache_that_is_off() {
    let shared = Shared::start();
    let locked = Webdis::with(shared.redis.addr(), |text| {
        text.replace("change-me", "not-the-password")
    })
    .unwrap();
    let gateway = start(
        of(&shared.origin, &config(&shared.origin, json!({})))
            .redis_http(&locked.addr().to_string()),
    );
    serves(&gateway, 0..20, "with a wrong password");
    assert!(shared.look().keys().is_empty());
    assert_unharmed(&gateway, "a wrong password");
}

#[test]
fn a_user_who_may_not_write_can_read() {
    let shared = Shared::start();
    let first = gateway(&shared);
    serves(&first, 0..5, "before");
    shared.look().await_keys(5);
    shared
        .look()
        .ask::<()>(&["ACL", "SETUSER", "default", "-setex"]);
    shared.origin.forget().unwrap();
    let second = gateway(&shared);
    serves(&second, 0..5, "read only");
    assert!(shared.origin.seen().unwrap().is_empty());
    serves(&second, 5..15, "read only");
    assert_unharmed(&second, "a user who may not write");
}

/// A Redis that is a node of a cluster answers MOVED for keys of others, and CLUSTERDOWN while nobody has them.
#[test]
fn a_node_of_a_cluster_without_a_proxy_before_it() {
    let mut shared = Shared::start();
    shared.redis = RedisServer::with(&["--cluster-enabled", "yes"], str::to_owned).unwrap();
    shared.webdis = Webdis::start(shared.redis.addr()).unwrap();
    let gateway = gateway(&shared);
    serves(&gateway, 0..10, "CLUSTERDOWN");
    let mut look = shared.look();
    look.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    look.ask::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    eventually("the node serves its half", || {
        look.ask::<String>(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    });
    serves(&gateway, 10..40, "half a cluster");
    assert_unharmed(&gateway, "half a cluster");
}
