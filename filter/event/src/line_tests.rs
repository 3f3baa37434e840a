//! One line of JSON, whatever happened.

use super::*;
use crate::id::Window;
use crate::record::{Code, Failure, Kind};
use crate::section::ContextValue;
use crate::testing::missing_zip;
use crate::testing::test;
use crate::time::Timestamp;

/// 2024-06-15T08:22:31.456Z
const AT: Timestamp = Timestamp::from_millis(1_718_439_751_456);

fn context() -> Context {
    let pairs = [
        ("pod_uid", "pod-1"),
        ("node_ip", "10.15.22.104"),
        ("logpilot_version", "v1.15.0"),
    ];
    resolve(&pairs)
}

fn resolve(pairs: &[(&str, &str)]) -> Context {
    let pairs: Vec<(String, ContextValue)> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), ContextValue::Text((*value).to_owned())))
        .collect();
    Context::resolve(&pairs, false, &|_| None).unwrap()
}

fn written(event: &Event, context: &Context, suppressed: u32) -> String {
    line(
        event,
        context,
        event.identity().in_window(Window::of(AT)),
        suppressed,
    )
}

fn of(failure: &Failure<'_>) -> String {
    let context = context();
    written(
        &Event::failure(failure, context.instance(), AT),
        &context,
        0,
    )
}

#[test]
fn a_failure_is_nested_and_named_as_dashboards_expect() {
    let failure = Failure {
        url: "https://user:tok@proxy.golang.org/github.com/pkg/errors/@v/v0.9.1.zip?sig=x",
        ..missing_zip("github.com/pkg/errors", "v0.9.1")
    };
    let context = context();
    let event = Event::failure(&failure, context.instance(), AT);
    let mut id = String::new();
    event.identity().in_window(Window::of(AT)).write_to(&mut id);
    let expected = [
        r#"{"timestamp":"2024-06-15T08:22:31.456Z","event_type":"module_download_failure","#,
        r#""module":{"name":"github.com/pkg/errors","version":"v0.9.1","kind":"zip","#,
        r#""url":"https://...@proxy.golang.org/github.com/pkg/errors/@v/v0.9.1.zip"},"#,
        r#""error":{"code":"404","type":"not_found","message":"Not Found","retry_count":3},"#,
        r#""context":{"pod_uid":"pod-1","node_ip":"10.15.22.104","logpilot_version":"v1.15.0"},"#,
        r#""upstream":"public","request_id":"id-1","event_id":""#,
        &id,
        r#"","duration_ms":12,"suppressed":7}"#,
    ];
    assert_eq!(written(&event, &context, 7), expected.concat());
}

#[test]
fn an_audited_download_says_who_and_how_often() {
    let context = context();
    let by = "spiffe://corp/ci \"x\"";
    let event = Event::download(
        Kind::Mod,
        "example.com/m",
        "v1.0.0",
        by,
        context.instance(),
        AT,
    );
    let json: serde_json::Value = serde_json::from_str(&written(&event, &context, 41)).unwrap();
    assert_eq!(json["event_type"], "module_download");
    assert_eq!(json["module"]["kind"], "mod");
    assert_eq!(
        (&json["identity"], &json["count"]),
        (&by.into(), &42.into())
    );
}

#[test]
fn what_is_no_status_is_told_by_its_name() {
    for (code, name) in [
        (Code::Status(502), "502"),
        (Code::Timeout, "timeout"),
        (Code::Connection, "connection"),
        (Code::ClientGone, "connection"),
        (Code::Truncated, "truncated"),
        (Code::InvalidBody, "invalid_body"),
        (Code::Policy, "policy"),
    ] {
        let failure = Failure {
            code,
            ..missing_zip("m", "v1.0.0")
        };
        assert!(
            of(&failure).contains(&format!(r#""error":{{"code":"{name}","#)),
            "{name}"
        );
    }
}

#[test]
fn no_name_of_an_error_is_told_that_collectors_do_not_know() {
    let failure = Failure {
        error: ErrorType::BadRequest,
        ..missing_zip("m", "v1.0.0")
    };
    assert!(of(&failure).contains(r#""type":"internal""#));
}

#[test]
fn the_message_is_shortened_first_and_the_names_last() {
    let (module, version) = ("m/".repeat(60), "v".repeat(60));
    let (message, url) = ("w ".repeat(2000), format!("https://x/{}", "u".repeat(500)));
    let failure = Failure {
        message: &message,
        url: &url,
        ..missing_zip(&module, &version)
    };
    let line = of(&failure);
    assert!(
        line.len() <= MAX_BYTES && line.len() > MAX_BYTES - 8,
        "{}",
        line.len()
    );
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["module"]["name"], module.as_str());
    assert_eq!(json["module"]["version"], version.as_str());
    assert!(
        json["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with('\u{2026}')
    );
    assert!(json["error"]["message"].as_str().unwrap().len() >= 150);
    assert!(
        json["module"]["url"]
            .as_str()
            .unwrap()
            .starts_with("https://x/uuu")
    );
}

/// The largest of everything that is never cut.
fn heaviest() -> Context {
    let names: Vec<String> = (0..16).map(|n| format!("a{n}")).collect();
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let fill = "\"\\".repeat(53);
    // Written, each character is two bytes.
    pairs[0].1 = &fill;
    let context = resolve(&pairs);
    assert!(context.json().len() > 380, "{}", context.json().len());
    context
}

#[test]
fn what_is_never_cut_leaves_room() {
    let nothing = Failure {
        module: "",
        version: "",
        url: "",
        message: "",
        upstream: "",
        request_id: "",
        code: Code::InvalidBody,
        error: ErrorType::PolicyDenied,
        retry_count: u32::MAX,
        duration_ms: u64::MAX,
        ..missing_zip("", "")
    };
    let context = heaviest();
    let event = Event::failure(&nothing, "", Timestamp::from_millis(u64::MAX));
    let room = MAX_BYTES - crate::context::MAX_BYTES;
    let rest = written(&event, &context, u32::MAX).len() - context.json().len();
    // A module's and a version's names are rarely longer than this together.
    assert!(rest + 300 <= room, "{rest} of {room}");
}

#[test]
fn numbers_are_written_as_they_are() {
    for value in [0, 9, 10, 1_000, 4_294_967_295, u64::MAX] {
        let mut text = String::new();
        number(&mut text, value);
        assert_eq!(text, value.to_string());
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ -~]{0,40}",
            "[\"\\\\]{0,900}",
            "[\u{4e00}-\u{4f00}\u{202e}]{0,400}",
            "(a/){0,600}",
        ]
    }

    proptest! {
        #[test]
        fn whatever_happened_it_is_one_line_of_json(
            module in text(), version in text(), url in text(), message in text(), upstream in text(), id in text(),
            by in text(), retry_count: u32, duration_ms: u64, suppressed: u32, at: u64,
        ) {
            let failure = Failure {
                module: &module, version: &version, url: &url, message: &message, upstream: &upstream, request_id: &id,
                retry_count, duration_ms, ..missing_zip("", "")
            };
            let at = Timestamp::from_millis(at);
            for context in [context(), heaviest()] {
                let events = [
                    Event::failure(&failure, context.instance(), at),
                    Event::download(Kind::Zip, &module, &version, &by, context.instance(), at),
                ];
                for event in events {
                    let line = written(&event, &context, suppressed);
                    prop_assert!(line.len() <= MAX_BYTES, "{}", line.len());
                    prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                    let json: serde_json::Value = serde_json::from_str(&line).map_err(|error| TestCaseError::fail(error.to_string()))?;
                    prop_assert_eq!(json["module"]["kind"].as_str(), Some("zip"));
                }
            }
        }
    }
}
