//! What the host is told of what was counted: counters that it adds up, and gauges that one worker tells for all.

use std::time::Duration;

use goproxy_strict_host::{Host, ListenerHandle, StrictHostError};

use crate::support::{BODY, CONFIGURATION, MOD, Outcome, metric, only_callout, reply};

const REQUESTS: &str = "goproxy_requests_total.endpoint.mod.result.";

fn workers(count: usize) -> Result<Host, StrictHostError> {
    Host::builder().workers(count).start(CONFIGURATION)
}

fn ask(host: &mut Host, worker: usize) -> Outcome {
    let stream = host.request_on(ListenerHandle::FIRST, worker, "GET", MOD, &[], true)?;
    if host.callouts_out() == 1 {
        let callout = only_callout(host);
        host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    }
    assert_eq!(reply(host, stream).text(), BODY);
    Ok(())
}

fn requests(host: &Host, result: &str) -> i64 {
    metric(host, &[REQUESTS, result].concat())
}

fn gauges(host: &Host) -> (i64, i64) {
    let entries = "goproxy_cache_entries.tier.memory";
    (metric(host, "goproxy_workers"), metric(host, entries))
}

#[test]
fn the_gauges_are_those_of_all_workers_that_live() -> Outcome {
    let mut host = workers(3)?;
    ask(&mut host, 0)?;
    ask(&mut host, 1)?;
    ask(&mut host, 1)?;
    host.advance(Duration::from_secs(11))?;
    assert_eq!(gauges(&host), (2, 2), "the third was asked for nothing");
    assert_eq!((requests(&host, "miss"), requests(&host, "hit")), (1, 2));
    assert_eq!(metric(&host, "goproxy_upstream_aside.upstream.public"), 0);
    assert!(
        host.metrics()
            .contains_key("goproxy_upstream_aside.upstream.public")
    );
    // The one that spoke for all is lost, and what it held.
    host.reload(0)?;
    host.advance(Duration::from_secs(36))?;
    assert_eq!(gauges(&host), (1, 1));
    ask(&mut host, 0)?;
    host.advance(Duration::from_secs(11))?;
    assert_eq!(gauges(&host), (2, 2));
    assert_eq!(
        (requests(&host, "miss"), requests(&host, "hit")),
        (1, 3),
        "what the host has counted stays"
    );
    host.check()
}

#[test]
fn a_new_configuration_is_no_new_worker() -> Outcome {
    let mut host = workers(2)?;
    ask(&mut host, 0)?;
    ask(&mut host, 1)?;
    for name in ["first", "second", "third"] {
        host.new_configuration(&CONFIGURATION.replace("public", name))?;
        ask(&mut host, 0)?;
        ask(&mut host, 1)?;
        host.advance(Duration::from_secs(11))?;
        assert_eq!(gauges(&host).0, 2, "{name}");
        host.end_drain()?;
        host.advance(Duration::from_secs(11))?;
        assert_eq!(gauges(&host).0, 2, "{name}");
    }
    let reports = host.shared_values();
    let reports = reports.iter().filter(|(name, _)| name.contains("/report/"));
    assert_eq!(reports.count(), 2);
    host.check()
}

#[test]
fn a_hit_tells_nobody() -> Outcome {
    let mut host = workers(1)?;
    ask(&mut host, 0)?;
    host.advance(Duration::from_secs(6))?;
    let before = host.tally();
    ask(&mut host, 0)?;
    let hit = host.tally().since(&before);
    for call in [
        "proxy_define_metric",
        "proxy_increment_metric",
        "proxy_record_metric",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
    ] {
        assert_eq!(hit.of(call), 0, "{call}");
    }
    assert!(hit.total() <= 3, "{hit:?}");
    Ok(())
}
