//! A collector's answer to a batch: what is read of it is what `serde_json` reads, and nothing is acknowledged by chance.

use goproxy_core::event::{Item, read_bulk_answer};
use serde_json::Value;

/// Input: how many records the batch had, a line end, the answer.
pub fn check(data: &[u8]) {
    let Some((count, body)) = super::text(data) else {
        return;
    };
    let count = count.parse::<u16>().unwrap_or(1).into();
    let Some(items) = read_bulk_answer(body, count) else {
        return;
    };
    assert_eq!(items.len(), count);
    for item in &items {
        if let Item::Refused(status, reason) = item {
            assert!((400..500).contains(status), "{status}");
            assert!(
                reason.len() <= 160 && !reason.contains(char::is_control),
                "{reason:?}"
            );
        }
    }
    // A name may be written with escapes, which ours does not know as that name; and an odd number is none to theirs.
    let Ok(theirs) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    if body.windows(2).any(|bytes| bytes == b"\\u") {
        return;
    }
    let acknowledged: Vec<bool> = items.iter().map(|item| *item == Item::Stored).collect();
    assert_eq!(acknowledged, expected(&theirs, count), "{theirs}");
}

/// Of which records the answer says that they are stored, read in another way.
fn expected(answer: &Value, count: usize) -> Vec<bool> {
    let Some(items) = answer.get("items") else {
        assert_eq!(answer["errors"], false);
        return vec![true; count];
    };
    let is_stored = |item: &Value| {
        let actions = item.as_object().expect("an object");
        let result = actions.values().next().expect("an action");
        matches!(
            result["status"].as_u64().expect("a status"),
            200..=299 | 409
        )
    };
    items
        .as_array()
        .expect("items")
        .iter()
        .map(is_stored)
        .collect()
}
