//! The pages by their paths, and what the path of one says of another.

use std::borrow::Cow;

/// All there are, for who asks for another.
pub const PAGES: &str = "\
no such page; there are:
/  for people; /-/status  the same in JSON
/-/env  how go is set up, as lines for a shell
/-/metrics  for Prometheus
/-/explain?path=  how one request would go
/-/healthz  200 while the filter lives
/-/readyz  200 once it is configured; with ?upstream 503 while every upstream is left alone";

/// A page, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page<'a> {
    /// `/-/healthz`
    Health,
    /// `/-/readyz`
    Ready,
    /// `/-/readyz?upstream`
    ReadyWithUpstream,
    /// `/`
    Home,
    /// `/-/env`
    Env,
    /// `/-/status`
    Status,
    /// `/-/metrics`
    Metrics,
    /// `/-/explain`, with its query.
    Explain(&'a [u8]),
    /// Any other.
    Unknown,
}

impl<'a> Page<'a> {
    /// The page at a path: `/`, or anything below `/-/`.
    #[inline(never)]
    pub fn of(path: &'a [u8]) -> Self {
        let mut parts = path.splitn(2, |byte| *byte == b'?');
        let (name, query) = (parts.next(), parts.next().unwrap_or_default());
        let name = name.unwrap_or_default();
        if name == b"/" {
            return Self::Home;
        }
        match name.strip_prefix(b"/-/").unwrap_or_default() {
            b"healthz" => Self::Health,
            b"readyz" if query == b"upstream" => Self::ReadyWithUpstream,
            b"readyz" => Self::Ready,
            b"env" => Self::Env,
            b"status" => Self::Status,
            b"metrics" => Self::Metrics,
            b"explain" => Self::Explain(query),
            _ => Self::Unknown,
        }
    }

    /// Whether only those see it whom `admin` lets in. Who asks for a probe may be anywhere, and learns nothing of anybody.
    pub const fn is_guarded(self) -> bool {
        match self {
            Self::Health | Self::Ready | Self::ReadyWithUpstream | Self::Unknown => false,
            Self::Home | Self::Env | Self::Status | Self::Metrics | Self::Explain(_) => true,
        }
    }
}

/// The path that `/-/explain` is asked about: as it stands in a request, or encoded as a whole; or a URL, as `go` prints it.
#[inline(never)]
pub fn asked(query: &[u8]) -> Option<Cow<'_, [u8]>> {
    let value = query
        .split(|byte| *byte == b'&')
        .find_map(|one| one.strip_prefix(b"path="))?;
    // A path begins with a slash: where that is encoded, all of it is, and is so once more than in a request.
    let is_plain = value.starts_with(b"/") || value.windows(3).any(|three| three == b"://");
    let value = match is_plain {
        true => Cow::Borrowed(value),
        false => Cow::Owned(decoded(value)),
    };
    let scheme = value.windows(3).position(|three| three == b"://");
    let Some(host) = scheme.map(|at| at.saturating_add(3)) else {
        return Some(value);
    };
    let rest = value.get(host..)?;
    let path = rest.iter().position(|byte| *byte == b'/')?;
    Some(Cow::Owned(rest.get(path..)?.to_vec()))
}

/// `%` and two digits is the byte that they name; anything else is itself.
fn decoded(value: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        let pair = (digit(behind.first()), digit(behind.get(1)));
        let byte = match (first, pair) {
            (b'%', (Some(high), Some(low))) => u8::try_from(high.wrapping_shl(4) | low).ok(),
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => behind.get(2..).unwrap_or_default(),
            None => behind,
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_path_to_explain_is_taken_as_it_is_or_decoded_as_a_whole() {
        for (query, path) in [
            ("path=/a.b/c/@v/list", Some("/a.b/c/@v/list")),
            ("path=/a.b/%21c/@v/list", Some("/a.b/%21c/@v/list")),
            ("path=/a.b/c%2fd/@v/list", Some("/a.b/c%2fd/@v/list")),
            (
                "path=%2Fa.b%2F%2521c%2F%40v%2Flist",
                Some("/a.b/%21c/@v/list"),
            ),
            ("x=1&path=/a.b/@latest&y=2", Some("/a.b/@latest")),
            (
                "path=http://gw:8080/a.b/@v/v1.0.0%2Bincompatible.zip",
                Some("/a.b/@v/v1.0.0%2Bincompatible.zip"),
            ),
            (
                "path=https%3A%2F%2Fgw%2Fa.b%2F%40latest",
                Some("/a.b/@latest"),
            ),
            (
                "path=/a.b/@v/v2.0.0+incompatible.zip",
                Some("/a.b/@v/v2.0.0+incompatible.zip"),
            ),
            ("path=%2Fa%zz%2", Some("/a%zz%2")),
            ("path=", Some("")),
            ("path=http://gw", None),
            ("", None),
            ("path", None),
        ] {
            let found = asked(query.as_bytes());
            assert_eq!(found.as_deref(), path.map(str::as_bytes), "{query}");
        }
    }
}
