//! A reader of JSON that somebody else wrote: it looks for what is asked of it and passes over the rest, and holds no tree.
//!
//! It takes what RFC 8259 calls JSON, and of the rest only odd numbers (`01`, `1.`), which are never numbers to who asks. In the
//! plugin it is a quarter of what a tree made by `serde_json` takes; it is held against that in tests and under a fuzzer.

/// A value may be nested so deep.
const MAX_DEPTH: u8 = 64;

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

    /// Reads a string: what is between its quotes, escapes as they are.
    pub fn string(&mut self) -> Option<&'a [u8]> {
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
        let text = whole.get(..length)?;
        std::str::from_utf8(text).is_ok().then_some(text)
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
        matches!(
            word,
            b"true" | b"false" | b"null" | [b'0'..=b'9' | b'-', ..]
        )
        .then_some(word)
    }

    /// Passes over a value, whatever it is.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match self.peek()? {
            b'{' => self.object(&mut |reader, _| reader.skip_within(deeper)),
            b'[' => self.array(&mut |reader| reader.skip_within(deeper)),
            b'"' => self.string().map(|_| ()),
            _ => self.word().map(|_| ()),
        }
    }
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
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
        assert!(!is_json(b"\"\xff\""));
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(is_json(nested(64).as_bytes()) && !is_json(nested(65).as_bytes()));
        assert!(!is_json("[".repeat(100_000).as_bytes()));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod property {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn it_takes_what_serde_json_takes(text in "[-\\[\\]{},:\"\\\\ntruefalsn0-9eE+. u/]{0,24}") {
                // An unpaired surrogate is JSON by its grammar, and so is a number that is too large: the other has no value for them.
                let ours = is_json(text.as_bytes());
                match serde_json::from_str::<serde_json::Value>(&text) {
                    Ok(_) => prop_assert!(ours, "{}", text),
                    Err(_) => prop_assert!(!ours || text.contains(|c: char| c.is_ascii_digit() || c == '-'), "{}", text),
                }
            }
        }
    }
}
