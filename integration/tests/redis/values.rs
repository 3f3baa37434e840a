//! What somebody else, a fault or another release has put into Redis: whatever does not verify is a miss, counted by its reason.

use std::time::Duration;

use goproxy_core::Timestamp;
use goproxy_core::cache::redis::{SigningKey, open, seal};
use goproxy_core::cache::{ContentType, Entry, EntryHead};
use goproxy_integration::running::Running;
use serde_json::json;

use crate::shared::{Shared, config, counted, get, start};
use crate::world::{assert_unharmed, eventually};

const PATH: &str = "/bench.example/n1/@v/v1.0.0.mod";
const OTHER: &str = "/bench.example/n2/@v/v1.0.0.mod";

/// One gateway that asks Redis each time, and what it wrote of two objects.
struct Written {
    shared: Shared,
    gateway: Running,
    key: String,
    value: Vec<u8>,
    other: Vec<u8>,
}

impl Written {
    fn start() -> Self {
        let shared = Shared::start();
        let mut config = config(&shared.origin, json!({}));
        for tier in ["memory", "shared"] {
            config["cache"][tier] = json!({"size": "0B"});
        }
        let gateway = start(shared.gateway_of(&config));
        let mut look = shared.look();
        assert_eq!(get(&gateway, PATH).status, 200);
        let key = look.await_keys(1).remove(0);
        assert_eq!(get(&gateway, OTHER).status, 200);
        let keys = look.await_keys(2);
        let theirs = keys.iter().find(|other| **other != key).unwrap();
        Self {
            value: look.value(&key),
            other: look.value(theirs),
            shared,
            gateway,
            key,
        }
    }

    /// Puts it below the first object's key; then the object is asked of the upstream, and well again.
    fn is_refused(&self, value: &[u8], why: &str, what: &str) {
        let mut look = self.shared.look();
        let before = counted(&self.gateway, "redis_missed_total", why);
        self.shared.origin.forget().unwrap();
        look.put(&self.key, value);
        let answer = get(&self.gateway, PATH);
        assert!(
            answer.status == 200 && answer.body.starts_with(b"module bench.example/n1\n"),
            "{what}: {answer:?}"
        );
        let asked = self.shared.origin.seen().unwrap().len();
        assert_eq!(asked, 1, "{what}");
        eventually(&format!("{what} is counted as {why}"), || {
            counted(&self.gateway, "redis_missed_total", why) > before
        });
        eventually(&format!("{what} is written over"), || {
            look.value(&self.key) != value
        });
        assert_eq!(get(&self.gateway, PATH).status, 200);
        let asked = self.shared.origin.seen().unwrap().len();
        assert_eq!(asked, 1, "{what}: a hit again");
    }
}

#[test]
fn every_kind_of_damage_is_a_miss_with_its_reason() {
    let written = Written::start();
    let good = &written.value;
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = good.clone();
        change(&mut value);
        value
    };
    for (what, value, why) in [
        ("nothing", Vec::new(), "length"),
        (
            "another program's value",
            b"hello, this is another program".to_vec(),
            "magic",
        ),
        ("the first half", good[..good.len() / 2].to_vec(), "length"),
        (
            "all but the last byte",
            good[..good.len() - 1].to_vec(),
            "length",
        ),
        ("a byte more", changed(&|value| value.push(0)), "length"),
        ("another object's value", written.other.clone(), "key"),
        ("an older format", changed(&|value| value[4] = 0), "format"),
        ("a newer format", changed(&|value| value[4] = 200), "format"),
        (
            "a changed moment",
            changed(&|value| value[8] ^= 1),
            "checksum",
        ),
        (
            "a changed last bit of the body",
            changed(&|value| *value.last_mut().unwrap() ^= 1),
            "checksum",
        ),
    ] {
        written.is_refused(&value, why, what);
    }
    assert_unharmed(&written.gateway, "damaged values");
}

#[test]
fn no_flip_of_a_single_bit_is_served() {
    let written = Written::start();
    let mut look = written.shared.look();
    let good = get(&written.gateway, PATH).body;
    // Every byte of the heads and of the beginning of the body, and some of the rest.
    let places = (0..220).chain((220..written.value.len()).step_by(97));
    let mut misses = 0;
    for place in places {
        let mut value = written.value.clone();
        value[place] ^= 1 << (place % 8);
        look.put(&written.key, &value);
        let answer = get(&written.gateway, PATH);
        assert!(
            answer.status == 200 && answer.body == good,
            "byte {place}: {answer:?}"
        );
        misses += usize::from(answer.header("age").is_none());
    }
    assert!(misses > 200, "{misses}");
    assert_unharmed(&written.gateway, "flipped bits");
}

/// An entry that the core itself would take, with these words as its body.
fn forged(path: &str, body: &[u8], key: Option<&SigningKey>) -> Vec<u8> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let now = Timestamp::from_millis(u64::try_from(now).unwrap());
    let later = now.after(Duration::from_secs(3600));
    let head = EntryHead {
        status: 200,
        content_type: ContentType::Text,
        stored_at: now,
        fresh_until: later,
        stale_until: Timestamp::MAX,
    };
    let entry = Entry::new(head, &format!("v1/goproxy/public{path}"), "origin", body).unwrap();
    seal(&entry, now, key)
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn with_a_key_nothing_that_was_forged_is_served() {
    let shared = Shared::start();
    let mut config = config(
        &shared.origin,
        json!({"signing_key": "env:REDIS_SIGNING_KEY"}),
    );
    for tier in ["memory", "shared"] {
        config["cache"][tier] = json!({"size": "0B"});
    }
    let gateway = start(shared.gateway_of(&config).secret("REDIS_SIGNING_KEY", KEY));
    assert_eq!(get(&gateway, PATH).status, 200);
    let mut look = shared.look();
    let key = look.await_keys(1).remove(0);
    let good = look.value(&key);
    let ours = SigningKey::from_secret(KEY).unwrap();
    let theirs = SigningKey::from_secret("another key, long enough").unwrap();
    let cache_key = format!("v1/goproxy/public{PATH}");
    assert!(open(&good, &cache_key, Some(&ours)).is_ok(), "it is signed");
    let words = b"module evil.example\n";
    let mut moved = good.clone();
    *moved.last_mut().unwrap() ^= 1;
    for (what, value) in [
        ("not signed", forged(PATH, words, None)),
        (
            "signed with another key",
            forged(PATH, words, Some(&theirs)),
        ),
        ("a changed signature", moved),
    ] {
        let before = counted(&gateway, "redis_missed_total", "signature");
        look.put(&key, &value);
        let answer = get(&gateway, PATH);
        assert!(
            answer.status == 200 && answer.body.starts_with(b"module bench.example/n1\n"),
            "{what}: {answer:?}"
        );
        eventually(what, || {
            counted(&gateway, "redis_missed_total", "signature") > before
        });
        eventually("it is written over", || look.value(&key) != value);
    }
    // What has the key's signature is served: the check is not that nothing is.
    look.put(&key, &forged(PATH, words, Some(&ours)));
    assert_eq!(get(&gateway, PATH).body, words);
    // And a value of one's own below another key is not.
    look.put(&key, &forged(OTHER, words, Some(&ours)));
    assert!(
        get(&gateway, PATH)
            .body
            .starts_with(b"module bench.example/n1\n")
    );
    assert_unharmed(&gateway, "forgeries");
}
