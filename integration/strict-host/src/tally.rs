//! Counts of what a plugin asks of its host: calls by name, bytes copied, entries into the VM, instructions.

use std::collections::BTreeMap;
use std::fmt;

/// A way into the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Callback {
    /// `_initialize`
    Start,
    /// `proxy_on_context_create`
    ContextCreate,
    /// `proxy_on_vm_start`
    VmStart,
    /// `proxy_on_configure`
    Configure,
    /// `proxy_on_tick`
    Tick,
    /// `proxy_on_queue_ready`
    QueueReady,
    /// `proxy_on_http_call_response`
    HttpCallResponse,
    /// `proxy_on_request_headers`
    RequestHeaders,
    /// `proxy_on_request_body`
    RequestBody,
    /// `proxy_on_response_headers`
    ResponseHeaders,
    /// `proxy_on_response_body`
    ResponseBody,
    /// `proxy_on_response_trailers`
    ResponseTrailers,
    /// `proxy_on_log`
    Log,
    /// `proxy_on_done`
    Done,
    /// `proxy_on_delete`
    Delete,
}

impl Callback {
    /// The name of the export.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "_initialize",
            Self::ContextCreate => "proxy_on_context_create",
            Self::VmStart => "proxy_on_vm_start",
            Self::Configure => "proxy_on_configure",
            Self::Tick => "proxy_on_tick",
            Self::QueueReady => "proxy_on_queue_ready",
            Self::HttpCallResponse => "proxy_on_http_call_response",
            Self::RequestHeaders => "proxy_on_request_headers",
            Self::RequestBody => "proxy_on_request_body",
            Self::ResponseHeaders => "proxy_on_response_headers",
            Self::ResponseBody => "proxy_on_response_body",
            Self::ResponseTrailers => "proxy_on_response_trailers",
            Self::Log => "proxy_on_log",
            Self::Done => "proxy_on_done",
            Self::Delete => "proxy_on_delete",
        }
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was asked of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Host calls by name.
    pub calls: BTreeMap<&'static str, u64>,
    /// Entries into the VM.
    pub entries: u64,
    /// Bytes that the host copied into the VM.
    pub bytes_in: u64,
    /// Bytes that the host read from the VM.
    pub bytes_out: u64,
    /// Instructions executed.
    pub instructions: u64,
}

impl Tally {
    /// How many host calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// How many calls of this name.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or_default()
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let calls = self.calls.iter();
        let calls = calls.map(|(name, count)| (*name, count - earlier.of(name)));
        Self {
            calls: calls.filter(|(_, count)| *count > 0).collect(),
            entries: self.entries - earlier.entries,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            instructions: self.instructions - earlier.instructions,
        }
    }

    /// Puts another one on top.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.calls {
            *self.calls.entry(name).or_default() += count;
        }
        self.entries += other.entries;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.instructions += other.instructions;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} host calls, {} entries, {} B in, {} B out, {} instructions",
            self.total(),
            self.entries,
            self.bytes_in,
            self.bytes_out,
            self.instructions
        )?;
        for (name, count) in &self.calls {
            write!(f, "\n  {count:>4} {name}")?;
        }
        Ok(())
    }
}
