//! Where upstreams may redirect to.

use super::authority::split_port;

/// Which redirects are followed, and what becomes of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirects {
    /// The hosts that are followed, each once.
    pub hosts: Vec<RedirectHost>,
    /// What becomes of an archive's redirect to any other host.
    pub unlisted: Unlisted,
}

/// One host that upstreams redirect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectHost {
    /// `host` or `host:port`, in lower case.
    pub host: String,
    /// What the host of the filter calls it: on Envoy a cluster's name.
    pub target: String,
}

/// What becomes of a redirect to a host that is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// The client gets it.
    Pass,
    /// The client gets 502, with the host's name.
    Refuse,
}

impl Redirects {
    /// The target for a `Location` with this authority; `None` if it is not listed.
    ///
    /// An entry with a port is meant for that port as it is written. One without is meant for an authority without
    /// a port and with those that `http` and `https` have anyway, where no entry has that port.
    #[must_use]
    pub fn target_of(&self, authority: &str) -> Option<&str> {
        let find = |wanted: &[u8]| {
            let same = |listed: &&RedirectHost| listed.host.as_bytes().eq_ignore_ascii_case(wanted);
            self.hosts.iter().find(same)
        };
        let (host, port) = split_port(authority.as_bytes());
        let without_port = || match port {
            // What still has a port then was no authority.
            Some(b"80" | b"443") if split_port(host).1.is_none() => find(host),
            _ => None,
        };
        find(authority.as_bytes())
            .or_else(without_port)
            .map(|listed| listed.target.as_str())
    }
}
