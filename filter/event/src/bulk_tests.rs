//! What is sent to `_bulk`, and what its answers mean.

use super::*;
use crate::id::{Identity, Window};
use crate::testing::test;
use crate::time::Timestamp;

fn record(name: &str, millis: u64) -> Record {
    let at = Timestamp::from_millis(millis);
    Record {
        line: format!(r#"{{"name":"{name}"}}"#).into(),
        id: Identity::of(&[name]).in_window(Window::of(at)),
        at,
        since: at,
    }
}

#[test]
fn a_batch_has_two_ended_lines_for_each_record() {
    let index = IndexPattern::parse("go-%Y.%m").unwrap();
    // The last millisecond of May and the first of June 2024.
    let records = [
        record("a", 1_717_199_999_999),
        record("b", 1_717_200_000_000),
    ];
    let body = write(&records, &index);
    let lines: Vec<&str> = body.split('\n').collect();
    let [action, a, next_action, b, ""] = lines.as_slice() else {
        panic!("{body}");
    };
    assert_eq!((*a, *b), (r#"{"name":"a"}"#, r#"{"name":"b"}"#));
    assert!(
        action.starts_with(r#"{"create":{"_index":"go-2024.05","_id":""#),
        "{action}"
    );
    assert!(
        next_action.starts_with(r#"{"create":{"_index":"go-2024.06","_id":""#),
        "{next_action}"
    );
    assert!(action.ends_with(r#""}}"#) && action != next_action);
}

#[test]
fn each_item_has_its_own_fate() {
    let answer = br#"{"took":3,"errors":true,"items":[
        {"create":{"_index":"x","_id":"1","status":201,"result":"created"}},
        {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}}},
        {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
        {"create":{"status":503,"error":{"type":"unavailable_shards_exception"}}},
        {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse https://u:p@h"}}},
        {"create":{"status":404,"error":"IndexMissingException"}}]}"#;
    assert_eq!(
        read(answer, 6).unwrap(),
        [
            Item::Stored,
            Item::Stored,
            Item::Later,
            Item::Later,
            Item::Refused(
                400,
                "mapper_parsing_exception: failed to parse https://...@h".to_owned()
            ),
            Item::Refused(404, "IndexMissingException".to_owned()),
        ]
    );
}

#[test]
fn items_may_be_left_out_where_all_are_stored() {
    assert_eq!(
        read(br#"{"errors":false}"#, 2),
        Some(vec![Item::Stored, Item::Stored])
    );
    assert_eq!(read(br#"{"errors":true}"#, 2), None);
}

#[test]
fn what_is_no_answer_acknowledges_nothing() {
    let one = |item: &str| format!(r#"{{"errors":false,"items":[{item}]}}"#);
    for answer in [
        String::new(),
        "<html>login</html>".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"items":"x"}"#.to_owned(),
        r#"{"errors":"false"}"#.to_owned(),
        one(""),
        one("{}"),
        one("1"),
        one(r#"{"create":201}"#),
        one(r#"{"create":{}}"#),
        one(r#"{"create":{"status":"201"}}"#),
        one(r#"{"create":{"status":201.5}}"#),
        one(r#"{"create":{"status":0}}"#),
        one(r#"{"create":{"status":302}}"#),
        one(r#"{"create":{"status":70000}}"#),
        one(r#"{"create":{"status":201},"index":{"status":201}}"#),
        one(r#"{"create":{"status":201}},{"create":{"status":201}}"#),
        format!("{}x", one(r#"{"create":{"status":201}}"#)),
        "[".repeat(100_000),
    ] {
        assert_eq!(
            read(answer.as_bytes(), 1),
            None,
            "{}",
            &answer[..answer.len().min(80)]
        );
    }
}
