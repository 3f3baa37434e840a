//! What holds for every value in Redis and every answer of a gateway before it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails, which is what it is for"
)]

use goproxy_core::Timestamp;
use goproxy_core::cache::redis::{
    RedisWire, Refused, SigningKey, Upstash, Webdis, open, redis_key, seal,
};
use goproxy_core::cache::{ContentType, Entry, EntryHead, Key};
use proptest::prelude::*;

/// Magic, format, kind, moment and checksum of the envelope.
const HEAD: usize = 22;

prop_compose! {
    fn entries()(
        status in prop::sample::select(&[200_u16, 404, 410][..]),
        content_type in prop::sample::select(&[ContentType::Text, ContentType::Json, ContentType::Binary][..]),
        stored_at in any::<u64>(),
        fresh_until in any::<u64>(),
        stale in any::<u64>(),
        key in "[a-z/!@.]{1,80}",
        upstream in "[a-z]{1,10}",
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) -> (Entry, String) {
        let head = EntryHead {
            status,
            content_type,
            stored_at: Timestamp::from_millis(stored_at),
            fresh_until: Timestamp::from_millis(fresh_until),
            stale_until: Timestamp::from_millis(fresh_until.saturating_add(stale)),
        };
        (Entry::new(head, &key, &upstream, &body).expect("an entry"), key)
    }
}

fn signing_keys() -> impl Strategy<Value = SigningKey> {
    "[!-~]{16,40}".prop_map(|secret| SigningKey::from_secret(&secret).expect("a key"))
}

fn upstash() -> Upstash {
    Upstash::new("", "t0ken").expect("a token")
}

/// What the gateways answer to a `GET` of a value.
fn answers(value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let length = format!("${}\r\n", value.len());
    let resp = [length.as_bytes(), value, b"\r\n"].concat();
    let body = upstash().setex("k", 1, value).body.expect("a body");
    let command: Vec<String> = serde_json::from_slice(&body).expect("JSON");
    let json = serde_json::json!({ "result": command[3] });
    (resp, json.to_string().into_bytes())
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_through_both_gateways(
        (entry, cache_key) in entries(),
        millis in any::<u64>(),
        key in prop::option::of(signing_keys()),
    ) {
        let written_at = Timestamp::from_millis(millis);
        let value = seal(&entry, written_at, key.as_ref());
        let (resp, json) = answers(&value);
        let (webdis, upstash) = (Webdis::new(""), upstash());
        for read in [webdis.parse_get(200, &resp), upstash.parse_get(200, &json)] {
            let read = read.expect("an answer").expect("a value");
            let sealed = open(&read, &cache_key, key.as_ref()).expect("what was sealed");
            prop_assert_eq!(sealed.entry.stored(), entry.stored());
            prop_assert_eq!(sealed.written_at, written_at);
        }
    }

    #[test]
    fn no_byte_of_a_signed_value_changes_unnoticed(
        (entry, cache_key) in entries(),
        key in signing_keys(),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let mut value = seal(&entry, Timestamp::from_millis(1), Some(&key));
        let at = at.index(value.len());
        value[at] ^= change;
        let refused = open(&value, &cache_key, Some(&key)).expect_err("changed");
        let told_before = [Refused::Magic, Refused::Format, Refused::Signature];
        prop_assert!(told_before.contains(&refused), "byte {}: {:?}", at, refused);
    }

    #[test]
    fn no_byte_of_a_plain_value_changes_unnoticed(
        (entry, cache_key) in entries(),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let mut value = seal(&entry, Timestamp::from_millis(1), None);
        let at = at.index(value.len());
        value[at] ^= change;
        prop_assert!(open(&value, &cache_key, None).is_err(), "byte {}", at);
    }

    #[test]
    fn a_value_cut_anywhere_is_refused(
        (entry, cache_key) in entries(),
        key in prop::option::of(signing_keys()),
    ) {
        let value = seal(&entry, Timestamp::from_millis(1), key.as_ref());
        let (resp, json) = answers(&value);
        for length in 0..value.len() {
            let refused = open(&value[..length], &cache_key, key.as_ref()).expect_err("cut");
            let expected = match &key {
                Some(_) if length >= HEAD => Refused::Signature,
                _ => Refused::Length,
            };
            prop_assert!(refused == expected || length < 32 + HEAD, "{} bytes: {:?}", length, refused);
        }
        for length in 0..resp.len() {
            let cut = Webdis::new("").parse_get(200, &resp[..length]).expect_err("cut");
            prop_assert_eq!(cut, Refused::Truncated);
        }
        for length in 0..json.len() {
            let cut = upstash().parse_get(200, &json[..length]).expect_err("cut");
            prop_assert_eq!(cut, Refused::Truncated);
        }
    }

    #[test]
    fn only_the_key_that_signed_opens(
        (entry, cache_key) in entries(),
        keys in prop::array::uniform2("[!-~]{16,40}"),
    ) {
        prop_assume!(keys[0] != keys[1]);
        let [signed, asked] = keys.map(|secret| SigningKey::from_secret(&secret).expect("a key"));
        let value = seal(&entry, Timestamp::from_millis(1), Some(&signed));
        let refused = open(&value, &cache_key, Some(&asked)).expect_err("another key");
        prop_assert_eq!(refused, Refused::Signature);
    }

    #[test]
    fn whatever_is_answered_is_a_value_or_refused(
        status in prop::sample::select(&[200_u16, 400, 401, 403, 413, 500, 503][..]),
        body in prop::collection::vec(prop::sample::select(&b"$+-0159\r\nOK{}\":,resultnl\x00\xff"[..]), 0..40),
    ) {
        for wire in [&Webdis::new("") as &dyn RedisWire, &upstash()] {
            let read = wire.parse_get(status, &body);
            prop_assert!(status == 200 || read.is_err());
            prop_assert!(status == 200 || wire.parse_set(status, &body).is_err());
        }
    }

    #[test]
    fn a_key_in_redis_needs_no_escaping_and_is_one_object_s(
        paths in prop::array::uniform2("\\PC{0,60}"),
        prefix in "[a-z0-9-]{1,32}",
    ) {
        let [one, other] = paths.clone().map(|path| redis_key(&prefix, &Key::public("n", &path)));
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        prop_assert!(one.bytes().all(plain) && one.starts_with(&prefix), "{}", one);
        prop_assert_eq!(one == other, paths[0] == paths[1]);
    }
}
