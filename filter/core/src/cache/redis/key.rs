//! Keys in Redis.

use sha2::{Digest, Sha256};

use crate::cache::Key;
use crate::cache::entry::FORMAT;

/// `<prefix>-v<format>-<64 hex digits of the key's SHA-256>`.
///
/// With a prefix of `[a-z0-9-]`, which the configuration sees to, the whole is of that, so that no gateway's URL grammar
/// can be abused: webdis takes a last `.js` for an output format and a `+` for a space. The format keeps releases that
/// store differently apart. Which object it is stands in the value too: [`open`](super::open) asks.
pub fn redis_key(prefix: &str, key: &Key) -> String {
    let digest = Sha256::digest(key.as_str());
    // `-v`, three digits at most, `-`, and two for each byte.
    let length = prefix
        .len()
        .saturating_add(6)
        .saturating_add(digest.len().saturating_mul(2));
    let mut text = String::with_capacity(length);
    text.push_str(prefix);
    text.push_str("-v");
    text.push_str(&FORMAT.to_string());
    text.push('-');
    for byte in digest {
        for nibble in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_key_is_the_hash_of_the_cache_key() {
        let key = Key::public("team-a", "/example.com/a/@v/list");
        // printf v1/team-a/public/example.com/a/@v/list | sha256sum
        assert_eq!(
            redis_key("gomod", &key),
            "gomod-v1-fe9d7838ca156a12dd5da8c9c40d9801099ef48bd8a9c5948084f5789ebf9268"
        );
    }

    #[test]
    fn no_key_needs_escaping() {
        for path in ["/a.js", "/a+b/%2e%2e//..", "/\u{e9}\r\n?x#y", ""] {
            let key = redis_key("gomod", &Key::public("n", path));
            let plain =
                |byte: u8| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(key.bytes().all(plain), "{path}: {key}");
        }
    }
}
