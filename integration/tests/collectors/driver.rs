//! What the gateway does with a journal, done by a test: batches go over real connections, and time passes as the test says.

use std::net::SocketAddr;
use std::time::Duration;

use goproxy_core::event::{
    Asker, Batch, Code, Collector, ContextValue, Failure, Format, IndexPattern, Journal, Kind,
    Missing, Outcome, Section, Settings, Sink,
};
use goproxy_core::{ErrorType, Timestamp};

use crate::world::h1::{self, Answer, Connection};

/// 2024-06-15T08:22:00Z
const START: Timestamp = Timestamp::from_millis(1_718_439_720_000);
/// A server that says nothing for so long says nothing.
const SILENCE: Duration = Duration::from_millis(300);

/// A journal, its collector, and a clock.
pub struct Driver {
    pub journal: Journal,
    pub settings: Settings,
    address: SocketAddr,
    now: Timestamp,
    random: u32,
    /// What was lost on its way, of batches and answers.
    pub failures: usize,
}

/// A collector in small batches and short pauses.
pub fn collector(format: Format) -> Collector {
    Collector {
        format,
        target: "collector".to_owned(),
        authority: "collector.example".to_owned(),
        path: String::new(),
        timeout: Duration::from_secs(10),
        max_batch: 50,
        max_bytes: 64 * 1024,
        max_age: Duration::from_millis(500),
        queue: 4 * 1024 * 1024,
        authorization: None,
    }
}

pub fn elasticsearch() -> Collector {
    let index = IndexPattern::parse("cce-logpilot-failures-%Y.%m").expect("a pattern");
    collector(Format::Elasticsearch(index))
}

/// Settings of a pod, with that collector and nothing else.
pub fn settings(pod: &str, http: Collector) -> Settings {
    let text = |text: &str| ContextValue::Text(text.to_owned());
    let section = Section {
        context: vec![
            ("pod_uid".to_owned(), text(pod)),
            ("node_ip".to_owned(), text("10.15.22.104")),
            ("zone".to_owned(), text("eu-1")),
        ],
        missing: Missing::Refuse,
        stdout: None,
        http: Some(http),
        audit: true,
        client_gone: false,
    };
    Settings::resolve(&section, &|_| None).expect("settings")
}

impl Driver {
    pub fn new(address: SocketAddr, settings: Settings) -> Self {
        Self {
            journal: Journal::default(),
            settings,
            address,
            now: START,
            random: 1,
            failures: 0,
        }
    }

    /// An archive that no upstream has, asked for once.
    pub fn missing(&mut self, module: &str) {
        let failure = Failure {
            kind: Kind::Zip,
            module,
            version: "v1.0.0",
            url: "https://user:secret@proxy.example/m/@v/v1.0.0.zip?token=secret",
            code: Code::Status(404),
            error: ErrorType::NotFound,
            message: "not found:\n\tno such \u{202e}module \"m\"",
            retry_count: 1,
            upstream: "public",
            request_id: "id-1",
            duration_ms: 12,
        };
        let asker = Asker {
            asks_first: true,
            from_caches_only: false,
        };
        self.journal
            .failed(&failure, asker, &self.settings, self.now);
    }

    /// A tick: a tenth of a second later.
    pub fn tick(&mut self) {
        self.now = self.now.after(Duration::from_millis(100));
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.journal.due(&self.settings, self.random, self.now);
        if let Some(batch) = self.journal.next_batch(&self.settings, self.now) {
            let answer = post(self.address, &batch);
            let outcome = match &answer {
                Some(answer) => Outcome::Answer {
                    status: answer.status,
                    retry_after: answer.header("retry-after"),
                    body: Some(&answer.body),
                },
                None => Outcome::Failed,
            };
            self.failures += usize::from(answer.is_none());
            self.journal
                .on_outcome(batch.ticket, &outcome, self.random, self.now);
        }
    }

    /// Ticks until nothing is folded and nothing waits.
    pub fn finish(&mut self) {
        for _ in 0..20_000 {
            if self.journal.open() == 0 && self.journal.queued(Sink::Http) == 0 {
                return;
            }
            self.tick();
        }
        panic!(
            "{} records still wait after 2,000 s",
            self.journal.queued(Sink::Http)
        );
    }

    /// Every event is somewhere.
    pub fn assert_accounted_for(&self) {
        let tally = self.journal.tally(Sink::Http);
        let queued = self.journal.queued(Sink::Http) as u64;
        assert_eq!(
            tally.emitted,
            tally.delivered + tally.suppressed + tally.dropped + tally.refused + queued,
            "{tally:?}, {queued} queued"
        );
        let counts = self.journal.counts();
        assert_eq!(
            counts.noted,
            tally.emitted + counts.withdrawn + self.journal.open()
        );
    }
}

/// Sends a batch; `None`: no whole answer.
fn post(address: SocketAddr, batch: &Batch) -> Option<Answer> {
    let length = batch.body.len().to_string();
    let mut headers = vec![("content-length", length.as_str())];
    headers.extend(batch.headers.iter().map(|(name, value)| (*name, &**value)));
    let head = h1::request("POST", &batch.path, &headers);
    let mut connection = Connection::open(address);
    connection.hurry(SILENCE);
    connection.send(&[&head[..], &batch.body].concat());
    connection.answer(false).ok().filter(|answer| answer.whole)
}
