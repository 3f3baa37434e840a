//! What upstreams, hosts and operators send: rows 22 to 32, 34, 36 and 38 to 40.

use std::time::Duration;

use goproxy_core::cache::{ContentType, Entry, EntryHead};
use goproxy_core::config::Config;
use goproxy_core::{
    Answer, AnswerBody, AnswerHead, BodyStep, CalloutId, CalloutOutcome, End, HeadStep, Piece,
    Step, Timestamp,
};

use crate::rig::{INFO, LATEST, LIST, MOD, ONE, Rig, ZIP, answer, answer_with, field};

const PAGE: &str = "<!doctype html><html><body>please log in</body></html>\n";
const INFO_BODY: &str = r#"{"Version":"v1.0.0"}"#;

/// An answer of 502, and the next client asks anew.
fn refused(path: &str, outcome: CalloutOutcome, name: &str) {
    let mut rig = Rig::new();
    assert_eq!(rig.fetch(path, outcome).status, 502, "{path}: {name}");
    rig.wait(path);
    rig.callout();
}

#[test]
fn row_22_nothing_of_an_upstreams_header_goes_on() {
    let fields = [
        ("set-cookie", "a=b"),
        ("x-accel-redirect", "/secret"),
        ("clear-site-data", "*"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let mut rig = Rig::new();
    let (id, _) = rig.forward(ZIP);
    let HeadStep::Send { fields: sent, .. } = rig.head(id, 200, &fields) else {
        panic!("no archive");
    };
    let reply = rig.fetch(LIST, answer_with(200, &fields, "v1.0.0\n"));
    for (name, _) in sent.iter().chain(&reply.fields) {
        let own = [
            "content-type",
            "cache-control",
            "cache-status",
            "etag",
            "content-length",
            "age",
        ];
        assert!(own.contains(name), "{name}");
    }
}

#[test]
fn row_23_a_login_page_is_refused_wherever_it_stands() {
    for path in [
        LIST,
        LATEST,
        INFO,
        MOD,
        "/example.com/a/@v/master.info",
        "/sumdb/sum.example/lookup/example.com/a@v1.0.0",
    ] {
        refused(
            path,
            answer_with(200, &[("content-type", "text/html")], PAGE),
            "a page",
        );
        refused(path, answer(200, PAGE), "a page without a type");
    }
    let mut rig = Rig::new();
    let (id, _) = rig.forward(ZIP);
    let step = rig.head(id, 200, &[("content-type", "text/html")]);
    assert!(
        matches!(&step, HeadStep::Replace(reply) if reply.status == 502),
        "{step:?}"
    );
}

#[test]
fn row_24_an_answer_that_breaks_off_is_not_kept() {
    let mut rig = Rig::new();
    let (id, _) = rig.forward(ZIP);
    rig.head(id, 200, &[("content-length", "100")]);
    let piece = Piece {
        bytes: b"PK\x03\x04",
        size: 4,
        end_of_stream: true,
    };
    assert_eq!(
        rig.gateway.on_forwarded_body(id, piece, rig.now),
        BodyStep::Reset
    );
    rig.forward(ZIP);
    // The host that sees a reset tells of no end at all.
    let (id, _) = rig.forward(ZIP);
    rig.head(id, 200, &[]);
    let piece = Piece {
        end_of_stream: false,
        ..piece
    };
    assert_eq!(
        rig.gateway.on_forwarded_body(id, piece, rig.now),
        BodyStep::Pass
    );
    rig.gateway.on_closed(id, End::Left, rig.now);
    rig.forward(ZIP);
}

#[test]
fn row_25_an_answer_after_its_time_is_504_and_its_end_changes_nothing() {
    let mut rig = Rig::new();
    rig.wait(LIST);
    let callout = rig.callout();
    rig.pass(Duration::from_secs(40));
    assert_eq!(rig.landed("no outcome").status, 504);
    rig.tell(&callout, answer(200, "v1.0.0\n"));
    assert!(rig.gateway.next_step(rig.now).is_none());
    rig.wait(LIST);
}

#[test]
fn row_26_what_is_too_large_is_refused_or_streamed() {
    let too_large = || {
        CalloutOutcome::Answer(Answer {
            status: 200,
            head: AnswerHead::default(),
            body: AnswerBody::TooLarge,
        })
    };
    for path in [LIST, LATEST, INFO] {
        refused(path, too_large(), "too large");
    }
    // A `.mod` above a mebibyte is streamed, and one above what `go` takes is refused by its length.
    let mut rig = Rig::new();
    let id = rig.wait(MOD);
    let callout = rig.callout();
    rig.tell(&callout, too_large());
    assert!(
        matches!(rig.gateway.next_step(rig.now), Some((waiting, Step::Forward(_))) if waiting == id)
    );
    for (path, length) in [(MOD, 17 << 20), (ZIP, 501 << 20)] {
        let (id, _) = rig.forward(path);
        let length: u64 = length;
        let step = rig.head(id, 200, &[("content-length", &length.to_string())]);
        assert!(
            matches!(&step, HeadStep::Replace(reply) if reply.status == 502),
            "{path}: {step:?}"
        );
    }
}

#[test]
fn row_27_a_list_is_cleaned() {
    for (body, expected) in [
        ("v1.0.0\r\nv1.1.0\r\n", "v1.0.0\nv1.1.0\n"),
        ("v1.1.0\nv1.0.0\nv1.1.0\n", "v1.0.0\nv1.1.0\n"),
        (
            "v1.0.0\njunk\n<b>\nv1\nv1.2.0+meta\nv2.0.0\n\x1b[31m\n",
            "v1.0.0\n",
        ),
        ("", ""),
    ] {
        let reply = Rig::new().fetch(LIST, answer(200, body));
        assert_eq!(
            (reply.status, reply.body.as_bytes()),
            (200, expected.as_bytes()),
            "{body:?}"
        );
    }
}

#[test]
fn row_28_an_info_is_judged_by_its_version_alone() {
    for body in [
        INFO_BODY,
        r#"{"Version":"v1.0.0","Time":"0001-01-01T00:00:00Z"}"#,
        r#"{"Version":"v1.0.0","Time":"2999-01-01T00:00:00Z"}"#,
        r#"{"Version":"v1.0.0","Time":null}"#,
    ] {
        let reply = Rig::new().fetch(INFO, answer(200, body));
        assert_eq!(
            (reply.status, reply.body.as_bytes()),
            (200, body.as_bytes()),
            "{body}"
        );
    }
    let deep = format!(r#"{{"Version":"v1.0.0","x":{}"#, "[".repeat(10_000));
    let long = format!(r#"{{"Version":"{}"}}"#, "v".repeat(1 << 20));
    for body in [
        r#"{"Version":"v1.0.1"}"#,
        r#"{"version":"v1.0.0","Version":"v9.0.0"}"#,
        "{}",
        "null",
        &deep,
        &long,
    ] {
        refused(INFO, answer(200, body), "no .info of this version");
    }
}

#[test]
fn row_29_an_outage_is_never_a_404() {
    for (outcome, status) in [
        (answer(500, ""), 502),
        (answer(429, ""), 429),
        (CalloutOutcome::Timeout, 504),
        (answer(999, ""), 502),
        (CalloutOutcome::UnknownTarget, 502),
    ] {
        let mut rig = Rig::new();
        assert_eq!(rig.fetch(LIST, answer(200, "v1.0.0\n")).status, 200);
        // Longer than an old answer may stand in.
        rig.pass(Duration::from_secs(86_460));
        let name = format!("{outcome:?}");
        assert_eq!(rig.fetch(LIST, outcome).status, status, "{name}");
    }
}

#[test]
fn row_30_an_absence_is_forgotten_in_time_and_told_from_a_refusal() {
    let mut rig = Rig::new();
    assert_eq!(rig.fetch(INFO, answer(404, "not yet")).status, 404);
    assert_eq!(rig.reply(INFO).status, 404, "within its time");
    rig.pass(Duration::from_secs(61));
    assert_eq!(
        rig.fetch(INFO, answer(200, INFO_BODY)).status,
        200,
        "published"
    );
    for status in [404, 410, 403] {
        assert_eq!(Rig::new().fetch(INFO, answer(status, "")).status, status);
    }
}

#[test]
fn row_31_a_redirect_leads_nowhere_that_is_not_listed() {
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/x",
        "https://proxy.example@evil.example/x",
        "file:///etc/passwd",
        "//evil.example/x",
        "gopher://x",
        "",
    ] {
        refused(
            LIST,
            answer_with(302, &[("location", location)], ""),
            location,
        );
    }
    let mut rig = Rig::new();
    rig.wait(LIST);
    let mut asked = 0;
    while let Some(callout) = rig.gateway.next_callout(rig.now) {
        asked += 1;
        assert!(asked < 10, "round and round");
        rig.tell(&callout, answer_with(302, &[("location", LIST)], ""));
    }
    assert_eq!(rig.landed("a circle").status, 502);
}

#[test]
fn row_32_a_checksum_is_of_what_was_asked_or_refused() {
    const LOOKUP: &str = "/sumdb/sum.example/lookup/example.com/a@v1.0.0";
    let mut rig = Rig::new();
    for path in [
        "/sumdb/evil/supported",
        "/sumdb/evil.example/latest",
        "/sumdb/sum.example/tile/8/0/0",
        "/sumdb/sum.example/tile/8/0/000.p/0",
        "/sumdb/sum.example/tile/8/0/000.p/256",
        "/sumdb/sum.example/tile/9/0/000",
        "/sumdb/sum.example/tile/8/64/000",
    ] {
        assert_eq!(rig.reply(path).status, 404, "{path}");
        rig.no_callout(path);
    }
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let other = format!(
        "1\nexample.com/b v1.0.0 h1:{hash}\nexample.com/b v1.0.0/go.mod h1:{hash}\n\ngo.sum database tree\n2\n{hash}\n\n\u{2014} sum.example {hash}\n"
    );
    let right = other.replace("example.com/b", "example.com/a");
    refused(LOOKUP, answer(200, ""), "empty");
    refused(LOOKUP, answer(200, &other), "another module's");
    refused(
        LOOKUP,
        answer(200, right.replace("\u{2014} sum", "\u{2014} evil")),
        "another database's",
    );
    assert_eq!(
        Rig::new().fetch(LOOKUP, answer(200, &right)).status,
        200,
        "the right one"
    );
    refused(
        "/sumdb/sum.example/tile/8/0/000",
        answer(200, vec![0; 8_191]),
        "a byte short",
    );
}

#[test]
fn row_34_what_is_no_entry_is_none() {
    const KEY: &str = "v1/test/public/example.com/a/@v/list";
    let moment = Timestamp::from_millis(1);
    let head = EntryHead {
        status: 200,
        content_type: ContentType::Text,
        stored_at: moment,
        fresh_until: moment,
        stale_until: moment,
    };
    let good = Entry::new(head, KEY, "public", b"v1.0.0\n").expect("an entry");
    assert!(Entry::from_stored(good.stored().into(), KEY).is_ok());
    let mut changed = good.stored().to_vec();
    *changed.last_mut().expect("a byte") ^= 1;
    let mut older = good.stored().to_vec();
    older[4] = 0;
    for (name, bytes) in [
        (
            "an error",
            &b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"[..],
        ),
        (
            "another error",
            b"-LOADING Redis is loading the dataset in memory\r\n",
        ),
        ("a page", PAGE.as_bytes()),
        ("nothing", b""),
        ("a part", &good.stored()[..60]),
        ("another release's", &older),
        ("a changed byte", &changed),
        ("50 MB", &vec![b'g'; 50 << 20]),
    ] {
        assert!(Entry::from_stored(bytes.into(), KEY).is_err(), "{name}");
    }
}

#[test]
fn row_36_callouts_may_fail_in_every_way() {
    for (outcome, status) in [
        (CalloutOutcome::UnknownTarget, 502),
        (CalloutOutcome::Timeout, 504),
        (answer(0, ""), 502),
    ] {
        assert_eq!(Rig::new().fetch(LIST, outcome).status, status);
    }
    let mut rig = Rig::new();
    let gone = rig.wait(LIST);
    rig.gateway.on_closed(gone, End::Left, rig.now);
    let callout = rig.callout();
    for _ in 0..2 {
        rig.tell(&callout, answer(200, "v1.0.0\n"));
    }
    rig.gateway
        .on_callout(CalloutId(12_345), CalloutOutcome::Reset, rig.now);
    assert!(
        rig.gateway.next_step(rig.now).is_none(),
        "nothing is said to who is gone"
    );
    assert_eq!(rig.gateway.counters().late_outcomes_total, 2);
    // Five hundred at once, told in the opposite order.
    let count = 500;
    for number in 0..count {
        rig.wait(&format!("/example.com/m{number}/@v/list"));
    }
    // Those in flight are bounded; the others follow as there is room.
    let mut answered = 0;
    while answered < count {
        let callouts: Vec<_> = std::iter::from_fn(|| rig.gateway.next_callout(rig.now)).collect();
        assert!(!callouts.is_empty(), "{answered} of {count} are answered");
        for callout in callouts.iter().rev() {
            rig.tell(callout, answer(200, "v1.0.0\n"));
        }
        answered += std::iter::from_fn(|| rig.gateway.next_step(rig.now)).count();
    }
    assert_eq!(answered, count);
}

#[test]
fn row_38_a_bad_configuration_is_refused_with_its_reason_and_a_pattern_costs_little() {
    let pattern = |text: &str| ONE.replace("\"*\"", &format!("{text:?}"));
    for (name, config) in [
        ("nothing", String::new()),
        ("no JSON", "{".to_owned()),
        ("an unknown field", ONE.replacen('{', "{\"upstream\": 1,", 1)),
        ("no upstream", ONE.replace(r#"{"name": "public", "target": "cluster", "authority": "proxy.example", "timeout": "30s"}"#, "")),
        ("a pattern that is none", pattern("[")),
    ] {
        let error = Config::from_json(config.as_bytes(), "test").expect_err(name);
        assert!(!error.to_string().is_empty(), "{name}");
    }
    // What a backtracking matcher would take years for.
    let costly = pattern(&format!("{}b", "a*".repeat(60)));
    let mut rig = Rig::with(&costly);
    assert_eq!(
        rig.reply(format!("/{}.a/@v/list", "a".repeat(200))).status,
        404
    );
}

#[test]
fn row_39_lifetimes_beyond_sense_and_a_clock_set_back_do_no_harm() {
    for value in [
        "max-age=99999999999999999999",
        "max-age=-1",
        "max-age=",
        "s-maxage=1e9",
        "\u{1}",
    ] {
        let mut rig = Rig::new();
        let outcome = answer_with(
            200,
            &[("cache-control", value), ("age", "-1"), ("date", "x")],
            INFO_BODY,
        );
        assert_eq!(rig.fetch(INFO, outcome).status, 200, "{value}");
        rig.now = Timestamp::from_millis(1_600_000_000_000);
        let hit = rig.reply(INFO);
        assert_eq!((hit.status, field(&hit, "age")), (200, "0"), "{value}");
        rig.now = Timestamp::from_millis(u64::MAX);
        rig.gateway.on_tick(rig.now);
        rig.wait(INFO);
    }
}

#[test]
fn row_40_what_would_break_a_log_or_a_terminal_is_made_plain() {
    let words =
        "https://user:tok@host/x\n\u{1b}[31mno\u{7}\r\n\r\n\"quoted\"\n\u{202e}evil\u{2028}x\0\n";
    for body in [words.to_owned(), words.repeat(1_000), "x".repeat(20_000)] {
        let outcome = answer_with(403, &[("content-type", "text/plain")], &body);
        let reply = Rig::new().fetch(LIST, outcome);
        let text = std::str::from_utf8(reply.body.as_bytes()).expect("text");
        assert!(
            reply.status == 403 && text.len() <= 648,
            "{} bytes",
            text.len()
        );
        assert!(
            text.lines().count() <= 8 && text.lines().all(|line| !line.trim().is_empty()),
            "{text:?}"
        );
        let hidden = |c: char| {
            c.is_control() && c != '\n'
                || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(hidden), "{text:?}");
        assert!(!text.contains("tok"), "{text:?}");
    }
}
