//! The host: it keeps what a real one would know of each stream, and checks all that the gateway asks of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use goproxy_core::config::Config;
use goproxy_core::goproxy::{Endpoint, Request, body};
use goproxy_core::{
    Body, BodyStep, Callout, CalloutId, CalloutOutcome, End, Fields, ForwardedHead, Gateway,
    HeadStep, HostCapabilities, MadeBy, Piece, Reply, RequestHead, Step, Store, StreamId, Through,
    Timestamp,
};

use super::super::is_printable;
use super::answers::{self, pick};
use super::redis::Redis;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// All that `go` shows of an error text.
const ERROR_TEXT: usize = 648;
/// More turns than any flight can take: retries, redirects and places of the longest chain.
const TURNS: usize = 100;

const UPSTREAMS: &str = r#""upstreams": [
    {"name": "one", "target": "c1", "authority": "one.example", "path": "/base", "timeout": "30s"},
    {"name": "two", "target": "c2", "authority": "two.example", "max_fails": 1},
    {"name": "three", "target": "c3", "authority": "three.example", "max_fails": 0}],
    "sumdb": [{"name": "sum.example", "target": "sums", "path": "/db"}]"#;

const REST: [&str; 6] = [
    r#""routes": [{"modules": ["*"], "chain": ["one"]}], "cache": {"memory": {"size": "64KiB", "max_object": "4KiB"}}"#,
    r#""routes": [{"modules": ["*"], "chain": ["one", {"to": "two", "on": "any_error"}, "three"]}]"#,
    r#""routes": [{"modules": ["example.com/a"], "chain": ["two", "one"]}, {"modules": ["*"], "chain": ["three"]}],
       "redirects": {"hosts": [{"host": "storage.example", "target": "store"}], "unlisted": "pass"}"#,
    r#""routes": [{"modules": ["*"], "chain": ["one", "two"]}], "cache": {"memory": {"size": "0B"}},
       "redirects": {"hosts": [{"host": "storage.example", "target": "store"}], "unlisted": "refuse"}"#,
    r#""routes": [{"modules": ["*"], "chain": ["one"]}],
       "cache": {"memory": {"size": "64KiB"}, "redis": {"gateway": "webdis", "target": "redis", "max_value": "4KiB", "queue": "64KiB"}}"#,
    r#""routes": [{"modules": ["*"], "chain": ["one", {"to": "two", "on": "any_error"}]}],
       "cache": {"memory": {"size": "0B"}, "freshness": {"mutable": "1s", "stale_while_revalidate": "10s"},
                 "redis": {"gateway": "webdis", "target": "redis", "signing_key": "env:KEY"}}"#,
];

const TARGETS: [&str; 5] = ["c1", "c2", "c3", "sums", "store"];
const REDIS: &str = "redis";

pub(super) struct Host {
    store: Rc<RefCell<Store>>,
    /// Two configurations at most: a new one, and the old one that still has streams.
    gateways: Vec<Root>,
    now: Timestamp,
    last_stream: u32,
    /// Some upstream said 404 or 410.
    was_missing: bool,
    /// Whole archives that the host streamed.
    archives: HashSet<Vec<u8>>,
    redis: Redis,
}

/// A root context.
struct Root {
    gateway: Gateway,
    streams: BTreeMap<StreamId, Stream>,
    callouts: Vec<Callout>,
    ids: HashSet<CalloutId>,
}

/// A client's request that is not over.
struct Stream {
    request: Option<Request>,
    may_be_unmodified: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Forwarded,
    /// The body so far, and how long it was to be.
    Streaming {
        status: u16,
        body: Vec<u8>,
        expected: Option<u64>,
    },
}

impl Root {
    fn waiting(&self) -> usize {
        self.streams
            .values()
            .filter(|stream| matches!(stream.state, State::Waiting))
            .count()
    }

    fn is_idle(&self) -> bool {
        self.waiting() == 0 && !self.gateway.has_work()
    }
}

impl Host {
    pub(super) fn new(configuration: u8) -> Self {
        let mut host = Self {
            store: Rc::default(),
            gateways: Vec::new(),
            now: START,
            last_stream: 0,
            was_missing: false,
            archives: HashSet::new(),
            redis: Redis::default(),
        };
        host.new_configuration(configuration);
        host
    }

    /// The host starts a root context; the one before last ends, and its streams with it.
    pub(super) fn new_configuration(&mut self, number: u8) {
        let json = format!("{{{UPSTREAMS}, {}}}", pick(&REST, number));
        let config =
            Config::from_json(json.as_bytes(), "fuzz").expect("a configuration of this target");
        let host = HostCapabilities {
            environment: Rc::new(|_| Some("a key of more than sixteen bytes".to_owned())),
            ..HostCapabilities::none()
        };
        let gateway =
            Gateway::new(&config, &self.store, &host).expect("the host gives what is asked");
        self.gateways.truncate(1);
        self.gateways.insert(
            0,
            Root {
                gateway,
                streams: BTreeMap::new(),
                callouts: Vec::new(),
                ids: HashSet::new(),
            },
        );
    }

    pub(super) fn request(&mut self, path: u8, method: u8, kind: u8) {
        let method = pick(
            &["GET", "GET", "GET", "HEAD", "GET", "POST", "CONNECT"],
            method,
        );
        let mut fields = Vec::new();
        if kind & 1 != 0 {
            fields.push((&b"if-none-match"[..], &b"W/\"0\", *"[..]));
        }
        if kind & 2 != 0 {
            fields.push((b"disable-module-fetch", b"true"));
        }
        if kind & 4 != 0 {
            fields.push((b"x-request-id", b"\r\nx: \x1b[31m\xe2\x80\xae"));
        }
        self.begin(
            pick(&answers::PATHS, path).as_bytes(),
            method,
            &fields,
            kind & 8 == 0,
        );
    }

    pub(super) fn request_path(&mut self, path: &[u8]) {
        self.begin(path, "GET", &[], true);
    }

    fn begin(&mut self, path: &[u8], method: &str, more: &[(&[u8], &[u8])], end_of_stream: bool) {
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        let mut fields = vec![
            (&b":method"[..], method.as_bytes()),
            (b":path", path),
            (b":authority", b"gw"),
        ];
        fields.extend(more);
        let step = self.gateways[0].gateway.begin(
            id,
            &RequestHead {
                fields: &fields,
                end_of_stream,
            },
            self.now,
        );
        let request = Request::parse(path).ok();
        // Nobody else is asked, so nobody else says so.
        self.was_missing |= more
            .iter()
            .any(|(name, _)| *name == b"disable-module-fetch")
            || request.as_ref().is_some_and(Request::cached_only);
        let stream = Stream {
            request,
            may_be_unmodified: more.iter().any(|(name, _)| *name == b"if-none-match"),
            state: State::Waiting,
        };
        self.gateways[0].streams.insert(id, stream);
        if !matches!(step, Step::Wait) {
            self.step(0, id, step, true);
        }
    }

    pub(super) fn take_callouts(&mut self, number: u8) {
        let root = self.chosen(number);
        for _ in 0..=number / 2 {
            let Some(callout) = self.gateways[root].gateway.next_callout(self.now) else {
                return;
            };
            check_callout(&callout);
            assert!(
                self.gateways[root].ids.insert(callout.id),
                "a callout's id is used once"
            );
            self.gateways[root].callouts.push(callout);
        }
    }

    pub(super) fn outcome(&mut self, which: u8, kind: u8, what: u8) {
        let root = self.chosen(which);
        let Root {
            gateway, callouts, ..
        } = &mut self.gateways[root];
        if callouts.is_empty() {
            return;
        }
        let callout = callouts.swap_remove(usize::from(which / 2) % callouts.len());
        let outcome = if &*callout.target == REDIS {
            self.redis.outcome(&callout, kind, what)
        } else {
            answers::outcome(&callout.path, kind, what)
        };
        self.was_missing |= matches!(&outcome, CalloutOutcome::Answer(answer) if matches!(answer.status, 404 | 410));
        gateway.on_callout(callout.id, outcome, self.now);
    }

    /// An outcome of a callout that was told already, or that never was.
    pub(super) fn late_outcome(&mut self, number: u8) {
        let root = self.chosen(number);
        let Root {
            gateway, callouts, ..
        } = &mut self.gateways[root];
        let id = CalloutId(u32::from(number / 2));
        if callouts.iter().all(|callout| callout.id != id) && !gateway.has_work() {
            gateway.on_callout(id, CalloutOutcome::Reset, self.now);
        }
    }

    pub(super) fn tick(&mut self, number: u8) {
        let by = pick(
            &[
                0, 1, 50, 100, 1_000, 5_000, 8_000, 32_000, 60_000, 3_600_000, 90_000_000,
            ],
            number,
        );
        self.now = self.now.after(Duration::from_millis(by));
        if number > 250 {
            // The clock of a host can be set back.
            self.now = START;
        }
        for root in &mut self.gateways {
            root.gateway.on_tick(self.now);
        }
    }

    pub(super) fn abort(&mut self, number: u8) {
        let root = self.chosen(number);
        if let Some(id) = self.stream(root, number, |_| true) {
            self.close(root, id);
        }
    }

    pub(super) fn take_steps(&mut self, number: u8) {
        let root = self.chosen(number);
        for _ in 0..=number / 2 {
            let Some((id, step)) = self.gateways[root].gateway.next_step(self.now) else {
                return;
            };
            self.step(root, id, step, false);
        }
    }

    pub(super) fn forwarded_head(&mut self, which: u8, status: u8, kind: u8) {
        let root = self.chosen(which);
        let Some(id) = self.stream(root, which, |state| matches!(state, State::Forwarded)) else {
            return;
        };
        let made_by = match status {
            250 => MadeBy::HostAfterTimeout,
            251 => MadeBy::HostUnreachable,
            252 => MadeBy::HostWithoutTarget,
            _ => MadeBy::Upstream,
        };
        let (head, status) = (answers::head(kind / 2), answers::status(status));
        self.was_missing |= matches!(status, 404 | 410) && made_by == MadeBy::Upstream;
        let expected = head.content_length;
        let answer = ForwardedHead {
            status,
            head,
            end_of_stream: kind % 2 == 1,
            made_by,
            attempts: 1,
            through: Through::default(),
        };
        assert!(
            self.gateways[root].gateway.watches(id),
            "a forwarded stream is watched"
        );
        match self.gateways[root]
            .gateway
            .on_forwarded_head(id, answer, self.now)
        {
            HeadStep::Pass => panic!("an upstream's head reached a client"),
            HeadStep::Replace(reply) => self.answered(root, id, &reply, false),
            HeadStep::Send { status, fields } => {
                check_fields(&fields);
                self.check_status(status, false);
                if kind % 2 == 1 {
                    self.close(root, id);
                } else if let Some(stream) = self.gateways[root].streams.get_mut(&id) {
                    stream.state = State::Streaming {
                        status,
                        body: Vec::new(),
                        expected,
                    };
                }
            }
        }
    }

    pub(super) fn forwarded_body(&mut self, which: u8, kind: u8) {
        let root = self.chosen(which);
        let Some(id) = self.stream(root, which, |state| {
            matches!(state, State::Streaming { .. })
        }) else {
            return;
        };
        let Root {
            gateway, streams, ..
        } = &mut self.gateways[root];
        let (bytes, end_of_stream) = (answers::piece(kind / 2), kind % 2 == 1);
        let wanted = gateway.wants_of_body(id).min(bytes.len());
        let piece = Piece {
            bytes: &bytes[..wanted],
            size: bytes.len(),
            end_of_stream,
        };
        let step = gateway.on_forwarded_body(id, piece, self.now);
        let State::Streaming {
            status,
            body,
            expected,
        } = &mut streams.get_mut(&id).expect("a stream").state
        else {
            panic!("it streams");
        };
        match step {
            BodyStep::Reset => return self.close(root, id),
            BodyStep::Pass => {
                assert_eq!(
                    *status, 200,
                    "an upstream's error reached a client as it was"
                );
                body.extend_from_slice(bytes);
            }
            BodyStep::Replace(bytes) => {
                assert_ne!(*status, 200, "the bytes of an archive were changed");
                body.extend_from_slice(&bytes);
            }
        }
        if end_of_stream {
            if *status == 200 {
                assert!(
                    expected.is_none_or(|bytes| usize::try_from(bytes) == Ok(body.len())),
                    "a short archive ended well"
                );
                self.archives.insert(std::mem::take(body));
            } else {
                check_error_text(body);
            }
            self.close(root, id);
        }
    }

    /// No event comes any more but time: then nobody waits, and nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS {
            if self.gateways.iter().all(Root::is_idle) {
                return;
            }
            self.now = self.now.after(Duration::from_secs(600));
            for root in 0..self.gateways.len() {
                self.gateways[root].gateway.on_tick(self.now);
                // Each takes up to 128.
                for _ in 0..4 {
                    let number = u8::try_from(root).expect("two of them") | 0xfe;
                    self.take_callouts(number);
                    self.take_steps(number);
                }
            }
        }
        let waiting: usize = self.gateways.iter().map(Root::waiting).sum();
        panic!("{waiting} streams wait for ever");
    }

    fn chosen(&self, number: u8) -> usize {
        usize::from(number % 2).min(self.gateways.len() - 1)
    }

    fn stream(
        &self,
        root: usize,
        number: u8,
        is_right: impl Fn(&State) -> bool,
    ) -> Option<StreamId> {
        let ids: Vec<_> = self.gateways[root]
            .streams
            .iter()
            .filter(|(_, stream)| is_right(&stream.state))
            .collect();
        let at = usize::from(number / 2).checked_rem(ids.len())?;
        Some(*ids[at].0)
    }

    fn close(&mut self, root: usize, id: StreamId) {
        let Root {
            gateway, streams, ..
        } = &mut self.gateways[root];
        gateway.on_closed(id, End::Left, self.now);
        assert!(!gateway.watches(id) && gateway.wants_of_body(id) == 0);
        streams.remove(&id).expect("a stream that is not over");
    }

    fn step(&mut self, root: usize, id: StreamId, step: Step, at_once: bool) {
        let stream = self.gateways[root]
            .streams
            .get_mut(&id)
            .expect("nothing is said to a stream that is over");
        assert!(
            matches!(stream.state, State::Waiting),
            "a second step for a stream that is {:?}",
            stream.state
        );
        match step {
            Step::Pass => assert!(
                at_once && stream.request.is_none(),
                "what is ours never passes"
            ),
            Step::Reply(reply) => return self.answered(root, id, &reply, at_once),
            Step::Wait => panic!("a stream that waits is told to wait"),
            Step::Forward(forward) => {
                assert!(TARGETS.contains(&&*forward.target), "{forward:?}");
                assert!(
                    forward.path.starts_with('/')
                        && forward.path.bytes().all(|byte| byte.is_ascii_graphic())
                );
                assert!(is_printable(&forward.authority));
                stream.state = State::Forwarded;
                return;
            }
        }
        self.close(root, id);
    }

    fn answered(&mut self, root: usize, id: StreamId, reply: &Reply, at_once: bool) {
        check_fields(&reply.fields);
        self.check_status(reply.status, at_once);
        let stream = &self.gateways[root].streams[&id];
        match (&reply.body, &stream.request) {
            (Body::Entry(entry), Some(request)) => {
                assert_eq!(reply.status, 200);
                // Of an archive the gateway sees what the host streams: all of it, and that it begins like one.
                if request.endpoint() == Endpoint::Zip {
                    assert!(
                        self.archives.contains(entry.body()),
                        "an archive that nobody sent whole"
                    );
                    body::zip(entry.body()).expect("what is kept begins like an archive");
                } else {
                    let checked = body::validate(request, entry.body().to_vec())
                        .expect("what is served was validated");
                    assert_eq!(checked, entry.body());
                }
            }
            (Body::Entry(_), None) => panic!("an entry for no object"),
            (Body::Text(text), _) if reply.status != 200 => check_error_text(text.as_bytes()),
            (Body::Text(_) | Body::Empty, _) => {}
        }
        assert!(reply.status != 304 || stream.may_be_unmodified);
        self.close(root, id);
    }

    fn check_status(&self, status: u16, at_once: bool) {
        let known = [
            200, 302, 304, 400, 403, 404, 405, 410, 414, 429, 451, 500, 502, 503, 504,
        ];
        assert!(known.contains(&status), "{status}");
        let is_missing = matches!(status, 404 | 410);
        assert!(
            !is_missing || at_once || self.was_missing,
            "{status}, and no upstream said so"
        );
    }
}

fn check_callout(callout: &Callout) {
    if &*callout.target == REDIS {
        return Redis::check(callout);
    }
    assert!(TARGETS.contains(&&*callout.target), "{callout:?}");
    assert_eq!(callout.body, None);
    assert!(!callout.timeout.is_zero() && callout.body_limit > 0);
    assert!(
        callout.path.starts_with('/') && callout.path.bytes().all(|byte| byte.is_ascii_graphic()),
        "{callout:?}"
    );
    assert!(is_printable(&callout.authority));
    for (name, value) in &callout.headers {
        assert!(
            matches!(*name, "user-agent" | "x-request-id" | "traceparent"),
            "{name}"
        );
        assert!(is_printable(value), "{name}: {value:?}");
    }
}

fn check_fields(fields: &Fields) {
    let mut names = HashSet::new();
    for (name, value) in fields {
        assert!(names.insert(*name), "{name} stands twice");
        assert!(
            is_printable(value) && !value.is_empty(),
            "{name}: {value:?}"
        );
    }
}

/// What `go` would show: see cmd/go/internal/web, `formatErrorDetail`.
fn check_error_text(body: &[u8]) {
    let text = std::str::from_utf8(body).expect("an error text is text");
    assert!(
        !text.trim().is_empty() && text.len() <= ERROR_TEXT,
        "{} bytes",
        text.len()
    );
    assert!(
        text.lines().count() <= 8 && text.lines().all(|line| !line.trim().is_empty()),
        "{text:?}"
    );
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
}
