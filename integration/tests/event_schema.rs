//! Whatever happened, its record is as the schema says that we ship.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use goproxy_core::event::{
    Code, Context, ContextValue, Event, Failure, Kind, MAX_BYTES, Window, line,
};
use goproxy_core::{ErrorType, Timestamp};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

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

const ERRORS: [ErrorType; 12] = [
    ErrorType::BadRequest,
    ErrorType::NotFound,
    ErrorType::Gone,
    ErrorType::PolicyDenied,
    ErrorType::Upstream4xx,
    ErrorType::Upstream5xx,
    ErrorType::Timeout,
    ErrorType::Connection,
    ErrorType::Truncated,
    ErrorType::InvalidBody,
    ErrorType::Overload,
    ErrorType::Internal,
];

fn schema() -> Result<Value, Box<dyn Error>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../filter/core/schema/event.schema.json");
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::validator_for(&schema().expect("a schema")).expect("a schema that is one")
});

/// Any text: some that look like what a module or an upstream is called, and some that nobody would send.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        2 => "[a-z0-9./@-]{0,60}",
        1 => "https://[a-z:@]{0,20}/[a-z?=&#%]{0,40}",
        1 => "[\u{0}-\u{2ff}\u{2000}-\u{206f}\u{feff}\u{1f600}]{0,80}",
        1 => "(a/\"){0,400}",
    ]
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![
        any::<u16>().prop_map(Code::Status),
        Just(Code::Timeout),
        Just(Code::Connection),
        Just(Code::Truncated),
        Just(Code::InvalidBody),
        Just(Code::Policy),
        Just(Code::ClientGone),
    ]
}

fn context() -> impl Strategy<Value = Context> {
    let pair = ("[a-z][a-z0-9_]{0,10}", text());
    prop::collection::vec(pair, 0..4).prop_filter_map("too long", |pairs| {
        let pairs: Vec<(String, ContextValue)> = pairs
            .into_iter()
            .map(|(name, value)| (name, ContextValue::Text(value)))
            .collect();
        Context::resolve(&pairs, true, &|_| None).ok()
    })
}

/// One line of at most so many bytes, which is as the schema says.
fn check(line: &str) -> Result<Value, TestCaseError> {
    prop_assert!(line.len() <= MAX_BYTES, "{} bytes: {line}", line.len());
    prop_assert!(!line.contains('\n'));
    let json: Value =
        serde_json::from_str(line).map_err(|error| TestCaseError::fail(error.to_string()))?;
    if let Err(error) = VALIDATOR.validate(&json) {
        return Err(TestCaseError::fail(format!("{error}: {line}")));
    }
    Ok(json)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_failure_is_as_the_schema_says(
        kind in prop::sample::select(&KINDS[..]), error in prop::sample::select(&ERRORS[..]), code in code(),
        texts in prop::array::uniform6(text()), numbers: (u64, u64, u32, u32), context in context(),
    ) {
        let [module, version, url, message, upstream, request_id] = &texts;
        let (at, duration_ms, retry_count, suppressed) = numbers;
        let failure = Failure {
            kind, module, version, url, code, error, message, retry_count, upstream, request_id, duration_ms,
        };
        let at = Timestamp::from_millis(at);
        let event = Event::failure(&failure, context.instance(), at);
        let id = event.identity().in_window(Window::of(at));
        let json = check(&line(&event, &context, id, suppressed))?;
        prop_assert_eq!(&json["suppressed"], &json!(suppressed));
    }

    #[test]
    fn a_download_is_as_the_schema_says(
        kind in prop::sample::select(&KINDS[..]), texts in prop::array::uniform3(text()), at: u64, others: u32, context in context(),
    ) {
        let [module, version, by] = &texts;
        let at = Timestamp::from_millis(at);
        let event = Event::download(kind, module, version, by, context.instance(), at);
        let id = event.identity().in_window(Window::of(at));
        let json = check(&line(&event, &context, id, others))?;
        prop_assert_eq!(&json["count"], &json!(u64::from(others) + 1));
    }
}

#[test]
fn the_schema_is_a_schema() -> Result<(), Box<dyn Error>> {
    jsonschema::meta::validate(&schema()?).map_err(|error| error.to_string().into())
}

#[test]
fn the_example_of_the_design_is_valid_and_each_change_of_it_is_not() {
    let good = json!({
        "timestamp": "2024-06-15T08:22:31.456Z", "event_type": "module_download_failure",
        "module": {"name": "github.com/pkg/errors", "version": "v0.9.1", "kind": "zip", "url": "https://proxy.example/x"},
        "error": {"code": "404", "type": "not_found", "message": "Not Found", "retry_count": 3},
        "context": {"pod_uid": "x", "node_ip": "10.15.22.104", "logpilot_version": "v1.15.0"},
        "upstream": "public", "request_id": "r", "event_id": "0123456789abcdef0123456789abcdef", "duration_ms": 12, "suppressed": 0,
    });
    let validator = &*VALIDATOR;
    assert!(validator.is_valid(&good), "{:?}", validator.validate(&good));
    for (pointer, value) in [
        ("/timestamp", json!("2024-06-15T08:22:31Z")),
        ("/timestamp", json!("2024-13-15T08:22:31.456Z")),
        ("/event_type", json!("module_download")),
        ("/module/kind", json!("tar")),
        ("/module/url", json!("https://proxy.example/x?token=y")),
        ("/module/name", json!("a\u{202e}b")),
        ("/error/code", json!(404)),
        ("/error/code", json!("oops")),
        ("/error/type", json!("bad_request")),
        ("/error/message", json!("a\nb")),
        ("/error/retry_count", json!(-1)),
        ("/context/node_ip", json!(null)),
        ("/event_id", json!("0123")),
        ("/duration_ms", json!(1.5)),
        ("/suppressed", json!("0")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a field") = value.clone();
        assert!(!validator.is_valid(&bad), "{pointer}: {value}");
    }
    for pointer in ["", "/module", "/error"] {
        let mut more = good.clone();
        let object = more
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .expect("an object");
        object.insert("more".to_owned(), json!(1));
        assert!(!validator.is_valid(&more), "one more in {pointer:?}");
    }
    for pointer in ["", "/module", "/error", "/context"] {
        let names: Vec<String> = good
            .pointer(pointer)
            .and_then(Value::as_object)
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        for name in names {
            let mut less = good.clone();
            less.pointer_mut(pointer)
                .and_then(Value::as_object_mut)
                .expect("an object")
                .remove(&name);
            assert!(!validator.is_valid(&less), "{name} gone from {pointer:?}");
        }
    }
}
