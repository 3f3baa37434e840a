//! Semantic versions as Go reads them: `golang.org/x/mod/semver`, and the pseudo-versions of `x/mod/module`.
//!
//! Go's dialect wants the leading `v`, allows the short forms `v1` and `v1.2` as queries, and keeps one build
//! tag only, `+incompatible`. Numbers have no upper bound, so they are compared as text.

use std::cmp::Ordering;

/// The only build tag that survives in a canonical version: a major of 2 or more without a `/vN` in the path.
pub const INCOMPATIBLE: &str = "+incompatible";

/// A parsed version; every part borrows from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    major: &'a str,
    minor: &'a str,
    patch: &'a str,
    prerelease: &'a str,
    build: &'a str,
    is_short: bool,
}

impl<'a> Version<'a> {
    /// Parses `vMAJOR[.MINOR[.PATCH[-PRERELEASE][+BUILD]]]`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (major, rest) = number(text.strip_prefix('v')?)?;
        if rest.is_empty() {
            return Some(Self::short(major, "0"));
        }
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        if rest.is_empty() {
            return Some(Self::short(major, minor));
        }
        let (patch, rest) = number(rest.strip_prefix('.')?)?;
        let (prerelease, build) = split_before(rest, b'+');
        let prerelease_ok =
            prerelease.is_empty() || are_identifiers(prerelease.strip_prefix('-')?, true);
        let build_ok = build.is_empty() || are_identifiers(build.strip_prefix('+')?, false);
        (prerelease_ok && build_ok).then_some(Self {
            major,
            minor,
            patch,
            prerelease,
            build,
            is_short: false,
        })
    }

    fn short(major: &'a str, minor: &'a str) -> Self {
        let (patch, prerelease, build) = ("0", "", "");
        Self {
            major,
            minor,
            patch,
            prerelease,
            build,
            is_short: true,
        }
    }

    /// The digits of the major version: `2` of `v2.1.0`.
    pub fn major(&self) -> &'a str {
        self.major
    }

    /// Major, minor and patch.
    pub(super) fn numbers(&self) -> [&'a str; 3] {
        [self.major, self.minor, self.patch]
    }

    /// The pre-release with its hyphen, or nothing.
    pub fn prerelease(&self) -> &'a str {
        self.prerelease
    }

    /// The build tag with its plus, or nothing.
    pub fn build(&self) -> &'a str {
        self.build
    }

    /// Whether `module.CanonicalVersion` leaves it as it is.
    pub fn is_canonical(&self) -> bool {
        !self.is_short && (self.build.is_empty() || self.build == INCOMPATIBLE)
    }

    /// Whether this is a pseudo-version: `v0.0.0-20060102150405-abcdef123456` and the four forms that follow a tag.
    pub fn is_pseudo(&self) -> bool {
        let Some(rest) = self.prerelease.strip_prefix('-') else {
            return false;
        };
        let Some((rest, revision)) = rest.rsplit_once('-') else {
            return false;
        };
        if revision.is_empty() || !revision.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return false;
        }
        let Some((before, time)) = rest
            .len()
            .checked_sub(14)
            .and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let follows_no_tag = before.is_empty() && self.minor == "0" && self.patch == "0";
        time.bytes().all(|b| b.is_ascii_digit())
            && (follows_no_tag || before == "0." || before.ends_with(".0."))
    }

    /// Precedence; build tags do not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        compare_numbers(self.major, other.major)
            .then_with(|| compare_numbers(self.minor, other.minor))
            .then_with(|| compare_numbers(self.patch, other.patch))
            .then_with(|| compare_prereleases(self.prerelease, other.prerelease))
    }
}

/// Whether `text` is a version, short forms and build tags included.
pub fn is_valid(text: &str) -> bool {
    Version::parse(text).is_some()
}

/// Whether `text` is a version that a `.mod` or `.zip` can have.
pub fn is_canonical(text: &str) -> bool {
    Version::parse(text).is_some_and(|version| version.is_canonical())
}

/// Whether `text` is a pseudo-version.
pub fn is_pseudo(text: &str) -> bool {
    Version::parse(text).is_some_and(|version| version.is_pseudo())
}

/// Precedence of two texts; what is no version comes before every version and is equal to its like.
pub fn compare(left: &str, right: &str) -> Ordering {
    match (Version::parse(left), Version::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

/// The order of a list: precedence, then the text itself, so that it is total.
pub fn order(left: &str, right: &str) -> Ordering {
    compare(left, right).then_with(|| left.cmp(right))
}

fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(end)?;
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    (!digits.is_empty() && !has_leading_zero).then_some((digits, rest))
}

fn split_before(text: &str, byte: u8) -> (&str, &str) {
    let at = text.bytes().position(|b| b == byte).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Whether these are identifiers between dots; a number in a pre-release has no leading zero.
fn are_identifiers(text: &str, is_prerelease: bool) -> bool {
    text.as_bytes().split(|byte| *byte == b'.').all(|part| {
        let is_allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'-');
        let has_leading_zero =
            || matches!(part, [b'0', _, ..]) && part.iter().all(u8::is_ascii_digit);
        !part.is_empty() && part.iter().all(is_allowed) && !(is_prerelease && has_leading_zero())
    })
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits without leading zeros: the longer one is the larger.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => left
            .split('.')
            .zip(right.split('.'))
            .map(|(left, right)| compare_identifiers(left, right))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| left.split('.').count().cmp(&right.split('.').count())),
    }
}

fn compare_identifiers(left: &str, right: &str) -> Ordering {
    match (is_number(left), is_number(right)) {
        (true, true) => compare_numbers(left, right),
        (false, false) => left.cmp(right),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    /// In rising order; the second text is the canonical form, empty for what is no version.
    const VERSIONS: &[(&str, &str)] = &[
        ("", ""),
        ("1.0.0", ""),
        ("V1.0.0", ""),
        ("v", ""),
        ("v-1", ""),
        ("v1.", ""),
        ("v1.0.", ""),
        ("v1.0.0.0", ""),
        ("v1.0.0-", ""),
        ("v1.0.0+", ""),
        ("v1.0.0-a..b", ""),
        ("v1.0.0+a..b", ""),
        ("v1.0.0-a.", ""),
        ("v1.0.0-a_b", ""),
        ("v1.0.0+a_b", ""),
        ("v1.0.0-\u{e9}", ""),
        ("v01.0.0", ""),
        ("v1.00.0", ""),
        ("v1.0.00", ""),
        ("v1.0.0-01", ""),
        ("v1.0.0-a.00", ""),
        ("v1-rc.1", ""),
        ("v1+build", ""),
        ("v1-rc.1+build", ""),
        ("v1.4-rc.1", ""),
        ("v1.4+build", ""),
        ("v1.4-rc.1+build", ""),
        ("master", ""),
        ("v0.0.0-20060102150405-hash", "v0.0.0-20060102150405-hash"),
        ("v0.0.0", "v0.0.0"),
        ("v0.9.9", "v0.9.9"),
        ("v0.9.10", "v0.9.10"),
        ("v0.10.0", "v0.10.0"),
        ("v1.0.0-0", "v1.0.0-0"),
        ("v1.0.0-9", "v1.0.0-9"),
        ("v1.0.0-10", "v1.0.0-10"),
        ("v1.0.0-10.1", "v1.0.0-10.1"),
        ("v1.0.0-10-1", "v1.0.0-10-1"),
        ("v1.0.0-10a", "v1.0.0-10a"),
        ("v1.0.0-RC", "v1.0.0-RC"),
        ("v1.0.0-alpha", "v1.0.0-alpha"),
        ("v1.0.0-alpha.1", "v1.0.0-alpha.1"),
        ("v1.0.0-alpha.beta", "v1.0.0-alpha.beta"),
        ("v1.0.0-beta", "v1.0.0-beta"),
        ("v1.0.0-beta.2", "v1.0.0-beta.2"),
        ("v1.0.0-beta.11", "v1.0.0-beta.11"),
        ("v1.0.0-rc.1", "v1.0.0-rc.1"),
        ("v1.0.0-rc.1+build", "v1.0.0-rc.1"),
        ("v1", "v1.0.0"),
        ("v1.0", "v1.0.0"),
        ("v1.0.0", "v1.0.0"),
        ("v1.0.0+01", "v1.0.0"),
        ("v1.0.0+build", "v1.0.0"),
        ("v1.0.0+build-1.sha.9f", "v1.0.0"),
        ("v1.4", "v1.4.0"),
        ("v1.4.0", "v1.4.0"),
        ("v1.4.99999999999999999998", "v1.4.99999999999999999998"),
        ("v1.4.99999999999999999999", "v1.4.99999999999999999999"),
        ("v1.4.100000000000000000000", "v1.4.100000000000000000000"),
        ("v2.0.0+incompatible", "v2.0.0"),
        ("v10.0.0", "v10.0.0"),
    ];

    #[test]
    fn what_is_a_version() {
        for (text, canonical) in VERSIONS {
            assert_eq!(is_valid(text), !canonical.is_empty(), "{text}");
        }
    }

    #[test]
    fn canonical_is_the_full_form_with_no_build_but_incompatible() {
        for (text, canonical) in VERSIONS {
            let expected = text == canonical && !text.is_empty() || text.ends_with(INCOMPATIBLE);
            assert_eq!(is_canonical(text), expected, "{text}");
        }
        assert!(!is_canonical("v2+incompatible"));
    }

    #[test]
    fn parts_are_cut_where_go_cuts_them() {
        for (text, major, prerelease, build) in [
            ("v1", "1", "", ""),
            ("v1.2", "1", "", ""),
            ("v12.3.4", "12", "", ""),
            ("v1.2.3-pre.1", "1", "-pre.1", ""),
            ("v1.2.3+meta", "1", "", "+meta"),
            ("v1.2.3-pre+meta-1.x", "1", "-pre", "+meta-1.x"),
            ("v1.2.3+meta-pre", "1", "", "+meta-pre"),
        ] {
            let version = Version::parse(text).expect(text);
            assert_eq!(
                (version.major(), version.prerelease(), version.build()),
                (major, prerelease, build),
                "{text}"
            );
        }
    }

    #[test]
    fn precedence_is_gos() {
        for (i, (left, left_canonical)) in VERSIONS.iter().enumerate() {
            for (j, (right, right_canonical)) in VERSIONS.iter().enumerate() {
                let expected = if left_canonical == right_canonical {
                    Ordering::Equal
                } else {
                    i.cmp(&j)
                };
                assert_eq!(compare(left, right), expected, "{left} and {right}");
            }
        }
    }

    #[test]
    fn a_list_is_ordered_by_precedence_and_then_by_text() {
        let mut list = [
            "v1.0.0",
            "x",
            "v1.0.0+b",
            "v1.0.0-rc.1",
            "v1",
            "v1.0.0+a",
            "a",
            "v0.1.0",
            "v1.0",
        ];
        list.sort_by(|left, right| order(left, right));
        assert_eq!(
            list,
            [
                "a",
                "x",
                "v0.1.0",
                "v1.0.0-rc.1",
                "v1",
                "v1.0",
                "v1.0.0",
                "v1.0.0+a",
                "v1.0.0+b"
            ]
        );
    }

    #[test]
    fn pseudo_versions_are_told_from_tags() {
        for (text, expected) in [
            ("v0.0.0-20060102150405-hash", true),
            ("v1.0.0-20060102150405-hash", true),
            ("v2.0.0-20060102150405-0123456789ab", true),
            ("v0.0.1-0.20060102150405-hash", true),
            ("v1.2.4-0.20060102150405-hash", true),
            ("v1.2.100000000000000000-0.20060102150405-hash", true),
            ("v1.2.3-pre.0.20060102150405-hash", true),
            ("v1.2.3-a-b.0.20060102150405-hash", true),
            ("v0.0.0--.0.20060102150405-hash", true),
            ("v1.0.1-0.20060102150405-hash+metadata", true),
            ("v2.0.1-0.20060102150405-hash+incompatible", true),
            ("v2.3.0-pre.0.20060102150405-hash+incompatible", true),
            ("v0.0.0-20060102150405-hash+incompatible", true),
            ("v0.0.0-0.20060102150405-hash", true),
            ("", false),
            ("---", false),
            ("v0.0.0", false),
            ("v0.0.0-", false),
            ("v1.2.3-pre", false),
            ("v1.2.3-pre-x", false),
            ("v1.2.0-20060102150405-hash", false),
            ("v0.0.1-20060102150405-hash", false),
            ("v1.2.3-1.20060102150405-hash", false),
            ("v1.2.3-10.20060102150405-hash", false),
            ("v1.2.3-pre20060102150405-hash", false),
            ("v0.0.0-2006010215040-hash", false),
            ("v0.0.0-200601021504050-hash", false),
            ("v0.0.0-20060102150405", false),
            ("v0.0.0-20060102150405-", false),
            ("v0.0.0-20060102150405-ha.sh", false),
            ("v0.0.1-go1.99.1.linux-amd64", false),
        ] {
            assert_eq!(is_pseudo(text), expected, "{text}");
        }
    }
}
