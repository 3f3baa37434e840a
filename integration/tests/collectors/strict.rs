//! The `_bulk` of the tests is as strict as the real one.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::elasticsearch::{Elasticsearch, Order, Setup};
use crate::world::h1::{self, Answer};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// One document for `_bulk`.
pub fn create(index: &str, id: &str, source: &Value) -> String {
    format!(
        "{}\n{source}\n",
        json!({"create": {"_index": index, "_id": id}})
    )
}

fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let length = body.len().to_string();
    let headers = [headers, &[("content-length", length.as_str())]].concat();
    let request = [&h1::request("POST", path, &headers)[..], body.as_bytes()].concat();
    h1::exchange(address, &request).expect("an answer")
}

fn bulk(server: &Elasticsearch, body: &str) -> (u16, Value) {
    let answer = post(server.addr(), "/_bulk", &[NDJSON], body);
    (
        answer.status,
        serde_json::from_slice(&answer.body).unwrap_or_default(),
    )
}

/// The statuses of the items.
fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["create"]["status"].as_u64().expect("a status"))
        .collect()
}

pub fn template() -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/elasticsearch/index-template.json");
    serde_json::from_slice(&std::fs::read(path).expect("the template")).expect("JSON")
}

#[test]
fn a_document_is_created_once() {
    let server = Elasticsearch::start(Setup::default());
    let body = create("go-2024.06", "1", &json!({"a": 1}));
    let (status, answer) = bulk(&server, &body);
    assert_eq!(
        (status, &answer["errors"], statuses(&answer)),
        (200, &json!(false), vec![201])
    );
    assert_eq!(answer["items"][0]["create"]["_id"], "1");
    let (status, answer) = bulk(&server, &body);
    assert_eq!(
        (status, &answer["errors"], statuses(&answer)),
        (200, &json!(true), vec![409])
    );
    assert_eq!(server.documents().len(), 1);
    let name = ("go-2024.06".to_owned(), "1".to_owned());
    assert_eq!(
        server.sent_again(),
        [name],
        "it was acknowledged the first time"
    );
}

#[test]
fn what_no_bulk_request_may_be_is_refused_as_a_whole() {
    let server = Elasticsearch::start(Setup {
        max_bytes: 2000,
        ..Setup::default()
    });
    let good = create("go", "1", &json!({}));
    let long = create("go", "1", &json!({"a": "x".repeat(2000)}));
    let json_type = ("content-type", "application/json; charset=utf-8");
    for (path, header, body, status, reason) in [
        (
            "/_bulk",
            NDJSON,
            good.trim_end(),
            400,
            "must be terminated by a newline",
        ),
        ("/_bulk", NDJSON, "", 400, "request body is required"),
        ("/_bulk", NDJSON, "\n\n", 400, "no requests added"),
        (
            "/_bulk",
            ("content-type", "text/plain"),
            &good,
            406,
            "is not supported",
        ),
        ("/_bulk", ("accept", "*/*"), &good, 406, "is not supported"),
        ("/_bulk", NDJSON, &long, 413, "max_content_length"),
        (
            "/_bulk?x=1",
            NDJSON,
            &good,
            400,
            "unrecognized parameter: [x]",
        ),
        ("/bulk", NDJSON, &good, 405, "Incorrect HTTP method or uri"),
        (
            "/_bulk",
            NDJSON,
            "[1]\n{}\n",
            400,
            "line [1], expected START_OBJECT",
        ),
        ("/_bulk", NDJSON, "{}\n{}\n", 400, "expected FIELD_NAME"),
        (
            "/_bulk",
            NDJSON,
            "{\"upsert\":{}}\n{}\n",
            400,
            "or [update] but found [upsert]",
        ),
        (
            "/_bulk",
            NDJSON,
            "{\"create\":1}\n{}\n",
            400,
            "expected START_OBJECT or END_OBJECT",
        ),
        (
            "/_bulk",
            NDJSON,
            "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"},\"x\":1}\n{}\n",
            400,
            "expected END_OBJECT",
        ),
        (
            "/_bulk",
            NDJSON,
            "{\"create\":{\"_idx\":\"a\"}}\n{}\n",
            400,
            "unknown parameter [_idx]",
        ),
        (
            "/_bulk",
            NDJSON,
            "{\"create\":{\"_id\":\"1\"}}\n{}\n",
            400,
            "index is missing",
        ),
        (
            "/_bulk",
            NDJSON,
            "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n",
            400,
            "a source is missing",
        ),
        ("/_bulk", NDJSON, "{\"create\"\n{}\n", 400, "EOF"),
    ] {
        let answer = post(server.addr(), path, &[header], body);
        assert_eq!(answer.status, status, "{body:?}: {answer:?}");
        assert!(
            answer.text().contains(reason),
            "{body:?}: expected {reason:?}, got {}",
            answer.text()
        );
    }
    assert_eq!(
        post(server.addr(), "/_bulk", &[json_type], &good).status,
        200
    );
    assert_eq!(server.documents().len(), 1);
}

#[test]
fn what_does_not_fit_is_refused_item_by_item() {
    let server = Elasticsearch::start(Setup::default());
    let (id, good) = (
        "x".repeat(20),
        json!({"a": {"b": 1}, "c": "text", "t": "2024-06-15T08:22:31.456Z"}),
    );
    let body = [
        create("go", "1", &good),
        create("Go", "2", &good),
        create("go,x", "3", &good),
        create("_go", "4", &good),
        create("go", "5", &json!({"a": 1})),
        create("go", "6", &json!({"a": {"b": "text"}})),
        create("go", "7", &json!({"a": {"b": "7"}})),
        create("go", "8", &json!({"c": {"d": 1}})),
        create("go", "9", &json!({"t": "yesterday"})),
        create("go", &id, &json!({"c": 1, "new": true})),
        create("go", "1", &good),
    ]
    .concat();
    let body = format!(
        "{body}{}\nno json\n",
        r#"{"create":{"_index":"go","_id":"b"}}"#
    );
    let (status, answer) = bulk(&server, &body);
    assert_eq!(status, 200);
    assert_eq!(
        statuses(&answer),
        [201, 400, 400, 400, 400, 400, 201, 400, 400, 201, 409, 400]
    );
    let reason = |item: usize| {
        answer["items"][item]["create"]["error"]["reason"]
            .as_str()
            .unwrap_or_default()
    };
    assert!(
        reason(4).contains("found a concrete value"),
        "{}",
        reason(4)
    );
    assert!(
        reason(5).contains("failed to parse field [a.b] of type [long]"),
        "{}",
        reason(5)
    );
    assert_eq!(server.documents().len(), 3);
}

#[test]
fn the_shipped_template_types_an_index_of_its_name() {
    let server = Elasticsearch::start(Setup {
        template: Some(template()),
        ..Setup::default()
    });
    let index = "cce-logpilot-failures-2024.06";
    let body = [
        create(
            index,
            "1",
            &json!({"timestamp": "2024-06-15T08:22:31.456Z", "context": {"node_ip": "", "zone": "a"}}),
        ),
        create(index, "2", &json!({"timestamp": "soon"})),
        create(index, "3", &json!({"suppressed": "many"})),
        create(index, "4", &json!({"module": "m"})),
        create(
            index,
            "5",
            &json!({"of_a_shipper": {"x": 1}, "@timestamp": "2024-06-15T08:22:31.456Z"}),
        ),
        create("other", "6", &json!({"timestamp": "soon"})),
    ];
    let (_, answer) = bulk(&server, &body.concat());
    assert_eq!(statuses(&answer), [201, 400, 400, 400, 201, 201]);
}

#[test]
fn what_is_asked_of_an_answer_is_what_it_holds() {
    let server = Elasticsearch::start(Setup::default());
    server.order([Order::Items(429, vec![1])]);
    let path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type";
    let body = [create("go", "1", &json!({})), create("go", "2", &json!({}))].concat();
    let answer = post(server.addr(), path, &[NDJSON], &body);
    let expected = json!({"errors": true, "items": [
        {"create": {"status": 201}},
        {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}]});
    assert_eq!(
        serde_json::from_slice::<Value>(&answer.body).expect("JSON"),
        expected
    );
    assert_eq!(server.documents().len(), 1);
}

#[test]
fn a_test_orders_what_goes_wrong() {
    let server = Elasticsearch::start(Setup {
        authorization: Some("ApiKey x".to_owned()),
        ..Setup::default()
    });
    let body = create("go", "1", &json!({}));
    assert_eq!(bulk(&server, &body).0, 401);
    let key = [NDJSON, ("authorization", "ApiKey x")];
    let ask = || post(server.addr(), "/_bulk", &key, &body);
    server.order([Order::Answer(503, "{}"), Order::RetryAfter(7)]);
    assert_eq!(ask().status, 503);
    let answer = ask();
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("7"))
    );
    assert!(server.documents().is_empty());
    server.order([Order::StoreAndSay(200, "<html>")]);
    assert_eq!(ask().text(), "<html>");
    assert_eq!(
        (server.documents().len(), server.sent_again().len()),
        (1, 0)
    );
    let drip = post(server.addr(), "/_bulk", &key, &body);
    assert_eq!(
        statuses(&serde_json::from_slice(&drip.body).expect("JSON")),
        [409]
    );
    server.order([Order::StoreAndCut, Order::StoreAndDrip(Duration::ZERO)]);
    let length = body.len().to_string();
    let headers = [&key[..], &[("content-length", length.as_str())]].concat();
    let request = [
        &h1::request("POST", "/_bulk", &headers)[..],
        body.as_bytes(),
    ]
    .concat();
    assert!(h1::exchange(server.addr(), &request).is_err());
    assert_eq!(ask().status, 200);
    let statuses: Vec<u16> = server
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [401, 503, 429, 200, 200, 0, 200]);
}
