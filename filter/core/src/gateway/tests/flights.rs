//! Flights: who asks, who waits, what comes late or never.

use super::*;
use crate::testing::test;

#[test]
fn a_miss_asks_once_and_a_hit_asks_nobody() {
    let mut rig = Rig::new(ONE);
    assert_eq!(
        rig.fetch(LIST, 200, "v1.1.0\nv1.0.0\n"),
        ok("v1.0.0\nv1.1.0\n")
    );
    let hit = rig.reply(LIST);
    assert_eq!(seen(&hit), ok("v1.0.0\nv1.1.0\n"));
    assert!(matches!(hit.body, Body::Entry(_)), "a hit copies nothing");
    rig.no_callout();
}

#[test]
fn an_upstream_is_sent_path_authority_user_agent_and_trace_and_nothing_else() {
    let mut rig = Rig::new(ONE);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let secrets = [
        ("authorization", "Basic x"),
        ("cookie", "a=b"),
        ("x-forwarded-host", "evil"),
        ("traceparent", trace),
    ];
    rig.ask_with("GET", "/example.com/%21upper/@v/v1.0.0.mod?x=1", &secrets);
    let callout = rig.callout();
    assert_eq!(
        (&*callout.target, &*callout.authority),
        ("cluster", "proxy.example")
    );
    assert_eq!(callout.path, "/base/example.com/!upper/@v/v1.0.0.mod");
    assert_eq!(callout.timeout, Duration::from_secs(30));
    let agent = concat!("goproxy-wasm/", env!("CARGO_PKG_VERSION"));
    let headers: Vec<_> = callout
        .headers
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    assert_eq!(
        headers,
        [
            ("user-agent", agent),
            ("x-request-id", "r1"),
            ("traceparent", trace)
        ]
    );
}

#[test]
fn a_database_is_asked_below_its_own_base() {
    let mut rig = Rig::new(ONE);
    rig.ask("/sumdb/sum.example/tile/8/0/000");
    assert_eq!(rig.callout().path, "/db/tile/8/0/000");
}

#[test]
fn concurrent_misses_cost_one_call_and_each_is_answered_once() {
    let mut rig = Rig::new(ONE);
    let waiting: Vec<StreamId> = (0..400).map(|_| rig.wait(LIST)).collect();
    rig.answer(200, "v1.0.0\n");
    rig.no_callout();
    let steps = rig.steps();
    assert_eq!(steps.iter().map(|(id, _)| *id).collect::<Vec<_>>(), waiting);
    for (number, (_, step)) in steps.iter().enumerate() {
        let Step::Reply(reply) = step else {
            panic!("{step:?}")
        };
        assert_eq!(seen(reply), ok("v1.0.0\n"));
        assert_eq!(
            field(reply, "cache-status").contains("collapsed"),
            number > 0,
            "{number}"
        );
    }
    assert!(rig.steps().is_empty());
    assert_eq!(rig.gateway.counters().coalesced_total, 399);
}

#[test]
fn a_client_that_leaves_gets_nothing_and_the_answer_is_kept() {
    let mut rig = Rig::new(ONE);
    let id = rig.wait(LIST);
    rig.gateway.on_closed(id, End::Left, rig.now);
    rig.answer(200, "v1.0.0\n");
    assert!(rig.steps().is_empty());
    assert_eq!(seen(&rig.reply(LIST)), ok("v1.0.0\n"));
}

#[test]
fn nobody_is_stranded_when_the_first_client_leaves() {
    let mut rig = Rig::new(ONE);
    let (first, second) = (rig.wait(LIST), rig.wait(LIST));
    rig.gateway.on_closed(first, End::Left, rig.now);
    rig.answer(200, "v1.0.0\n");
    let steps = rig.steps();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].0, second);
}

#[test]
fn a_client_that_leaves_between_landing_and_answer_gets_nothing() {
    let mut rig = Rig::new(ONE);
    let (first, second) = (rig.wait(LIST), rig.wait(LIST));
    rig.answer(200, "v1.0.0\n");
    assert_eq!(
        rig.gateway.next_step(rig.now).map(|(id, _)| id),
        Some(first)
    );
    rig.gateway.on_closed(second, End::Left, rig.now);
    assert!(rig.gateway.next_step(rig.now).is_none());
}

#[test]
fn a_second_outcome_of_one_callout_is_counted_and_changes_nothing() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    let callout = rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
    rig.tell(&callout, answer(200, "v9.9.9\n"));
    assert!(rig.steps().is_empty());
    assert_eq!(seen(&rig.reply(LIST)), ok("v1.0.0\n"));
    assert_eq!(rig.gateway.counters().late_outcomes_total, 1);
}

#[test]
fn a_timeout_is_504_and_not_retried() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    rig.no_callout();
    let seen = rig.seen();
    assert_eq!(seen.status, 504);
    assert!(
        seen.body
            .ends_with("(goproxy-wasm: timeout, upstream public, request r1)\n"),
        "{}",
        seen.body
    );
}

#[test]
fn a_time_limit_that_passes_in_the_middle_of_an_answer_is_a_timeout() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    let callout = rig.callout();
    rig.pass(Duration::from_secs(30));
    rig.tell(&callout, CalloutOutcome::Reset);
    rig.no_callout();
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn a_host_that_never_tells_an_outcome_costs_the_timeout_and_a_little() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    let callout = rig.callout();
    rig.pass(Duration::from_secs(31));
    assert!(rig.steps().is_empty(), "the host still has its time");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.seen().status, 504);
    rig.tell(&callout, answer(200, "v1.0.0\n"));
    assert!(rig.steps().is_empty());
    rig.wait(LIST);
    rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
}

#[test]
fn what_is_refused_or_reset_is_tried_twice_more() {
    for outcome in [
        || CalloutOutcome::Unreachable,
        || CalloutOutcome::Reset,
        || answer(503, "busy"),
    ] {
        let mut rig = Rig::new(ONE);
        rig.wait(LIST);
        rig.outcome(outcome());
        rig.outcome(outcome());
        rig.no_callout();
        rig.pass(Duration::from_millis(100));
        rig.outcome(outcome());
        rig.pass(Duration::from_secs(1));
        rig.no_callout();
        assert_eq!(rig.seen().status, 502);
    }
}

#[test]
fn a_retry_that_succeeds_is_all_the_client_sees() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Reset);
    rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
}

#[test]
fn a_client_that_comes_during_the_pause_waits_on_the_same_flight() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Reset);
    rig.outcome(CalloutOutcome::Reset);
    rig.wait(LIST);
    rig.no_callout();
    rig.pass(Duration::from_millis(100));
    rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.steps().len(), 2);
}

#[test]
fn a_refused_call_is_answered_in_the_same_breath() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::UnknownTarget);
    let seen = rig.seen();
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("no target \"cluster\""), "{}", seen.body);
}

#[test]
fn a_new_configuration_answers_from_what_the_old_one_stored_and_the_old_one_lands() {
    let store = Rc::default();
    let mut old = Rig::in_store(ONE, &store);
    old.wait(LIST);
    let callout = old.callout();
    let mut new = Rig::in_store(ONE, &store);
    new.wait(LIST);
    old.tell(&callout, answer(200, "v1.0.0\n"));
    assert_eq!(old.seen(), ok("v1.0.0\n"));
    assert_eq!(seen(&new.reply(LIST)), ok("v1.0.0\n"));
    drop(old);
    new.answer(200, "v1.0.0\nv1.1.0\n");
    assert_eq!(new.seen(), ok("v1.0.0\nv1.1.0\n"));
    assert!(Rc::ptr_eq(&new.store, &store));
}

/// `slow` has a route of its own, and everything else is of `well`.
const TWO: &str = r#"{
    "upstreams": [{"name": "slow", "target": "slow", "authority": "slow"},
                  {"name": "well", "target": "well", "authority": "well"}],
    "routes": [{"modules": ["slow.example"], "chain": ["slow"]}, {"modules": ["*"], "chain": ["well"]}]
}"#;

fn modules(host: &str, number: usize) -> Vec<String> {
    (0..number)
        .map(|n| format!("/{host}/m{n}/@v/list"))
        .collect()
}

#[test]
fn callouts_in_flight_are_bounded_and_the_rest_wait_in_order() {
    let mut rig = Rig::new(ONE);
    let paths = modules("example.com", MAX_TO_ONE + 10);
    for path in &paths {
        rig.wait(path);
    }
    let sent: Vec<Callout> = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).collect();
    assert_eq!(sent.len(), MAX_TO_ONE);
    rig.tell(&sent[0], answer(200, ""));
    assert_eq!(rig.callout().path, format!("/base{}", paths[MAX_TO_ONE]));
    rig.no_callout();
}

#[test]
fn an_upstream_that_hangs_leaves_room_for_the_others() {
    let mut rig = Rig::new(TWO);
    for path in modules("slow.example", 1_000) {
        rig.wait(&path);
    }
    let sent: Vec<Callout> = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).collect();
    assert_eq!(sent.len(), MAX_TO_ONE);
    for path in modules("example.com", 1_000) {
        rig.wait(&path);
    }
    let more: Vec<Callout> = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).collect();
    assert_eq!(sent.len() + more.len(), MAX_CALLOUTS);
    assert!(more.iter().all(|callout| &*callout.target == "well"));
}

#[test]
fn what_waits_in_line_for_its_whole_time_limit_is_a_timeout() {
    let mut rig = Rig::new(ONE);
    for path in modules("example.com", MAX_TO_ONE) {
        rig.wait(&path);
    }
    while rig.gateway.next_callout(rig.now).is_some() {}
    rig.pass(Duration::from_secs(1));
    rig.wait(LIST);
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.seen().status, 504);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.steps().len(), MAX_TO_ONE);
    rig.no_callout();
    assert_eq!(
        rig.fetch(LIST, 200, "").status,
        200,
        "the lines are free again"
    );
}

#[test]
fn more_flights_than_the_gateway_holds_are_an_overload_that_says_so() {
    let mut rig = Rig::new(ONE);
    for path in modules("example.com", MAX_FLIGHTS) {
        rig.wait(&path);
    }
    let reply = rig.reply("/example.com/late/@v/list");
    assert_eq!((reply.status, field(&reply, "retry-after")), (503, "1"));
    rig.wait("/example.com/m0/@v/list");
    assert_eq!(rig.gateway.counters().overloads_total, 1);
}
