//! Where a redirect leads, and whether the gateway goes there.

use std::rc::Rc;

use crate::config::Redirects;
use crate::upstream::Upstream;

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

/// Follows the `Location` that `upstream` gave. The query is kept, a fragment is not; a reference with userinfo leads
/// nowhere, because it would carry a credential.
pub(crate) fn follow(location: &str, upstream: &Upstream, redirects: &Redirects) -> Leads {
    let location = location.split('#').next().unwrap_or_default();
    let absolute = ["https://", "http://", "//"]
        .iter()
        .find_map(|scheme| location.strip_prefix(scheme));
    let Some(rest) = absolute else {
        return match location.starts_with('/') {
            true => known(&upstream.target, &upstream.authority, location),
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
    if authority == *upstream.authority {
        return known(&upstream.target, &upstream.authority, &path);
    }
    match redirects.target_of(&authority) {
        Some(target) => known(target, &authority, &path),
        None => Leads::Unlisted(authority),
    }
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
                follow(location, &upstream, &redirects),
                expected,
                "{location}"
            );
        }
    }
}
