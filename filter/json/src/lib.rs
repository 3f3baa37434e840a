//! A reader of JSON that somebody else wrote: it looks for what is asked of it and passes over the rest, and holds no tree.
//!
//! It takes what RFC 8259 calls JSON, and nothing else. In the plugin it is an eighth of what `serde_json` takes; it is held
//! against that in tests and under a fuzzer.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

#[cfg(test)]
mod testing;

use std::borrow::Cow;

/// Where in a text somebody reads. Every function gives `None` once the text is no JSON.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the beginning.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left: once a function gave `None`, where it stopped.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Nothing is left.
    pub fn end(mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// What the next value begins with: `{`, `[`, `"`, or a part of anything else.
    pub fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Takes this byte, if it is the next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if let (true, [_, rest @ ..]) = (is_next, self.rest) {
            self.rest = rest;
        }
        is_next
    }

    /// Reads the elements of an array.
    pub fn array(&mut self, each: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.members(b'[', b']', each)
    }

    /// Reads the fields of an object: each name, as it is written between its quotes, and then its value.
    pub fn object(
        &mut self,
        each: &mut dyn FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.members(b'{', b'}', &mut |reader| {
            let name = reader.string()?;
            reader.take(b':').then_some(())?;
            each(reader, name)
        })
    }

    /// Reads the fields of an object: the name that each has, and then its value.
    pub fn fields(
        &mut self,
        each: &mut dyn FnMut(&mut Self, Cow<'a, str>) -> Option<()>,
    ) -> Option<()> {
        self.members(b'{', b'}', &mut |reader| {
            let name = reader.text()?;
            reader.take(b':').then_some(())?;
            each(reader, name)
        })
    }

    fn members(
        &mut self,
        open: u8,
        close: u8,
        each: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open).then_some(())?;
        if self.take(close) {
            return Some(());
        }
        loop {
            each(self)?;
            if self.take(close) {
                return Some(());
            }
            self.take(b',').then_some(())?;
        }
    }

    /// Reads a string: what is between its quotes, escapes as they are. It is UTF-8.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let text = self.between_quotes()?;
        std::str::from_utf8(text).is_ok().then_some(text)
    }

    /// Reads a string: the text that it stands for.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        let text = std::str::from_utf8(self.between_quotes()?).ok()?;
        if text.contains('\\') {
            unescape(text).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(text))
        }
    }

    fn between_quotes(&mut self) -> Option<&'a [u8]> {
        self.take(b'"').then_some(())?;
        let whole = self.rest;
        let mut length = 0_usize;
        loop {
            let [byte, rest @ ..] = self.rest else {
                return None;
            };
            self.rest = rest;
            match byte {
                b'"' => break,
                b'\\' => length = length.saturating_add(self.escape()?),
                ..b' ' => return None,
                _ => {}
            }
            length = length.saturating_add(1);
        }
        whole.get(..length)
    }

    /// Passes over what stands behind a backslash, and says how long it is.
    fn escape(&mut self) -> Option<usize> {
        let length = match self.rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 1,
            b'u' if self.rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 5,
            _ => return None,
        };
        self.rest = self.rest.get(length..)?;
        Some(length)
    }

    /// Reads `true`, `false`, `null` or a number, as it is written.
    pub fn word(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = self.rest.iter().take_while(|byte| is_part(byte)).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        (matches!(word, b"true" | b"false" | b"null") || is_number(word)).then_some(word)
    }

    /// Passes over a value, whatever it is and however deep: not by calling itself. What is in its strings is not looked at.
    pub fn skip(&mut self) -> Option<()> {
        // What ends each array and object that is open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            let close = match self.peek()? {
                b'{' => b'}',
                b'[' => b']',
                b'"' => {
                    self.between_quotes()?;
                    0
                }
                _ => {
                    self.word()?;
                    0
                }
            };
            if close != 0 {
                self.take(if close == b'}' { b'{' } else { b'[' });
                if !self.take(close) {
                    open.push(close);
                    self.name_within(close)?;
                    continue;
                }
            }
            // Behind a value: the next one, or the end of what holds it.
            loop {
                let Some(close) = open.last().copied() else {
                    return Some(());
                };
                if self.take(b',') {
                    self.name_within(close)?;
                    break;
                }
                self.take(close).then_some(())?;
                open.pop();
            }
        }
    }

    /// In an object, passes over the name of the next value.
    fn name_within(&mut self, close: u8) -> Option<()> {
        if close == b'}' {
            self.between_quotes()?;
            self.take(b':').then_some(())?;
        }
        Some(())
    }
}

/// RFC 8259, section 6.
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let split = |text: &[u8], at: fn(&u8) -> bool| text.iter().position(at);
    let (word, exponent) = match split(word, |byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (word.get(..at), word.get(at.saturating_add(1)..)),
        None => (Some(word), None),
    };
    let word = word.unwrap_or_default();
    let (whole, fraction) = match split(word, |byte| *byte == b'.') {
        Some(at) => (word.get(..at), word.get(at.saturating_add(1)..)),
        None => (Some(word), None),
    };
    let whole = whole.unwrap_or_default();
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with(b"0"))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| match text {
            [b'+' | b'-', rest @ ..] => digits(rest),
            text => digits(text),
        })
}

/// A string's text; `None` for half of a surrogate pair, which is no character.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut letters = escape.chars();
        let letter = match letters.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = unit(&mut letters)?;
                let code = if (0xD800..0xDC00).contains(&first) {
                    (letters.next()? == '\\' && letters.next()? == 'u').then_some(())?;
                    let second = unit(&mut letters)?;
                    (0xDC00..0xE000).contains(&second).then_some(())?;
                    0x1_0000_u32.saturating_add((first & 0x3FF) << 10) | (second & 0x3FF)
                } else {
                    first
                };
                char::from_u32(code)?
            }
            same => same,
        };
        plain.push(letter);
        rest = letters.as_str();
    }
    plain.push_str(rest);
    Some(plain)
}

/// Four hexadecimal digits.
fn unit(letters: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0_u32, |unit, _| {
        Some((unit << 4) | letters.next()?.to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn is_json(text: &[u8]) -> bool {
        let mut reader = Reader::new(text);
        reader.skip().and_then(|()| reader.end()).is_some()
    }

    #[test]
    fn json_is_taken_and_nothing_else() {
        for good in [
            "0",
            "-0",
            "-1.5e+10",
            "1E5",
            "true",
            " null ",
            "\"\"",
            r#""\"\\\/\b\f\n\r\t\u00e9""#,
            "[]",
            "{}",
            "[1, [2]]",
            r#"{"a": {"b": []}, "a": 1}"#,
            "\"\u{e9}\"",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "+1",
            ".5",
            "tru",
            "truee",
            "nul",
            "'a'",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123\"",
            "\"\n\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\" 1}",
            "1 2",
            "[] []",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "01",
            "-",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "1x",
            "--1",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
        let nested = ["[".repeat(1_000_000), "]".repeat(1_000_000)].concat();
        assert!(is_json(nested.as_bytes()));
        assert!(!is_json("[".repeat(100_000).as_bytes()));
    }

    #[test]
    fn a_text_is_what_its_escapes_stand_for() {
        for (json, text) in [
            (r#""""#, Some("")),
            (r#""a""#, Some("a")),
            (
                r#""\"\\\/\b\f\n\r\tA\u00e9B""#,
                Some("\"\\/\u{8}\u{c}\n\r\tA\u{e9}B"),
            ),
            (r#""\uD83D\ude00!""#, Some("\u{1f600}!")),
            (r#""\u0000""#, Some("\0")),
            (r#""\ud83d""#, None),
            (r#""\ud83d\u0041""#, None),
            (r#""\ud83dx""#, None),
            (r#""\ude00\ud83d""#, None),
            (r#""\u12""#, None),
        ] {
            assert_eq!(
                Reader::new(json.as_bytes()).text().as_deref(),
                text,
                "{json}"
            );
        }
        assert_eq!(Reader::new(b"\"\xff\"").text(), None);
        assert_eq!(Reader::new(b"\"\xff\"").string(), None);
        // Of what nobody asks for, what it says does not count: `go` takes it too.
        assert_eq!(Reader::new(b"\"\xff\"").skip(), Some(()));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod property {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn it_takes_what_serde_json_takes(text in "[-\\[\\]{},:\"\\\\ntruefalsn0-9eE+. u/]{0,24}") {
                let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
                prop_assert_eq!(is_json(text.as_bytes()), theirs, "{}", text);
            }

            #[test]
            fn a_text_is_the_one_that_serde_json_reads(text in "\"(\\\\u[dD][89abcdef][0-9a-f]{2}|\\\\[nu\\\\\"]|[a-z\u{e9}]){0,6}\"") {
                let read = |text: &str| {
                    let mut reader = Reader::new(text.as_bytes());
                    let read = reader.text()?.into_owned();
                    reader.end().map(|()| read)
                };
                prop_assert_eq!(read(&text), serde_json::from_str::<String>(&text).ok(), "{}", text);
            }
        }
    }
}
