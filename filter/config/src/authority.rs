//! Host names with ports: the authority an upstream is asked for, and the hosts that are served or redirected to.

use std::net::Ipv6Addr;

use super::read::{Text, Why};

/// RFC 1035, section 2.3.4, without the dot at the end.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A host name, an IPv4 address or an IPv6 address in brackets, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority(pub(super) String);

impl Text for Authority {
    const EXPECTED: &'static str =
        r#"a host name with or without a port, such as "proxy.golang.org""#;

    fn parse(text: &str) -> Result<Self, Why> {
        if text.contains(['/', '@']) {
            return Err("an authority has no scheme, no user and no path".into());
        }
        let (host, port) = split_port(text.as_bytes());
        let good = is_host(host) && port.is_none_or(is_port);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err("".into())
        }
    }
}

/// A host that upstreams redirect to: an [`Authority`] in lower case, so that it is compared with others as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedHost(pub(super) String);

impl Text for ListedHost {
    const EXPECTED: &'static str =
        r#"a host name with or without a port, such as "storage.googleapis.com""#;

    fn parse(text: &str) -> Result<Self, Why> {
        if text.contains('*') {
            return Err("each host has an entry of its own, without a wildcard".into());
        }
        if text.contains(['/', '@']) {
            return Err("a host has no scheme, no user and no path".into());
        }
        Authority::parse(text).map(|authority| Self(authority.0.to_ascii_lowercase()))
    }
}

/// Whose requests are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostRule {
    /// Everybody's.
    Any,
    /// One host's; without a port, on any.
    Exact {
        host: Box<str>,
        port: Option<Box<str>>,
    },
    /// All hosts' below a name; `suffix` begins with a dot.
    Below {
        suffix: Box<str>,
        port: Option<Box<str>>,
    },
}

impl HostRule {
    /// Whether a request with this `:authority` is meant.
    pub(super) fn accepts(&self, authority: &[u8]) -> bool {
        let (host, port) = split_port(authority);
        let same_port = |wanted: &Option<Box<str>>| match wanted {
            Some(wanted) => port == Some(wanted.as_bytes()),
            None => true,
        };
        match self {
            Self::Any => true,
            Self::Exact { host: wanted, port } => {
                host.eq_ignore_ascii_case(wanted.as_bytes()) && same_port(port)
            }
            Self::Below { suffix, port } => is_below(host, suffix.as_bytes()) && same_port(port),
        }
    }
}

/// Whether `host` has at least one character before `suffix`.
fn is_below(host: &[u8], suffix: &[u8]) -> bool {
    let split = host
        .len()
        .checked_sub(suffix.len())
        .and_then(|at| host.split_at_checked(at));
    split.is_some_and(|(name, end)| !name.is_empty() && end.eq_ignore_ascii_case(suffix))
}

impl Text for HostRule {
    const EXPECTED: &'static str =
        r#"a host name such as "go.corp.example" or "*.corp.example", or "*""#;

    fn parse(text: &str) -> Result<Self, Why> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.contains(['/', '@']) {
            return Err("a host has no scheme, no user and no path".into());
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (name, None),
        };
        let good = is_host(host.as_bytes()) && port.is_none_or(|port| is_port(port.as_bytes()));
        let port = port.map(Box::from);
        match (good, below) {
            (true, true) if host.starts_with('[') => Err("".into()),
            (true, true) => Ok(Self::Below {
                suffix: format!(".{host}").into(),
                port,
            }),
            (true, false) => Ok(Self::Exact {
                host: host.into(),
                port,
            }),
            (false, _) => Err("".into()),
        }
    }
}

/// `host`, and what stands behind its last colon. A colon inside brackets is the address's own.
pub(super) fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    if authority.ends_with(b"]") {
        return (authority, None);
    }
    match authority
        .iter()
        .rposition(|byte| *byte == b':')
        .and_then(|at| authority.split_at_checked(at))
    {
        Some((host, port)) => (host, port.get(1..)),
        None => (authority, None),
    }
}

fn is_host(host: &[u8]) -> bool {
    if let Some(address) = host
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
    {
        return std::str::from_utf8(address)
            .is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    host.len() <= MAX_HOST && host.split(|byte| *byte == b'.').all(is_label)
}

/// One part of a name between dots. An underscore is no host name's, but real ones have it (Kubernetes, DNS-SD).
fn is_label(label: &[u8]) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let hyphen = label.starts_with(b"-") || label.ends_with(b"-");
    (1..=MAX_LABEL).contains(&label.len()) && label.iter().all(inside) && !hyphen
}

/// 1 to 65535, without a zero before it: one port has one spelling.
fn is_port(port: &[u8]) -> bool {
    let digits = port.iter().all(u8::is_ascii_digit) && !port.starts_with(b"0");
    digits && std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
}
