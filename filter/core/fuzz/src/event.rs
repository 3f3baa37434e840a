//! Events: whatever is told of a failure, the record is one line of JSON of the shape that collectors know.

use goproxy_core::event::{
    Code, Context, ContextValue, Event, Failure, Kind, MAX_BYTES, Window, line,
};
use goproxy_core::{ErrorType, Timestamp};
use serde_json::{Map, Value};

/// Input: a letter for the kind, one for what went wrong, and the texts, with a NUL between any two.
pub fn check(data: &[u8]) {
    let [kind, error, texts @ ..] = data else {
        return;
    };
    let texts = String::from_utf8_lossy(texts);
    let mut texts = texts.split('\0');
    let mut next = || texts.next().unwrap_or_default();
    let pairs = vec![("zone".to_owned(), ContextValue::Text(next().to_owned()))];
    let Ok(context) = Context::resolve(&pairs, true, &|_| None) else {
        return;
    };
    let (code, error) = what(*error);
    let failure = Failure {
        kind: KINDS[usize::from(*kind) % KINDS.len()],
        code,
        error,
        module: next(),
        version: next(),
        url: next(),
        message: next(),
        upstream: next(),
        request_id: next(),
        retry_count: u32::from(*kind),
        duration_ms: u64::MAX,
    };
    let at = Timestamp::from_millis(1_718_439_751_456);
    let failed = Event::failure(&failure, context.instance(), at);
    let id = failed.identity().in_window(Window::of(at));
    let failed = line(&failed, &context, id, u32::MAX);
    is_record(
        &failed,
        &[
            "timestamp",
            "event_type",
            "module",
            "error",
            "context",
            "upstream",
            "request_id",
            "event_id",
            "duration_ms",
            "suppressed",
        ],
        &["name", "version", "kind", "url"],
    );
    let by = next();
    let downloaded = Event::download(failure.kind, failure.module, failure.version, by, "", at);
    let downloaded = line(&downloaded, &context, id, 0);
    is_record(
        &downloaded,
        &[
            "timestamp",
            "event_type",
            "module",
            "context",
            "identity",
            "event_id",
            "count",
        ],
        &["name", "version", "kind"],
    );
}

/// One line of JSON with these fields, in which nothing is hidden.
fn is_record(line: &str, fields: &[&str], module: &[&str]) {
    assert!(line.len() <= MAX_BYTES, "{} bytes: {line}", line.len());
    for character in line.chars() {
        assert!(
            !character.is_control() && !is_hidden(character),
            "{character:?} in {line:?}"
        );
    }
    let json: Value = serde_json::from_str(line).expect("JSON");
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<String>>();
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(json.as_object().expect("an object")), sorted(fields));
    assert_eq!(
        names(json["module"].as_object().expect("an object")),
        sorted(module)
    );
    assert_eq!(json["event_id"].as_str().map(str::len), Some(32));
    if let Some(url) = json["module"]["url"].as_str() {
        assert!(!url.contains(['?', '#', ' ']), "{url}");
        for (_, behind) in url.match_indices("://").map(|(at, _)| url.split_at(at + 3)) {
            let authority = behind.split('/').next().unwrap_or_default();
            assert!(
                !authority.contains('@') || authority.starts_with("...@"),
                "{url}"
            );
        }
    }
}

/// What turns the writing direction or shows nothing.
fn is_hidden(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

const KINDS: [Kind; 10] = [
    Kind::List,
    Kind::Latest,
    Kind::Info,
    Kind::Query,
    Kind::Mod,
    Kind::Zip,
    Kind::SumSupported,
    Kind::SumLookup,
    Kind::SumTile,
    Kind::SumLatest,
];

fn what(letter: u8) -> (Code, ErrorType) {
    match letter {
        b'n' => (Code::Status(404), ErrorType::NotFound),
        b'g' => (Code::Status(410), ErrorType::Gone),
        b'p' => (Code::Policy, ErrorType::PolicyDenied),
        b'4' => (Code::Status(429), ErrorType::Upstream4xx),
        b't' => (Code::Timeout, ErrorType::Timeout),
        b'c' => (Code::Connection, ErrorType::Connection),
        b'b' => (Code::Truncated, ErrorType::Truncated),
        b'i' => (Code::InvalidBody, ErrorType::InvalidBody),
        b'o' => (Code::Status(503), ErrorType::Overload),
        b'l' => (Code::ClientGone, ErrorType::Internal),
        other => (Code::Status(u16::from(other) * 257), ErrorType::BadRequest),
    }
}
