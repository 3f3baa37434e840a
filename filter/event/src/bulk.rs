//! Elasticsearch's `_bulk`, both ways: a batch as NDJSON, and what the answer says of each record.
//!
//! <https://www.elastic.co/guide/en/elasticsearch/reference/8.17/docs-bulk.html>

use super::date::Date;
use super::index::IndexPattern;
use super::queue::Record;
use super::words::words;
use goproxy_json::Reader;

/// What the answer is asked to hold, so that its size is that of its items.
pub(super) const QUERY: &str =
    "?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

/// What an item's error is told by, at most.
const MAX_REASON: usize = 160;

/// Writes two lines for each record: `create`, so that a record that is there already stays as it is, and the record.
/// Every line is ended, the last one too.
pub(super) fn write(records: &[Record], index: &IndexPattern) -> String {
    let lines = records
        .iter()
        .fold(0_usize, |sum, record| sum.saturating_add(record.line.len()));
    let mut body = String::with_capacity(lines.saturating_add(records.len().saturating_mul(128)));
    for record in records {
        body.push_str(r#"{"create":{"_index":""#);
        index.write_to(Date::of(record.at), &mut body);
        body.push_str(r#"","_id":""#);
        record.id.write_to(&mut body);
        body.push_str("\"}}\n");
        body.push_str(&record.line);
        body.push('\n');
    }
    body
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// It is stored, or was before.
    Stored,
    /// Not now.
    Later,
    /// Never, with the status and the reason.
    Refused(u16, String),
}

/// Reads an answer to `count` records; `None` if it is none.
pub fn read(body: &[u8], count: usize) -> Option<Vec<Item>> {
    let mut reader = Reader::new(body);
    let (mut items, mut errors) = (None, None);
    reader.object(&mut |reader, name| match name {
        b"items" => {
            let items = items.insert(Vec::new());
            reader.array(&mut |reader| {
                items.push(item(reader)?);
                Some(())
            })
        }
        b"errors" => {
            errors = Some(reader.word()?);
            Some(())
        }
        _ => reader.skip(),
    })?;
    reader.end()?;
    match (items, errors) {
        (Some(items), _) => (items.len() == count).then_some(items),
        // Some that speak `_bulk` name items only where there are errors.
        (None, Some(b"false")) => Some(vec![Item::Stored; count]),
        _ => None,
    }
}

/// Reads `{"create": {"status": 201}}`.
fn item(reader: &mut Reader<'_>) -> Option<Item> {
    let (mut status, mut why, mut actions) = (None, String::new(), 0_u8);
    reader.object(&mut |reader, _action| {
        actions = actions.saturating_add(1);
        reader.object(&mut |reader, name| match name {
            b"status" => {
                status = Some(reader.word()?);
                Some(())
            }
            b"error" => reason(reader, &mut why),
            _ => reader.skip(),
        })
    })?;
    // Of one action there is one status.
    let status = std::str::from_utf8(status?).ok()?.parse().ok()?;
    Some(match (status, actions) {
        (_, 0 | 2..) => return None,
        // 409: `create` found the document that it was to make.
        (200..=299 | 409, _) => Item::Stored,
        (429 | 500..=599, _) => Item::Later,
        (400..=499, _) => Item::Refused(status, words(&why, MAX_REASON)),
        _ => return None,
    })
}

/// Reads what is wrong: an object with a type and a reason; a text before Elasticsearch 5, and in some that speak `_bulk`.
fn reason(reader: &mut Reader<'_>, why: &mut String) -> Option<()> {
    let mut tell = |text: &[u8]| {
        if !why.is_empty() {
            why.push_str(": ");
        }
        // Escapes stay as they are: it is for people.
        why.push_str(std::str::from_utf8(text).unwrap_or_default());
    };
    match reader.peek()? {
        b'{' => reader.object(&mut |reader, name| match name {
            b"type" | b"reason" if reader.peek() == Some(b'"') => {
                tell(reader.string()?);
                Some(())
            }
            _ => reader.skip(),
        }),
        b'"' => {
            tell(reader.string()?);
            Some(())
        }
        _ => reader.skip(),
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
