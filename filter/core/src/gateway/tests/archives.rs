//! Archives: judged before the client sees a byte, copied while they pass.

use super::*;
use crate::testing::test;

#[test]
fn an_archive_is_sent_on_with_the_upstreams_path_and_authority() {
    let mut rig = Rig::new(ONE);
    let Step::Forward(forward) = rig.ask("/example.com/%21upper/@v/v1.0.0.zip?x").1 else {
        panic!()
    };
    assert_eq!(
        (&*forward.target, &*forward.authority),
        ("cluster", "proxy.example")
    );
    assert_eq!(forward.path, "/base/example.com/!upper/@v/v1.0.0.zip");
}

#[test]
fn nothing_of_the_upstreams_header_goes_on_but_the_length() {
    let mut rig = Rig::new(ONE);
    let id = rig.forwarded(ZIP);
    let fields = [
        ("set-cookie", "a=b"),
        ("etag", "x"),
        ("content-length", "22"),
        ("content-type", "application/zip"),
    ];
    let HeadStep::Send { fields, .. } = rig.head(id, 200, &fields) else {
        panic!()
    };
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "content-type",
            "cache-control",
            "cache-status",
            "content-length"
        ]
    );
}

#[test]
fn a_small_archive_is_kept_while_it_passes() {
    for fields in [&[("content-length", "22")][..], &[]] {
        let mut rig = Rig::new(ONE);
        assert_eq!(rig.stream(ZIP, fields, EMPTY_ZIP), BodyStep::Pass);
        let reply = rig.reply(ZIP);
        assert_eq!((reply.status, reply.body.as_bytes()), (200, EMPTY_ZIP));
        assert_eq!(field(&reply, "content-type"), "application/zip");
    }
}

#[test]
fn what_is_large_or_forbidden_or_a_toolchain_is_not_kept() {
    let large = [EMPTY_ZIP, &[0; 5_000]].concat();
    let toolchain = "/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.zip";
    for (path, fields, body) in [
        (ZIP, &[("content-length", "5022")][..], &large[..]),
        (ZIP, &[], &large),
        (ZIP, &[("cache-control", "no-store")], EMPTY_ZIP),
        (toolchain, &[], EMPTY_ZIP),
    ] {
        let mut rig = Rig::new(ONE);
        assert_eq!(rig.stream(path, fields, body), BodyStep::Pass);
        rig.forwarded(path);
    }
}

#[test]
fn a_large_archive_is_not_copied_into_the_vm() {
    let mut rig = Rig::new(ONE);
    let id = rig.forwarded(ZIP);
    rig.head(id, 200, &[("content-length", "70000000")]);
    assert_eq!(
        rig.gateway.wants_of_body(id),
        2,
        "only the magic is looked at"
    );
    rig.piece(id, b"PK\x03\x04", false);
    assert_eq!(rig.gateway.wants_of_body(id), 0);
}

#[test]
fn a_body_that_is_no_zip_or_ends_early_is_reset_and_not_kept() {
    let long = [("content-length", "23")];
    for (fields, pieces) in [
        (&[][..], &[&b"<html>"[..]][..]),
        (&[], &[b"P", b"X"]),
        (&[], &[b"", b"x"]),
        (&long, &[EMPTY_ZIP]),
        (&[], &[b"P"]),
        (&[], &[b""]),
    ] {
        let mut rig = Rig::new(ONE);
        let id = rig.forwarded(ZIP);
        rig.head(id, 200, fields);
        let last = pieces.len() - 1;
        let steps: Vec<_> = pieces
            .iter()
            .enumerate()
            .map(|(n, piece)| rig.piece(id, piece, n == last))
            .collect();
        assert_eq!(steps.last(), Some(&BodyStep::Reset), "{pieces:?}");
        rig.forwarded(ZIP);
    }
}

#[test]
fn a_client_that_leaves_half_way_leaves_nothing_behind() {
    let mut rig = Rig::new(ONE);
    let id = rig.forwarded(ZIP);
    rig.head(id, 200, &[]);
    rig.piece(id, EMPTY_ZIP, false);
    rig.gateway.on_closed(id, End::Left, rig.now);
    assert_eq!(rig.piece(id, b"", true), BodyStep::Pass);
    rig.forwarded(ZIP);
}

#[test]
fn a_bad_200_is_502_before_the_client_sees_a_byte() {
    for fields in [
        [("content-type", "text/html")],
        [("content-type", "text/plain")],
        [("content-type", "application/json; charset=utf-8")],
        [("content-length", "0")],
        [("content-length", "21")],
        [("content-length", "524288001")],
        [("content-encoding", "gzip")],
    ] {
        let mut rig = Rig::new(ONE);
        let id = rig.forwarded(ZIP);
        let seen = replaced(rig.head(id, 200, &fields));
        assert_eq!(seen.status, 502, "{fields:?}");
        assert!(
            seen.body
                .contains("(goproxy-wasm: invalid_body, upstream public"),
            "{}",
            seen.body
        );
        assert!(!rig.gateway.watches(id));
    }
}

#[test]
fn of_an_upstreams_error_only_the_words_go_on() {
    for (status, sent, words) in [
        (
            404,
            404,
            "not found: no such version\n(goproxy-wasm: not_found, upstream public, request r1)\n",
        ),
        (
            403,
            403,
            "not found: no such version\n(goproxy-wasm: policy_denied, upstream public, request r1)\n",
        ),
        (
            401,
            502,
            "not found: no such version\n(goproxy-wasm: upstream_4xx, upstream public, request r1)\n",
        ),
        (
            500,
            502,
            "not found: no such version\n(goproxy-wasm: upstream_5xx, upstream public, request r1)\n",
        ),
    ] {
        let mut rig = Rig::new(ONE);
        let id = rig.forwarded(ZIP);
        let HeadStep::Send { status, fields } =
            rig.head(id, status, &[("content-type", "text/plain")])
        else {
            panic!()
        };
        assert_eq!(status, sent);
        assert!(
            !fields.iter().any(|(name, _)| *name == "content-length"),
            "the length changes"
        );
        assert_eq!(
            rig.piece(id, b"not found: no su", false),
            BodyStep::Replace(Vec::new())
        );
        assert_eq!(
            rig.piece(id, b"ch version\n", true),
            BodyStep::Replace(words.into())
        );
    }
}

#[test]
fn an_archives_404_is_remembered_and_its_500_is_not() {
    let mut rig = Rig::new(ONE);
    let id = rig.forwarded(ZIP);
    rig.head(id, 404, &[]);
    rig.piece(id, b"not here", true);
    assert!(seen(&rig.reply(ZIP)).body.starts_with("not here\n"));
    let other = "/example.com/a/@v/v1.1.0.zip";
    let id = rig.forwarded(other);
    rig.head(id, 500, &[]);
    rig.piece(id, b"oops", true);
    rig.forwarded(other);
}

#[test]
fn what_the_host_answers_for_an_upstream_is_no_404() {
    for (made_by, status) in [
        (MadeBy::HostAfterTimeout, 504),
        (MadeBy::HostUnreachable, 502),
        (MadeBy::HostWithoutTarget, 502),
    ] {
        let mut rig = Rig::new(ONE);
        let id = rig.forwarded(ZIP);
        assert_eq!(
            replaced(rig.head_by(id, 404, &[], made_by)).status,
            status,
            "{made_by:?}"
        );
    }
}

#[test]
fn a_mod_too_large_for_a_callout_is_streamed_then_and_ever_after() {
    let mut rig = Rig::new(ONE);
    let id = rig.wait(MOD);
    let head = AnswerHead::default();
    rig.outcome(CalloutOutcome::Answer(Answer {
        status: 200,
        head,
        body: AnswerBody::TooLarge,
    }));
    let steps = rig.steps();
    assert!(
        matches!(steps.as_slice(), [(to, Step::Forward(_))] if *to == id),
        "{steps:?}"
    );
    let id = rig.forwarded(MOD);
    assert!(matches!(
        rig.head(id, 200, &[("content-type", "text/plain")]),
        HeadStep::Send { status: 200, .. }
    ));
    assert_eq!(
        rig.piece(id, b"module example.com/a\n", true),
        BodyStep::Pass
    );
    rig.no_callout();
}

#[test]
fn any_other_answer_too_large_for_a_callout_is_502() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    let head = AnswerHead::default();
    rig.outcome(CalloutOutcome::Answer(Answer {
        status: 200,
        head,
        body: AnswerBody::TooLarge,
    }));
    assert_eq!(rig.seen().status, 502);
}

#[test]
fn head_of_an_archive_is_forwarded_and_keeps_the_length() {
    let mut rig = Rig::new(ONE);
    let (id, step) = rig.ask_with("HEAD", ZIP, &[]);
    assert!(matches!(step, Step::Forward(_)));
    let head = AnswerHead::read([(&b"content-length"[..], &b"70000000"[..])]);
    let answer = ForwardedHead {
        status: 200,
        head,
        end_of_stream: true,
        made_by: MadeBy::Upstream,
        attempts: 1,
        through: Through::default(),
    };
    let HeadStep::Send { fields, .. } = rig.gateway.on_forwarded_head(id, answer, rig.now) else {
        panic!()
    };
    assert!(fields.contains(&("content-length", "70000000".into())));
    rig.forwarded(ZIP);
}
