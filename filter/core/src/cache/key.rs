//! The cache key: one string for one object, whatever its spelling on the wire was.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

/// `v1/<namespace>/<scope><canonical path>`.
///
/// Query strings, request headers, host names and percent-spellings are no part of it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Rc<str>);

impl Key {
    /// The key of what every client may have; `canonical` is a canonical path, with its leading slash.
    pub fn public(namespace: &str, canonical: &str) -> Self {
        const SCOPE: &str = "/public";
        let length = [3, namespace.len(), SCOPE.len(), canonical.len()];
        let mut key = String::with_capacity(length.iter().fold(0, |sum, n| sum.saturating_add(*n)));
        key.push_str("v1/");
        key.push_str(namespace);
        key.push_str(SCOPE);
        key.push_str(canonical);
        Self(key.into())
    }

    /// A key as another worker names it: something to look for, and nothing else.
    pub(crate) fn named(text: &str) -> Self {
        Self(text.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Key> for Rc<str> {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_key_names_version_namespace_scope_and_path() {
        assert_eq!(
            Key::public("team-a", "/example.com/a/@v/list").as_str(),
            "v1/team-a/public/example.com/a/@v/list"
        );
    }
}
