//! What stands in Redis: an entry with what this tier needs to know of it, checked and perhaps signed.

use xxhash_rust::xxh64::xxh64;

use super::Refused;
use super::secret::{MAC_BYTES, SigningKey};
use crate::cache::Entry;
use crate::cache::entry::FORMAT;
use crate::time::Timestamp;

const MAGIC: [u8; 4] = *b"gopr";
/// Magic, format, kind, moment.
const CHECKED: usize = 14;
/// The same and its XXH64.
const FIXED: usize = 22;

const PLAIN: u8 = 0;
const SIGNED: u8 = 1;

/// What stood in Redis, once it was verified.
#[derive(Debug)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// When it was written to Redis: a hit in the second half of the TTL writes it again.
    pub written_at: Timestamp,
}

/// Makes the value for Redis.
///
/// Little-endian: magic `gopr`, format, kind (0: plain, 1: signed), written-at, XXH64 of all that; the entry's stored form;
/// if signed, the HMAC-SHA256 of all before it. The signature covers the cache key, which the stored form names, so that
/// no value can be moved to another key.
pub fn seal(entry: &Entry, written_at: Timestamp, key: Option<&SigningKey>) -> Vec<u8> {
    let stored = entry.stored();
    let length = [FIXED, stored.len(), MAC_BYTES];
    let mut value = Vec::with_capacity(length.iter().fold(0, |sum, n| sum.saturating_add(*n)));
    value.extend_from_slice(&MAGIC);
    value.extend_from_slice(&[FORMAT, if key.is_some() { SIGNED } else { PLAIN }]);
    value.extend_from_slice(&written_at.as_millis().to_le_bytes());
    let checksum = xxh64(&value, 0);
    value.extend_from_slice(&checksum.to_le_bytes());
    value.extend_from_slice(stored);
    if let Some(key) = key {
        let signature = key.sign(&value);
        value.extend_from_slice(&signature);
    }
    value
}

/// Reads the value of the object `cache_key`.
///
/// With a signing key only what is signed with it is accepted. Without one a signed value is accepted like a plain one, by
/// its checksums: who can write to this Redis could write a plain one as well, so refusing it would protect nobody, and while
/// a key is being rolled out the replicas that do not have it yet would overwrite what the others signed.
///
/// # Errors
/// Whatever does not verify, by its reason.
pub fn open(value: &[u8], cache_key: &str, key: Option<&SigningKey>) -> Result<Sealed, Refused> {
    let (checked, rest) = value
        .split_at_checked(CHECKED)
        .ok_or_else(|| short(value))?;
    let [m1, m2, m3, m4, format, kind, millis @ ..] = checked else {
        return Err(Refused::Length);
    };
    if [*m1, *m2, *m3, *m4] != MAGIC {
        return Err(Refused::Magic);
    }
    if *format != FORMAT {
        return Err(Refused::Format);
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or(Refused::Length)?;
    let stored = match (*kind, key) {
        (SIGNED, key) => {
            let (signed, signature) = value
                .split_last_chunk::<MAC_BYTES>()
                .ok_or(Refused::Length)?;
            if key.is_some_and(|key| !key.verifies(signed, *signature)) {
                return Err(Refused::Signature);
            }
            signed.get(FIXED..).ok_or(Refused::Length)?
        }
        (_, Some(_)) => return Err(Refused::Signature),
        (PLAIN, None) => rest,
        _ => return Err(Refused::Field),
    };
    if xxh64(checked, 0).to_le_bytes() != *checksum {
        return Err(Refused::Checksum);
    }
    let millis = millis.try_into().map_err(|_| Refused::Length)?;
    Ok(Sealed {
        entry: Entry::from_stored(stored.into(), cache_key)?,
        written_at: Timestamp::from_millis(u64::from_le_bytes(millis)),
    })
}

/// What is too short to be a value: the beginning of one, or something else.
fn short(value: &[u8]) -> Refused {
    let is_start = value.iter().zip(&MAGIC).all(|(byte, magic)| byte == magic);
    if is_start {
        Refused::Length
    } else {
        Refused::Magic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{ContentType, EntryHead};
    use crate::testing::test;

    const KEY: &str = "v1/x/public/example.com/a/@v/list";
    const WRITTEN: Timestamp = Timestamp::from_millis(1_700_000_000_123);

    fn entry() -> Entry {
        let head = EntryHead {
            status: 200,
            content_type: ContentType::Text,
            stored_at: Timestamp::from_millis(1),
            fresh_until: Timestamp::from_millis(2),
            stale_until: Timestamp::from_millis(3),
        };
        Entry::new(head, KEY, "public", b"v1.0.0\n").unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::from_secret("sixteen-bytes-xx").unwrap()
    }

    fn why(value: &[u8], key: Option<&SigningKey>) -> Option<Refused> {
        open(value, KEY, key).err()
    }

    /// Every value that `seal` can make, and the keys it opens with.
    fn values() -> [(Vec<u8>, Option<SigningKey>); 3] {
        let (plain, signed) = (
            seal(&entry(), WRITTEN, None),
            seal(&entry(), WRITTEN, Some(&key())),
        );
        [(plain, None), (signed.clone(), None), (signed, Some(key()))]
    }

    #[test]
    fn what_was_sealed_is_opened() {
        for (value, key) in values() {
            let opened = open(&value, KEY, key.as_ref()).unwrap();
            assert_eq!(opened.written_at, WRITTEN);
            assert_eq!(opened.entry.stored(), entry().stored());
        }
    }

    #[test]
    fn what_is_not_signed_with_the_key_is_refused() {
        let other = SigningKey::from_secret("sixteen-bytes-xy").unwrap();
        for value in [
            seal(&entry(), WRITTEN, None),
            seal(&entry(), WRITTEN, Some(&other)),
            // A plain value that says it is signed, with any bytes for a signature.
            [
                &[&b"gopr\x01\x01"[..], &seal(&entry(), WRITTEN, None)[6..]].concat()[..],
                &[0; 32],
            ]
            .concat(),
        ] {
            assert_eq!(why(&value, Some(&key())), Some(Refused::Signature));
        }
    }

    #[test]
    fn a_value_of_another_object_is_refused() {
        for (value, key) in values() {
            let opened = open(&value, "v1/x/public/example.com/b/@v/list", key.as_ref());
            assert_eq!(opened.unwrap_err(), Refused::Key);
        }
    }

    #[test]
    fn no_byte_can_change_unnoticed() {
        for (value, key) in values() {
            let seen = value.len()
                - if key.is_none() && value[5] == SIGNED {
                    MAC_BYTES
                } else {
                    0
                };
            for at in 0..seen {
                for bit in 0..8 {
                    let mut bad = value.clone();
                    bad[at] ^= 1 << bit;
                    assert!(why(&bad, key.as_ref()).is_some(), "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_value_cut_short_or_longer_is_refused() {
        for (value, key) in values() {
            for length in 0..value.len() {
                assert!(
                    why(&value[..length], key.as_ref()).is_some(),
                    "{length} bytes"
                );
            }
            assert!(why(&[&value[..], b"x"].concat(), key.as_ref()).is_some());
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let plain = seal(&entry(), WRITTEN, None);
        let with = |at: usize, byte: u8| {
            let mut value = plain.clone();
            value[at] = byte;
            value
        };
        for (value, reason) in [
            (vec![], Refused::Length),
            (b"gop".to_vec(), Refused::Length),
            (b"<html>".to_vec(), Refused::Magic),
            (b"Z29wcgEAAAAAAAAAAAA=".to_vec(), Refused::Magic),
            (entry().stored().to_vec(), Refused::Magic),
            (with(4, FORMAT + 1), Refused::Format),
            (with(5, 2), Refused::Field),
            (with(6, 0), Refused::Checksum),
            (plain[..FIXED - 1].to_vec(), Refused::Length),
            (plain[..FIXED].to_vec(), Refused::Length),
            ([&plain[..], b"x"].concat(), Refused::Length),
            (with(FIXED, b'x'), Refused::Magic),
            (with(FIXED + 4, FORMAT + 1), Refused::Format),
            (with(plain.len() - 1, b'x'), Refused::Checksum),
        ] {
            assert_eq!(why(&value, None), Some(reason), "{}", value.escape_ascii());
        }
    }
}
