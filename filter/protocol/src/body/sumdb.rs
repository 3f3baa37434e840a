//! What a checksum database answers: records, signed trees, tiles.
//!
//! Signatures are for `go` to verify, which has the key. What can be judged without it is: that the record is of the
//! version that was asked for, that nothing outside it passes for one, that the tree was signed by the database that was asked.

use super::BodyError;
use crate::sumdb::{Level, Tile};

const HASH_BYTES: usize = 32;

/// The most signatures that `golang.org/x/mod/sumdb/note` reads.
const MAX_SIGNATURES: usize = 100;

/// Checks the answer to a lookup: a record with the checksums of that version, and a signed tree that holds it.
///
/// No line outside the record may pass for a checksum of that module: `go` before 1.26.6 believed such lines, though nothing
/// vouches for them (CVE-2026-56864).
///
/// # Errors
/// [`BodyError::NotRecord`] or [`BodyError::NotTree`].
pub fn lookup(database: &str, module: &str, version: &str, body: &[u8]) -> Result<(), BodyError> {
    let text = text(body).ok_or(BodyError::NotRecord("control bytes, or not UTF-8"))?;
    let (id, rest) = text
        .split_once('\n')
        .ok_or(BodyError::NotRecord("no record number"))?;
    let id = number(id).ok_or(BodyError::NotRecord("no record number"))?;
    let (record, note) = rest
        .split_once("\n\n")
        .ok_or(BodyError::NotRecord("no blank line after the record"))?;
    check_record(module, version, record)?;
    let claims_module = |line: &str| {
        line.strip_prefix(module)
            .is_some_and(|rest| rest.starts_with(' '))
    };
    if note.lines().any(claims_module) {
        return Err(BodyError::NotRecord("a checksum stands outside the record"));
    }
    if id >= signed_tree(database, note)? {
        return Err(BodyError::NotTree("it does not hold the record"));
    }
    Ok(())
}

/// Checks a signed tree: `go.sum database tree`, its size, its hash, and a signature in the database's name.
///
/// # Errors
/// [`BodyError::NotTree`].
pub fn tree_note(database: &str, body: &[u8]) -> Result<(), BodyError> {
    let note = text(body).ok_or(BodyError::NotTree("control bytes, or not UTF-8"))?;
    signed_tree(database, note).map(|_| ())
}

/// Checks a tile: hashes by their length, records by their number and shape.
///
/// # Errors
/// [`BodyError::TileBytes`], [`BodyError::TileRecords`] or [`BodyError::NotRecord`].
pub fn tile(tile: Tile, body: &[u8]) -> Result<(), BodyError> {
    let width = usize::from(tile.width);
    if tile.level != Level::Data {
        let expected = width.saturating_mul(HASH_BYTES);
        let got = body.len();
        return if got == expected {
            Ok(())
        } else {
            Err(BodyError::TileBytes { expected, got })
        };
    }
    let text = text(body).ok_or(BodyError::NotRecord("control bytes, or not UTF-8"))?;
    let records = text
        .strip_suffix("\n\n")
        .ok_or(BodyError::NotRecord("no blank line at the end"))?;
    if !records
        .split("\n\n")
        .flat_map(|record| without_id(record).split('\n'))
        .all(has_checksum)
    {
        return Err(BodyError::NotRecord("a line without a checksum"));
    }
    match records.split("\n\n").count() {
        got if got == width => Ok(()),
        got => Err(BodyError::TileRecords {
            expected: width,
            got,
        }),
    }
}

/// A record of a data tile. sum.golang.org leaves its number out; the server in golang.org/x/mod did not before v0.22.0.
fn without_id(record: &str) -> &str {
    match record.split_once('\n') {
        Some((id, rest)) if number(id).is_some() => rest,
        _ => record,
    }
}

/// The record has both checksums of the version, and nothing of another. Hashes of a kind to come are let through.
fn check_record(module: &str, version: &str, record: &str) -> Result<(), BodyError> {
    let (mut has_zip, mut has_mod) = (false, false);
    for line in record.split('\n') {
        let file = line
            .strip_prefix(module)
            .and_then(|rest| rest.strip_prefix(' ')?.strip_prefix(version));
        let (file, hash) = file
            .and_then(|file| file.split_once(' '))
            .ok_or(BodyError::NotRecord("it is of another module or version"))?;
        let is_h1 = hash.starts_with("h1:");
        if is_h1 && !is_h1_hash(hash) {
            return Err(BodyError::NotRecord("a malformed h1 checksum"));
        }
        match file {
            "" => has_zip |= is_h1,
            "/go.mod" => has_mod |= is_h1,
            _ => return Err(BodyError::NotRecord("it is of another module or version")),
        }
    }
    if has_zip && has_mod {
        Ok(())
    } else {
        Err(BodyError::NotRecord(
            "no h1 checksum of the archive and of its go.mod",
        ))
    }
}

/// `module version hash`, as every line of a record is.
fn has_checksum(line: &str) -> bool {
    let mut fields = line.split(' ');
    let hash = fields.nth(2).and_then(|hash| hash.split_once(':'));
    hash.is_some_and(|(kind, hash)| !kind.is_empty() && !hash.is_empty()) && fields.next().is_none()
}

fn is_h1_hash(hash: &str) -> bool {
    hash.strip_prefix("h1:").and_then(base64_bytes) == Some(HASH_BYTES)
}

/// Reads a signed tree (`note.Open`, `tlog.ParseTree`) and gives its size. Lines behind the hash are let through.
fn signed_tree(database: &str, note: &str) -> Result<u64, BodyError> {
    let (tree, signatures) = note
        .rsplit_once("\n\n")
        .ok_or(BodyError::NotTree("no blank line before the signatures"))?;
    let mut lines = tree.split('\n');
    if lines.next() != Some("go.sum database tree") {
        return Err(BodyError::NotTree("no line \"go.sum database tree\""));
    }
    let size = lines
        .next()
        .and_then(number)
        .ok_or(BodyError::NotTree("no tree size"))?;
    if lines.next().and_then(base64_bytes) != Some(HASH_BYTES) {
        return Err(BodyError::NotTree("no tree hash"));
    }
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or(BodyError::NotTree("no line feed at the end"))?;
    let mut is_by_database = false;
    for (at, line) in signatures.split('\n').enumerate() {
        let signer = signer(line)
            .filter(|_| at < MAX_SIGNATURES)
            .ok_or(BodyError::NotTree("a malformed signature"))?;
        is_by_database |= signer == database;
    }
    if is_by_database {
        Ok(size)
    } else {
        Err(BodyError::NotTree(
            "not signed by the database that was asked",
        ))
    }
}

/// The name in a signature's line: a dash, the name, and four bytes of key hash and at least one of signature.
fn signer(line: &str) -> Option<&str> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    (is_name && base64_bytes(signature)? >= 5).then_some(name)
}

/// UTF-8 without control characters but the line feed, as signed notes and records are.
fn text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let is_plain = text.bytes().all(|byte| byte >= b' ' || byte == b'\n');
    is_plain.then_some(text)
}

/// Go's int64 in decimal, without a sign or leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    let number: i64 = text.parse().ok().filter(|_| is_plain)?;
    number.try_into().ok()
}

/// How many bytes a text in standard base64 with padding stands for.
fn base64_bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(digits.len());
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_base64 = !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && digits.bytes().all(is_digit);
    is_base64.then(|| (text.len() / 4).saturating_mul(3).saturating_sub(padding))
}

#[cfg(test)]
#[path = "sumdb_tests.rs"]
mod tests;
