//! Orders of events that are known to be dangerous: clients that leave, answers that come late, configurations that change.

use std::time::Duration;

use goproxy_strict_host::{Fate, Host, ListenerHandle, StrictHostError};

use crate::support::{BODY, CONFIGURATION, MOD, Outcome, answer, get, metric, only_callout, reply};

const OTHER: &str = "/example.com/a/@v/v1.1.0.mod";

fn answered(host: &Host, streams: &[goproxy_strict_host::StreamHandle]) -> usize {
    streams
        .iter()
        .filter(|stream| matches!(host.fate(**stream), Fate::Replied(_)))
        .count()
}

/// Another configuration, with the same namespace.
fn changed() -> String {
    CONFIGURATION.replace("proxy.example", "mirror.example")
}

#[test]
fn who_asked_first_may_leave() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let first = get(&mut host, MOD)?;
    let second = get(&mut host, MOD)?;
    host.abort(first)?;
    answer(&mut host, 200, BODY)?;
    assert_eq!(
        (host.fate(first), reply(&host, second).text()),
        (Fate::Gone, BODY.to_owned())
    );
    host.check()
}

#[test]
fn all_may_leave_and_the_answer_is_kept() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    for _ in 0..3 {
        let stream = get(&mut host, MOD)?;
        host.abort(stream)?;
    }
    answer(&mut host, 200, BODY)?;
    let hit = get(&mut host, MOD)?;
    assert_eq!(reply(&host, hit).text(), BODY);
    host.check()
}

#[test]
fn a_client_may_leave_between_destroying_and_deleting() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(get(&mut host, MOD)?);
    }
    host.hold_deletions();
    for stream in streams.iter().step_by(2) {
        host.abort(*stream)?;
    }
    answer(&mut host, 200, BODY)?;
    host.release_deletions()?;
    assert_eq!(answered(&host, &streams), 50);
    host.check()
}

#[test]
fn clients_may_leave_between_two_batches() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(get(&mut host, MOD)?);
    }
    host.hold_wake_ups();
    answer(&mut host, 200, BODY)?;
    assert_eq!(answered(&host, &streams), 32);
    host.hold_deletions();
    for stream in &streams[40..70] {
        host.abort(*stream)?;
    }
    assert!(host.wake()?);
    assert_eq!(
        answered(&host, &streams),
        64,
        "those that are gone take no place in a batch"
    );
    host.release_deletions()?;
    host.release_wake_ups()?;
    assert_eq!(answered(&host, &streams), 70);
    host.check()
}

#[test]
fn a_tick_does_what_a_wake_up_would_have_done() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(get(&mut host, MOD)?);
    }
    host.hold_wake_ups();
    answer(&mut host, 200, BODY)?;
    host.advance(Duration::from_millis(300))?;
    assert_eq!(answered(&host, &streams), 100);
    host.release_wake_ups()?;
    host.check()
}

#[test]
fn an_answer_may_come_after_its_time() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    host.time_out_callouts(false);
    let stream = get(&mut host, MOD)?;
    let callout = only_callout(&host).handle;
    host.advance(Duration::from_secs(4))?;
    assert_eq!(
        reply(&host, stream).status,
        504,
        "the flight's own deadline"
    );
    host.answer(callout, 200, &[], BODY.as_bytes())?;
    host.advance(Duration::from_secs(1))?;
    assert_eq!(metric(&host, "goproxy_late_outcomes_total"), 1);
    host.check()
}

#[test]
fn the_host_may_end_a_request_that_waits() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let (ended, other) = (get(&mut host, MOD)?, get(&mut host, MOD)?);
    host.hold_deletions();
    host.idle_timeout(ended)?;
    assert_eq!(
        reply(&host, ended).text(),
        "stream timeout",
        "the host's own words go out as they are"
    );
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, other).text(), BODY);
    host.release_deletions()?;
    host.check()
}

#[test]
fn a_callout_that_the_host_forgets_is_a_timeout() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let stream = get(&mut host, MOD)?;
    let callout = only_callout(&host).handle;
    host.lose(callout);
    host.advance(Duration::from_secs(4))?;
    assert_eq!(reply(&host, stream).status, 504);
    host.check()
}

#[test]
fn what_may_be_tried_again_is_tried_twice() -> Outcome {
    for end in [Host::refuse, Host::reset] {
        let mut host = Host::new(CONFIGURATION)?;
        let stream = get(&mut host, MOD)?;
        let mut tries = 0;
        while host.fate(stream) == Fate::Waiting && tries < 10 {
            if let Some(callout) = host.callouts().first() {
                tries += 1;
                end(&mut host, callout.handle)?;
            }
            host.advance(Duration::from_millis(200))?;
        }
        assert_eq!((tries, reply(&host, stream).status), (3, 502));
        host.check()?;
    }
    Ok(())
}

#[test]
fn a_timeout_is_not_tried_again() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let stream = get(&mut host, MOD)?;
    let callout = only_callout(&host).handle;
    host.timeout(callout)?;
    assert_eq!((host.callouts_out(), reply(&host, stream).status), (0, 504));
    host.check()
}

#[test]
fn a_request_keeps_the_configuration_that_it_began_with() -> Outcome {
    // Where flights are shared, the new configuration's waits for the old one's: its namespace is the same.
    let alone = |configuration: &str| {
        let off = r#"{"cache": {"shared": {"size": "0B"}},"#;
        configuration.replacen('{', off, 1)
    };
    let mut host = Host::new(&alone(CONFIGURATION))?;
    let old = get(&mut host, MOD)?;
    host.new_configuration(&alone(&changed()))?;
    assert_eq!(host.roots(0), 2);
    let new = get(&mut host, MOD)?;
    let callouts = host.callouts();
    let authority = |index: usize| goproxy_strict_host::text(&callouts[index].fields, ":authority");
    assert_eq!(
        (authority(0), authority(1)),
        (Some("proxy.example"), Some("mirror.example"))
    );
    host.answer(callouts[0].handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(
        (reply(&host, old).text(), host.roots(0)),
        (BODY.to_owned(), 1)
    );
    assert_eq!(
        host.fate(new),
        Fate::Waiting,
        "a flight belongs to its configuration"
    );
    host.answer(callouts[1].handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(reply(&host, new).text(), BODY);
    let hit = get(&mut host, MOD)?;
    assert_eq!(
        reply(&host, hit).text(),
        BODY,
        "the cache outlives the configuration"
    );
    host.check()
}

#[test]
fn a_drain_that_ends_early_takes_its_callouts_along() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let old = get(&mut host, MOD)?;
    host.new_configuration(&changed())?;
    let new = get(&mut host, MOD)?;
    host.end_drain()?;
    assert_eq!(
        (host.fate(old), host.roots(0), host.callouts_out()),
        (Fate::Gone, 1, 1)
    );
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, new).text(), BODY);
    host.check()
}

#[test]
fn many_configurations_leave_nothing_behind() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    for round in 0..200 {
        let path = format!("/example.com/a/@v/v1.{round}.0.mod");
        let stream = get(&mut host, &path)?;
        let other = if round % 2 == 0 {
            changed()
        } else {
            CONFIGURATION.to_owned()
        };
        host.new_configuration(&other)?;
        answer(&mut host, 200, BODY)?;
        assert_eq!(reply(&host, stream).status, 200);
        assert_eq!(host.roots(0), 1);
    }
    let (queues, messages) = host.queues();
    assert!(
        queues <= 4 && messages == 0,
        "{queues} queues, {messages} messages"
    );
    host.check()
}

#[test]
fn the_batches_go_on_in_the_queue_that_the_new_configuration_took_over() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let first = get(&mut host, OTHER)?;
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, first).status, 200);
    host.new_configuration(&changed())?;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(get(&mut host, MOD)?);
    }
    answer(&mut host, 200, BODY)?;
    assert_eq!(answered(&host, &streams), 100, "without a tick");
    host.check()
}

#[test]
fn two_listeners_share_a_worker() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let second = host.new_listener(&changed())?;
    let ask = |host: &mut Host, listener: ListenerHandle, path: &str| {
        host.request_on(listener, 0, "GET", path, &[], true)
    };
    let (a, b) = (
        ask(&mut host, ListenerHandle::FIRST, MOD)?,
        ask(&mut host, second, OTHER)?,
    );
    for callout in host.callouts() {
        host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    }
    assert_eq!((reply(&host, a).status, reply(&host, b).status), (200, 200));
    // One namespace, so one cache.
    let (a, b) = (
        ask(&mut host, second, MOD)?,
        ask(&mut host, ListenerHandle::FIRST, OTHER)?,
    );
    assert_eq!((reply(&host, a).status, reply(&host, b).status), (200, 200));
    assert_eq!(host.callouts_out(), 0);
    host.check()
}

#[test]
fn workers_do_not_disturb_one_another() -> Outcome {
    let mut host = Host::builder().workers(3).start(CONFIGURATION)?;
    let mut streams = Vec::new();
    for number in 0..300 {
        streams.push(host.request_on(ListenerHandle::FIRST, number % 3, "GET", MOD, &[], true)?);
    }
    while let Some(callout) = host.callouts().first() {
        host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    }
    assert_eq!(answered(&host, &streams), 300);
    host.check()
}

#[test]
fn a_refused_configuration_says_why_and_changes_nothing() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let refused = host.new_configuration(&CONFIGURATION.replace("\"public\"]", "\"nobody\"]"));
    let Err(StrictHostError::ConfigurationRefused { log }) = refused else {
        panic!("{refused:?}");
    };
    assert!(log.contains("nobody"), "{log}");
    assert_eq!(host.roots(0), 1);
    let stream = get(&mut host, MOD)?;
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, stream).status, 200);
    host.check()
}

#[test]
fn the_wall_clock_may_jump() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let stream = get(&mut host, MOD)?;
    host.step_clock(-3_600);
    host.advance(Duration::from_secs(2))?;
    assert_eq!(
        reply(&host, stream).status,
        504,
        "the host's timer does not jump"
    );
    let stream = get(&mut host, MOD)?;
    host.step_clock(7_200);
    host.advance(Duration::from_millis(200))?;
    let hour_later = host.fate(stream);
    assert!(matches!(hour_later, Fate::Waiting | Fate::Replied(_)));
    host.advance(Duration::from_secs(2))?;
    host.check()
}
