//! The paths that every request takes, and the orders of events that are known to be dangerous.

use std::time::Duration;

use goproxy_strict_host::{Fate, Host};

use crate::support::{CONFIGURATION, Outcome, answer, get, only_callout, reply};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const BODY: &str = "module example.com/a\n";

#[test]
fn a_miss_is_one_callout_and_then_a_hit() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let miss = get(&mut host, MOD)?;
    assert_eq!(host.fate(miss), Fate::Waiting);
    let callout = only_callout(&host);
    assert_eq!(
        (callout.target.as_str(), callout.path.as_str()),
        ("up", MOD)
    );
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, miss).text(), BODY);

    let hit = get(&mut host, MOD)?;
    let hit = reply(&host, hit);
    assert_eq!((hit.status, hit.text().as_str()), (200, BODY));
    assert_eq!(host.callouts_out(), 0);
    host.check()
}

#[test]
fn four_hundred_waiters_share_one_callout() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let mut waiters = Vec::new();
    for _ in 0..400 {
        waiters.push(get(&mut host, MOD)?);
    }
    answer(&mut host, 200, BODY)?;
    for waiter in waiters {
        assert_eq!(reply(&host, waiter).text(), BODY);
    }
    host.check()
}
