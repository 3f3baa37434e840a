//! Several workers: what one fetches the others have, one flight for all of them, and what can go wrong between them.

use std::time::Duration;

use goproxy_strict_host::{
    Callout, Fate, Host, ListenerHandle, StreamHandle, StrictHostError, fields,
};

use crate::support::{BODY, CONFIGURATION, MOD, Outcome, metric, only_callout, reply};

const OTHER: &str = "/example.com/a/@v/v1.1.0.mod";
const LEASE: Duration = Duration::from_secs(3);

fn workers(count: usize) -> Result<Host, StrictHostError> {
    Host::builder().workers(count).start(CONFIGURATION)
}

/// No memory, so that all comes from what is shared; of which there is this much.
fn forgetful(size: &str) -> String {
    let cache =
        format!(r#"{{"cache": {{"memory": {{"size": "0B"}}, "shared": {{"size": "{size}"}}}},"#);
    CONFIGURATION.replacen('{', &cache, 1)
}

fn get(host: &mut Host, worker: usize, path: &str) -> Result<StreamHandle, StrictHostError> {
    host.request_on(ListenerHandle::FIRST, worker, "GET", path, &[], true)
}

fn fetch(host: &mut Host, worker: usize, path: &str, body: &str) -> Outcome {
    let stream = get(host, worker, path)?;
    let callout = only_callout(host);
    host.answer(callout.handle, 200, &[], body.as_bytes())?;
    assert_eq!(reply(host, stream).text(), body);
    Ok(())
}

fn status(host: &Host, stream: StreamHandle) -> String {
    let reply = reply(host, stream);
    reply.field("cache-status").unwrap_or_default().to_owned()
}

/// Bytes of entries, and of leases.
fn shared(host: &Host) -> (usize, usize) {
    let values = host.shared_values();
    let of = |kinds: &[&str]| {
        let values = values
            .iter()
            .filter(|(name, _)| kinds.iter().any(|kind| name.contains(kind)));
        values.map(|(_, length)| length).sum()
    };
    (of(&["/small/", "/large/"]), of(&["/flight/"]))
}

fn callouts_of(host: &Host, path: &str) -> Vec<Callout> {
    let mut callouts = host.callouts();
    callouts.retain(|callout| callout.path == path);
    callouts
}

#[test]
fn all_names_say_whose_they_are_and_are_made_while_configuring() -> Outcome {
    let mut host = workers(3)?;
    let (names, _) = host.shared_data();
    assert_eq!(
        names,
        4096 + 256 + 1,
        "a slot for each flight and each report, and the size"
    );
    fetch(&mut host, 1, MOD, BODY)?;
    assert_eq!(host.shared_data().0, names + 1);
    for (name, _) in host.shared_values() {
        assert!(name.starts_with("goproxy-wasm/1/"), "{name}");
    }
    host.new_configuration(&forgetful("32MiB"))?;
    assert_eq!(host.shared_data().0, names + 1, "once, not for each");
    host.check()
}

#[test]
fn an_object_that_one_worker_fetched_is_a_hit_in_the_others() -> Outcome {
    let mut host = workers(3)?;
    fetch(&mut host, 0, MOD, BODY)?;
    for worker in [1, 2, 1, 2] {
        let stream = get(&mut host, worker, MOD)?;
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    assert_eq!(host.callouts_out(), 0);
    host.advance(Duration::from_millis(100))?;
    assert_eq!(
        metric(
            &host,
            "goproxy_cache_operations_total.tier.shared.result.hit"
        ),
        2
    );
    assert_eq!(
        metric(
            &host,
            "goproxy_cache_operations_total.tier.memory.result.hit"
        ),
        2
    );
    host.check()
}

#[test]
fn a_crowd_at_three_workers_costs_one_call_and_all_are_answered() -> Outcome {
    let mut host = workers(3)?;
    let mut streams = Vec::new();
    for number in 0..300 {
        streams.push(get(&mut host, number % 3, MOD)?);
    }
    let callout = only_callout(&host);
    host.advance(Duration::from_secs(1) - Duration::from_millis(1))?;
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    for stream in streams {
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    assert_eq!((host.callouts_out(), shared(&host).1), (0, 0));
    host.advance(Duration::from_millis(100))?;
    assert_eq!(metric(&host, "goproxy_coalesced_total"), 299);
    host.check()
}

#[test]
fn followers_of_what_may_not_be_kept_go_in_parallel() -> Outcome {
    let mut host = workers(3)?;
    let mut streams = Vec::new();
    for worker in [0, 1, 2, 1, 2] {
        streams.push(get(&mut host, worker, MOD)?);
    }
    let no_store = fields(&[("cache-control", "no-store")]);
    let leader = only_callout(&host);
    host.answer(leader.handle, 200, &no_store, BODY.as_bytes())?;
    let own = host.callouts();
    assert_eq!(own.len(), 2, "at once, one for each worker");
    for callout in own {
        host.answer(callout.handle, 200, &no_store, BODY.as_bytes())?;
    }
    for stream in streams {
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    assert_eq!(shared(&host), (0, 0));
    host.check()
}

#[test]
fn a_worker_that_dies_with_the_lease_is_replaced_when_it_ends() -> Outcome {
    let mut host = workers(3)?;
    let dies = get(&mut host, 0, MOD)?;
    let (second, third) = (get(&mut host, 1, MOD)?, get(&mut host, 2, MOD)?);
    host.reload(0)?;
    assert_eq!((host.fate(dies), host.callouts_out()), (Fate::Reset(0), 0));
    // Who comes anew to the new VM waits as well.
    let anew = get(&mut host, 0, MOD)?;
    assert_eq!(host.callouts_out(), 0);
    host.advance(LEASE + Duration::from_millis(200))?;
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    for stream in [second, third, anew] {
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    host.advance(Duration::from_millis(100))?;
    assert_eq!(metric(&host, "goproxy_leases_total.result.taken_over"), 1);
    host.check()
}

#[test]
fn a_follower_whose_vm_dies_is_missed_by_nobody() -> Outcome {
    let mut host = workers(2)?;
    let leader = get(&mut host, 0, MOD)?;
    get(&mut host, 1, MOD)?;
    host.reload(1)?;
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(reply(&host, leader).text(), BODY);
    // The message for the old queue woke the new VM, which had asked for nothing.
    let hit = get(&mut host, 1, MOD)?;
    assert!(status(&host, hit).ends_with("detail=shared"));
    host.check()
}

#[test]
fn a_drain_that_ends_with_the_lease_lets_the_others_go_on_at_once() -> Outcome {
    let mut host = workers(2)?;
    let old = get(&mut host, 0, MOD)?;
    let follower = get(&mut host, 1, MOD)?;
    let changed = CONFIGURATION.replace("proxy.example", "mirror.example");
    host.new_configuration(&changed)?;
    host.abort(old)?;
    assert_eq!(host.roots(0), 1, "nobody is left, and the lease went along");
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(reply(&host, follower).text(), BODY);
    host.check()
}

#[test]
fn a_new_configuration_in_mid_flight_follows_the_old_one() -> Outcome {
    let mut host = workers(2)?;
    let old = get(&mut host, 0, MOD)?;
    let changed = CONFIGURATION.replace("proxy.example", "mirror.example");
    host.new_configuration(&changed)?;
    let mut news = vec![get(&mut host, 0, MOD)?];
    news.push(get(&mut host, 1, MOD)?);
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    for stream in news.into_iter().chain([old]) {
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    let (_, messages) = host.queues();
    assert_eq!(messages, 0);
    host.check()
}

#[test]
fn a_wake_up_that_is_lost_costs_the_rest_of_the_lease() -> Outcome {
    let mut host = workers(2)?;
    get(&mut host, 0, MOD)?;
    let follower = get(&mut host, 1, MOD)?;
    host.hold_wake_ups();
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    host.lose_wake_ups();
    host.release_wake_ups()?;
    host.advance(LEASE - Duration::from_millis(100))?;
    assert_eq!(host.fate(follower), Fate::Waiting);
    host.advance(Duration::from_millis(200))?;
    assert_eq!(reply(&host, follower).text(), BODY);
    host.check()
}

#[test]
fn wake_ups_that_come_late_or_twice_do_no_harm() -> Outcome {
    let mut host = workers(2)?;
    get(&mut host, 0, MOD)?;
    let follower = get(&mut host, 1, MOD)?;
    host.hold_wake_ups();
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    // Meanwhile the follower finds it by itself, and another flight begins.
    host.advance(LEASE + Duration::from_millis(200))?;
    assert_eq!(reply(&host, follower).text(), BODY);
    let next = get(&mut host, 1, OTHER)?;
    host.release_wake_ups()?;
    host.send_to_all_queues(b"v1/goproxy/public/example.com/a/@v/v1.0.0.mod")?;
    assert_eq!(host.fate(next), Fate::Waiting);
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(reply(&host, next).text(), BODY);
    host.check()
}

#[test]
fn messages_and_values_of_a_neighbour_are_not_believed() -> Outcome {
    let mut host = workers(2)?;
    let leader = get(&mut host, 0, MOD)?;
    let follower = get(&mut host, 1, MOD)?;
    for garbage in [
        &b"\0\xff"[..],
        b"v1/goproxy/public/example.com/a/@v/v1.0.0.mod",
        &[b'v'; 70_000],
    ] {
        host.send_to_all_queues(garbage)?;
    }
    assert_eq!(host.fate(follower), Fate::Waiting);
    assert_eq!(host.callouts_out(), 1);
    // The lease is overwritten with one that never ends, the size with one that nobody has.
    for (name, _) in host.shared_values() {
        host.set_shared_value(&name, &[0xff; 40])?;
    }
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    assert_eq!(reply(&host, leader).text(), BODY);
    host.advance(LEASE + Duration::from_millis(200))?;
    assert_eq!(reply(&host, follower).text(), BODY);
    // An entry that was tampered with is a miss.
    fetch(&mut host, 0, OTHER, BODY)?;
    for (name, _) in host.shared_values() {
        let mut value = host.shared_value(&name).unwrap_or_default();
        if name.contains("/small/") {
            let last = value.len() - 1;
            value[last] ^= 1;
            host.set_shared_value(&name, &value)?;
        }
    }
    get(&mut host, 1, OTHER)?;
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    host.advance(Duration::from_millis(100))?;
    assert_eq!(
        metric(
            &host,
            "goproxy_cache_operations_total.tier.shared.result.failed"
        ),
        1
    );
    host.check()
}

#[test]
fn a_clock_that_is_set_back_strands_no_follower() -> Outcome {
    let mut host = workers(2)?;
    get(&mut host, 0, MOD)?;
    let follower = get(&mut host, 1, MOD)?;
    let lost = only_callout(&host).handle;
    host.lose(lost);
    host.step_clock(-86_400);
    host.advance(Duration::from_secs(10))?;
    for callout in callouts_of(&host, MOD) {
        host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    }
    assert!(matches!(host.fate(follower), Fate::Replied(_)));
    host.check()
}

#[test]
fn bytes_that_are_shared_never_exceed_the_size() -> Outcome {
    const MIB: usize = 1 << 20;
    let mut host = Host::builder().workers(2).start(&forgetful("2MiB"))?;
    let object = |number: usize| {
        let path = format!("/example.com/a/@v/v1.{number}.0.mod");
        // From some bytes to more than fits.
        let length = number * 7919 % 70_000;
        (
            path,
            format!("module example.com/a // {}\n", "x".repeat(length)),
        )
    };
    for number in 0..600 {
        let (path, body) = object(number);
        fetch(&mut host, number % 2, &path, &body)?;
        assert!(shared(&host).0 <= 2 * MIB, "{number}: {:?}", shared(&host));
    }
    assert!(shared(&host).0 > MIB / 2, "{:?}", shared(&host));
    // Less is put to work, while the old configuration has a flight that will write.
    let (path, body) = object(11);
    let flight = get(&mut host, 0, &path)?;
    host.new_configuration(&forgetful("1MiB"))?;
    assert!(shared(&host).0 <= MIB, "{:?}", shared(&host));
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], body.as_bytes())?;
    assert_eq!(reply(&host, flight).text(), body);
    for number in 600..900 {
        let (path, body) = object(number);
        fetch(&mut host, number % 2, &path, &body)?;
        assert!(shared(&host).0 <= MIB, "{number}: {:?}", shared(&host));
    }
    // Every worker still finds what another has put in.
    fetch(&mut host, 0, MOD, BODY)?;
    let hit = get(&mut host, 1, MOD)?;
    assert_eq!(reply(&host, hit).text(), BODY);
    // Those of 2 MiB (256 small, 16 large), of the flights, of the reports and of the size.
    let (names, _) = host.shared_data();
    assert!(names <= 256 + 16 + 4096 + 256 + 1, "{names}");
    host.new_configuration(&forgetful("0B"))?;
    assert_eq!(shared(&host), (0, 0), "off: all is given back");
    host.check()
}

#[test]
fn two_listeners_share_one_worker_s_flight_as_two_workers_do() -> Outcome {
    let mut host = workers(1)?;
    let second = host.new_listener(&CONFIGURATION.replace("\"1s\"", "\"2s\""))?;
    let one = get(&mut host, 0, MOD)?;
    let other = host.request_on(second, 0, "GET", MOD, &[], true)?;
    let callout = only_callout(&host);
    host.answer(callout.handle, 200, &[], BODY.as_bytes())?;
    for stream in [one, other] {
        assert_eq!(reply(&host, stream).text(), BODY);
    }
    host.check()
}
