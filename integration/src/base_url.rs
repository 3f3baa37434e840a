//! The base URL of an upstream or a checksum database: what UPSTREAM, SUMDB and CLUSTERS are made of.

use std::fmt;
use std::net::IpAddr;

/// `http[s]://host[:port][/path]`, and nothing else: no userinfo, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// Who is asked.
    pub host: Host,
    /// Given or the scheme's own.
    pub port: u16,
    /// Where it begins, with a leading `/` and no trailing one, so the root is empty.
    pub path: String,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Resolved by the host (Envoy), in lower case.
    Name(String),
    /// Used as it is.
    Address(IpAddr),
}

impl BaseUrl {
    /// Parses one URL.
    ///
    /// # Errors
    /// What was expected, in words that fit behind the variable's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{why}, got {text:?}"));
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => {
                return refuse(
                    "expected a URL such as https://proxy.example or http://127.0.0.1:3000/base",
                );
            }
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("expected a URL of printable ASCII without spaces");
        }
        if rest.contains(['?', '#']) {
            return refuse("expected a URL without query or fragment");
        }
        let (authority, path) = rest
            .find('/')
            .map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') {
            // Not repeated: it may hold a password.
            return Err(
                "expected a URL without user and password: credentials belong to the cluster \
                        (envoy/README.md), got one with an @ before the host"
                    .to_owned(),
            );
        }
        let Some((host, port)) = split_port(authority) else {
            return refuse("expected a port between 1 and 65535");
        };
        let Some(host) = Host::parse(host) else {
            return refuse("expected a host name, an IPv4 address or an IPv6 address in brackets");
        };
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host,
            port,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// What the upstream is told as `:authority`: the port stands there only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            host => host.to_string(),
        };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: std::net::Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        // A name whose last label is a number is a mistyped address to every URL parser.
        let last_is_number = name
            .rsplit('.')
            .next()?
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        let well_formed = name.len() <= 253 && name.split('.').all(is_label);
        (well_formed && !last_is_number).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Letters, digits, hyphens; and the underscore, which container networks use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `None` when there is a port and it is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    // An IPv6 address with a bracket missing: its colons stand before no port, and the host is refused.
    if after_address == 0 && authority.matches(':').count() > 1 {
        return Some((authority, None));
    }
    match authority[after_address..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            let digits = &port[1..];
            let port: u16 = digits
                .parse()
                .ok()
                .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            (port != 0).then_some((host, Some(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, tls, host, port, path, authority) in [
            (
                "https://proxy.golang.org",
                true,
                "proxy.golang.org",
                443,
                "",
                "proxy.golang.org",
            ),
            (
                "https://proxy.golang.org/",
                true,
                "proxy.golang.org",
                443,
                "",
                "proxy.golang.org",
            ),
            (
                "http://Goproxy.corp.example/artifactory/api/go/go/",
                false,
                "goproxy.corp.example",
                80,
                "/artifactory/api/go/go",
                "goproxy.corp.example",
            ),
            (
                "http://127.0.0.1:19000/sumdb/sum.golang.org",
                false,
                "127.0.0.1",
                19000,
                "/sumdb/sum.golang.org",
                "127.0.0.1:19000",
            ),
            (
                "https://[2001:db8::1]",
                true,
                "2001:db8::1",
                443,
                "",
                "[2001:db8::1]",
            ),
            (
                "http://[::1]:3000/x",
                false,
                "::1",
                3000,
                "/x",
                "[::1]:3000",
            ),
            (
                "http://go_proxy:8081",
                false,
                "go_proxy",
                8081,
                "",
                "go_proxy:8081",
            ),
            (
                "https://a.example:443",
                true,
                "a.example",
                443,
                "",
                "a.example",
            ),
        ] {
            let url = BaseUrl::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let got = (
                url.tls,
                url.host.to_string(),
                url.port,
                url.path.clone(),
                url.authority(),
            );
            assert_eq!(
                got,
                (
                    tls,
                    host.to_owned(),
                    port,
                    path.to_owned(),
                    authority.to_owned()
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "such as https://proxy.example"),
            ("proxy.golang.org", "such as https://proxy.example"),
            ("ftp://a.example", "such as https://proxy.example"),
            ("HTTPS://a.example", "such as https://proxy.example"),
            ("https://", "expected a host name"),
            ("https://a..example", "expected a host name"),
            ("https://-a.example", "expected a host name"),
            ("https://1.2.3", "expected a host name"),
            ("https://1.2.3.4.5", "expected a host name"),
            ("https://[::1", "expected a host name"),
            ("https://[127.0.0.1]", "expected a host name"),
            ("https://::1", "expected a host name"),
            ("https://a.example:0", "expected a port"),
            ("https://a.example:65536", "expected a port"),
            ("https://a.example:+80", "expected a port"),
            ("https://a.example:", "expected a port"),
            ("https://a.example/?x=1", "without query"),
            ("https://a.example/#x", "without query"),
            ("https://a example", "printable ASCII"),
            ("https://ä.example", "printable ASCII"),
            ("https://user:secret@a.example", "without user and password"),
        ] {
            let refusal = BaseUrl::parse(text).expect_err(text);
            assert!(refusal.contains(why), "{text}: {refusal}");
            assert!(!refusal.contains("secret"), "{text}: {refusal}");
        }
    }
}
