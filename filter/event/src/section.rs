//! What a configuration says of events, as plain values: checked by whoever read it.

use std::time::Duration;

use super::index::IndexPattern;

/// What is recorded of downloads, and where the records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Where the gateway runs: what every record says.
    pub context: Vec<(String, ContextValue)>,
    /// What becomes of a variable that the host does not hand on.
    pub missing: Missing,
    /// Lines on the host's standard output, and how many bytes of them may wait.
    pub stdout: Option<usize>,
    /// Batches to a collector.
    pub http: Option<Collector>,
    /// Whether downloads that did not fail are recorded too.
    pub audit: bool,
    /// Whether a client that left early is a failed download.
    pub client_gone: bool,
}

impl Section {
    /// No record goes anywhere; the last failures are remembered all the same.
    pub const fn nowhere() -> Self {
        Self {
            context: Vec::new(),
            missing: Missing::Empty,
            stdout: None,
            http: None,
            audit: false,
            client_gone: false,
        }
    }
}

/// A value of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextValue {
    /// This text.
    Text(String),
    /// What the environment variable of this name holds.
    Environment(String),
}

/// What becomes of a context's variable that the host does not hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The configuration is refused.
    Refuse,
    /// The value is empty.
    Empty,
}

/// A collector that takes batches over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// How it is spoken to.
    pub format: Format,
    /// What the host calls it: on Envoy a cluster's name.
    pub target: String,
    /// The host name (and port) it is asked for.
    pub authority: String,
    /// The path below which `_bulk` is, or the path itself; without a slash at its end, empty for the root.
    pub path: String,
    /// To the end of an answer.
    pub timeout: Duration,
    /// So many records at most are in a batch.
    pub max_batch: usize,
    /// So many bytes of records at most are in a batch; one record is always sent.
    pub max_bytes: usize,
    /// A smaller batch goes once its oldest record has waited so long.
    pub max_age: Duration,
    /// How many bytes of records may wait.
    pub queue: usize,
    /// The environment variable that holds the value of `authorization`.
    pub authorization: Option<String>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Elasticsearch's `_bulk`, and where the records go.
    Elasticsearch(IndexPattern),
    /// A JSON array.
    Json,
}
