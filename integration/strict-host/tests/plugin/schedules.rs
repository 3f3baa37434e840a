//! Any order of events: requests, answers, clients that leave, ticks, configurations, jumps of the clock. Whatever comes,
//! nothing traps, nobody is answered twice, and after enough ticks nobody waits.

use std::collections::HashMap;
use std::time::Duration;

use goproxy_strict_host::{
    Callback, Callout, CalloutHandle, Cluster, Fate, Host, ListenerHandle, StreamHandle,
    StrictHostError, fields,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::support::Outcome;

/// Schedules that are tried, unless `STRICT_SCHEDULES` says otherwise; each has two workers, two listeners and up to 60
/// events.
const SCHEDULES: u32 = 2000;

const PATHS: [&str; 9] = [
    "/example.com/a/@v/v1.0.0.mod",
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/v1.0.0.zip",
    "/example.com/a/@v/list",
    "/example.com/b/@latest",
    "/example.com/b/@v/v1.0.0.zip",
    "/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0",
    "/cached-only/example.com/a/@v/v1.0.0.mod",
    "/-/readyz",
];

/// Chains of one, of two after 404, of two after any error; a cache that holds next to nothing; another namespace; less
/// that is shared, and nothing.
const CHAINS: [(&str, &str); 7] = [
    (r#""one""#, ""),
    (r#""one", "two""#, ""),
    (r#""one", {"on": "any_error", "to": "two"}"#, ""),
    (
        r#""two""#,
        r#", "cache": {"memory": {"size": "64KiB", "max_object": "1KiB"}}"#,
    ),
    (r#""one", "two""#, r#", "namespace": "other""#),
    (
        r#""one""#,
        r#", "cache": {"memory": {"size": "0B"}, "shared": {"size": "1MiB"}}"#,
    ),
    (
        r#""one", "two""#,
        r#", "cache": {"shared": {"size": "0B"}}"#,
    ),
];

fn configuration(index: usize) -> String {
    let (chain, more) = CHAINS[index % CHAINS.len()];
    format!(
        r#"{{"upstreams": [
            {{"name": "one", "target": "one", "authority": "one.example", "timeout": "2s"}},
            {{"name": "two", "target": "two", "authority": "two.example", "timeout": "1s", "path": "/go"}}],
          "routes": [{{"modules": ["*"], "chain": [{chain}]}}],
          "sumdb": [{{"name": "sum.golang.org", "target": "sumdb", "authority": "sum.example", "timeout": "2s"}}]{more}}}"#
    )
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Right,
    Wrong,
    Status(u16),
    Refuse,
    Reset,
    TimeOut,
    Lose,
}

#[derive(Clone, Copy, Debug)]
enum Upstream {
    Head(u16),
    Page,
    Body(usize),
    Last(usize),
    Trailers,
    Reset,
    TimeOut,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Requests {
        path: usize,
        worker: usize,
        second: bool,
        head: bool,
        count: usize,
    },
    Callout(usize, Ending),
    Forwarded(usize, Upstream),
    Leave(usize),
    Idle(usize),
    Tick,
    Pass(u64),
    StepClock(i64),
    Configure {
        listener: usize,
        index: usize,
    },
    EndDrain,
    HoldDeletions,
    ReleaseDeletions,
    HoldWakeUps,
    Wake,
    ReleaseWakeUps,
    LoseWakeUps,
    ForgetTimeouts(bool),
    Reload(usize),
    /// Another plugin of the same scope writes into queues, and over one or all values.
    Message(usize),
    Overwrite(usize, usize),
    Cluster(bool, Cluster),
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        6 => Just(Ending::Right),
        1 => Just(Ending::Wrong),
        4 => prop::sample::select(vec![304, 401, 403, 404, 410, 429, 500, 502, 503, 504]).prop_map(Ending::Status),
        1 => Just(Ending::Refuse),
        1 => Just(Ending::Reset),
        1 => Just(Ending::TimeOut),
        1 => Just(Ending::Lose),
    ]
}

fn upstream() -> impl Strategy<Value = Upstream> {
    prop_oneof![
        4 => prop::sample::select(vec![200, 200, 206, 301, 404, 429, 500, 503]).prop_map(Upstream::Head),
        1 => Just(Upstream::Page),
        4 => (0..2000_usize).prop_map(Upstream::Body),
        4 => (0..2000_usize).prop_map(Upstream::Last),
        1 => Just(Upstream::Trailers),
        1 => Just(Upstream::Reset),
        1 => Just(Upstream::TimeOut),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let count = prop_oneof![5 => Just(1_usize), 1 => 2..90_usize];
    let requests = (
        0..PATHS.len(),
        0..2_usize,
        any::<bool>(),
        prop::bool::weighted(0.1),
        count,
    );
    let requests = requests.prop_map(|(path, worker, second, head, count)| Event::Requests {
        path,
        worker,
        second,
        head,
        count,
    });
    let cluster = prop::sample::select(vec![Cluster::Well, Cluster::Unknown, Cluster::Refusing]);
    prop_oneof![
        10 => requests,
        10 => (any::<usize>(), ending()).prop_map(|(which, how)| Event::Callout(which, how)),
        8 => (any::<usize>(), upstream()).prop_map(|(which, how)| Event::Forwarded(which, how)),
        5 => any::<usize>().prop_map(Event::Leave),
        1 => any::<usize>().prop_map(Event::Idle),
        2 => Just(Event::Tick),
        4 => (0..3000_u64).prop_map(Event::Pass),
        1 => (-7200..7200_i64).prop_map(Event::StepClock),
        2 => (0..2_usize, any::<usize>()).prop_map(|(listener, index)| Event::Configure { listener, index }),
        1 => Just(Event::EndDrain),
        2 => Just(Event::HoldDeletions),
        1 => Just(Event::ReleaseDeletions),
        2 => Just(Event::HoldWakeUps),
        2 => Just(Event::Wake),
        1 => Just(Event::ReleaseWakeUps),
        1 => Just(Event::LoseWakeUps),
        1 => (0..2_usize).prop_map(Event::Reload),
        1 => any::<usize>().prop_map(Event::Message),
        1 => any::<(usize, usize)>().prop_map(|(which, how)| Event::Overwrite(which, how)),
        1 => any::<bool>().prop_map(Event::ForgetTimeouts),
        1 => (any::<bool>(), cluster).prop_map(|(one, cluster)| Event::Cluster(one, cluster)),
    ]
}

/// What an honest upstream says to a path.
fn right(path: &str) -> Vec<u8> {
    let hash = "A".repeat(43) + "=";
    let path = path.strip_prefix("/go").unwrap_or(path);
    let module = if path.contains("example.com/b") {
        "example.com/b"
    } else {
        "example.com/a"
    };
    let text = if path.ends_with(".mod") {
        format!("module {module}\n")
    } else if path.ends_with("/list") {
        "v1.0.0\nv1.1.0\n".to_owned()
    } else if path.contains("/lookup/") {
        format!(
            "1\n{module} v1.0.0 h1:{hash}\n{module} v1.0.0/go.mod h1:{hash}\n\n\
             go.sum database tree\n3\n{hash}\n\n\u{2014} sum.golang.org {hash}\n"
        )
    } else {
        r#"{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}"#.to_owned()
    };
    text.into_bytes()
}

/// A run of a schedule.
struct Run {
    host: Host,
    second: ListenerHandle,
    paths: HashMap<StreamHandle, &'static str>,
    open: Vec<StreamHandle>,
    stepped_back: u64,
    callouts: u64,
    configurations: u64,
    messages: usize,
}

impl Run {
    fn new() -> Result<Self, StrictHostError> {
        let mut host = Host::builder().workers(2).start(&configuration(0))?;
        let second = host.new_listener(&configuration(1))?;
        Ok(Self {
            host,
            second,
            paths: HashMap::new(),
            open: Vec::new(),
            stepped_back: 0,
            callouts: 0,
            configurations: 2,
            messages: 0,
        })
    }

    fn play(&mut self, event: Event) -> Outcome {
        match event {
            Event::Requests {
                path,
                worker,
                second,
                head,
                count,
            } => {
                let listener = if second {
                    self.second
                } else {
                    ListenerHandle::FIRST
                };
                let method = if head { "HEAD" } else { "GET" };
                for _ in 0..count {
                    let stream =
                        self.host
                            .request_on(listener, worker, method, PATHS[path], &[], true)?;
                    self.paths.insert(stream, PATHS[path]);
                    self.open.push(stream);
                }
                Ok(())
            }
            Event::Callout(which, how) => {
                let callouts = self.host.callouts();
                match callouts.get(which % callouts.len().max(1)) {
                    Some(callout) => self.end_callout(callout, how),
                    None => Ok(()),
                }
            }
            Event::Forwarded(which, how) => self.upstream(which, how),
            Event::Leave(which) => match self.pick(which, |_| true) {
                Some(stream) => self.host.abort(stream),
                None => Ok(()),
            },
            Event::Idle(which) => match self.pick(which, |_| true) {
                Some(stream) => self.host.idle_timeout(stream),
                None => Ok(()),
            },
            Event::Tick => self.host.tick(),
            Event::Pass(millis) => self.host.advance(Duration::from_millis(millis)),
            Event::StepClock(seconds) => {
                self.stepped_back += u64::try_from(-seconds).unwrap_or_default();
                self.host.step_clock(seconds);
                Ok(())
            }
            Event::Configure { listener, index } => {
                self.configurations += 1;
                let listener = if listener == 0 {
                    ListenerHandle::FIRST
                } else {
                    self.second
                };
                self.host
                    .new_configuration_of(listener, &configuration(index))
            }
            Event::EndDrain => self.host.end_drain(),
            Event::HoldDeletions => {
                self.host.hold_deletions();
                Ok(())
            }
            Event::ReleaseDeletions => self.host.release_deletions(),
            Event::HoldWakeUps => {
                self.host.hold_wake_ups();
                Ok(())
            }
            Event::Wake => self.host.wake().map(|_| ()),
            Event::ReleaseWakeUps => self.host.release_wake_ups(),
            Event::LoseWakeUps => {
                self.host.lose_wake_ups();
                Ok(())
            }
            Event::Reload(worker) => {
                self.configurations += 2;
                self.host.reload(worker)
            }
            Event::Message(which) => {
                let key = format!("v1/goproxy/public{}", PATHS[which % PATHS.len()]);
                let garbage = [key.as_bytes(), b"\xff\0", b"v1/"][which % 3];
                self.messages += self.host.queues().0;
                self.host.send_to_all_queues(garbage)
            }
            Event::Overwrite(which, how) => self.overwrite(which, how),
            Event::ForgetTimeouts(forget) => {
                self.host.time_out_callouts(!forget);
                Ok(())
            }
            Event::Cluster(one, cluster) => {
                self.host
                    .set_cluster(if one { "one" } else { "two" }, cluster);
                Ok(())
            }
        }
    }

    fn overwrite(&mut self, which: usize, how: usize) -> Outcome {
        let values = self.host.shared_values();
        let Some((name, length)) = values.get(which % values.len().max(1)).cloned() else {
            return Ok(());
        };
        let mut value = self.host.shared_value(&name).unwrap_or_default();
        match how % 4 {
            0 => value = vec![0xff; length],
            1 => value.truncate(length / 2),
            2 => value[how % length] ^= 1 << (how % 8),
            _ => value.clear(),
        }
        self.host.set_shared_value(&name, &value)
    }

    fn end_callout(&mut self, callout: &Callout, how: Ending) -> Outcome {
        self.callouts += 1;
        let (host, handle): (&mut Host, CalloutHandle) = (&mut self.host, callout.handle);
        match how {
            Ending::Right => host.answer(handle, 200, &[], &right(&callout.path)),
            Ending::Wrong => host.answer(handle, 200, &[], b"<html>"),
            Ending::Status(status) => {
                host.answer(handle, status, &fields(&[("retry-after", "1")]), b"words\n")
            }
            Ending::Refuse => host.refuse(handle),
            Ending::Reset => host.reset(handle),
            Ending::TimeOut => host.timeout(handle),
            Ending::Lose => {
                host.lose(handle);
                Ok(())
            }
        }
    }

    fn upstream(&mut self, which: usize, how: Upstream) -> Outcome {
        let forwarded = |fate: &Fate| matches!(fate, Fate::Forwarded(_));
        let Some(stream) = self.pick(which, forwarded) else {
            return Ok(());
        };
        let host = &mut self.host;
        let started = host.has_response(stream);
        match how {
            Upstream::Head(status) if !started => {
                let kind = if status == 200 {
                    "application/zip"
                } else {
                    "text/plain"
                };
                let head = fields(&[
                    ("content-type", kind),
                    ("location", "https://files.example/a.zip"),
                ]);
                host.upstream_head(stream, status, &head, false)
            }
            Upstream::Page if !started => host.upstream_head(
                stream,
                200,
                &fields(&[("content-type", "text/html")]),
                false,
            ),
            Upstream::Body(size) if started => host.upstream_body(stream, &archive(size), false),
            Upstream::Last(size) if started => host.upstream_body(stream, &archive(size), true),
            Upstream::Trailers if started => host.upstream_trailers(stream, 1),
            Upstream::Reset => host.upstream_reset(stream),
            Upstream::TimeOut => host.upstream_timeout(stream),
            _ => Ok(()),
        }
    }

    fn pick(&mut self, which: usize, accept: impl Fn(&Fate) -> bool) -> Option<StreamHandle> {
        let host = &self.host;
        let is_open = |stream: &StreamHandle| {
            matches!(host.fate(*stream), Fate::Waiting | Fate::Forwarded(_))
        };
        self.open.retain(is_open);
        let chosen: Vec<_> = self
            .open
            .iter()
            .filter(|stream| accept(&host.fate(**stream)))
            .collect();
        chosen
            .get(which % chosen.len().max(1))
            .map(|stream| **stream)
    }

    /// The world is well again, and time passes: longer than any deadline, and than what the clock was set back.
    fn end(&mut self) -> Result<(), TestCaseError> {
        self.host.time_out_callouts(true);
        self.host.release_wake_ups()?;
        self.host.release_deletions()?;
        for target in ["one", "two"] {
            self.host.set_cluster(target, Cluster::Well);
        }
        self.host
            .step_clock(i64::try_from(self.stepped_back).unwrap_or_default());
        for _ in 0..6 {
            self.host.advance(Duration::from_secs(10))?;
            for stream in self.host.open_streams() {
                if let Fate::Forwarded(_) = self.host.fate(stream) {
                    self.host.upstream_reset(stream)?;
                }
            }
        }
        self.host.check()?;
        prop_assert_eq!(self.host.callouts_out(), 0, "callouts are left");
        // What a root context was told just before it went stays until its queue is used again; what a neighbour put into
        // the queue of one that is gone, too.
        let messages = self.host.queues().1;
        prop_assert!(
            messages <= self.paths.len() + self.messages,
            "{} messages are left",
            messages
        );
        for worker in 0..2 {
            prop_assert_eq!(self.host.roots(worker), 2, "root contexts are left");
        }
        for (stream, path) in &self.paths {
            if let Fate::Replied(reply) = self.host.fate(*stream) {
                prop_assert!((200..600).contains(&reply.status), "{}: {:?}", path, reply);
                let of_callout = !path.ends_with(".zip") && !path.starts_with("/-/");
                if reply.status == 200 && of_callout && !reply.body.is_empty() {
                    let expected = right(path.trim_start_matches("/cached-only"));
                    prop_assert_eq!(&reply.body, &expected, "{}", path);
                }
            }
        }
        self.budget()
    }

    /// Host calls grow with what happens, and with nothing else.
    fn budget(&self) -> Result<(), TestCaseError> {
        let callbacks = self.host.tally_by_callback();
        let of = |callback| callbacks.get(&callback);
        let entries = |callback| of(callback).map_or(0, |tally| tally.entries);
        // The slots of all flights are made once; and of a size that is put in place of a larger one, what is beyond it
        // is emptied.
        let configuring = of(Callback::Configure).map_or(0, |tally| tally.total());
        let (slots, beyond) = (2 * 4096, 4352);
        prop_assert!(configuring <= slots + (beyond + 20) * self.configurations);
        // Each worker makes each metric known once: to define it and to add to it are two calls. A tick tells of what has
        // changed, which is some twenty after any request, and looks at the slots of reports.
        let metrics = 2 * 2 * 200;
        let allowed = configuring
            + metrics
            + 20 * self.paths.len() as u64
            + 28 * entries(Callback::HttpCallResponse)
            + 40 * entries(Callback::Tick)
            + 8 * entries(Callback::QueueReady)
            + 8 * entries(Callback::ResponseBody)
            + 60 * self.configurations;
        let tally = self.host.tally();
        prop_assert!(tally.total() <= allowed, "{} allowed\n{}", allowed, tally);
        Ok(())
    }
}

fn archive(size: usize) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.resize(size.max(4), 7);
    bytes
}

fn run(events: &[Event]) -> Result<(), TestCaseError> {
    let mut run = Run::new()?;
    for event in events {
        run.play(*event)?;
    }
    run.end()
}

#[test]
fn nothing_traps_hangs_or_is_answered_twice_whatever_the_order() {
    let asked = std::env::var("STRICT_SCHEDULES").ok();
    let asked = asked.map(|number| number.parse().expect("STRICT_SCHEDULES: a number"));
    let config = Config {
        cases: asked.unwrap_or(SCHEDULES),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let schedules = prop::collection::vec(event(), 1..60);
    if let Err(error) = runner.run(&schedules, |events| run(&events)) {
        panic!("{error}");
    }
}
