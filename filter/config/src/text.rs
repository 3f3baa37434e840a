//! Texts with a grammar of their own: names, targets, base paths, patterns, and the words of small choices.

use super::read::{Text, Why};
use super::{FallThrough, HostKind, LogLevel, Unlisted};
use goproxy_protocol::pattern::Pattern;

/// Names go into metric labels, headers, paths and error texts.
const MAX_NAME: usize = 64;

/// A plugin's name may be long: Istio's is `<namespace>.<name>`, each up to 63 bytes, and more.
const MAX_NAMESPACE: usize = 255;

/// Envoy allows a cluster name of any length; what it is sent as is a header of the routed request.
const MAX_TARGET: usize = 255;

/// The rest of a header line of 8 KiB, the smallest that hosts allow, is the module's.
const MAX_PATH: usize = 1024;

/// Why `direct` is no upstream.
const CANNOT_CLONE: &str = "a filter cannot clone a repository; \
    name a module proxy that can, such as Athens, goproxy, GitLab or Artifactory";

/// The name of an upstream or of a checksum database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

impl Text for Name {
    const EXPECTED: &'static str =
        r#"a name of at most 64 characters (a-z, 0-9, "_", ".", "-", first a letter or digit)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        if text == "direct" {
            return Err(CANNOT_CLONE.into());
        }
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let rest = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
        if first && rest && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err("".into())
        }
    }
}

/// What a chain says: the name of an upstream that may or may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UpstreamName(pub(super) String);

impl Text for UpstreamName {
    const EXPECTED: &'static str = "the name of an upstream";

    fn parse(text: &str) -> Result<Self, Why> {
        if text == "direct" {
            Err(CANNOT_CLONE.into())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// The first part of every cache key; no `/`, which separates the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace(pub(super) String);

impl Namespace {
    /// What the plugin is called becomes the namespace. A `/` becomes `:`, which a configured namespace
    /// cannot hold: so it is nobody else's.
    pub(super) fn of_plugin(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self("default".to_owned()));
        }
        let parts = name
            .split('/')
            .all(|part| part.bytes().all(is_namespace_byte));
        (parts && name.len() <= MAX_NAMESPACE).then(|| Self(name.replace('/', ":")))
    }
}

impl Text for Namespace {
    const EXPECTED: &'static str =
        r#"a name of at most 255 characters (A-Z, a-z, 0-9, "_", ".", "-")"#;

    fn parse(text: &str) -> Result<Self, Why> {
        let good =
            !text.is_empty() && text.len() <= MAX_NAMESPACE && text.bytes().all(is_namespace_byte);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err("".into())
        }
    }
}

fn is_namespace_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// What the host calls an upstream: on Envoy a cluster's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(pub(super) String);

impl Text for Target {
    const EXPECTED: &'static str = "the name of a cluster of the host (1 to 255 printable ASCII characters without space or comma)";

    fn parse(text: &str) -> Result<Self, Why> {
        if text == "direct" {
            return Err(CANNOT_CLONE.into());
        }
        if text.as_bytes().windows(3).any(|bytes| bytes == b"://") {
            return Err("a target is no URL; the host's cluster has the address".into());
        }
        let good = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',');
        if good && !text.is_empty() && text.len() <= MAX_TARGET {
            Ok(Self(text.to_owned()))
        } else {
            Err("".into())
        }
    }
}

/// A path that others stand below, without a slash at its end; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BasePath(pub(super) String);

impl Text for BasePath {
    const EXPECTED: &'static str = r#"a URL path of at most 1024 characters that begins with "/""#;

    fn parse(text: &str) -> Result<Self, Why> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if !text.starts_with('/') || text.len() > MAX_PATH {
            return Err("".into());
        }
        if text.contains(['?', '#']) {
            return Err("a base path has no query and no fragment".into());
        }
        if !is_url_path(path.as_bytes()) {
            return Err(
                "a character that no URL path holds; write it as % and two hexadecimal digits"
                    .into(),
            );
        }
        if !path.is_empty() && path.split('/').skip(1).any(is_odd_element) {
            return Err(r#"an element that is empty, "." or "..""#.into());
        }
        Ok(Self(path.to_owned()))
    }
}

/// RFC 3986, section 3.3: `pchar` and `/`, each `%` with its two digits.
fn is_url_path(mut path: &[u8]) -> bool {
    while let Some((first, rest)) = path.split_first() {
        path = match (first, rest) {
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            (byte, rest)
                if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(byte) =>
            {
                rest
            }
            _ => return false,
        };
    }
    true
}

/// What the server behind it may resolve in its own way. `%2e` is a dot (RFC 3986, section 6.2.2.2).
fn is_odd_element(element: &str) -> bool {
    let rest = after_dot(element).unwrap_or(element);
    after_dot(rest).unwrap_or(rest).is_empty()
}

fn after_dot(text: &str) -> Option<&str> {
    [".", "%2e", "%2E"]
        .iter()
        .find_map(|dot| text.strip_prefix(dot))
}

/// A pattern of modules, as routes and invalidations list them.
#[derive(Debug)]
pub(super) struct ModulePattern(pub(super) Pattern);

impl Text for ModulePattern {
    const EXPECTED: &'static str = r#"a GOPRIVATE pattern such as "git.corp.example" or "*""#;

    fn parse(text: &str) -> Result<Self, Why> {
        Pattern::parse(text)
            .map(Self)
            .map_err(|why| why.to_string().into())
    }
}

impl Text for HostKind {
    const EXPECTED: &'static str = r#""envoy""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "envoy" => Ok(Self::Envoy),
            "nginx" => Err("not built yet in this release".into()),
            _ => Err("".into()),
        }
    }
}

impl Text for FallThrough {
    const EXPECTED: &'static str = r#""not_found" or "any_error""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "not_found" => Ok(Self::NotFound),
            "any_error" => Ok(Self::AnyError),
            _ => Err("".into()),
        }
    }
}

impl Text for Unlisted {
    const EXPECTED: &'static str = r#""pass" or "refuse""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "pass" => Ok(Self::Pass),
            "refuse" => Ok(Self::Refuse),
            _ => Err("".into()),
        }
    }
}

impl Text for LogLevel {
    const EXPECTED: &'static str = r#""error", "warn", "info", "debug" or "trace""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err("".into()),
        }
    }
}
