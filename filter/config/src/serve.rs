//! Which requests are the gateway's, by host and by the beginning of the path.

use super::authority::HostRule;

/// Which requests are the gateway's; every other passes untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    hosts: Vec<HostRule>,
    /// Without a slash at its end; empty for the root.
    base_path: String,
}

impl Serve {
    pub(super) fn new(hosts: Vec<HostRule>, base_path: String) -> Self {
        Self { hosts, base_path }
    }

    /// Whether a request with this `:authority` (or `Host`) is served, as far as its host says.
    #[must_use]
    pub fn accepts_host(&self, authority: &[u8]) -> bool {
        self.hosts.iter().any(|rule| rule.accepts(authority))
    }

    /// The path below the base path, with its leading slash; `None` if the request is not ours.
    ///
    /// Bytes are compared as they stood on the wire. The base path itself, with or without a query, is `/`.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        match path.strip_prefix(self.base_path.as_bytes())? {
            below @ [b'/', ..] => Some(below),
            [] | [b'?', ..] if !self.base_path.is_empty() => Some(b"/"),
            _ => None,
        }
    }

    /// The base path without a slash at its end; empty for the root.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}
