//! `events`: what is recorded of downloads, and where the records go.

use super::authority::Authority;
use super::env::{EnvName, is_variable};
use super::error::{Echo, Plain, Problems};
use super::json::Node;
use super::read::{At, Read, Text, Why, mismatch, object};
use super::span::{BatchAge, BatchBytes, BatchCount, QueueSize, Timeout};
use super::text::{BasePath, Target};
use goproxy_event::{Collector, Context, ContextValue, Format, IndexPattern, Missing, Section};

/// The names of a context, and how much all of them may hold: most of a record is for the event.
const MAX_PAIRS: usize = 16;
const MAX_CONTEXT_NAME: usize = 32;
const MAX_CONTEXT_VALUE: usize = 128;

object! {
    /// What is recorded of downloads, and where the records go: to standard output, to a collector, or both.
    struct EventsDocument {
        /// Where the gateway runs, as every record says. `pod_uid`, `node_ip` and `logpilot_version` are always in a
        /// record, empty unless they are set.
        context: ContextDocument = {},
        /// What becomes of a variable that the host does not hand on: the configuration is refused, or the value is empty.
        missing: MissingRule = "refuse",
        /// Records as lines of JSON on the host's standard output.
        stdout: StdoutDocument = false,
        /// Records in batches to a collector.
        http: Option<HttpDocument>,
        /// Downloads that did not fail are recorded too, folded for each minute.
        audit: Flag = false,
        /// A client that leaves before its answer is whole is a failed download.
        client_gone: Flag = false,
    }
    later: []
}

object! {
    /// Records in batches to a collector.
    struct HttpDocument {
        /// `elasticsearch` for its `_bulk`, `json` for an array of records (Fluent Bit's `in_http`, Vector).
        format: FormatName,
        /// What the host calls it: on Envoy a cluster's name.
        target: Target,
        /// The host name (and port) it is asked for. Default: the target.
        authority: Option<Authority>,
        /// The path below which `_bulk` is; for `json` the path itself.
        path: BasePath = "/",
        /// The index, for `elasticsearch`: `%Y`, `%m`, `%d` and `%H` are the event's date.
        index: Option<Index>,
        /// To the end of an answer.
        timeout: Timeout = "10s",
        /// So many records at most are in a batch.
        max_batch: BatchCount = 500,
        /// So many bytes of records at most are in a batch; a single record is always sent.
        max_bytes: BatchBytes = "1MiB",
        /// A smaller batch goes once its oldest record has waited so long.
        max_age: BatchAge = "2s",
        /// How many bytes of records may wait; what is above it drops the oldest.
        queue: QueueSize = "4MiB",
        /// The value of the header `authorization`, from the environment.
        authorization: Option<EnvName>,
    }
    later: []
}

/// Records on standard output: whether, or how many bytes of them may wait.
#[derive(Debug)]
pub(super) enum StdoutDocument {
    /// With the default, or not at all.
    Flag(Flag),
    /// With its own.
    Object(StdoutObject),
}

object! {
    /// Records as lines of JSON on the host's standard output.
    struct StdoutObject {
        /// How many bytes of records may wait; what is above it drops the oldest.
        queue: QueueSize = "4MiB",
    }
    later: []
}

impl Read for StdoutDocument {
    const EXPECTED: &'static str = r#"true, false or an object such as {"queue": "4MiB"}"#;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::Bool(flag) => Some(Self::Flag(Flag(*flag))),
            Node::Object(_) => StdoutObject::read(node, at, problems).map(Self::Object),
            _ => {
                mismatch(Self::EXPECTED, node, at, problems);
                None
            }
        }
    }
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl Read for Flag {
    const EXPECTED: &'static str = "true or false";

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        if let Node::Bool(flag) = node {
            return Some(Self(*flag));
        }
        mismatch(Self::EXPECTED, node, at, problems);
        None
    }
}

/// Names of the configuration's own choice, and their values.
#[derive(Debug)]
pub(super) struct ContextDocument(pub(super) Vec<(String, ContextValue)>);

impl Read for ContextDocument {
    const EXPECTED: &'static str = r#"an object such as {"pod_uid": "env:POD_UID"}"#;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        let Node::Object(fields) = node else {
            mismatch(Self::EXPECTED, node, at, problems);
            return None;
        };
        if fields.len() > MAX_PAIRS {
            let message = format!("expected at most {MAX_PAIRS} names, got {}", fields.len());
            problems.add(at, message);
            return None;
        }
        let mut pairs: Vec<(String, ContextValue)> = Vec::with_capacity(fields.len());
        for (name, node) in fields {
            let here = At::Field(&at, name);
            if pairs.iter().any(|(earlier, _)| earlier == name) {
                problems.add(here, "expected once, got it again".to_owned());
            } else if !is_context_name(name) {
                let expected = "a name of at most 32 characters (a-z, 0-9, \"_\", first a letter)";
                problems.add(
                    here,
                    format!("expected {expected}, got \"{}\"", Plain(name)),
                );
            }
            if let Some(Value(value)) = Value::read(node, here, problems) {
                pairs.push((name.clone(), value));
            }
        }
        (pairs.len() == fields.len()).then_some(Self(pairs))
    }
}

fn is_context_name(name: &str) -> bool {
    let all = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    all && name.len() <= MAX_CONTEXT_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// A value of the context.
pub(super) struct Value(pub(super) ContextValue);

impl Text for Value {
    const EXPECTED: &'static str = r#"a text of at most 128 bytes without control characters, or "env:" and the name of an environment variable"#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text.strip_prefix("env:") {
            Some(variable) if is_variable(variable) => {
                Ok(Self(ContextValue::Environment(variable.to_owned())))
            }
            Some(_) => Err("the name of no environment variable".into()),
            None if text.len() > MAX_CONTEXT_VALUE || text.contains(char::is_control) => {
                Err("".into())
            }
            None => Ok(Self(ContextValue::Text(text.to_owned()))),
        }
    }
}

/// What becomes of a variable that the host does not hand on.
#[derive(Debug)]
pub(super) struct MissingRule(pub(super) Missing);

impl Text for MissingRule {
    const EXPECTED: &'static str = r#""refuse" or "empty""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "refuse" => Ok(Self(Missing::Refuse)),
            "empty" => Ok(Self(Missing::Empty)),
            _ => Err("".into()),
        }
    }
}

/// `elasticsearch` or `json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatName {
    Elasticsearch,
    Json,
}

impl Text for FormatName {
    const EXPECTED: &'static str = r#""elasticsearch" or "json""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "elasticsearch" => Ok(Self::Elasticsearch),
            "json" => Ok(Self::Json),
            _ => Err("".into()),
        }
    }
}

/// The index that records go to.
#[derive(Debug)]
pub(super) struct Index(pub(super) IndexPattern);

impl Text for Index {
    const EXPECTED: &'static str = r#"the name of an index such as "cce-logpilot-failures-%Y.%m" (a-z, 0-9, ".", "_", "-", %Y, %m, %d, %H)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        IndexPattern::parse(text).map(Self)
    }
}

/// Checks the section as a whole; `None` once a problem has been noted.
pub(super) fn compile(document: EventsDocument, problems: &mut Problems) -> Option<Section> {
    let at = At::Field(&At::Root, "events");
    let stdout = match document.stdout {
        StdoutDocument::Flag(Flag(false)) => None,
        StdoutDocument::Flag(Flag(true)) => Some(QueueSize::DEFAULT),
        StdoutDocument::Object(own) => Some(own.queue.0),
    };
    if stdout.is_none() && document.http.is_none() {
        problems.add(at, "expected stdout, http or both, got neither".to_owned());
        return None;
    }
    // As far as it can be told without the environment: what comes from there is added.
    if let Err(error) = Context::resolve(&document.context.0, true, &|_| None) {
        problems.add(At::Field(&at, "context"), error.to_string());
    }
    let http = match document.http {
        None => None,
        Some(http) => Some(collector(http, At::Field(&at, "http"), problems)?),
    };
    Some(Section {
        context: document.context.0,
        missing: document.missing.0,
        stdout,
        http,
        audit: document.audit.0,
        client_gone: document.client_gone.0,
    })
}

fn collector(document: HttpDocument, at: At<'_>, problems: &mut Problems) -> Option<Collector> {
    let index = At::Field(&at, "index");
    let format = match (document.format, document.index) {
        (FormatName::Elasticsearch, Some(Index(pattern))) => Some(Format::Elasticsearch(pattern)),
        (FormatName::Json, None) => Some(Format::Json),
        (FormatName::Elasticsearch, None) => {
            let expected = <Index as Text>::EXPECTED;
            problems.add(index, format!("required, expected {expected}, got nothing"));
            None
        }
        (FormatName::Json, Some(_)) => {
            let message = "expected nothing, since a JSON array goes to no index; remove it";
            problems.add(index, message.to_owned());
            None
        }
    };
    let target = document.target.0;
    let authority = document
        .authority
        .or_else(|| Authority::parse(&target).ok());
    if authority.is_none() {
        let message = format!(
            "required, since the target {} is no host name",
            Echo(&target)
        );
        problems.add(At::Field(&at, "authority"), message);
    }
    Some(Collector {
        format: format?,
        authority: authority?.0,
        target,
        path: document.path.0,
        timeout: document.timeout.0,
        max_batch: document.max_batch.0,
        max_bytes: document.max_bytes.0,
        max_age: document.max_age.0,
        queue: document.queue.0,
        authorization: document.authorization.map(|name| name.0),
    })
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
