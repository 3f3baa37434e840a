//! What each kind of failure is recorded as.

use goproxy_integration::gateway::Gateway;
use goproxy_integration::origin::Origin;
use serde_json::{Value, json};

use crate::station::Station;
use crate::world::{assert_unharmed, closed_port, h1};

/// A gateway that gives its upstream a second, and archives half a second without a byte. What is below `refused.example` is
/// asked where nobody listens.
fn station() -> Station {
    let refuses = closed_port();
    Station::with(json!({}), json!({}), move |gateway, origin| {
        impatient(gateway, origin, refuses)
    })
}

fn impatient(gateway: Gateway, origin: &Origin, refuses: u16) -> Gateway {
    let upstream = |name: &str, authority: String| json!({"name": name, "target": name, "authority": authority, "timeout": "1s", "max_fails": 0});
    let config = json!({
        "upstreams": [upstream("origin", origin.addr().to_string()), upstream("refuses", format!("127.0.0.1:{refuses}"))],
        "routes": [{"modules": ["refused.example"], "chain": ["refuses"]}, {"modules": ["*"], "chain": ["origin"]}],
        "sumdb": [{"name": origin.sumdb(), "target": "sums", "authority": origin.addr().to_string(),
                   "path": format!("/sumdb/{}", origin.sumdb())}],
        "events": crate::station::events(json!({})),
    });
    gateway
        .config_json(config.to_string())
        .cluster("refuses", &format!("http://127.0.0.1:{refuses}"))
        .edit(|bootstrap| {
            bootstrap.route(0, "forwarded")?["route"]["idle_timeout"] = "0.5s".into();
            Ok(())
        })
}

/// One failure: what is asked for while which fault stands, and what is recorded of it.
struct Case {
    path: &'static str,
    fault: Option<(&'static str, Value)>,
    name: &'static str,
    version: &'static str,
    kind: &'static str,
    /// Code and type.
    error: (&'static str, &'static str),
    message: &'static str,
    retry_count: u64,
}

/// The request's id, which the client was told.
fn id_told(answer: &h1::Answer) -> Option<String> {
    let text = answer.text();
    let (_, id) = text.trim_end().rsplit_once(", request ")?;
    Some(id.trim_end_matches(')').to_owned())
}

fn play(station: &Station, case: Case) {
    let what = format!("{} {:?}", case.path, case.fault);
    let fault = case
        .fault
        .map(|(kind, more)| station.world.fault("*", kind, more));
    let mut client = h1::Connection::open(station.world.addr());
    client.ask(case.path, &[]);
    let answer = client.answer(false);
    drop(fault);
    let record = station.await_module(case.name);

    let timestamp = record["timestamp"].as_str().unwrap_or_default();
    assert!(
        timestamp.starts_with("20") && timestamp.ends_with('Z'),
        "{what}: {record}"
    );
    let duration = record["duration_ms"].as_u64().unwrap_or(u64::MAX);
    assert!(duration < 20_000, "{what}: {record}");
    let message = record["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(case.message), "{what}: {record}");
    let url = record["module"]["url"].as_str().unwrap_or_default();
    let upstream = if case.name.starts_with("refused.example") {
        "refuses"
    } else {
        "origin"
    };
    let asked = case.path.split(['?', '#']).next().unwrap_or_default();
    assert!(
        url.starts_with("http://127.0.0.1:") && url.ends_with(asked),
        "{what}: {record}"
    );
    if let Some(id) = answer.as_ref().ok().and_then(id_told) {
        assert_eq!(record["request_id"], id, "{what}");
    }
    let expected = json!({
        "timestamp": timestamp, "event_type": "module_download_failure",
        "module": {"name": case.name, "version": case.version, "kind": case.kind, "url": url},
        "error": {"code": case.error.0, "type": case.error.1, "message": message, "retry_count": case.retry_count},
        "context": {"pod_uid": "4fe1a6f2", "node_ip": "10.15.22.104", "logpilot_version": "v1.15.0"},
        "upstream": upstream, "request_id": record["request_id"], "event_id": record["event_id"],
        "duration_ms": duration, "suppressed": 0,
    });
    assert_eq!(record, expected, "{what}: {answer:?}");
}

#[test]
fn what_an_upstream_does_not_have_is_told_in_its_words() {
    let station = station();
    let absent = ("404", "not_found");
    let case = |path, name, version, kind| Case {
        path,
        fault: None,
        name,
        version,
        kind,
        error: absent,
        message: "not found",
        retry_count: 0,
    };
    for case in [
        case(
            "/example.com/no1/@v/v1.0.0.zip",
            "example.com/no1",
            "v1.0.0",
            "zip",
        ),
        case(
            "/example.com/no2/@v/v1.0.0.mod",
            "example.com/no2",
            "v1.0.0",
            "mod",
        ),
        case(
            "/example.com/no3/@v/v1.0.0.info",
            "example.com/no3",
            "v1.0.0",
            "info",
        ),
        // As people write it, and asked as `go` spells it.
        case(
            "/github.com/!burnt!sushi/no4/@v/v1.0.0-!r!c1.zip",
            "github.com/BurntSushi/no4",
            "v1.0.0-RC1",
            "zip",
        ),
        case(
            "/example.com/no5/@v/v2.0.0+incompatible.zip",
            "example.com/no5",
            "v2.0.0+incompatible",
            "zip",
        ),
        Case {
            fault: Some(("status", json!({"status": 410, "body": "taken down\n"}))),
            error: ("410", "gone"),
            message: "taken down",
            ..case(
                "/example.com/no6/@v/v1.0.0.mod",
                "example.com/no6",
                "v1.0.0",
                "mod",
            )
        },
        Case {
            fault: Some(("status", json!({"status": 410, "body": "taken down\n"}))),
            error: ("410", "gone"),
            message: "taken down",
            ..case(
                "/example.com/no7/@v/v1.0.0.zip",
                "example.com/no7",
                "v1.0.0",
                "zip",
            )
        },
    ] {
        play(&station, case);
    }
    let sumdb = station.world.origin.sumdb().to_owned();
    let path = format!("/sumdb/{sumdb}/lookup/example.com/no8@v1.0.0");
    assert_eq!(station.get(&path).status, 404);
    let record = station.await_module("example.com/no8");
    assert_eq!(record["module"]["kind"], "sumdb", "{record}");
    assert_eq!(record["module"]["version"], "v1.0.0", "{record}");
    assert_eq!(record["error"]["code"], "404", "{record}");
    station.world.assert_unharmed("modules that are not there");
}

#[test]
fn an_upstream_that_fails_is_told_with_how_often_it_was_asked() {
    let station = station();
    let status = |status: u16| {
        Some((
            "status",
            json!({"status": status, "body": "gone fishing\n"}),
        ))
    };
    let case = |path, name, kind| Case {
        path,
        fault: None,
        name,
        version: "v1.0.0",
        kind,
        error: ("503", "upstream_5xx"),
        message: "gone fishing",
        retry_count: 0,
    };
    for case in [
        Case {
            fault: status(503),
            retry_count: 2,
            ..case("/example.com/f1/@v/v1.0.0.mod", "example.com/f1", "mod")
        },
        Case {
            fault: status(503),
            retry_count: 2,
            ..case("/example.com/f2/@v/v1.0.0.zip", "example.com/f2", "zip")
        },
        Case {
            fault: status(500),
            error: ("500", "upstream_5xx"),
            ..case("/example.com/f3/@v/v1.0.0.info", "example.com/f3", "info")
        },
        Case {
            fault: status(503),
            version: "",
            retry_count: 2,
            ..case("/example.com/f4/@v/list", "example.com/f4", "list")
        },
        Case {
            fault: status(500),
            version: "",
            error: ("500", "upstream_5xx"),
            ..case("/example.com/f5/@latest", "example.com/f5", "latest")
        },
        Case {
            fault: status(500),
            version: "main",
            error: ("500", "upstream_5xx"),
            ..case("/example.com/f6/@v/main.info", "example.com/f6", "query")
        },
        Case {
            fault: status(403),
            error: ("403", "policy_denied"),
            ..case("/example.com/f7/@v/v1.0.0.mod", "example.com/f7", "mod")
        },
        Case {
            fault: status(403),
            error: ("403", "policy_denied"),
            ..case("/example.com/f8/@v/v1.0.0.zip", "example.com/f8", "zip")
        },
        Case {
            fault: status(429),
            error: ("429", "upstream_4xx"),
            ..case("/example.com/f9/@v/v1.0.0.mod", "example.com/f9", "mod")
        },
        Case {
            fault: status(401),
            error: ("401", "upstream_4xx"),
            message: "",
            ..case("/example.com/f10/@v/v1.0.0.mod", "example.com/f10", "mod")
        },
        Case {
            fault: Some(("hang", json!({}))),
            error: ("timeout", "timeout"),
            message: "",
            ..case("/example.com/f11/@v/v1.0.0.mod", "example.com/f11", "mod")
        },
        Case {
            fault: Some(("hang", json!({}))),
            error: ("timeout", "timeout"),
            message: "",
            ..case("/example.com/f12/@v/v1.0.0.zip", "example.com/f12", "zip")
        },
        Case {
            error: ("connection", "connection"),
            message: "",
            retry_count: 2,
            ..case(
                "/refused.example/f13/@v/v1.0.0.mod",
                "refused.example/f13",
                "mod",
            )
        },
        Case {
            error: ("connection", "connection"),
            message: "",
            retry_count: 2,
            ..case(
                "/refused.example/f14/@v/v1.0.0.zip",
                "refused.example/f14",
                "zip",
            )
        },
    ] {
        play(&station, case);
    }
    station.world.assert_unharmed("an upstream that fails");
}

#[test]
fn what_breaks_off_or_is_not_what_it_should_be_is_a_failure_though_it_began_as_a_200() {
    let station = station();
    let case = |path, name, kind| Case {
        path,
        fault: Some(("html", json!({}))),
        name,
        version: "v1.0.0",
        kind,
        error: ("invalid_body", "invalid_body"),
        message: "",
        retry_count: 0,
    };
    for case in [
        case("/example.com/a/@v/v1.0.0.mod", "example.com/a", "mod"),
        case("/example.com/tenk/@v/v1.0.0.zip", "example.com/tenk", "zip"),
        Case {
            fault: Some(("truncate", json!({}))),
            error: ("truncated", "truncated"),
            ..case(
                "/example.com/large/@v/v1.0.0.zip",
                "example.com/large",
                "zip",
            )
        },
        Case {
            fault: Some(("reset_body", json!({}))),
            error: ("truncated", "truncated"),
            retry_count: 2,
            ..case(
                "/example.com/legacy/@v/v1.0.0.mod",
                "example.com/legacy",
                "mod",
            )
        },
        Case {
            fault: Some(("tampered", json!({}))),
            ..case(
                "/example.com/retracted/@v/v1.0.0.info",
                "example.com/retracted",
                "info",
            )
        },
    ] {
        play(&station, case);
    }
    assert_unharmed(&station.world.gateway, "answers that are none");
}

#[test]
fn a_line_is_what_the_design_says_byte_for_byte() {
    let station = station();
    let answer = station.get("/example.com/line/@v/v1.0.0.zip?token=s3cr3t");
    let record = station.await_module("example.com/line");
    let id = id_told(&answer).expect("an id");
    let text = |pointer: &str| {
        let value = record.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let expected = format!(
        r#"{{"timestamp":"{}","event_type":"module_download_failure","module":{{"name":"example.com/line","version":"v1.0.0","kind":"zip","url":"http://{}/example.com/line/@v/v1.0.0.zip"}},"error":{{"code":"404","type":"not_found","message":"{}","retry_count":0}},"context":{{"pod_uid":"4fe1a6f2","node_ip":"10.15.22.104","logpilot_version":"v1.15.0"}},"upstream":"origin","request_id":"{id}","event_id":"{}","duration_ms":{},"suppressed":0}}"#,
        text("/timestamp"),
        station.world.origin.addr(),
        text("/error/message"),
        text("/event_id"),
        record["duration_ms"],
    );
    assert_eq!(station.world.gateway.stdout(), format!("{expected}\n"));
}

#[test]
fn nothing_secret_or_invisible_gets_into_a_record() {
    let station = station();
    let body = "see https://bot:s3cr3t@git.example/x?token=s3cr3t#s3cr3t\r\nAuthorization: Bearer s3cr3t\npassword=s3cr3t \u{202e}gnp.exe \u{0} \u{1b}[31mred\u{feff}\n";
    for (number, status) in [404, 403, 500].into_iter().enumerate() {
        for kind in ["mod", "zip"] {
            let fault = station
                .world
                .fault("*", "status", json!({"status": status, "body": body}));
            let name = format!("example.com/words{number}{kind}");
            let path = format!("/{name}/@v/v1.0.0.{kind}?access_token=s3cr3t");
            let headers = [
                ("authorization", "Basic s3cr3t"),
                ("cookie", "session=s3cr3t"),
                ("x-token", "s3cr3t"),
            ];
            h1::get_with(station.world.addr(), &path, &headers);
            drop(fault);
            let record = station.await_module(&name);
            let message = record["error"]["message"].as_str().unwrap_or_default();
            assert!(
                message.starts_with("see https://...@git.example/x?... Authorization: Bearer ... "),
                "{record}"
            );
        }
    }
    let written = station.world.gateway.stdout();
    assert!(!written.contains("s3cr3t"), "{written}");
    let is_hidden = |letter: char| {
        letter != '\n'
            && (letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{feff}'))
    };
    assert!(!written.contains(is_hidden), "{written:?}");
    // As text, not as an escape either.
    for escaped in ["\\u202e", "\\u0000", "\\u001b", "\\r", "\\n"] {
        assert!(!written.contains(escaped), "{escaped}: {written}");
    }
}
