//! Stored entries: bytes from another tier are one entry in one form, or none.

use goproxy_core::cache::{Entry, EntryHead};
use xxhash_rust::xxh64::{Xxh64, xxh64};

/// Where the lengths, the body's hash and the checksum stand; see `Entry`.
const LENGTHS: usize = 32;
const BODY_HASH: usize = 40;
const CHECKSUM: usize = 48;
const FIXED: usize = 56;
const KEY: &str = "v1/fuzz/public/example.com/a/@v/list";

/// Input: a stored form. It is read as it is, and once more with hashes that fit, which no fuzzer finds by chance.
pub fn check(data: &[u8]) {
    read(data, KEY);
    if let Some((mended, key)) = mend(data) {
        read(&mended, &key);
    }
}

fn read(stored: &[u8], key: &str) {
    let Ok(entry) = Entry::from_stored(stored.into(), key) else {
        return;
    };
    let EntryHead {
        status,
        fresh_until,
        stale_until,
        ..
    } = *entry.head();
    assert!(matches!(status, 200 | 404 | 410), "{status}");
    assert!(fresh_until <= stale_until, "{:?}", entry.head());
    assert_eq!(entry.stored(), stored);
    let written = Entry::new(*entry.head(), key, entry.upstream(), entry.body())
        .expect("what was read can be written");
    assert_eq!(written.stored(), stored, "an entry has one stored form");
    assert_eq!(written.etag(), entry.etag());
    assert!(Entry::from_stored(stored.into(), &format!("{key}x")).is_err());
}

/// The same with hashes that fit, and the key that it names.
pub(crate) fn mend(data: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut stored = data.to_vec();
    let length = |at: usize| {
        Some(usize::from(u16::from_le_bytes([
            *data.get(at)?,
            *data.get(at + 1)?,
        ])))
    };
    let (key, upstream) = (length(LENGTHS)?, length(LENGTHS + 2)?);
    let name = String::from_utf8(data.get(FIXED..FIXED + key)?.to_vec()).ok()?;
    let body_at = FIXED + key + upstream;
    let body = data.get(body_at..)?;
    // A length that is off by a little stays wrong; any other is made right.
    if data.last()? % 8 != 7 {
        stored[LENGTHS + 4..BODY_HASH]
            .copy_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    }
    stored[BODY_HASH..CHECKSUM].copy_from_slice(&xxh64(body, 0).to_le_bytes());
    let mut hash = Xxh64::new(0);
    hash.update(&stored[..CHECKSUM]);
    hash.update(&stored[FIXED..body_at]);
    stored[CHECKSUM..FIXED].copy_from_slice(&hash.digest().to_le_bytes());
    Some((stored, name))
}
