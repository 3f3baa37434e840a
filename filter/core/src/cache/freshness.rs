//! How long an answer may be served again.

use std::time::Duration;

use crate::config::Freshness;
use crate::goproxy::Class;

/// How long an answer is fresh, and what its `Cache-Control` says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Zero: not stored.
    pub fresh: Duration,
    /// How long after that it may be served if the upstreams fail; [`Duration::MAX`] is for as long as it is held.
    pub stale: Duration,
    /// Never changes, so a client need not revalidate (RFC 8246).
    pub immutable: bool,
}

impl Lifetime {
    /// Not stored, by us or by anybody.
    pub const NONE: Self = Self {
        fresh: Duration::ZERO,
        stale: Duration::ZERO,
        immutable: false,
    };

    /// Of an object that is there.
    pub const fn of_found(freshness: &Freshness, class: Class) -> Self {
        match class {
            Class::Immutable => Self {
                fresh: freshness.immutable,
                stale: Duration::MAX,
                immutable: true,
            },
            Class::Mutable => Self {
                fresh: freshness.mutable,
                stale: longer(freshness.stale_while_revalidate, freshness.stale_if_error),
                immutable: false,
            },
        }
    }

    /// Of an object that every upstream of the chain says is not there.
    pub const fn of_missing(freshness: &Freshness) -> Self {
        Self {
            fresh: freshness.negative,
            stale: Duration::ZERO,
            immutable: false,
        }
    }

    /// The same, unless the upstream forbids a shared cache to keep it.
    #[must_use]
    pub const fn unless_forbidden(self, upstream: UpstreamCacheControl) -> Self {
        if upstream.forbids_storing {
            Self::NONE
        } else {
            self
        }
    }

    /// Whether there is anything to store.
    pub const fn is_storable(self) -> bool {
        !self.fresh.is_zero()
    }

    /// The value of the header `cache-control`.
    pub fn cache_control(self) -> String {
        let seconds = self.fresh.as_secs().to_string();
        match self {
            _ if !self.is_storable() => "no-store".to_owned(),
            Self {
                immutable: true, ..
            } => ["public, max-age=", &seconds, ", immutable"].concat(),
            _ => ["public, max-age=", &seconds].concat(),
        }
    }
}

const fn longer(one: Duration, other: Duration) -> Duration {
    if one.as_nanos() > other.as_nanos() {
        one
    } else {
        other
    }
}

/// What counts of an upstream's `Cache-Control`: `no-store` and `private` are obeyed, for the rest the class decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamCacheControl {
    /// `no-store` or `private` (RFC 9111, sections 5.2.2.5 and 5.2.2.7).
    pub forbids_storing: bool,
}

impl UpstreamCacheControl {
    /// Both are obeyed.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            forbids_storing: self.forbids_storing || other.forbids_storing,
        }
    }

    /// Reads one field line; several lines add up.
    #[must_use]
    pub fn and(self, field: &[u8]) -> Self {
        let forbids = field.split(|byte| *byte == b',').any(|directive| {
            let name = directive
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default()
                .trim_ascii();
            name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"private")
        });
        Self {
            forbids_storing: self.forbids_storing || forbids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn an_upstream_that_forbids_storing_is_obeyed() {
        for (field, forbids) in [
            ("no-store", true),
            ("public, max-age=60", false),
            ("max-age=60, No-Store", true),
            ("private=\"set-cookie\"", true),
            ("no-cache", false),
            ("x-no-store", false),
            ("", false),
        ] {
            let got = UpstreamCacheControl::default().and(field.as_bytes());
            assert_eq!(got.forbids_storing, forbids, "{field}");
        }
        let both = UpstreamCacheControl::default()
            .and(b"no-store")
            .and(b"public");
        assert!(both.forbids_storing, "a second line takes nothing back");
    }

    #[test]
    fn cache_control_tells_the_lifetime() {
        let minute = Duration::from_secs(60);
        assert_eq!(
            Lifetime {
                fresh: minute,
                stale: Duration::ZERO,
                immutable: false
            }
            .cache_control(),
            "public, max-age=60"
        );
        assert_eq!(
            Lifetime {
                fresh: minute,
                stale: Duration::ZERO,
                immutable: true
            }
            .cache_control(),
            "public, max-age=60, immutable"
        );
        assert_eq!(Lifetime::NONE.cache_control(), "no-store");
    }
}
