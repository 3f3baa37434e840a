//! The disk cache for archives: asked in place of the upstream, never trusted, and never in the way.

use super::*;
use crate::flight::USER_AGENT;
use crate::testing::test;

const DIRECT: &str = "/example.com/a/@v/v1.0.0.zip?direct";
const OTHER: &str = "/example.com/b/@v/v1.0.0.zip";

fn with_disk(config: &str, disk: &str) -> String {
    let disk = format!(r#""cache": {{"disk": {{"target": "archives"{disk}}}, "#);
    config.replacen(r#""cache": {"#, &disk, 1)
}

fn rig() -> Rig {
    Rig::new(&with_disk(ONE, ""))
}

impl Rig {
    /// Asks for what the host then sends on.
    fn sent(&mut self, path: &str) -> (StreamId, Forward) {
        match self.ask(path) {
            (id, Step::Forward(forward)) => (id, forward),
            other => panic!("{path}: {other:?}"),
        }
    }

    /// The one request that is sent on now.
    fn sent_now(&mut self) -> (StreamId, Forward) {
        let mut steps = self.steps();
        match (steps.pop(), steps.len()) {
            (Some((id, Step::Forward(forward))), 0) => (id, forward),
            other => panic!("{other:?}"),
        }
    }

    /// Sends it on, and the disk cache fails.
    fn fail_disk(&mut self, path: &str) -> Reply {
        let (id, forward) = self.sent(path);
        assert!(forward.disk.is_some(), "{path}");
        match self.head_through(id, 503, &[], (MadeBy::Upstream, Through::Failed)) {
            HeadStep::Replace(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn streams(&mut self, id: StreamId, through: Through) -> Vec<(&'static str, String)> {
        let fields = [("content-length", "22")];
        let step = self.head_through(id, 200, &fields, (MadeBy::Upstream, through));
        let HeadStep::Send { fields, .. } = step else {
            panic!("{step:?}")
        };
        let fields = fields.into_iter();
        fields
            .map(|(name, value)| (name, value.into_owned()))
            .collect()
    }
}

/// Whom a request is for: the target, and who is behind the disk cache.
fn route(forward: &Forward) -> (&str, Option<&str>) {
    let origin = forward
        .disk
        .as_ref()
        .and_then(|disk| disk.origin.as_deref());
    (&forward.target, origin)
}

#[test]
fn an_archive_goes_to_the_disk_cache_with_its_key_and_its_upstream() {
    let mut rig = rig();
    let (_, forward) = rig.sent("/example.com/%21upper/@v/v1.0.0.zip?x");
    let disk = DiskAsk {
        key: "v1/test/public/example.com/!upper/@v/v1.0.0.zip".to_owned(),
        origin: Some("cluster".into()),
        refresh: false,
    };
    let expected = Forward {
        target: "archives".into(),
        authority: "proxy.example".into(),
        path: "/base/example.com/!upper/@v/v1.0.0.zip".to_owned(),
        user_agent: USER_AGENT,
        disk: Some(disk),
    };
    assert_eq!(forward, expected);
    let counters = rig.gateway.counters();
    assert_eq!(
        (counters.disk_hits_total, counters.disk_misses_total),
        (0, 0),
        "nobody knows yet"
    );
}

#[test]
fn nothing_but_an_archive_goes_there() {
    let mut rig = rig();
    let id = rig.wait(MOD);
    rig.outcome(CalloutOutcome::Answer(Answer {
        status: 200,
        head: AnswerHead::default(),
        body: AnswerBody::TooLarge,
    }));
    let (to, forward) = rig.sent_now();
    assert_eq!((to, route(&forward)), (id, ("cluster", None)));
    assert_eq!(forward.disk, None);
}

#[test]
fn a_hit_says_so_and_says_nothing_of_the_upstream() {
    let mut rig =
        Rig::new(&with_disk(ONE, "").replace(r#""timeout""#, r#""max_fails": 2, "timeout""#));
    for (path, through, expected) in [
        (
            OTHER,
            Through::Silent,
            "goproxy-wasm; fwd=uri-miss; fwd-status=200",
        ),
        (ZIP, Through::Hit, "goproxy-wasm; hit; detail=disk"),
    ] {
        let (id, _) = rig.sent(path);
        let fields = rig.streams(id, through);
        let status = fields.iter().find(|(name, _)| *name == "cache-status");
        assert_eq!(status.map(|(_, value)| value.as_str()), Some(expected));
    }
    let ill = |rig: &mut Rig, path: &str| {
        let (id, _) = rig.sent(path);
        let behind = Through::Behind(MadeBy::HostUnreachable);
        rig.head_through(id, 503, &[], (MadeBy::Upstream, behind));
    };
    ill(&mut rig, "/example.com/c/@v/v1.0.0.zip");
    let (id, _) = rig.sent("/example.com/d/@v/v1.0.0.zip");
    rig.streams(id, Through::Hit);
    ill(&mut rig, "/example.com/e/@v/v1.0.0.zip");
    let space = rig.gateway.space.borrow();
    let source = rig.gateway.sources.of_module("example.com/a").unwrap();
    assert!(
        space.health.is_aside(source.only().unwrap(), rig.now),
        "a hit between two failures makes no upstream well"
    );
}

#[test]
fn a_disk_cache_that_fails_sends_the_client_to_the_upstream_at_once() {
    let failures = [
        (MadeBy::Upstream, Through::Failed),
        (MadeBy::HostUnreachable, Through::Silent),
        (MadeBy::HostAfterTimeout, Through::Silent),
        (MadeBy::HostWithoutTarget, Through::Silent),
        // An upstream was to be asked, and was not.
        (MadeBy::Upstream, Through::NotStored),
    ];
    for failure in failures {
        let mut rig = rig();
        let (id, _) = rig.sent(ZIP);
        let HeadStep::Replace(reply) = rig.head_through(id, 404, &[], failure) else {
            panic!("{failure:?}")
        };
        assert_eq!((reply.status, field(&reply, "location")), (302, DIRECT));
        assert_eq!(route(&rig.sent(DIRECT).1), ("cluster", None), "{failure:?}");
        assert_eq!(route(&rig.sent(OTHER).1), ("cluster", None), "it is aside");
        rig.pass(Duration::from_secs(8));
        assert_eq!(route(&rig.sent(OTHER).1), ("archives", Some("cluster")));
    }
}

#[test]
fn who_was_sent_away_from_the_disk_cache_is_not_sent_there_again() {
    let mut rig = Rig::new(&with_disk(ONE, r#", "max_fails": 0"#));
    for _ in 0..3 {
        rig.fail_disk(ZIP);
    }
    assert_eq!(route(&rig.sent(DIRECT).1), ("cluster", None));
    assert_eq!(route(&rig.sent(ZIP).1), ("archives", Some("cluster")));
}

#[test]
fn so_many_failures_for_different_modules_put_it_aside() {
    let mut rig = Rig::new(&with_disk(ONE, r#", "max_fails": 2, "fail_timeout": "1h""#));
    rig.fail_disk(ZIP);
    rig.fail_disk(ZIP);
    rig.fail_disk(OTHER);
    assert_eq!(route(&rig.sent(ZIP).1), ("cluster", None));
    assert_eq!(rig.gateway.counters().disk_failures_total, 3);
}

#[test]
fn an_upstreams_failure_behind_the_disk_cache_is_the_upstreams() {
    for (status, through, expected, words) in [
        (
            503,
            Through::Behind(MadeBy::HostUnreachable),
            502,
            "cannot be reached",
        ),
        (
            504,
            Through::Behind(MadeBy::HostAfterTimeout),
            504,
            "in time",
        ),
        (
            503,
            Through::Behind(MadeBy::HostWithoutTarget),
            502,
            "no target \"cluster\"",
        ),
    ] {
        let mut rig = rig();
        let (id, _) = rig.sent(ZIP);
        let seen = replaced(rig.head_through(id, status, &[], (MadeBy::Upstream, through)));
        assert_eq!(seen.status, expected, "{seen:?}");
        assert!(seen.body.contains(words), "{seen:?}");
        assert!(seen.body.contains("upstream public,"), "{seen:?}");
        assert_eq!(route(&rig.sent(OTHER).1), ("archives", Some("cluster")));
    }
}

#[test]
fn what_an_upstream_says_of_itself_counts_only_behind_the_disk_cache() {
    let mut rig = Rig::new(ONE);
    let id = rig.forwarded(ZIP);
    let claim = (MadeBy::Upstream, Through::Failed);
    let step = rig.head_through(id, 200, &[("content-length", "22")], claim);
    assert!(
        matches!(step, HeadStep::Send { status: 200, .. }),
        "{step:?}"
    );
    assert_eq!(rig.gateway.counters().disk_failures_total, 0);
}

#[test]
fn what_broke_off_or_is_no_archive_comes_without_it_for_a_while_and_then_anew() {
    for way in ["no zip", "cut", "no archive by its head"] {
        let mut rig = rig();
        let (id, _) = rig.sent(ZIP);
        match way {
            "no zip" => {
                rig.streams(id, Through::Hit);
                assert_eq!(rig.piece(id, b"<html>", false), BodyStep::Reset);
            }
            "cut" => {
                rig.streams(id, Through::Hit);
                rig.piece(id, b"PK", false);
                rig.gateway.on_closed(id, End::Broke, rig.now);
            }
            _ => {
                let hit = (MadeBy::Upstream, Through::Hit);
                let seen = replaced(rig.head_through(id, 200, &[("content-length", "3")], hit));
                assert_eq!(seen.status, 502);
            }
        }
        assert_eq!(route(&rig.sent(ZIP).1), ("cluster", None), "{way}");
        assert_eq!(
            route(&rig.sent(OTHER).1),
            ("archives", Some("cluster")),
            "{way}"
        );
        rig.pass(Duration::from_secs(8));
        let refresh = |rig: &mut Rig| rig.sent(ZIP).1.disk.unwrap().refresh;
        assert!(refresh(&mut rig), "{way}");
        assert!(!refresh(&mut rig), "{way}: once is enough");
    }
}

#[test]
fn a_client_that_leaves_says_nothing_of_the_disk_cache() {
    let mut rig = rig();
    let (id, _) = rig.sent(ZIP);
    rig.streams(id, Through::Silent);
    rig.piece(id, b"PK", false);
    rig.gateway.on_closed(id, End::Left, rig.now);
    assert_eq!(route(&rig.sent(ZIP).1), ("archives", Some("cluster")));
}

#[test]
fn where_an_archive_was_redirected_to_is_asked_by_way_of_the_disk_cache_under_the_same_key() {
    let redirects = r#"{"redirects": [{"host": "storage.example", "target": "store"}],"#;
    let mut rig = Rig::new(&with_disk(ONE, "").replacen('{', redirects, 1));
    let (id, _) = rig.sent(ZIP);
    let location = [("location", "https://storage.example/z?Signature=a")];
    rig.head(id, 302, &location);
    let (id, forward) = rig.sent("/example.com/a/@v/v1.0.0.zip?follow");
    assert_eq!(route(&forward), ("archives", Some("store")));
    assert_eq!(
        (&*forward.authority, &*forward.path),
        ("storage.example", "/z?Signature=a")
    );
    assert_eq!(forward.disk.unwrap().key, format!("v1/test/public{ZIP}"));
    // The disk cache fails just then: the client keeps to the way without it, redirects and all.
    let failed = (MadeBy::Upstream, Through::Failed);
    let HeadStep::Replace(reply) = rig.head_through(id, 503, &[], failed) else {
        panic!()
    };
    assert_eq!(field(&reply, "location"), DIRECT);
    rig.wait(DIRECT);
    rig.outcome(answer_with(200, "", &[]));
    let (id, forward) = rig.sent_now();
    assert_eq!(route(&forward), ("cluster", None));
    let HeadStep::Replace(reply) = rig.head(id, 302, &location) else {
        panic!()
    };
    let both = "/example.com/a/@v/v1.0.0.zip?follow-direct";
    assert_eq!(field(&reply, "location"), both);
    assert_eq!(route(&rig.sent(both).1), ("store", None));
}

const CHAIN: &str = r#"{
    "upstreams": [{"name": "a", "target": "a", "authority": "a"}, {"name": "b", "target": "b", "authority": "b"}],
    "routes": [{"modules": ["*"], "chain": ["a", "b"]}],
    "cache": {"memory": {"size": "8MiB", "max_object": "4KiB"}}
}"#;

#[test]
fn in_a_chain_the_upstream_that_has_it_is_behind_the_disk_cache() {
    let mut rig = Rig::new(&with_disk(CHAIN, ""));
    rig.wait(ZIP);
    rig.answer(404, "");
    rig.answer(200, "");
    assert_eq!(route(&rig.sent_now().1), ("archives", Some("b")));
}

/// All upstreams of the chain are down; gives what is done about the archive.
fn outage(rig: &mut Rig) -> (StreamId, Step) {
    rig.wait(ZIP);
    rig.outcome(CalloutOutcome::Timeout);
    let mut steps = rig.steps();
    assert_eq!(steps.len(), 1);
    steps.remove(0)
}

#[test]
fn in_an_outage_an_archive_is_asked_of_the_disk_alone_before_the_client_is_told() {
    let mut rig = Rig::new(&with_disk(CHAIN, ""));
    let (id, step) = outage(&mut rig);
    let Step::Forward(forward) = step else {
        panic!("{step:?}")
    };
    assert_eq!(route(&forward), ("archives", None));
    let key = forward.disk.unwrap().key;
    assert_eq!(key, format!("v1/test/public{ZIP}"));
    rig.streams(id, Through::Hit);
    assert_eq!(rig.piece(id, EMPTY_ZIP, true), BodyStep::Pass);
    assert_eq!(rig.reply(ZIP).status, 200, "it is in memory now");
}

#[test]
fn an_archive_that_the_disk_does_not_have_either_is_the_outage_that_it_was() {
    let silent = Through::Silent;
    for (status, made_by, through) in [
        (404, MadeBy::Upstream, Through::NotStored),
        (503, MadeBy::Upstream, Through::Failed),
        (503, MadeBy::HostUnreachable, silent),
        (200, MadeBy::Upstream, silent),
    ] {
        let mut rig = Rig::new(&with_disk(CHAIN, ""));
        let (id, _) = outage(&mut rig);
        let page = [("content-type", "text/html")];
        let seen = replaced(rig.head_through(id, status, &page, (made_by, through)));
        assert_eq!(seen.status, 504, "{seen:?}");
        assert!(seen.body.contains("upstream a,"), "{seen:?}");
    }
}

#[test]
fn what_an_upstream_refuses_is_not_handed_out_behind_its_back() {
    let mut rig = Rig::new(&with_disk(CHAIN, ""));
    rig.wait(ZIP);
    rig.answer(403, "");
    assert_eq!(rig.seen().status, 403);
}

#[test]
fn who_asks_the_caches_only_is_served_from_the_disk_and_no_upstream_is_asked() {
    for stored in [true, false] {
        let mut rig = rig();
        rig.wait(&format!("/cached-only{ZIP}"));
        rig.no_callout();
        let (id, forward) = rig.sent_now();
        assert_eq!(route(&forward), ("archives", None));
        if stored {
            rig.streams(id, Through::Hit);
        } else {
            let absent = (MadeBy::Upstream, Through::NotStored);
            assert_eq!(replaced(rig.head_through(id, 404, &[], absent)).status, 404);
        }
    }
}

#[test]
fn what_is_invalidated_has_another_key_than_what_came_later() {
    let key = |before: &str| {
        let rule = format!(
            r#""cache": {{"invalidate": [{{"modules": ["example.com/a"], "before": "{before}"}}], "#
        );
        let mut rig = Rig::new(&with_disk(ONE, "").replacen(r#""cache": {"#, &rule, 1));
        let key = |rig: &mut Rig, path: &str| rig.sent(path).1.disk.map(|disk| disk.key);
        assert_eq!(key(&mut rig, OTHER), Some(format!("v1/test/public{OTHER}")));
        key(&mut rig, ZIP)
    };
    let plain = format!("v1/test/public{ZIP}");
    assert_eq!(
        key("2023-01-01T00:00:00Z"),
        Some(format!("{plain}?1672531200000"))
    );
    assert_eq!(
        key("2033-01-01T00:00:00Z"),
        None,
        "what comes now is too old too"
    );
}
