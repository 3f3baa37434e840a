//! The list of versions, made fit for the `go` command.
//!
//! `go` takes what it is given: a `v1.2` or `v1.2.0+meta` in a list ends in an internal error, a `v2.0.0` in the list of a
//! path without `/v2` becomes `@latest`, and it sorts with a comparison that leaves equal versions as they came.

use std::cmp::Ordering;

use super::BodyError;
use crate::module;
use crate::semver::Version;

/// Sanitises a list: canonical versions of the module's own major, no pseudo-versions, each once, in semver order.
///
/// Of each line the first field counts (a time may follow). A body that is not blank and in which no line begins like a version,
/// `v` and a digit, is no list but a page or a message. So is one that begins with `<`. A blank body is the list of a module without tags.
///
/// # Errors
/// [`BodyError::NotList`].
pub fn list(module: &str, body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let path_major = module::split_path_version(module).map_or("", |(_, major)| major);
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut is_list = false;
    let mut is_blank = true;
    for line in body.split(|byte| *byte == b'\n') {
        let field = first_field(line);
        if is_blank && field.starts_with(b"<") {
            return Err(BodyError::NotList);
        }
        is_blank &= field.is_empty();
        if matches!(field, [b'v', digit, ..] if digit.is_ascii_digit()) {
            is_list = true;
            let entry = std::str::from_utf8(field)
                .ok()
                .and_then(|text| Entry::new(text, path_major));
            entries.extend(entry.filter(|entry| entries.last() != Some(entry)));
        }
    }
    if !is_list && !is_blank {
        return Err(BodyError::NotList);
    }
    entries.sort_unstable();
    entries.dedup();
    let bytes = entries.iter().fold(0_usize, |sum, entry| {
        sum.saturating_add(entry.text.len()).saturating_add(1)
    });
    let mut list = Vec::with_capacity(bytes);
    for entry in entries {
        list.extend_from_slice(entry.text.as_bytes());
        list.push(b'\n');
    }
    Ok(list)
}

/// One version of the list, 16 bytes in wasm: a million of them must not blow up a memory that never shrinks.
#[derive(PartialEq, Eq)]
struct Entry<'a> {
    key: u64,
    text: &'a str,
}

impl<'a> Entry<'a> {
    fn new(text: &'a str, path_major: &str) -> Option<Self> {
        let version = Version::parse(text)?;
        let is_listed = version.is_canonical()
            && !version.is_pseudo()
            && module::matches_major(&version, path_major);
        is_listed.then(|| Self {
            key: sort_key(&version),
            text,
        })
    }
}

impl Ord for Entry<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key
            .cmp(&other.key)
            .then_with(|| crate::semver::order(self.text, other.text))
    }
}

impl PartialOrd for Entry<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Major, minor and patch in one word, in the order of the versions; equal where they do not fit.
///
/// Dates such as `v0.20260131.0` fit. A number that does not takes the largest value of its bits and of all behind
/// it, so that two such versions are equal here and are told apart by their texts.
fn sort_key(version: &Version<'_>) -> u64 {
    let mut key: u64 = 0;
    let mut is_full = false;
    for (number, bits) in version.numbers().iter().zip([12_u32, 26, 26]) {
        let largest = u64::MAX >> 64_u32.saturating_sub(bits);
        let value = number
            .parse()
            .ok()
            .filter(|value| *value < largest && !is_full);
        is_full |= value.is_none();
        key = key << bits | value.unwrap_or(largest);
    }
    key
}

/// What `strings.Fields` gives first, for the white space that is ASCII.
fn first_field(line: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c);
    line.split(is_space)
        .find(|field| !field.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_list_is_sanitised_and_ordered() {
        const DIRTY: &str = "v1.0.0\r\n\r\nv1.2\nv1.2.0+meta\nnot a version\nv1.1.0\nv1.1.0\nv2.0.0\n\
            v0.0.0-20200101000000-abcdefabcdef\n v1.3.0 2020-01-01T00:00:00Z\n";
        for (module, body, expected) in [
            ("example.com/a", "", ""),
            ("example.com/a", " \r\n\n\t\n", ""),
            ("example.com/a", DIRTY, "v1.0.0\nv1.1.0\nv1.3.0\n"),
            ("example.com/a", "v1.0.0", "v1.0.0\n"),
            (
                "example.com/a",
                "v1.10.0\nv1.9.0\nv1.9.0-rc.1\nv0.1.0\n",
                "v0.1.0\nv1.9.0-rc.1\nv1.9.0\nv1.10.0\n",
            ),
            (
                "example.com/a",
                "v2.0.0+incompatible\nv3.0.0\nv1.0.0\n",
                "v1.0.0\nv2.0.0+incompatible\n",
            ),
            (
                "example.com/a",
                "v1.0.0+incompatible\nv1.0.0\n",
                "v1.0.0\nv1.0.0+incompatible\n",
            ),
            (
                "example.com/a",
                "v1.0.0-RC1\nv1.0.0-rc1\n",
                "v1.0.0-RC1\nv1.0.0-rc1\n",
            ),
            ("example.com/a", "junk\nv1.0.0\n<x>\n\u{e9}\n", "v1.0.0\n"),
            ("example.com/a", "v1x\n", ""),
            ("example.com/a", "v0.0.0-20200101000000-abcdefabcdef\n", ""),
            (
                "example.com/a/v2",
                "v1.0.0\nv2.1.0\nv2.0.0\nv20.0.0\n",
                "v2.0.0\nv2.1.0\n",
            ),
            (
                "gopkg.in/a.v2",
                "v2.4.0\nv3.0.0\nv2.3.0\n",
                "v2.3.0\nv2.4.0\n",
            ),
            ("gopkg.in/a.v1", "v1.0.0\nv0.9.0\n", "v1.0.0\n"),
            (
                "golang.org/toolchain",
                "v0.0.1-go1.21.0.linux-amd64\nv0.0.1-go1.9.linux-amd64\n",
                "v0.0.1-go1.9.linux-amd64\nv0.0.1-go1.21.0.linux-amd64\n",
            ),
        ] {
            let got =
                list(module, body.as_bytes()).map(|list| String::from_utf8(list).expect("ASCII"));
            assert_eq!(got.as_deref(), Ok(expected), "{module}: {body}");
        }
    }

    #[test]
    fn a_page_is_no_list() {
        for body in [
            "<html><body>please log in</body></html>\n",
            "\n\n <!doctype html>\nv1.0.0 was released\n",
            "not found: no such module\n",
            "{\"Version\":\"v1.0.0\"}\n",
            "versions:\n",
            "v\n",
            "\0",
        ] {
            assert_eq!(
                list("example.com/a", body.as_bytes()),
                Err(BodyError::NotList),
                "{body}"
            );
        }
        assert_eq!(
            list("example.com/a", &[0xff, 0xfe]),
            Err(BodyError::NotList)
        );
    }

    #[test]
    fn numbers_of_any_length_keep_their_order() {
        const RISING: [&str; 10] = [
            "v0.4294967296.5",
            "v0.99999999999999999999.7",
            "v0.99999999999999999999.10",
            "v0.100000000000000000000.0",
            "v1.0.67108863",
            "v1.0.67108864",
            "v1.0.99999999999999999999",
            "v1.1.0",
            "v1.67108862.0",
            "v1.67108863.0",
        ];
        let falling: Vec<_> = RISING.into_iter().rev().collect();
        let got = list("example.com/a", falling.join("\n").as_bytes()).expect("a list");
        assert_eq!(
            String::from_utf8_lossy(&got).lines().collect::<Vec<_>>(),
            RISING
        );
        let majors = [
            "v4094.0.0+incompatible",
            "v4095.1.0+incompatible",
            "v4096.0.0+incompatible",
            "v5000.0.0+incompatible",
        ];
        let falling: Vec<_> = majors.into_iter().rev().collect();
        let got = list("example.com/a", falling.join("\n").as_bytes()).expect("a list");
        assert_eq!(
            String::from_utf8_lossy(&got).lines().collect::<Vec<_>>(),
            majors
        );
    }

    #[test]
    fn a_million_lines_are_sorted() {
        let mut body = String::with_capacity(16 << 20);
        for i in 0..1_000_000_u64 {
            // The factor has no divisor in common with the modulus, so this is every number once, scrambled.
            let n = i * 2_654_435_761 % 1_000_000;
            body.push_str(&format!("v1.{}.{}\n", n / 1000, n % 1000));
        }
        let expected: String = (0..1_000_000_u64)
            .map(|n| format!("v1.{}.{}\n", n / 1000, n % 1000))
            .collect();
        assert!(list("example.com/a", body.as_bytes()) == Ok(expected.into_bytes()));
    }
}
