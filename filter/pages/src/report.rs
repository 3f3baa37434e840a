//! What one worker tells the others of itself, or what they told, added up.
//!
//! A report travels as text through a place where any plugin may write, so what is read is checked as a stranger's: it is
//! bounded, whole, and in the one form in which it is written, or it is none.

use goproxy_event::{Timestamp, is_shown};

use crate::metrics;

/// No report is longer, and none that is longer is read.
pub const MAX_BYTES: usize = 192 * 1024;
/// So many failures are told of at most.
pub const MAX_FAILURES: usize = 20;
/// So many minutes.
const MAX_MINUTES: usize = 60;
/// So many samples; 300 and 7 for each upstream are usual.
const MAX_SAMPLES: usize = 2048;
/// So many upstreams.
const MAX_PLACES: usize = 256;
const MAX_NAME: usize = 64;
/// What a report begins with: whose it is, and its form.
const FIRST: &str = "goproxy-report 1\n";
/// What it ends with, so that half of one is none.
const LAST: &str = ".\n";

/// What one worker tells of itself; or, after [`Report::add`], all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// When it was written.
    pub at: Timestamp,
    /// Counting since; of several: the earliest.
    pub since: Timestamp,
    /// Of how many workers it is.
    pub workers: u32,
    /// A digest of the configuration's bytes, 16 hex digits; of several: that of the latest report.
    pub digest: String,
    /// Each sample's key and value, sorted by key. Over workers they add up.
    pub samples: Vec<(String, u64)>,
    /// The upstreams, sorted by name.
    pub upstreams: Vec<Place>,
    /// Redis, if it is configured.
    pub redis: Option<Place>,
    /// The last 60 minutes that had a request, oldest first.
    pub minutes: Vec<Minute>,
    /// The last failures, as event lines: JSON, redacted. Newest first, at most [`MAX_FAILURES`].
    pub failures: Vec<Box<str>>,
}

/// A place that is asked: an upstream, or Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// How many workers leave it alone now.
    pub aside: u32,
    /// Since when it is left alone, or since when not.
    pub since: Timestamp,
}

/// What was counted in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Minutes since the epoch.
    pub minute: u64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Those that a cache answered.
    pub hits: u64,
    /// Those that failed: `result="error"`.
    pub failures: u64,
}

// === impl Report ===

impl Report {
    /// Adds to a sample, which is made if there is none.
    #[inline(never)]
    pub fn count(&mut self, key: &str, by: u64) {
        let found = self.samples.binary_search_by(|(k, _)| k.as_str().cmp(key));
        match found {
            Ok(place) => {
                if let Some((_, value)) = self.samples.get_mut(place) {
                    *value = match metrics::is_said_by_all(key) {
                        true => by.max(*value),
                        false => value.saturating_add(by),
                    };
                }
            }
            Err(place) => self.samples.insert(place, (key.to_owned(), by)),
        }
    }

    /// Adds what another worker tells.
    #[inline(never)]
    pub fn add(&mut self, other: Self) {
        if other.at >= self.at {
            self.at = other.at;
            self.digest = other.digest;
        }
        self.since = match self.workers {
            0 => other.since,
            _ => self.since.min(other.since),
        };
        self.workers = self.workers.saturating_add(other.workers);
        for (key, value) in &other.samples {
            self.count(key, *value);
        }
        for place in other.upstreams {
            let known = self.upstreams.binary_search_by(|p| p.name.cmp(&place.name));
            match known {
                Ok(at) => {
                    if let Some(known) = self.upstreams.get_mut(at) {
                        known.add(&place);
                    }
                }
                Err(at) => self.upstreams.insert(at, place),
            }
        }
        match (&mut self.redis, other.redis) {
            (Some(known), Some(place)) => known.add(&place),
            (None, place) => self.redis = place,
            (Some(_), None) => {}
        }
        for minute in &other.minutes {
            self.add_minute(minute);
        }
        for failure in other.failures {
            self.remember(failure);
        }
    }

    fn add_minute(&mut self, other: &Minute) {
        let found = self
            .minutes
            .binary_search_by(|m| m.minute.cmp(&other.minute));
        match found {
            Ok(at) => {
                if let Some(known) = self.minutes.get_mut(at) {
                    known.requests = known.requests.saturating_add(other.requests);
                    known.hits = known.hits.saturating_add(other.hits);
                    known.failures = known.failures.saturating_add(other.failures);
                }
            }
            Err(0) if self.minutes.len() >= MAX_MINUTES => {}
            Err(at) => {
                self.minutes.insert(at, *other);
                if self.minutes.len() > MAX_MINUTES {
                    self.minutes.remove(0);
                }
            }
        }
    }

    /// Adds a failure, as an event line: these begin with their time, so that the order of the texts is that of the events.
    pub fn remember(&mut self, line: Box<str>) {
        let at = self.failures.partition_point(|known| *known >= line);
        self.failures.insert(at, line);
        self.failures.truncate(MAX_FAILURES);
    }

    /// The text that [`Report::read`] reads.
    #[inline(never)]
    pub fn write(&self) -> String {
        let mut text = Text(String::with_capacity(8 * 1024));
        text.0.push_str(FIRST);
        for number in [
            self.at.as_millis(),
            self.since.as_millis(),
            u64::from(self.workers),
        ] {
            text.number(number);
            text.0.push(' ');
        }
        text.0.push_str(&self.digest);
        text.0.push('\n');
        for (key, value) in &self.samples {
            text.line("s", &[*value], key);
        }
        for place in &self.upstreams {
            text.place("u", place);
        }
        if let Some(place) = &self.redis {
            text.place("r", place);
        }
        for minute in &self.minutes {
            let numbers = [minute.requests, minute.hits, minute.failures];
            text.line("m", &numbers, &minute.minute.to_string());
        }
        for failure in &self.failures {
            text.line("f", &[], failure);
        }
        text.0.push_str(LAST);
        text.0
    }

    /// Reads what [`Report::write`] wrote, and nothing else.
    #[inline(never)]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let body = text.strip_prefix(FIRST)?.strip_suffix(LAST)?;
        let (head, lines) = body.split_once('\n')?;
        let mut words = Words(head);
        let mut report = Self {
            at: words.time()?,
            since: words.time()?,
            workers: words.small()?,
            digest: words.0.to_owned(),
            ..Self::default()
        };
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (report.digest.len() == 16 && report.digest.bytes().all(is_hex)).then_some(())?;
        // A last line without its end is half of one.
        (lines.is_empty() || lines.ends_with('\n')).then_some(())?;
        for line in lines.split_terminator('\n') {
            let (kind, rest) = line.split_once(' ')?;
            report.take(kind, Words(rest))?;
        }
        Some(report)
    }

    #[inline(never)]
    fn take(&mut self, kind: &str, mut words: Words<'_>) -> Option<()> {
        match kind {
            "s" => {
                let value = words.number()?;
                let is_next = self
                    .samples
                    .last()
                    .is_none_or(|(last, _)| last.as_str() < words.0);
                let fits = self.samples.len() < MAX_SAMPLES && metrics::is_key(words.0);
                (is_next && fits).then_some(())?;
                self.samples.push((words.0.to_owned(), value));
            }
            "u" => {
                let place = words.place()?;
                let is_next = self
                    .upstreams
                    .last()
                    .is_none_or(|last| last.name < place.name);
                (is_next && self.upstreams.len() < MAX_PLACES).then_some(())?;
                self.upstreams.push(place);
            }
            "r" => {
                self.redis.is_none().then_some(())?;
                self.redis = Some(words.place()?);
            }
            "m" => {
                let (requests, hits, failures) =
                    (words.number()?, words.number()?, words.number()?);
                let minute = Minute {
                    minute: number(words.0)?,
                    requests,
                    hits,
                    failures,
                };
                let is_next = self
                    .minutes
                    .last()
                    .is_none_or(|last| last.minute < minute.minute);
                (is_next && self.minutes.len() < MAX_MINUTES).then_some(())?;
                self.minutes.push(minute);
            }
            "f" => {
                let line = words.0;
                let is_line = line.len() <= goproxy_event::MAX_BYTES
                    && line.starts_with('{')
                    && line.ends_with('}')
                    && line.chars().all(is_shown);
                let is_next = self.failures.last().is_none_or(|last| **last >= *line);
                (is_line && is_next && self.failures.len() < MAX_FAILURES).then_some(())?;
                self.failures.push(line.into());
            }
            _ => return None,
        }
        Some(())
    }
}

// === impl Place ===

impl Place {
    /// Adds what another worker tells of the same place. It is aside as soon as one worker says so, and since then; it is
    /// well when the last one says so.
    fn add(&mut self, other: &Self) {
        self.since = match (self.aside > 0, other.aside > 0) {
            (true, true) => self.since.min(other.since),
            (false, false) => self.since.max(other.since),
            (true, false) => self.since,
            (false, true) => other.since,
        };
        self.aside = self.aside.saturating_add(other.aside);
    }
}

/// A text that is written.
struct Text(String);

impl Text {
    fn number(&mut self, number: u64) {
        self.0.push_str(&number.to_string());
    }

    fn line(&mut self, kind: &str, numbers: &[u64], last: &str) {
        self.0.push_str(kind);
        self.0.push(' ');
        for number in numbers {
            self.number(*number);
            self.0.push(' ');
        }
        self.0.push_str(last);
        self.0.push('\n');
    }

    fn place(&mut self, kind: &str, place: &Place) {
        let numbers = [u64::from(place.aside), place.since.as_millis()];
        self.line(kind, &numbers, &place.name);
    }
}

/// The rest of a line that is read.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn number(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_once(' ')?;
        self.0 = rest;
        number(word)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_millis)
    }

    fn place(&mut self) -> Option<Place> {
        let (aside, since) = (self.small()?, self.time()?);
        let name = self.0;
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        is_name.then(|| Place {
            name: name.to_owned(),
            aside,
            since,
        })
    }
}

/// A number in the one form in which it is written.
fn number(word: &str) -> Option<u64> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = word == "0" || !word.starts_with('0');
    (is_plain && is_short).then(|| word.parse().ok())?
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
