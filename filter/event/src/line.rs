//! A record as one line of JSON.

use super::context::Context;
use super::date::Date;
use super::id::EventId;
use super::plain::ELLIPSIS;
use super::record::{Event, What};
use crate::error::ErrorType;

/// No record is longer: it fits into what every host and collector takes as one line.
pub const MAX_BYTES: usize = 1400;

/// The texts of a record that may be cut.
#[derive(Clone, Copy)]
enum Field {
    Message,
    Url,
    Module,
    Version,
    Upstream,
    RequestId,
    By,
}

const FIELDS: usize = 7;

/// What is cut first where a record is too long, and down to how many bytes. The rest of a record, with the largest
/// context and every number at its largest, is shorter than [`MAX_BYTES`] by itself.
const CUTS: [(Field, usize); 10] = [
    (Field::Message, 160),
    (Field::Url, 200),
    (Field::Module, 160),
    (Field::Version, 80),
    (Field::Message, 0),
    (Field::Url, 0),
    (Field::Upstream, 0),
    (Field::RequestId, 0),
    (Field::By, 0),
    (Field::Version, 0),
];

/// How many bytes each field may take, as it is written.
type Room = [usize; FIELDS];

/// Writes a record: at most [`MAX_BYTES`] of JSON without a line end. `suppressed` others are folded into it.
pub fn line(event: &Event, context: &Context, id: EventId, suppressed: u32) -> String {
    let mut room = [usize::MAX; FIELDS];
    let whole = Line::write(event, context, id, suppressed, &room);
    let Some(mut excess) = whole
        .len()
        .checked_sub(MAX_BYTES)
        .filter(|excess| *excess > 0)
    else {
        return whole;
    };
    for (field, least) in CUTS {
        let Some(text) = text_of(event, field) else {
            continue;
        };
        let Some(room) = room.get_mut(field as usize) else {
            continue;
        };
        let now = (*room).min(written_length(text));
        let less = now.saturating_sub(least).min(excess);
        *room = now.saturating_sub(less);
        excess = excess.saturating_sub(less);
    }
    Line::write(event, context, id, suppressed, &room)
}

fn text_of(event: &Event, field: Field) -> Option<&str> {
    match (field, &event.what) {
        (Field::Module, _) => Some(&event.module),
        (Field::Version, _) => Some(&event.version),
        (Field::By, What::Download(by)) => Some(by),
        (Field::Message, What::Failure(failed)) => Some(&failed.message),
        (Field::Url, What::Failure(failed)) => Some(&failed.url),
        (Field::Upstream, What::Failure(failed)) => Some(&failed.upstream),
        (Field::RequestId, What::Failure(failed)) => Some(&failed.request_id),
        _ => None,
    }
}

/// JSON as it is written. Keys and groups come in the order of the calls.
struct Line<'a> {
    json: String,
    event: &'a Event,
    room: &'a Room,
}

impl<'a> Line<'a> {
    fn write(
        event: &'a Event,
        context: &Context,
        id: EventId,
        suppressed: u32,
        room: &'a Room,
    ) -> String {
        let mut line = Self {
            json: String::with_capacity(MAX_BYTES),
            event,
            room,
        };
        line.json.push_str(r#"{"timestamp":""#);
        Date::of(event.at).write_to(&mut line.json);
        line.json.push_str(match event.what {
            What::Failure(_) => r#"","event_type":"module_download_failure","module":{"name":"#,
            What::Download(_) => r#"","event_type":"module_download","module":{"name":"#,
        });
        line.field(Field::Module);
        line.json.push_str(r#","version":"#);
        line.field(Field::Version);
        line.json.push_str(r#","kind":""#);
        line.json.push_str(event.kind.as_str());
        line.json.push('"');
        match &event.what {
            What::Failure(failed) => {
                line.json.push_str(r#","url":"#);
                line.field(Field::Url);
                line.json.push_str(r#"},"error":{"code":""#);
                failed.code.write_to(&mut line.json);
                line.json.push_str(r#"","type":""#);
                line.json.push_str(type_name(failed.error));
                line.json.push_str(r#"","message":"#);
                line.field(Field::Message);
                line.json.push_str(r#","retry_count":"#);
                number(&mut line.json, failed.retry_count.into());
                line.json.push_str(r#"},"context":"#);
                line.json.push_str(context.json());
                line.json.push_str(r#","upstream":"#);
                line.field(Field::Upstream);
                line.json.push_str(r#","request_id":"#);
                line.field(Field::RequestId);
                line.json.push_str(r#","event_id":""#);
                id.write_to(&mut line.json);
                line.json.push_str(r#"","duration_ms":"#);
                number(&mut line.json, failed.duration_ms);
                line.json.push_str(r#","suppressed":"#);
                number(&mut line.json, suppressed.into());
            }
            What::Download(_) => {
                line.json.push_str(r#"},"context":"#);
                line.json.push_str(context.json());
                line.json.push_str(r#","identity":"#);
                line.field(Field::By);
                line.json.push_str(r#","event_id":""#);
                id.write_to(&mut line.json);
                line.json.push_str(r#"","count":"#);
                number(&mut line.json, u64::from(suppressed).saturating_add(1));
            }
        }
        line.json.push('}');
        line.json
    }

    /// Writes the text of a field, as much of it as there is room for.
    fn field(&mut self, field: Field) {
        let text = text_of(self.event, field).unwrap_or_default();
        let room = self.room.get(field as usize).copied().unwrap_or_default();
        string(&mut self.json, text, room);
    }
}

/// The names that events have for what went wrong. What is wrong with a request is no failed download and never told; were
/// it told, it would be by a name that collectors know.
const fn type_name(error: ErrorType) -> &'static str {
    match error {
        ErrorType::BadRequest => ErrorType::Internal.as_str(),
        other => other.as_str(),
    }
}

/// How long a text is between its quotes.
fn written_length(text: &str) -> usize {
    text.chars().map(written).fold(0, usize::saturating_add)
}

/// How many bytes a character takes. A text that can be shown holds no other that JSON escapes.
const fn written(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        other => other.len_utf8(),
    }
}

/// Appends a JSON string of at most `room` bytes between its quotes.
pub(super) fn string(json: &mut String, text: &str, room: usize) {
    let has_escapes = text.bytes().any(|byte| matches!(byte, b'"' | b'\\'));
    if !has_escapes && text.len() <= room {
        json.push('"');
        json.push_str(text);
        return json.push('"');
    }
    let whole = written_length(text) <= room;
    let ellipsis = ELLIPSIS.len_utf8();
    let mut left = if whole {
        room
    } else {
        room.saturating_sub(ellipsis)
    };
    json.push('"');
    for character in text.chars() {
        let Some(rest) = left.checked_sub(written(character)) else {
            break;
        };
        left = rest;
        if matches!(character, '"' | '\\') {
            json.push('\\');
        }
        json.push(character);
    }
    if !whole && room >= ellipsis {
        json.push(ELLIPSIS);
    }
    json.push('"');
}

/// Appends a number.
fn number(json: &mut String, number: u64) {
    // No `format!`: it would be all that this module takes of it.
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 10)
            .unwrap_or_default()
            .saturating_add(b'0');
        rest /= 10;
        used = used.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    json.extend(
        digits
            .iter()
            .skip(digits.len().saturating_sub(used))
            .copied()
            .map(char::from),
    );
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
