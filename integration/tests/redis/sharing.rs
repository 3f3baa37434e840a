//! What one gateway has fetched, the next one has.

use std::collections::BTreeMap;

use goproxy_integration::running::Running;
use serde_json::json;

use crate::shared::{Look, Shared, config, get, start};
use crate::world::{assert_unharmed, eventually, h1, merge};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const LIST: &str = "/example.com/a/@v/list";

/// One of each kind; the last is an archive of 10 KiB.
fn of_each_kind(shared: &Shared) -> Vec<String> {
    let sumdb = shared.origin.sumdb();
    let mut paths: Vec<String> = [
        "/example.com/a/@v/v1.0.0.info",
        MOD,
        LIST,
        "/example.com/a/@latest",
        "/example.com/a/@v/master.info",
        "/example.com/!upper/!case/@v/v1.0.0.mod",
        "/example.com/untagged/@v/list",
        "/example.com/tenk/@v/v1.0.0.zip",
    ]
    .map(str::to_owned)
    .to_vec();
    for below in [
        "lookup/example.com/a@v1.0.0",
        "latest",
        "tile/8/0/000",
        "tile/8/1/000.p/4",
        "tile/8/data/000",
    ] {
        paths.push(format!("/sumdb/{sumdb}/{below}"));
    }
    paths
}

fn all(gateway: &Running, paths: &[String]) -> BTreeMap<String, h1::Answer> {
    let answers = paths.iter().map(|path| {
        let answer = get(gateway, path);
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{path}: {answer:?}"
        );
        (path.clone(), answer)
    });
    answers.collect()
}

#[test]
fn a_second_process_answers_from_redis_what_the_first_has_fetched() {
    let shared = Shared::start();
    let paths = of_each_kind(&shared);
    let one = shared.gateway();
    all(&one, &paths);
    // A streamed archive has no tag yet.
    let first = all(&one, &paths);
    shared.look().await_keys(paths.len());
    drop(one);
    shared.origin.forget().unwrap();

    let gateway = shared.gateway();
    for (path, answer) in all(&gateway, &paths) {
        let before = &first[&path];
        assert!(answer.body == before.body, "{path}: {answer:?}");
        for same in ["content-type", "etag", "cache-control"] {
            assert_eq!(answer.header(same), before.header(same), "{path}: {same}");
        }
        assert!(answer.header("age").is_some(), "{path}: {answer:?}");
        assert_eq!(
            get(&gateway, &path).body,
            before.body,
            "{path}, from memory"
        );
    }
    let asked = shared.origin.seen().unwrap();
    assert!(asked.is_empty(), "{asked:?}");
    assert_unharmed(&gateway, "hits in Redis");
}

#[test]
fn who_asks_the_caches_only_gets_what_is_in_redis() {
    let shared = Shared::start();
    let first = shared.gateway();
    assert_eq!(get(&first, MOD).status, 200);
    shared.look().await_keys(1);
    shared.origin.forget().unwrap();
    let gateway = shared.gateway();
    let only = format!("/cached-only{MOD}");
    assert_eq!(get(&gateway, &only).status, 200);
    let disabled = [("Disable-Module-Fetch", "true")];
    let other = h1::get_with(gateway.addr(), LIST, &disabled);
    assert_eq!(other.status, 404, "{other:?}");
    assert!(shared.origin.seen().unwrap().is_empty());
}

#[test]
fn every_key_is_a_hash_and_has_a_ttl() {
    let shared = Shared::start();
    let paths = of_each_kind(&shared);
    let gateway = shared.gateway_with(json!({"ttl": "20d"}));
    all(&gateway, &paths);
    assert_eq!(get(&gateway, "/example.com/nothing/@v/list").status, 404);
    let mut look = shared.look();
    look.await_keys(paths.len() + 1);
    for key in look.keys() {
        assert_key(&key, "gomod");
        let ttl = look.ttl(&key);
        assert!((1..=20 * 86_400).contains(&ttl), "{key}: {ttl}");
    }
}

/// `<prefix>-v<number>-<64 hex digits>`.
fn assert_key(key: &str, prefix: &str) {
    let rest = key.strip_prefix(&format!("{prefix}-v"));
    let (format, hash) = rest.and_then(|rest| rest.split_once('-')).expect(key);
    assert!(format.parse::<u8>().is_ok(), "{key}");
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(hash.len() == 64 && hash.bytes().all(hex), "{key}");
}

#[test]
fn prefix_and_namespace_keep_gateways_apart() {
    let shared = Shared::start();
    let namespaced = |namespace: &str| {
        let mut config = config(&shared.origin, json!({}));
        merge(&mut config, json!({"namespace": namespace}));
        start(shared.gateway_of(&config))
    };
    let mut keys = 0;
    for gateway in [
        shared.gateway(),
        shared.gateway_with(json!({"prefix": "gomod-team-b"})),
        namespaced("team-c"),
    ] {
        shared.origin.forget().unwrap();
        assert_eq!(get(&gateway, MOD).status, 200);
        assert_eq!(shared.origin.seen().unwrap().len(), 1);
        keys += 1;
        shared.look().await_keys(keys);
    }
    // A fourth of the third kind finds the third's.
    assert_eq!(get(&namespaced("team-c"), MOD).status, 200);
    assert_eq!(shared.origin.seen().unwrap().len(), 1);
}

/// A gateway whose memory keeps nothing, so that every request asks Redis.
fn forgetful(shared: &Shared, redis: serde_json::Value) -> Running {
    let mut config = config(&shared.origin, redis);
    merge(
        &mut config["cache"],
        json!({"memory": {"size": "0B"}, "shared": {"size": "0B"}}),
    );
    start(shared.gateway_of(&config))
}

#[test]
fn a_late_hit_renews_the_ttl_and_an_early_one_does_not() {
    let shared = Shared::start();
    let gateway = forgetful(&shared, json!({"ttl": "8s"}));
    assert_eq!(get(&gateway, MOD).status, 200);
    let mut look = shared.look();
    let key = look.await_keys(1).remove(0);
    let written = look.value(&key);
    assert_eq!(get(&gateway, MOD).status, 200);
    // What a write would follow is over when the next object has been written.
    assert_eq!(get(&gateway, LIST).status, 200);
    look.await_keys(2);
    assert!(look.value(&key) == written, "an early hit writes nothing");
    // Kept in use, it outlives its TTL twice.
    let mut renewed = 0;
    let mut last = written;
    eventually("it is written again, twice", || {
        assert_eq!(get(&gateway, MOD).status, 200);
        let now = look.value(&key);
        renewed += usize::from(now != last);
        last = now;
        renewed == 2
    });
    let asked = shared.origin.await_seen(MOD, 0).unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn what_is_too_large_is_not_sent() {
    let shared = Shared::start();
    let gateway = shared.gateway_with(json!({"max_value": "8KiB"}));
    let (large, small) = (
        "/example.com/tenk/@v/v1.0.0.zip",
        "/bench.example/n1/@v/v1.0.0.mod",
    );
    for path in [large, small] {
        assert_eq!(get(&gateway, path).status, 200, "{path}");
    }
    shared.look().await_keys(1);
    shared.origin.forget().unwrap();
    let gateway = shared.gateway();
    for path in [large, small] {
        assert_eq!(get(&gateway, path).status, 200, "{path}");
    }
    let asked = shared.origin.seen().unwrap();
    let asked: Vec<&str> = asked.iter().map(|seen| seen.path.as_str()).collect();
    assert_eq!(asked, [large]);
}

#[test]
fn many_workers_share_it_too() {
    let shared = Shared::start();
    let gateway = start(
        shared
            .gateway_of(&config(&shared.origin, json!({})))
            .workers(2),
    );
    let path = |number: usize| format!("/bench.example/n{number}/@v/v1.0.0.mod");
    for number in 0..50 {
        assert_eq!(get(&gateway, &path(number)).body.len(), 2048);
    }
    Look::at(&shared.redis).await_keys(50);
    shared.origin.forget().unwrap();
    // On whichever worker each connection lands.
    for number in (0..50).chain(0..50) {
        assert_eq!(get(&gateway, &path(number)).body.len(), 2048);
    }
    assert!(shared.origin.seen().unwrap().is_empty());
    assert_unharmed(&gateway, "two workers");
}
