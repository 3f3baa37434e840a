//! A gateway as its adapter drives it, and a host that does nothing by itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use goproxy_core::config::Config;
use goproxy_core::{
    Answer, AnswerBody, AnswerHead, Callout, CalloutOutcome, Forward, ForwardedHead, Gateway,
    HeadStep, HostCapabilities, MadeBy, Reply, RequestHead, Step, Store, StreamId, Through,
    Timestamp,
};

pub(crate) const ONE: &str = r#"{
    "upstreams": [{"name": "public", "target": "cluster", "authority": "proxy.example", "timeout": "30s"}],
    "routes": [{"modules": ["*"], "chain": ["public"]}],
    "sumdb": [{"name": "sum.example", "target": "sums", "authority": "sum.example"}]
}"#;

pub(crate) const LIST: &str = "/example.com/a/@v/list";
pub(crate) const INFO: &str = "/example.com/a/@v/v1.0.0.info";
pub(crate) const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
pub(crate) const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";
pub(crate) const LATEST: &str = "/example.com/a/@latest";

pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) now: Timestamp,
    last_stream: u32,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(ONE)
    }

    pub(crate) fn with(config: &str) -> Self {
        let config = Config::from_json(config.as_bytes(), "test").expect("a configuration");
        let gateway = Gateway::new(
            &config,
            &Rc::<RefCell<Store>>::default(),
            &HostCapabilities::none(),
        )
        .expect("a host that gives enough");
        Self {
            gateway,
            now: Timestamp::from_millis(1_700_000_000_000),
            last_stream: 0,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.gateway.on_tick(self.now);
    }

    pub(crate) fn ask_with(
        &mut self,
        method: &str,
        path: &[u8],
        more: &[(&str, &str)],
    ) -> (StreamId, Step) {
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        let mut fields = vec![
            (&b":method"[..], method.as_bytes()),
            (b":path", path),
            (b":authority", b"gw"),
        ];
        let more = more
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        fields.extend(more);
        let head = RequestHead {
            fields: &fields,
            end_of_stream: true,
        };
        (id, self.gateway.begin(id, &head, self.now))
    }

    /// The answer of a request that asks no upstream.
    pub(crate) fn reply(&mut self, path: impl AsRef<[u8]>) -> Reply {
        let path = path.as_ref();
        match self.ask_with("GET", path, &[]).1 {
            Step::Reply(reply) => reply,
            other => panic!("{}: {other:?}", path.escape_ascii()),
        }
    }

    /// A request that waits on a flight.
    pub(crate) fn wait(&mut self, path: &str) -> StreamId {
        let (id, step) = self.ask_with("GET", path.as_bytes(), &[]);
        assert!(matches!(step, Step::Wait), "{path}: {step:?}");
        id
    }

    /// A request that the host sends on.
    pub(crate) fn forward(&mut self, path: &str) -> (StreamId, Forward) {
        match self.ask_with("GET", path.as_bytes(), &[]) {
            (id, Step::Forward(forward)) => (id, forward),
            (_, other) => panic!("{path}: {other:?}"),
        }
    }

    pub(crate) fn callout(&mut self) -> Callout {
        self.gateway.next_callout(self.now).expect("a callout")
    }

    pub(crate) fn no_callout(&mut self, why: &str) {
        assert_eq!(self.gateway.next_callout(self.now), None, "{why}");
    }

    pub(crate) fn tell(&mut self, callout: &Callout, outcome: CalloutOutcome) {
        self.gateway.on_callout(callout.id, outcome, self.now);
    }

    /// Asks, answers the one callout like this, and gives what the client gets.
    pub(crate) fn fetch(&mut self, path: &str, outcome: CalloutOutcome) -> Reply {
        self.wait(path);
        let callout = self.callout();
        self.tell(&callout, outcome);
        self.landed(path)
    }

    /// What the one stream that waited gets.
    pub(crate) fn landed(&mut self, why: &str) -> Reply {
        match self.gateway.next_step(self.now) {
            Some((_, Step::Reply(reply))) => reply,
            other => panic!("{why}: {other:?}"),
        }
    }

    pub(crate) fn head(&mut self, id: StreamId, status: u16, fields: &[(&str, &str)]) -> HeadStep {
        let answer = ForwardedHead {
            status,
            head: head(fields),
            end_of_stream: false,
            made_by: MadeBy::Upstream,
            attempts: 1,
            through: Through::default(),
        };
        self.gateway.on_forwarded_head(id, answer, self.now)
    }
}

fn head(fields: &[(&str, &str)]) -> AnswerHead {
    let fields = fields.iter();
    AnswerHead::read(fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

pub(crate) fn answer(status: u16, body: impl AsRef<[u8]>) -> CalloutOutcome {
    answer_with(status, &[], body)
}

pub(crate) fn answer_with(
    status: u16,
    fields: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> CalloutOutcome {
    CalloutOutcome::Answer(Answer {
        status,
        head: head(fields),
        body: AnswerBody::Whole(body.as_ref().to_vec()),
    })
}

/// A field of an answer's header; empty if it is not there.
pub(crate) fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let found = reply.fields.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value)
}
