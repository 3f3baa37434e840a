//! A cached answer in its stored form: versioned, and able to tell whether it is whole.

use thiserror::Error;
use xxhash_rust::xxh64::{Xxh64, xxh64};

use super::Lifetime;
use crate::time::Timestamp;

const MAGIC: [u8; 4] = *b"gopx";
/// Of the stored form, and of the envelope that it has in Redis: a change of either is a new one, so that two releases
/// can share one Redis.
pub(super) const FORMAT: u8 = 1;
/// Magic, format, content type, status, three moments, two lengths, body hash, checksum.
const FIXED: usize = 56;
const CHECKSUM: usize = 48;
/// Where the key's length is.
const KEY_LENGTH: usize = 32;

/// The media types that a module proxy's answers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// Lists, `.mod` files, checksum records and error texts.
    Text,
    /// `.info` and `@latest`.
    Json,
    /// Module archives.
    Zip,
    /// Tiles of a checksum database.
    Binary,
}

impl ContentType {
    /// The value of the header `content-type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Zip => "application/zip",
            Self::Binary => "application/octet-stream",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Json => 1,
            Self::Zip => 2,
            Self::Binary => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Json),
            2 => Some(Self::Zip),
            3 => Some(Self::Binary),
            _ => None,
        }
    }
}

/// What is known of an answer besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// 200, or 404 and 410 for what every upstream says is not there.
    pub status: u16,
    /// What the body is.
    pub content_type: ContentType,
    /// When the answer came.
    pub stored_at: Timestamp,
    /// Until when it may be served without asking again.
    pub fresh_until: Timestamp,
    /// Until when it may be served although it is no longer fresh; not before `fresh_until`.
    pub stale_until: Timestamp,
}

/// An answer that may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// 200, 404 or 410.
    pub status: u16,
    /// What the body is.
    pub content_type: ContentType,
    /// The name of the upstream that gave it.
    pub upstream: &'a str,
    /// The body; of an absence, the upstream's words.
    pub body: &'a [u8],
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Corrupt {
    /// Shorter than its own lengths say, or longer.
    #[error("length")]
    Length,
    /// Another program's bytes.
    #[error("magic")]
    Magic,
    /// Written by another release.
    #[error("format")]
    Format,
    /// A field holds what it cannot hold.
    #[error("field")]
    Field,
    /// Head or body were changed after they were written.
    #[error("checksum")]
    Checksum,
    /// Whole, but of another object.
    #[error("key")]
    Key,
}

/// A cached answer: its stored form, and what was read from it.
///
/// The stored form is little-endian: magic `gopx`, format, content type, status, stored-at, fresh-until, stale-until,
/// key length, upstream length, body length, XXH64 of the body, XXH64 of all before it and of key and upstream; then
/// key, upstream name and body.
#[derive(Debug)]
pub struct Entry {
    head: EntryHead,
    body_hash: u64,
    upstream: std::ops::Range<usize>,
    body_at: usize,
    stored: Box<[u8]>,
}

impl Entry {
    /// Makes the entry of an answer that came `now`.
    ///
    /// # Errors
    /// As [`Entry::new`].
    pub fn of(
        answer: Answered<'_>,
        key: &str,
        lifetime: Lifetime,
        now: Timestamp,
    ) -> Result<Self, Corrupt> {
        let Answered {
            status,
            content_type,
            upstream,
            body,
        } = answer;
        let fresh_until = now.after(lifetime.fresh);
        let head = EntryHead {
            status,
            content_type,
            stored_at: now,
            fresh_until,
            stale_until: fresh_until.after(lifetime.stale),
        };
        Self::new(head, key, upstream, body)
    }

    /// Makes the stored form of an answer.
    ///
    /// # Errors
    /// [`Corrupt::Length`] for a key or name above 64 KiB, or a body above 4 GiB.
    pub fn new(head: EntryHead, key: &str, upstream: &str, body: &[u8]) -> Result<Self, Corrupt> {
        let key_length = u16::try_from(key.len()).map_err(|_| Corrupt::Length)?;
        let upstream_length = u16::try_from(upstream.len()).map_err(|_| Corrupt::Length)?;
        let body_length = u32::try_from(body.len()).map_err(|_| Corrupt::Length)?;
        let total = [key.len(), upstream.len(), body.len()]
            .iter()
            .fold(FIXED, |sum, n| sum.saturating_add(*n));
        let body_hash = xxh64(body, 0);
        let mut stored = Vec::with_capacity(total);
        stored.extend_from_slice(&MAGIC);
        stored.extend_from_slice(&[FORMAT, head.content_type.code()]);
        stored.extend_from_slice(&head.status.to_le_bytes());
        for moment in [head.stored_at, head.fresh_until, head.stale_until] {
            stored.extend_from_slice(&moment.as_millis().to_le_bytes());
        }
        stored.extend_from_slice(&key_length.to_le_bytes());
        stored.extend_from_slice(&upstream_length.to_le_bytes());
        stored.extend_from_slice(&body_length.to_le_bytes());
        stored.extend_from_slice(&body_hash.to_le_bytes());
        let checksum = checksum(&stored, key.as_bytes(), upstream.as_bytes());
        stored.extend_from_slice(&checksum.to_le_bytes());
        for part in [key.as_bytes(), upstream.as_bytes(), body] {
            stored.extend_from_slice(part);
        }
        let upstream_at = FIXED.saturating_add(key.len());
        let body_at = upstream_at.saturating_add(upstream.len());
        Ok(Self {
            head,
            body_hash,
            upstream: upstream_at..body_at,
            body_at,
            stored: stored.into(),
        })
    }

    /// Reads the stored form of the object `key`, as another tier gave it.
    ///
    /// # Errors
    /// Whatever does not verify, by its reason; to a cache each is a miss.
    pub fn from_stored(stored: Box<[u8]>, key: &str) -> Result<Self, Corrupt> {
        let mut fields = Fields(&stored);
        if fields.take::<4>()? != MAGIC {
            return Err(Corrupt::Magic);
        }
        let [format, content_type] = fields.take()?;
        if format != FORMAT {
            return Err(Corrupt::Format);
        }
        let content_type = ContentType::from_code(content_type).ok_or(Corrupt::Field)?;
        let status = u16::from_le_bytes(fields.take()?);
        let mut moment = || {
            fields
                .take()
                .map(u64::from_le_bytes)
                .map(Timestamp::from_millis)
        };
        let (stored_at, fresh_until, stale_until) = (moment()?, moment()?, moment()?);
        let key_length = usize::from(u16::from_le_bytes(fields.take()?));
        let upstream_length = usize::from(u16::from_le_bytes(fields.take()?));
        let body_length =
            usize::try_from(u32::from_le_bytes(fields.take()?)).map_err(|_| Corrupt::Length)?;
        let body_hash = u64::from_le_bytes(fields.take()?);
        let sum = u64::from_le_bytes(fields.take()?);
        let (stored_key, upstream) = (fields.slice(key_length)?, fields.slice(upstream_length)?);
        let body = fields.slice(body_length)?;
        let checked = stored.get(..CHECKSUM).ok_or(Corrupt::Length)?;
        if !fields.0.is_empty() {
            return Err(Corrupt::Length);
        }
        if checksum(checked, stored_key, upstream) != sum || xxh64(body, 0) != body_hash {
            return Err(Corrupt::Checksum);
        }
        if stored_key != key.as_bytes() {
            return Err(Corrupt::Key);
        }
        let is_known = matches!(status, 200 | 404 | 410) && std::str::from_utf8(upstream).is_ok();
        if !is_known || stale_until < fresh_until {
            return Err(Corrupt::Field);
        }
        let upstream_at = FIXED.saturating_add(key_length);
        let body_at = upstream_at.saturating_add(upstream_length);
        let head = EntryHead {
            status,
            content_type,
            stored_at,
            fresh_until,
            stale_until,
        };
        Ok(Self {
            head,
            body_hash,
            upstream: upstream_at..body_at,
            body_at,
            stored,
        })
    }

    /// Whether a stored form is of the object `key`, as far as its words go: nothing else is verified.
    pub(super) fn is_of(stored: &[u8], key: &str) -> bool {
        let length = stored
            .get(KEY_LENGTH..)
            .and_then(<[u8]>::first_chunk)
            .map(|length| u16::from_le_bytes(*length));
        length.is_some_and(|length| usize::from(length) == key.len())
            && stored
                .get(FIXED..)
                .is_some_and(|rest| rest.starts_with(key.as_bytes()))
    }

    /// What is known besides the bytes.
    pub const fn head(&self) -> &EntryHead {
        &self.head
    }

    /// The answer's body.
    pub fn body(&self) -> &[u8] {
        self.stored.get(self.body_at..).unwrap_or_default()
    }

    /// The name of the upstream that gave it.
    pub fn upstream(&self) -> &str {
        let name = self.stored.get(self.upstream.clone()).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// A strong validator (RFC 9110, section 8.8.3), with its quotes.
    pub fn etag(&self) -> String {
        let mut tag = String::with_capacity(18);
        tag.push('"');
        for shift in (0..u64::BITS).step_by(4).rev() {
            let digit = (self.body_hash >> shift) & 0xf;
            tag.extend(
                u32::try_from(digit)
                    .ok()
                    .and_then(|digit| char::from_digit(digit, 16)),
            );
        }
        tag.push('"');
        tag
    }

    /// The stored form.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }
}

fn checksum(fixed: &[u8], key: &[u8], upstream: &[u8]) -> u64 {
    let mut hash = Xxh64::new(0);
    for part in [fixed, key, upstream] {
        hash.update(part);
    }
    hash.digest()
}

/// Reads a stored form from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Corrupt::Length)?;
        self.0 = rest;
        Ok(*first)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(Corrupt::Length)?;
        self.0 = rest;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const KEY: &str = "v1/x/public/example.com/a/@v/list";

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

    #[test]
    fn what_was_stored_is_read_back() {
        let written = entry();
        let read = Entry::from_stored(written.stored().into(), KEY).unwrap();
        assert_eq!(read.head(), written.head());
        assert_eq!(
            (read.body(), read.upstream(), read.etag()),
            (&b"v1.0.0\n"[..], "public", written.etag())
        );
    }

    #[test]
    fn a_stored_form_names_its_object() {
        let stored = entry();
        for (key, is) in [
            (KEY, true),
            (&KEY[1..], false),
            (&KEY[..KEY.len() - 1], false),
            ("", false),
        ] {
            assert_eq!(Entry::is_of(stored.stored(), key), is, "{key}");
        }
        assert!(!Entry::is_of(b"", "") && !Entry::is_of(&[0; 40], ""));
    }

    #[test]
    fn an_entry_of_another_object_is_refused() {
        let stored = entry().stored().into();
        assert_eq!(
            Entry::from_stored(stored, "v1/x/public/example.com/b/@v/list").unwrap_err(),
            Corrupt::Key
        );
    }

    #[test]
    fn an_entry_whose_fields_cannot_be_is_refused() {
        let good = *entry().head();
        let (status, stale_until) = (302, Timestamp::from_millis(1));
        for head in [
            EntryHead { status, ..good },
            EntryHead {
                stale_until,
                ..good
            },
        ] {
            let entry = Entry::new(head, KEY, "public", b"").unwrap();
            let read = Entry::from_stored(entry.stored().into(), KEY);
            assert_eq!(read.unwrap_err(), Corrupt::Field, "{head:?}");
        }
    }

    #[test]
    fn no_byte_of_an_entry_can_change_unnoticed() {
        let good = entry();
        for at in 0..good.stored().len() {
            let mut bad: Box<[u8]> = good.stored().into();
            bad[at] ^= 0x40;
            assert!(Entry::from_stored(bad, KEY).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_entry_cut_short_or_longer_is_refused() {
        let good = entry();
        for length in 0..good.stored().len() {
            assert!(
                Entry::from_stored(good.stored()[..length].into(), KEY).is_err(),
                "{length} bytes"
            );
        }
        let longer = [good.stored(), b"x"].concat();
        assert_eq!(
            Entry::from_stored(longer.into(), KEY).unwrap_err(),
            Corrupt::Length
        );
    }
}
