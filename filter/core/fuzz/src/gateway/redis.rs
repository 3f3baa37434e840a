//! A webdis in the gateway's target: it keeps what it is sent, and gives it back as it was, or spoilt.

use std::collections::BTreeMap;
use std::time::Duration;

use goproxy_core::{Answer, AnswerBody, AnswerHead, Callout, CalloutOutcome, Method};

#[derive(Default)]
pub(super) struct Redis {
    values: BTreeMap<String, Vec<u8>>,
}

impl Redis {
    /// What the gateway may ask of it.
    pub(super) fn check(callout: &Callout) {
        assert_eq!(callout.timeout, Duration::from_millis(100));
        let parts: Vec<_> = callout.path.split('/').collect();
        match (callout.method, parts.as_slice()) {
            (Method::Get, ["", "PING.raw"]) => {}
            (Method::Get, ["", "GET", key]) => {
                check_key(key.strip_suffix(".raw").expect("a format"))
            }
            (Method::Put, ["", "SETEX", key, ttl]) => {
                check_key(key);
                let ttl: u64 = ttl
                    .strip_suffix(".raw")
                    .and_then(|ttl| ttl.parse().ok())
                    .expect("a TTL");
                assert!((1..=30 * 86_400).contains(&ttl), "{ttl}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(callout.method == Method::Put, callout.body.is_some());
        assert!(callout.headers.is_empty(), "{callout:?}");
    }

    pub(super) fn outcome(&mut self, callout: &Callout, kind: u8, what: u8) -> CalloutOutcome {
        let parts: Vec<_> = callout.path.split('/').collect();
        let good = match parts.as_slice() {
            ["", "GET", key] => self.get(key.trim_end_matches(".raw"), kind, what),
            ["", "SETEX", key, _] => {
                let value = callout.body.as_deref().unwrap_or_default().to_vec();
                self.values.insert((*key).to_owned(), value);
                b"+OK\r\n".to_vec()
            }
            _ => b"+PONG\r\n".to_vec(),
        };
        match kind % 16 {
            0 => CalloutOutcome::Timeout,
            1 => CalloutOutcome::Unreachable,
            2 => CalloutOutcome::Reset,
            3 => CalloutOutcome::NotSent,
            4 => answer(
                200,
                b"-LOADING Redis is loading the dataset in memory\r\n".to_vec(),
            ),
            5 => answer(200, b"-OOM command not allowed\r\n".to_vec()),
            6 => answer(503, Vec::new()),
            7 => answer(200, b"<html>".to_vec()),
            8 => answer(200, good.get(..usize::from(what)).unwrap_or(&good).to_vec()),
            _ => answer(200, good),
        }
    }

    /// The value of a key, or of another, or a bit of it changed.
    fn get(&self, key: &str, kind: u8, what: u8) -> Vec<u8> {
        let mut value = match (kind % 16, self.values.get(key)) {
            (9, _) => self.values.values().next().cloned(),
            (_, value) => value.cloned(),
        };
        if let (10, Some(value)) = (kind % 16, &mut value) {
            let at = usize::from(what).min(value.len().saturating_sub(1));
            if let Some(byte) = value.get_mut(at) {
                *byte ^= 1 << (what % 8);
            }
        }
        match value {
            None => b"$-1\r\n".to_vec(),
            Some(value) => [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat(),
        }
    }
}

fn answer(status: u16, body: Vec<u8>) -> CalloutOutcome {
    let body = AnswerBody::Whole(body);
    let head = AnswerHead::default();
    CalloutOutcome::Answer(Answer { status, head, body })
}

fn check_key(key: &str) {
    let hash = key.strip_prefix("gomod-v1-").expect("a prefix");
    assert!(
        hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{key}"
    );
}
