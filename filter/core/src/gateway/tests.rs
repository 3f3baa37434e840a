//! The gateway as its adapter drives it: every order of events, without a host.

mod archives;
mod attacks;
mod chains;
mod disk;
mod events;
mod flights;
mod health;
mod pages;
mod redirects;
mod redis;
mod reporting;
mod requests;
mod sharing;
mod slots;
mod stale;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::airspace::{MAX_CALLOUTS, MAX_FLIGHTS, MAX_TO_ONE};
use super::*;
use crate::callout::{Answer, AnswerBody, AnswerHead, Method};
use crate::event::Sink;
use crate::exchange::{MadeBy, Through};
use crate::reply::Body;

const ONE: &str = r#"{
    "upstreams": [{"name": "public", "target": "cluster", "authority": "proxy.example", "path": "/base", "timeout": "30s"}],
    "routes": [{"modules": ["*"], "chain": ["public"]}],
    "sumdb": [{"name": "sum.example", "target": "sums", "path": "/db"}],
    "cache": {"memory": {"size": "8MiB", "max_object": "4KiB"}}
}"#;

const LIST: &str = "/example.com/a/@v/list";
const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const INFO: &str = "/example.com/a/@v/v1.0.0.info";
const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";
/// 22 bytes, as the end record of a zip file without members.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A gateway, the time, and a host that does nothing by itself.
struct Rig {
    gateway: Gateway,
    store: Rc<RefCell<Store>>,
    now: Timestamp,
    last_stream: u32,
}

/// What a client sees.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    body: String,
}

impl Rig {
    fn new(config: &str) -> Self {
        Self::in_store(config, &Rc::default())
    }

    fn in_store(config: &str, store: &Rc<RefCell<Store>>) -> Self {
        Self::of(
            &Config::from_json(config.as_bytes(), "test").unwrap(),
            store,
        )
    }

    fn of(config: &Config, store: &Rc<RefCell<Store>>) -> Self {
        Self::on(config, store, &HostCapabilities::none())
    }

    fn on(config: &Config, store: &Rc<RefCell<Store>>, host: &HostCapabilities) -> Self {
        let gateway = Gateway::new(config, store, host).unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        Self {
            gateway,
            store: store.clone(),
            now,
            last_stream: 0,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.gateway.on_tick(self.now);
    }

    fn ask(&mut self, path: &str) -> (StreamId, Step) {
        self.ask_with("GET", path, &[])
    }

    fn ask_with(&mut self, method: &str, path: &str, more: &[(&str, &str)]) -> (StreamId, Step) {
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        let mut fields = vec![
            (":method", method),
            (":path", path),
            (":authority", "gw"),
            ("x-request-id", "r1"),
        ];
        fields.extend(more);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let head = RequestHead {
            fields: &fields,
            end_of_stream: true,
        };
        (id, self.gateway.begin(id, &head, self.now))
    }

    /// Asks, and says that it has to wait.
    fn wait(&mut self, path: &str) -> StreamId {
        let (id, step) = self.ask(path);
        assert!(matches!(step, Step::Wait), "{path}: {step:?}");
        id
    }

    /// The answer of a request that need not wait.
    fn reply(&mut self, path: &str) -> Reply {
        match self.ask(path).1 {
            Step::Reply(reply) => reply,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn callout(&mut self) -> Callout {
        self.gateway.next_callout(self.now).expect("a callout")
    }

    fn no_callout(&mut self) {
        assert_eq!(self.gateway.next_callout(self.now), None);
    }

    fn tell(&mut self, callout: &Callout, outcome: CalloutOutcome) {
        self.gateway.on_callout(callout.id, outcome, self.now);
    }

    /// The next callout is answered like this.
    fn answer(&mut self, status: u16, body: &str) -> Callout {
        let callout = self.callout();
        let outcome = match callout.method {
            Method::Get => answer(status, body),
            // Of an archive, which is no text.
            _ => answer_with(status, "", &[]),
        };
        self.tell(&callout, outcome);
        callout
    }

    fn outcome(&mut self, outcome: CalloutOutcome) -> Callout {
        let callout = self.callout();
        self.tell(&callout, outcome);
        callout
    }

    fn steps(&mut self) -> Vec<(StreamId, Step)> {
        std::iter::from_fn(|| self.gateway.next_step(self.now)).collect()
    }

    /// The one answer that is ready.
    fn seen(&mut self) -> Seen {
        let steps = self.steps();
        match steps.as_slice() {
            [(_, Step::Reply(reply))] => seen(reply),
            other => panic!("expected one reply, got {other:?}"),
        }
    }

    /// Asks for `path`, answers its callout, and gives what the client sees.
    fn fetch(&mut self, path: &str, status: u16, body: &str) -> Seen {
        self.wait(path);
        self.answer(status, body);
        self.seen()
    }
}

fn answer(status: u16, body: &str) -> CalloutOutcome {
    answer_with(
        status,
        body,
        &[("content-type", "text/plain; charset=utf-8")],
    )
}

fn answer_with(status: u16, body: &str, fields: &[(&str, &str)]) -> CalloutOutcome {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let body = AnswerBody::Whole(body.as_bytes().to_vec());
    CalloutOutcome::Answer(Answer {
        status,
        head: AnswerHead::read(fields),
        body,
    })
}

fn seen(reply: &Reply) -> Seen {
    Seen {
        status: reply.status,
        body: String::from_utf8_lossy(reply.body.as_bytes()).into_owned(),
    }
}

fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply
        .fields
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}

fn ok(body: &str) -> Seen {
    Seen {
        status: 200,
        body: body.to_owned(),
    }
}

/// Forwarded requests.
impl Rig {
    fn forwarded(&mut self, path: &str) -> StreamId {
        let (id, step) = self.ask(path);
        assert!(matches!(step, Step::Forward(_)), "{path}: {step:?}");
        id
    }

    fn head(&mut self, id: StreamId, status: u16, fields: &[(&str, &str)]) -> HeadStep {
        self.head_by(id, status, fields, MadeBy::Upstream)
    }

    fn head_by(
        &mut self,
        id: StreamId,
        status: u16,
        fields: &[(&str, &str)],
        made_by: MadeBy,
    ) -> HeadStep {
        self.head_through(id, status, fields, (made_by, Through::Silent))
    }

    fn head_through(
        &mut self,
        id: StreamId,
        status: u16,
        fields: &[(&str, &str)],
        (made_by, through): (MadeBy, Through),
    ) -> HeadStep {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = AnswerHead::read(fields);
        self.gateway.on_forwarded_head(
            id,
            ForwardedHead {
                status,
                head,
                end_of_stream: false,
                made_by,
                attempts: 1,
                through,
            },
            self.now,
        )
    }

    fn piece(&mut self, id: StreamId, bytes: &[u8], end_of_stream: bool) -> BodyStep {
        let wanted = self.gateway.wants_of_body(id).min(bytes.len());
        let piece = Piece {
            bytes: &bytes[..wanted],
            size: bytes.len(),
            end_of_stream,
        };
        self.gateway.on_forwarded_body(id, piece, self.now)
    }

    /// Streams a whole archive in two pieces.
    fn stream(&mut self, path: &str, fields: &[(&str, &str)], body: &[u8]) -> BodyStep {
        let id = self.forwarded(path);
        assert!(
            matches!(
                self.head(id, 200, fields),
                HeadStep::Send { status: 200, .. }
            ),
            "{fields:?}"
        );
        let (first, rest) = body.split_at(1);
        assert_eq!(self.piece(id, first, false), BodyStep::Pass);
        self.piece(id, rest, true)
    }
}

fn replaced(step: HeadStep) -> Seen {
    match step {
        HeadStep::Replace(reply) => seen(&reply),
        other => panic!("{other:?}"),
    }
}
