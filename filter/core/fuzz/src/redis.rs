//! Redis: an answer of either gateway is one value in one form, or refused; and so is what stands in Redis.

use goproxy_core::cache::redis::{
    RedisWire, Refused, SigningKey, Upstash, Webdis, WireRequest, open, seal,
};
use serde_json::Value;
use xxhash_rust::xxh64::xxh64;

/// Where the kind and the checksum stand, and the entry begins; see `seal`.
const KIND: usize = 5;
const CHECKSUM: usize = 14;
const FIXED: usize = 22;
const SIGNATURE: usize = 32;
const KEY: &str = "v1/fuzz/public/example.com/a/@v/list";

/// Input: a letter and what it takes. `w`, `u`: a status, a line end, the answer of a webdis or of a REST gateway. `v`: a value
/// that is written and read back. `e`: what stands in Redis.
pub fn check(data: &[u8]) {
    let Some((letter, rest)) = data.split_first() else {
        return;
    };
    match letter {
        b'w' => answer(rest, webdis),
        b'u' => answer(rest, upstash),
        b'v' => value(rest),
        b'e' => envelope(rest),
        _ => {}
    }
}

fn rest_gateway() -> Upstash {
    Upstash::new("", "t0ken").expect("a token")
}

fn signing_key() -> SigningKey {
    SigningKey::from_secret("sixteen-bytes-xx").expect("a key")
}

fn answer(data: &[u8], check: fn(u16, &[u8])) {
    let Some((status, body)) = super::text(data) else {
        return;
    };
    if let Ok(status) = status.parse() {
        check(status, body);
    }
}

fn webdis(status: u16, body: &[u8]) {
    let wire = Webdis::new("");
    let got = wire.parse_get(status, body);
    match &got {
        Ok(Some(value)) => assert_eq!(body, bulk(value)),
        Ok(None) => assert_eq!(body, b"$-1\r\n"),
        Err(reason) => assert!(Refused::ALL.contains(reason)),
    }
    let simple = |word: &str| status == 200 && body == [b"+", word.as_bytes(), b"\r\n"].concat();
    assert_eq!(wire.parse_set(status, body).is_ok(), simple("OK"));
    assert_eq!(wire.parse_ping(status, body).is_ok(), simple("PONG"));
    if got.is_ok() {
        assert_eq!(status, 200);
        cut(body, |part| {
            assert_eq!(wire.parse_get(200, part), Err(Refused::Truncated));
        });
        let longer = [body, b"\n"].concat();
        assert_eq!(wire.parse_get(status, &longer), Err(Refused::NotResp));
    }
}

fn bulk(value: &[u8]) -> Vec<u8> {
    let length = format!("${}\r\n", value.len());
    [length.as_bytes(), value, b"\r\n"].concat()
}

fn upstash(status: u16, body: &[u8]) {
    let wire = rest_gateway();
    let got = wire.parse_get(status, body);
    // What stands beside the result is not looked at: it may be too deep, or a number too large, for a `Value`.
    let said = serde_json::from_slice::<Value>(body).ok();
    let said = said.as_ref().map(|answer| &answer["result"]);
    let is = |text: &Value| said.is_none_or(|said| said == text);
    match &got {
        Ok(Some(value)) => assert!(is(&text_of(&wire.setex("k", 1, value))), "{said:?}"),
        Ok(None) => assert!(is(&Value::Null), "{said:?}"),
        Err(reason) => assert!(Refused::ALL.contains(reason)),
    }
    assert!(wire.parse_set(status, body).is_err() || is(&"OK".into()));
    assert!(wire.parse_ping(status, body).is_err() || is(&"PONG".into()));
    if got.is_ok() {
        assert_eq!(status, 200);
        // Not always as truncated: of a number that is cut, serde_json says that it is none.
        cut(body.trim_ascii_end(), |part| {
            assert!(wire.parse_get(200, part).is_err());
        });
    }
}

/// The text of the value in a `SETEX`.
fn text_of(request: &WireRequest) -> Value {
    let body = request.body.as_deref().expect("a body");
    let command: Value = serde_json::from_slice(body).expect("JSON");
    command[3].clone()
}

/// An accepted answer without its end; of a long one, some lengths.
fn cut(body: &[u8], check: impl Fn(&[u8])) {
    let step = body.len() / 64 + 1;
    let near_the_end = body.len().saturating_sub(8)..body.len();
    for length in (0..body.len()).step_by(step).chain(near_the_end) {
        check(&body[..length]);
    }
}

fn value(data: &[u8]) {
    let (webdis, upstash) = (Webdis::new(""), rest_gateway());
    let request = webdis.setex("k", 1, data);
    assert_eq!(request.body.as_deref(), Some(data));
    let answer = bulk(data);
    let read = webdis.parse_get(200, &answer);
    assert_eq!(read.as_ref().map(|value| value.as_deref()), Ok(Some(data)));
    let answer = serde_json::json!({ "result": text_of(&upstash.setex("k", 1, data)) }).to_string();
    let read = upstash.parse_get(200, answer.as_bytes());
    assert_eq!(read.as_ref().map(|value| value.as_deref()), Ok(Some(data)));
    // What another program wrote is no value, and never signed.
    assert!(open(data, KEY, Some(&signing_key())).is_err());
}

fn envelope(data: &[u8]) {
    opened(data, KEY);
    if let Some((mended, key)) = mend(data) {
        opened(&mended, &key);
    }
}

fn opened(value: &[u8], cache_key: &str) {
    let key = signing_key();
    assert!(
        open(value, cache_key, Some(&key)).is_err(),
        "nobody knows the key"
    );
    let Ok(sealed) = open(value, cache_key, None) else {
        return;
    };
    let plain = seal(&sealed.entry, sealed.written_at, None);
    let signed = seal(&sealed.entry, sealed.written_at, Some(&key));
    if value[KIND] == 0 {
        assert_eq!(value, plain, "an entry has one form");
    } else {
        let end = signed.len() - SIGNATURE;
        assert_eq!(value[..value.len() - SIGNATURE], signed[..end]);
    }
    let again = open(&signed, cache_key, Some(&key)).expect("what was signed");
    assert_eq!(again.entry.stored(), sealed.entry.stored());
    assert_eq!(again.written_at, sealed.written_at);
    let at = usize::try_from(xxh64(value, 0)).unwrap_or_default() % signed.len();
    let mut forged = signed;
    forged[at] ^= 1 << (at % 8);
    assert!(open(&forged, cache_key, Some(&key)).is_err(), "byte {at}");
    assert!(open(&plain, cache_key, Some(&key)).is_err());
    assert!(open(value, &format!("{cache_key}x"), None).is_err());
}

/// The same with checksums that fit, which no fuzzer finds by chance, and the key that the entry names.
fn mend(data: &[u8]) -> Option<(Vec<u8>, String)> {
    let (head, rest) = data.split_at_checked(FIXED)?;
    let (stored, signature) = match head[KIND] {
        1 => rest.split_at_checked(rest.len().checked_sub(SIGNATURE)?)?,
        _ => (rest, &[][..]),
    };
    let (stored, key) = super::entry::mend(stored)?;
    let checksum = xxh64(&head[..CHECKSUM], 0).to_le_bytes();
    let value = [&head[..CHECKSUM], &checksum, &stored, signature].concat();
    Some((value, key))
}
