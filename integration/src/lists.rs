//! The variables that hold lists of URLs: UPSTREAM, SUMDB and CLUSTERS.

use crate::base_url::BaseUrl;
use crate::settings::{Parsed, wrong};

/// One upstream of a chain, and when the one after it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub url: BaseUrl,
    /// What leads on to the next.
    pub then: FallThrough,
}

/// The rule between two upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallThrough {
    /// GOPROXY's comma: on 404 and 410.
    NotFound,
    /// GOPROXY's pipe: on any error.
    AnyError,
}

/// `name=url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A database's or a cluster's name.
    pub name: String,
    /// Where it is.
    pub url: BaseUrl,
}

/// A list in GOPROXY's own syntax.
///
/// # Errors
/// An entry that is no upstream: `direct` and `off` among them.
pub fn chain(list: &str) -> Parsed<Vec<Link>> {
    const VARIABLE: &str = "UPSTREAM";
    let mut links = Vec::new();
    let mut rest = list;
    loop {
        let (entry, then, tail) = match rest.find([',', '|']) {
            Some(at) if rest[at..].starts_with('|') => {
                (&rest[..at], FallThrough::AnyError, Some(&rest[at + 1..]))
            }
            Some(at) => (&rest[..at], FallThrough::NotFound, Some(&rest[at + 1..])),
            None => (rest, FallThrough::NotFound, None),
        };
        match entry.trim() {
            "direct" => {
                return wrong(
                    VARIABLE,
                    "a filter cannot clone repositories, so expected the URL of a module proxy that can (Athens, goproxy, \
                     GitLab, Artifactory), got \"direct\"",
                );
            }
            "off" => {
                return wrong(
                    VARIABLE,
                    "the list ends after its last URL, so expected one without \"off\", got \"off\"",
                );
            }
            "" => {
                return wrong(
                    VARIABLE,
                    format!("expected a URL between the separators , and |, got {list:?}"),
                );
            }
            entry => match BaseUrl::parse(entry) {
                Ok(url) => links.push(Link { url, then }),
                Err(why) => return wrong(VARIABLE, why),
            },
        }
        match tail {
            Some(tail) => rest = tail,
            None => return Ok(links),
        }
    }
}

/// `name=url` entries of one variable; a name may stand once.
fn named(
    variable: &'static str,
    text: &str,
    is_name: fn(&str) -> bool,
    names: &str,
) -> Parsed<Vec<Named>> {
    let mut entries: Vec<Named> = Vec::new();
    for entry in text.split_ascii_whitespace() {
        let Some((name, url)) = entry.split_once('=') else {
            return wrong(
                variable,
                format!("expected space separated name=url, got {entry:?}"),
            );
        };
        if !is_name(name) {
            return wrong(
                variable,
                format!("expected {names} before the =, got {name:?}"),
            );
        }
        if entries.iter().any(|earlier| earlier.name == name) {
            return wrong(
                variable,
                format!("expected each name once, got {name:?} twice"),
            );
        }
        match BaseUrl::parse(url) {
            Ok(url) => entries.push(Named {
                name: name.to_owned(),
                url,
            }),
            Err(why) => return wrong(variable, why),
        }
    }
    Ok(entries)
}

/// SUMDB.
///
/// # Errors
/// An entry that is not `name=url`.
pub fn sumdb(text: &str) -> Parsed<Vec<Named>> {
    // The name stands in the path /sumdb/<name>/.. and in the database's signatures.
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    named(
        "SUMDB",
        text,
        is_name,
        "a database's name such as sum.golang.org",
    )
}

/// CLUSTERS. They have no path: the paths stand in the configuration that names them.
///
/// # Errors
/// An entry that is not `name=url`, or has a path.
pub fn clusters(text: &str) -> Parsed<Vec<Named>> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_|".contains(&byte))
    };
    let entries = named(
        "CLUSTERS",
        text,
        is_name,
        "a cluster's name of letters, digits and .-_|",
    )?;
    match entries.iter().find(|entry| !entry.url.path.is_empty()) {
        Some(entry) => wrong(
            "CLUSTERS",
            format!(
                "expected the URL of {} without a path (an upstream's `path` stands in CONFIG), got {:?}",
                entry.name, entry.url.path
            ),
        ),
        None => Ok(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_goproxys_separators_and_base_paths() {
        let links = chain("https://a.example/x, http://127.0.0.1:3000|https://c.example").unwrap();
        let got: Vec<_> = links
            .iter()
            .map(|link| (link.url.authority(), link.url.path.as_str(), link.then))
            .collect();
        assert_eq!(
            got,
            [
                ("a.example".to_owned(), "/x", FallThrough::NotFound),
                ("127.0.0.1:3000".to_owned(), "", FallThrough::AnyError),
                ("c.example".to_owned(), "", FallThrough::NotFound),
            ]
        );
    }
}
