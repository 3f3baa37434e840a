//! The metrics: a fixed list, how a sample is named, and the text that Prometheus reads.
//!
//! A sample's key is its name and, for each label in the family's order, `.label.value`. A host's exporter has it as
//! [`PREFIX`] and the key; Envoy takes the labels out of that by `stats_tags`. Of two labels only the first one's values may
//! hold a dot, and the bounds of buckets.

/// What every metric's name begins with.
pub const PREFIX: &str = "goproxy_";

/// The upper bounds of a histogram's buckets, in milliseconds; nothing exceeds the last.
pub const BUCKETS: [u64; 15] = [
    1,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10_000,
    30_000,
    60_000,
    u64::MAX,
];

/// The same in seconds, as their label has them.
pub const BOUNDS: [&str; 15] = [
    "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30",
    "60", "+Inf",
];

/// The label of a bucket's upper bound.
pub const BOUND: &str = "le";

/// No key is longer.
pub const MAX_KEY: usize = 160;

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Grows only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, the sum and the count, each a counter.
    Histogram,
}

/// Metrics of one name.
#[derive(Debug)]
pub struct Family {
    /// Without [`PREFIX`].
    pub name: &'static str,
    /// One sentence for a person.
    pub help: &'static str,
    /// What its values are.
    pub shape: Shape,
    /// The names of its labels, in the order in which a key has them. A histogram's buckets have `le` behind them.
    pub labels: &'static [&'static str],
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        help,
        shape: Shape::Counter,
        labels,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        help,
        shape: Shape::Gauge,
        labels,
    }
}

/// All there are.
pub const FAMILIES: &[Family] = &[
    counter(
        "requests_total",
        &["endpoint", "result"],
        "Requests of clients, by what was asked for and what became of it.",
    ),
    Family {
        name: "request_duration_seconds",
        help: "Time from a request's head to the end of its answer, by what was asked for; the sum is in whole seconds.",
        shape: Shape::Histogram,
        labels: &["endpoint"],
    },
    counter(
        "cache_operations_total",
        &["tier", "result"],
        "Uses of a tier of the cache: reads that were a hit or a miss, and times that it failed; writes that were stored or dropped.",
    ),
    counter(
        "cache_evictions_total",
        &["tier"],
        "Entries that had to go for want of room.",
    ),
    gauge(
        "cache_bytes",
        &["tier"],
        "Bytes that a tier of the cache holds.",
    ),
    gauge(
        "cache_entries",
        &["tier"],
        "Entries that a tier of the cache holds.",
    ),
    counter(
        "coalesced_total",
        &[],
        "Requests that waited for what another one had already asked for.",
    ),
    counter(
        "stale_served_total",
        &[],
        "Old answers that were served, while the upstreams fail or are asked anew.",
    ),
    counter(
        "refreshes_total",
        &[],
        "Entries that were asked for anew in the background.",
    ),
    counter(
        "forwarded_total",
        &[],
        "Archives and other large objects that the host streams.",
    ),
    counter(
        "overloads_total",
        &[],
        "Requests that were refused because too many were waiting.",
    ),
    counter(
        "callouts_total",
        &[],
        "Callouts that the host was given to send.",
    ),
    counter(
        "late_outcomes_total",
        &[],
        "Outcomes of callouts that nothing waited for any more.",
    ),
    counter(
        "flight_failures_total",
        &[],
        "Fetches that ended without an answer that can be passed on.",
    ),
    counter(
        "leases_total",
        &["result"],
        "Leases by which the workers of a process share one fetch: taken, taken over from a worker that was lost, or followed.",
    ),
    counter(
        "upstream_requests_total",
        &["upstream", "code"],
        "Requests to upstreams, by the class of the answer, or why there was none.",
    ),
    gauge(
        "upstream_aside",
        &["upstream"],
        "Workers that leave an upstream alone after it failed.",
    ),
    counter(
        "redis_missed_total",
        &["reason"],
        "Requests to Redis that were in vain, by why.",
    ),
    gauge(
        "redis_aside",
        &[],
        "Workers that leave Redis alone after it failed.",
    ),
    gauge(
        "redis_queue_bytes",
        &[],
        "Bytes that wait to be written to Redis.",
    ),
    counter(
        "events_total",
        &["sink", "result"],
        "Events, by sink: emitted, and of these delivered, suppressed, dropped or refused.",
    ),
    gauge(
        "events_queued",
        &["sink"],
        "Records of events that wait for a sink.",
    ),
    gauge(
        "events_queued_bytes",
        &["sink"],
        "Bytes of the records that wait for a sink.",
    ),
    counter(
        "failures_total",
        &["reason"],
        "Downloads that failed, by the type of the error.",
    ),
    counter(
        "failures_ignored_total",
        &["reason"],
        "Failures that are no event, by why: go only looked around, asked a second time, or found it elsewhere.",
    ),
    gauge(
        "workers",
        &[],
        "Workers that have served a request and are alive.",
    ),
    gauge(
        "build_info",
        &["version"],
        "Always 1; the label says which version this is.",
    ),
];

/// A sample's key, taken apart.
pub(crate) struct Sample<'a> {
    pub(crate) family: &'static Family,
    /// What stands behind the family's name: empty, or a histogram's `_bucket`, `_sum` or `_count`.
    suffix: &'a str,
    pub(crate) labels: Vec<(&'static str, &'a str)>,
}

impl<'a> Sample<'a> {
    pub(crate) fn of(key: &'a str) -> Option<Self> {
        let (name, mut rest) = key.split_once('.').unwrap_or((key, ""));
        (!key.ends_with('.')).then_some(())?;
        let (family, suffix) = FAMILIES.iter().find_map(|family| {
            let suffix = name.strip_prefix(family.name)?;
            let fits = match family.shape {
                Shape::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count"),
                Shape::Counter | Shape::Gauge => suffix.is_empty(),
            };
            fits.then_some((family, suffix))
        })?;
        let mut names = family.labels.to_vec();
        if suffix == "_bucket" {
            names.push(BOUND);
        }
        let mut labels = Vec::with_capacity(names.len());
        while let Some(name) = names.pop() {
            let (before, value) = if name == BOUND {
                // `0.005` has a dot; what stands before it has no bound.
                rest.split_once(".le.")?
            } else if names.is_empty() {
                ("", rest.strip_prefix(name)?.strip_prefix('.')?)
            } else {
                let (before, value) = rest.rsplit_once('.')?;
                (before.strip_suffix(name)?.strip_suffix('.')?, value)
            };
            (!value.is_empty()).then_some(())?;
            labels.push((name, value));
            rest = before;
        }
        labels.reverse();
        rest.is_empty().then_some(Self {
            family,
            suffix,
            labels,
        })
    }
}

/// The key of a sample: its name, and then label and value in turns.
#[inline(never)]
pub fn key(parts: &[&str]) -> String {
    parts.join(".")
}

/// Whether a text is a key of one of [`FAMILIES`].
pub fn is_key(text: &str) -> bool {
    text.len() <= MAX_KEY
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && Sample::of(text).is_some()
}

/// Those that are gauges.
#[inline(never)]
pub fn gauges(samples: &[(String, u64)]) -> Vec<(String, u64)> {
    let is_gauge =
        |key: &str| Sample::of(key).is_some_and(|sample| sample.family.shape == Shape::Gauge);
    let gauges = samples.iter().filter(|(key, _)| is_gauge(key));
    gauges.cloned().collect()
}

/// Gauges that are not what they were before. One that is told of no more is 0.
#[inline(never)]
pub fn changed(before: &[(String, u64)], now: &[(String, u64)]) -> Vec<(String, u64)> {
    let mut changed = Vec::new();
    for (key, _) in before {
        if value(now, key).is_none() {
            changed.push((key.clone(), 0));
        }
    }
    for (key, value) in now {
        if self::value(before, key) != Some(*value) {
            changed.push((key.clone(), *value));
        }
    }
    changed
}

/// The value of a sample, among those that are sorted by their keys.
pub fn value(samples: &[(String, u64)], key: &str) -> Option<u64> {
    let place = samples.binary_search_by(|(known, _)| known.as_str().cmp(key));
    Some(samples.get(place.ok()?)?.1)
}

/// Whether the values of several workers are not added up: it is the same that all of them say.
pub(crate) fn is_said_by_all(key: &str) -> bool {
    key.starts_with("build_info.")
}

/// The samples, sorted by their keys, as Prometheus reads them (text format 0.0.4).
#[inline(never)]
pub fn render(samples: &[(String, u64)]) -> String {
    let mut page = String::new();
    for family in FAMILIES {
        let mut is_first = true;
        for (key, value) in samples {
            if !key.starts_with(family.name) {
                continue;
            }
            let Some(sample) = Sample::of(key).filter(|found| found.family.name == family.name)
            else {
                continue;
            };
            if is_first {
                render_family(&mut page, family);
                is_first = false;
            }
            match sample.suffix {
                "" => render_sample(&mut page, &sample, *value),
                // The buckets must come in the order of their bounds, which is none of texts.
                "_count" => render_histogram(&mut page, samples, &sample),
                _ => {}
            }
        }
    }
    page
}

fn render_family(page: &mut String, family: &Family) {
    let shape = match family.shape {
        Shape::Counter => " counter\n",
        Shape::Gauge => " gauge\n",
        Shape::Histogram => " histogram\n",
    };
    for part in [
        "# HELP ",
        PREFIX,
        family.name,
        " ",
        family.help,
        "\n# TYPE ",
        PREFIX,
        family.name,
        shape,
    ] {
        page.push_str(part);
    }
}

fn render_histogram(page: &mut String, samples: &[(String, u64)], count: &Sample<'_>) {
    let mut write = |suffix: &str, bound: &str| {
        let name = [count.family.name, suffix].concat();
        let mut parts = vec![name.as_str()];
        for (name, value) in &count.labels {
            parts.extend([name, *value]);
        }
        if !bound.is_empty() {
            parts.extend([BOUND, bound]);
        }
        let key = key(&parts);
        if let (Some(value), Some(sample)) = (value(samples, &key), Sample::of(&key)) {
            render_sample(page, &sample, value);
        }
    };
    for bound in BOUNDS {
        write("_bucket", bound);
    }
    write("_sum", "");
    write("_count", "");
}

fn render_sample(page: &mut String, sample: &Sample<'_>, value: u64) {
    for part in [PREFIX, sample.family.name, sample.suffix] {
        page.push_str(part);
    }
    let mut before = '{';
    for (name, value) in &sample.labels {
        page.push(before);
        page.push_str(name);
        page.push_str("=\"");
        escape(page, value);
        page.push('"');
        before = ',';
    }
    if before == ',' {
        page.push('}');
    }
    page.push(' ');
    page.push_str(&value.to_string());
    page.push('\n');
}

/// Writes a label's value as the text format wants it.
fn escape(page: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
