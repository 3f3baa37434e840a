//! What the core's own functions take, without a host: `make bench` reports the medians.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that fails must say so, and no VM dies of it"
)]
#![allow(
    missing_docs,
    reason = "criterion's macros make functions without a docstring"
)]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use goproxy_core::cache::{ContentType, Entry, EntryHead};
use goproxy_core::config::Config;
use goproxy_core::goproxy::{Request, body};
use goproxy_core::{
    Answer, AnswerBody, AnswerHead, BodyStep, CalloutOutcome, End, ForwardedHead, Gateway,
    HeadStep, HostCapabilities, MadeBy, Piece, RequestHead, Step, Store, StreamId, Through,
    Timestamp,
};

const CONFIG: &str = include_str!("../../config/examples/config/valid/minimal.json");
const PATH: &str = "/github.com/%21burnt%21sushi/toml/@v/v1.2.1-0.20211231010203-0123456789ab.mod";
const MODULE: &str = "github.com/BurntSushi/toml";

fn parse_path(criterion: &mut Criterion) {
    criterion.bench_function("core_parse_path", |bencher| {
        bencher.iter(|| Request::parse(black_box(PATH.as_bytes())).unwrap());
    });
}

/// A hit as the adapter has it answered: from the request's head to the fields and body of the reply.
fn memory_hit(criterion: &mut Criterion) {
    let config = Config::from_json(CONFIG.as_bytes(), "bench").unwrap();
    let mut gateway = Gateway::new(
        &config,
        &Rc::<RefCell<Store>>::default(),
        &HostCapabilities::none(),
    )
    .unwrap();
    let now = Timestamp::from_millis(1_700_000_000_000);
    remember(&mut gateway, now);
    let later = now.after(Duration::from_secs(90));
    criterion.bench_function("core_memory_hit", |bencher| {
        bencher.iter(|| match gateway.begin(StreamId(2), &HEAD, later) {
            Step::Reply(reply) => assert_eq!(black_box(&reply).status, 200),
            step => panic!("expected a hit, got {step:?}"),
        });
    });
}

fn remember(gateway: &mut Gateway, now: Timestamp) {
    let step = gateway.begin(StreamId(1), &HEAD, now);
    assert!(matches!(step, Step::Wait), "{step:?}");
    let callout = gateway.next_callout(now).unwrap();
    let answer = Answer {
        status: 200,
        body: AnswerBody::Whole(mod_file()),
        ..Answer::default()
    };
    gateway.on_callout(callout.id, CalloutOutcome::Answer(answer), now);
    assert!(gateway.next_step(now).is_some());
}

/// An archive that is forwarded and looked at as it passes, in two pieces.
fn forwarded_archive(criterion: &mut Criterion) {
    let config = Config::from_json(CONFIG.as_bytes(), "bench").unwrap();
    let mut gateway = Gateway::new(
        &config,
        &Rc::<RefCell<Store>>::default(),
        &HostCapabilities::none(),
    )
    .unwrap();
    let now = Timestamp::from_millis(1_700_000_000_000);
    let path = PATH.replace(".mod", ".zip");
    let with_path = |(name, value): (&'static [u8], &'static [u8])| match name {
        b":path" => (name, path.as_bytes()),
        _ => (name, value),
    };
    let fields: Vec<(&[u8], &[u8])> = FIELDS.iter().copied().map(with_path).collect();
    let head = RequestHead {
        fields: &fields,
        end_of_stream: true,
    };
    let piece = |bytes, end_of_stream| Piece {
        bytes,
        size: 500_000,
        end_of_stream,
    };
    criterion.bench_function("core_forwarded_archive", |bencher| {
        bencher.iter(|| {
            let id = StreamId(3);
            let step = gateway.begin(id, black_box(&head), now);
            assert!(matches!(step, Step::Forward(_)), "{step:?}");
            let answer = ForwardedHead {
                status: 200,
                head: AnswerHead::read(ARCHIVE_FIELDS.iter().copied()),
                end_of_stream: false,
                made_by: MadeBy::Upstream,
                attempts: 1,
                through: Through::default(),
            };
            let step = gateway.on_forwarded_head(id, answer, now);
            assert!(matches!(step, HeadStep::Send { .. }), "{step:?}");
            gateway.on_forwarded_body(id, piece(b"PK", false), now);
            let end = gateway.on_forwarded_body(id, piece(b"", true), now);
            assert_eq!(end, BodyStep::Pass);
            gateway.on_closed(id, End::Left, now);
        });
    });
}

/// What proxy.golang.org answers to a request for an archive.
const ARCHIVE_FIELDS: &[(&[u8], &[u8])] = &[
    (b":status", b"200"),
    (b"content-type", b"application/zip"),
    (b"content-length", b"1000000"),
    (b"etag", b"\"0123456789abcdef\""),
    (b"last-modified", b"Mon, 02 Jan 2006 15:04:05 GMT"),
    (b"cache-control", b"public, max-age=10800"),
    (b"date", b"Mon, 02 Jan 2006 15:04:05 GMT"),
];

/// What Envoy gives for a request of the `go` command.
const FIELDS: &[(&[u8], &[u8])] = &[
    (b":authority", b"proxy.example:8080"),
    (b":path", PATH.as_bytes()),
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b"user-agent", b"Go-http-client/1.1"),
    (b"accept-encoding", b"gzip"),
    (b"x-forwarded-proto", b"http"),
    (b"x-request-id", b"0f9e6a1c-52b7-4c53-9d0c-3f3f9b1d7c11"),
];

const HEAD: RequestHead<'static> = RequestHead {
    fields: FIELDS,
    end_of_stream: true,
};

fn mod_file() -> Vec<u8> {
    let mut text = format!("module {MODULE}\n\n// ");
    while text.len() < 2047 {
        text.push('x');
    }
    text.push('\n');
    text.into_bytes()
}

/// A thousand tags, a tenth of them of no use, in no order.
fn sanitise_list(criterion: &mut Criterion) {
    let mut tags = String::new();
    for number in 0..1000_u32 {
        let (minor, patch) = (number * 7919 % 100, number % 10);
        let wrong = if number % 10 == 3 {
            "-0.20200101000000-0123456789ab"
        } else {
            ""
        };
        writeln!(tags, "v1.{minor}.{patch}{wrong}").unwrap();
    }
    criterion.bench_function("core_sanitise_list_1000", |bencher| {
        bencher.iter(|| body::list(MODULE, black_box(tags.as_bytes())).unwrap());
    });
}

fn entry(criterion: &mut Criterion) {
    const KEY: &str = "v1/bench/public/github.com/!burnt!sushi/toml/@v/v1.2.1.mod";
    let at = Timestamp::from_millis(1_700_000_000_000);
    let head = EntryHead {
        status: 200,
        content_type: ContentType::Text,
        stored_at: at,
        fresh_until: at,
        stale_until: at,
    };
    let body = mod_file();
    criterion.bench_function("core_entry_encode_2k", |bencher| {
        bencher.iter(|| Entry::new(head, KEY, "public", black_box(&body)).unwrap());
    });
    let stored: Box<[u8]> = Entry::new(head, KEY, "public", &body)
        .unwrap()
        .stored()
        .into();
    criterion.bench_function("core_entry_decode_2k", |bencher| {
        bencher.iter(|| Entry::from_stored(black_box(&stored).clone(), KEY).unwrap());
    });
}

criterion_group!(
    benches,
    parse_path,
    memory_hit,
    forwarded_archive,
    sanitise_list,
    entry
);
criterion_main!(benches);
