//! Where a redirect leads, and whether the gateway goes there.

use std::rc::Rc;

use crate::config::Redirects;
use crate::upstream::Upstream;

/// Redirects that are followed for one object.
pub(crate) const REDIRECTS: u8 = 5;

/// Where a `Location` leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To a target that the host knows: the upstream itself, or one that the configuration lists.
    Known {
        target: Rc<str>,
        authority: Rc<str>,
        path: String,
    },
    /// To a host that is not listed.
    Unlisted(String),
    /// Nowhere: not a reference that a redirect of a module proxy has.
    Nowhere,
}

/// Follows the `Location` that a request to `here` was answered with (RFC 9110, section 10.2.2). The query is kept, a
/// fragment is not; a reference with userinfo leads nowhere, because it would carry a credential.
///
/// Whether TLS is spoken is a matter of the target, so a redirect from https to http reaches it as its host reaches it.
pub(crate) fn follow(location: &str, here: Place<'_>, redirects: &Redirects) -> Leads {
    let location = location.split('#').next().unwrap_or_default();
    let Some(rest) = after_scheme(location) else {
        return match location.starts_with('/') {
            true => known(here.target, here.authority, location),
            false => Leads::Nowhere,
        };
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    if authority.is_empty() || authority.contains('@') {
        return Leads::Nowhere;
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        ["/", path].concat()
    };
    let authority = authority.to_ascii_lowercase();
    if is_same_host(&authority, here.authority) {
        return known(here.target, here.authority, &path);
    }
    match redirects.target_of(&authority) {
        Some(target) => known(target, &authority, &path),
        None => Leads::Unlisted(authority),
    }
}

/// Who answered with a redirect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a str,
    pub(crate) authority: &'a str,
}

impl<'a> From<&'a Upstream> for Place<'a> {
    fn from(upstream: &'a Upstream) -> Self {
        Self {
            target: &upstream.target,
            authority: &upstream.authority,
        }
    }
}

/// What stands behind `https://`, `http://` or `//`; schemes have no case.
fn after_scheme(location: &str) -> Option<&str> {
    let (scheme, rest) = location.split_once("//")?;
    let known = ["https:", "http:", ""]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    known.then_some(rest)
}

/// Whether two authorities are one host, where the default ports are the same as none.
fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |authority: &'_ str| {
        let bare = authority
            .strip_suffix(":443")
            .or_else(|| authority.strip_suffix(":80"));
        bare.unwrap_or(authority).to_ascii_lowercase()
    };
    one.eq_ignore_ascii_case(other) || bare(one) == bare(other)
}

fn known(target: &str, authority: &str, path: &str) -> Leads {
    Leads::Known {
        target: target.into(),
        authority: authority.into(),
        path: path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RedirectHost, Unlisted};
    use crate::testing::test;

    #[test]
    fn a_redirect_leads_to_what_is_listed_and_nowhere_else() {
        let hosts = vec![RedirectHost {
            host: "storage.example".into(),
            target: "store".into(),
        }];
        let redirects = Redirects {
            hosts,
            unlisted: Unlisted::Pass,
        };
        let upstream = Upstream::example("up", 3);
        for (location, expected) in [
            (
                "https://storage.example/x?Signature=y#z",
                known("store", "storage.example", "/x?Signature=y"),
            ),
            (
                "https://Storage.Example",
                known("store", "storage.example", "/"),
            ),
            (
                "https://storage.example?a=/b",
                known("store", "storage.example", "/?a=/b"),
            ),
            ("/elsewhere?x", known("up", "up.example", "/elsewhere?x")),
            ("https://up.example/y", known("up", "up.example", "/y")),
            ("HTTPS://UP.example:443/y", known("up", "up.example", "/y")),
            (
                "https://up.example:8443/y",
                Leads::Unlisted("up.example:8443".into()),
            ),
            (
                "//storage.example/x",
                known("store", "storage.example", "/x"),
            ),
            (
                "https://evil.example/x",
                Leads::Unlisted("evil.example".into()),
            ),
            (
                "http://169.254.169.254/latest",
                Leads::Unlisted("169.254.169.254".into()),
            ),
            ("https://storage.example@evil.example/x", Leads::Nowhere),
            ("https:///x", Leads::Nowhere),
            ("ftp://storage.example/x", Leads::Nowhere),
            ("javascript:alert(1)", Leads::Nowhere),
            ("x.zip", Leads::Nowhere),
            ("", Leads::Nowhere),
        ] {
            assert_eq!(
                follow(location, (&upstream).into(), &redirects),
                expected,
                "{location}"
            );
        }
    }
}
