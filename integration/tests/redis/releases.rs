//! Several gateways at one key, several releases at one Redis.

use serde_json::json;

use crate::shared::{Shared, get};
use crate::world::{assert_unharmed, eventually, h1};

#[test]
fn two_gateways_that_write_the_same_keys_leave_good_values() {
    let shared = Shared::start();
    let gateways = [shared.gateway(), shared.gateway()];
    let path = |number: usize| format!("/bench.example/n{number}/@v/v1.0.0.mod");
    for round in 0..20 {
        let path = path(round);
        // Both are at the upstream when it answers, so both write.
        let id = shared
            .origin
            .fault(&json!({"path": path, "kind": "hold"}))
            .unwrap();
        let mut clients: Vec<_> = gateways
            .iter()
            .map(|gateway| {
                let mut client = h1::Connection::open(gateway.addr());
                client.ask(&path, &[]);
                client
            })
            .collect();
        assert_eq!(shared.origin.await_seen(&path, 2).unwrap().len(), 2);
        shared
            .origin
            .control("DELETE", &format!("/__fault?id={id}"), "")
            .unwrap();
        for client in &mut clients {
            assert_eq!(client.answer(false).unwrap().status, 200);
        }
    }
    shared.look().await_keys(20);
    shared.origin.forget().unwrap();
    let third = shared.gateway();
    for round in 0..20 {
        let answer = get(&third, &path(round));
        let module = format!("module bench.example/n{round}\n");
        assert!(answer.body.starts_with(module.as_bytes()), "{answer:?}");
    }
    assert!(shared.origin.seen().unwrap().is_empty());
    for gateway in &gateways {
        assert_unharmed(gateway, "a race of writes");
    }
}

/// Another release stores in another form: below keys of its own, so that neither writes over the other's.
#[test]
fn an_older_and_a_newer_release_share_a_redis() {
    let shared = Shared::start();
    let path = "/bench.example/n1/@v/v1.0.0.mod";
    let first = shared.gateway();
    assert_eq!(get(&first, path).status, 200);
    let mut look = shared.look();
    let key = look.await_keys(1).remove(0);
    let value = look.value(&key);
    let (prefix, hash) = key.rsplit_once("-v").unwrap();
    let (format, hash) = hash.split_once('-').unwrap();
    let format: u8 = format.parse().unwrap();
    assert_eq!(value[4], format, "the key's number is the value's");
    let mut theirs = value.clone();
    theirs[4] = format + 1;
    let other = format!("{prefix}-v{}-{hash}", format + 1);
    look.put(&other, &theirs);
    // A value of the other release below our key, as one would write that forgot to change the key's number.
    look.put(&key, &theirs);
    let gateway = shared.gateway();
    assert_eq!(get(&gateway, path).body.len(), 2048);
    eventually("ours is written again", || look.value(&key)[4] == format);
    assert!(look.value(&other) == theirs, "theirs is as it was");
    shared.origin.forget().unwrap();
    assert_eq!(get(&shared.gateway(), path).body.len(), 2048);
    assert!(shared.origin.seen().unwrap().is_empty());
    assert_unharmed(&gateway, "two releases");
}
