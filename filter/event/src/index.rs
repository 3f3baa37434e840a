//! The name of the Elasticsearch index that an event goes to: a pattern with the event's date in it.

use std::borrow::Cow;

use super::date::{Date, digits};

/// Elasticsearch allows 255 bytes; an alias or a data view may put something before it.
const MAX_BYTES: usize = 200;

/// Such as `cce-logpilot-failures-%Y.%m`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPattern(Box<str>);

impl IndexPattern {
    /// Parses a pattern: `%Y`, `%m`, `%d` and `%H` as `strftime` has them, in UTC; all else as it is.
    ///
    /// # Errors
    /// What no index can be called. Of the names that Elasticsearch allows, those of `a-z`, `0-9`, `.`, `_` and `-`
    /// are, that begin with a letter or digit.
    /// <https://www.elastic.co/guide/en/elasticsearch/reference/8.17/indices-create-index.html#indices-create-api-path-params>
    pub fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' if matches!(characters.next(), Some('Y' | 'm' | 'd' | 'H')) => {}
                '%' => return Err("of strftime only %Y, %m, %d and %H".into()),
                'A'..='Z' => return Err("an index has no upper-case letter in its name".into()),
                'a'..='z' | '0'..='9' | '.' | '_' | '-' => {}
                _ => return Err("a character that no index has in its name".into()),
            }
        }
        if !text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '%') {
            return Err("the name of an index begins with a letter or a digit".into());
        }
        if text.len() > MAX_BYTES {
            return Err("too long".into());
        }
        Ok(Self(text.into()))
    }

    /// Appends the index of an event of that date.
    pub(super) fn write_to(&self, date: Date, name: &mut String) {
        let mut parts = self.0.split('%');
        name.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let mut characters = part.chars();
            match characters.next() {
                Some('Y') => digits(name, date.year, 4),
                Some('m') => digits(name, date.month, 2),
                Some('d') => digits(name, date.day, 2),
                Some('H') => digits(name, date.hour(), 2),
                _ => {}
            }
            name.push_str(characters.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use crate::time::Timestamp;

    #[test]
    fn a_pattern_names_an_index_for_each_date() {
        // 2024-06-05T08:22:31.456Z
        let date = Date::of(Timestamp::from_millis(1_717_575_751_456));
        for (pattern, index) in [
            (
                "cce-logpilot-failures-%Y.%m",
                "cce-logpilot-failures-2024.06",
            ),
            ("go-%Y.%m.%d-%H", "go-2024.06.05-08"),
            ("%Y%m", "202406"),
            ("plain", "plain"),
        ] {
            let mut name = String::new();
            IndexPattern::parse(pattern)
                .unwrap()
                .write_to(date, &mut name);
            assert_eq!(name, index);
        }
    }

    #[test]
    fn what_no_index_can_be_called_is_refused() {
        for pattern in [
            "", "Upper", "-a", "_a", ".a", "+a", "a b", "a,b", "a/b", "a\\b", "a*", "a?", "a\"",
            "a<", "a>", "a|", "a#", "a:b", "a%", "a%y", "a%%", "a%T", "\u{e9}", "a\n",
        ] {
            assert!(IndexPattern::parse(pattern).is_err(), "{pattern:?}");
        }
        assert!(IndexPattern::parse(&"a".repeat(200)).is_ok());
        assert!(IndexPattern::parse(&"a".repeat(201)).is_err());
    }
}
