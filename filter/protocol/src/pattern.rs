//! Patterns for modules as GOPRIVATE has them: a glob (`path.Match`) that matches a prefix of a module path.
//!
//! `git.corp.example` covers the host and all below it, `*.corp.example` every host of the domain, `*/internal` the
//! element `internal` on any host. `*` and `?` stop at a slash. Where Go ignores a pattern that can never match, it
//! is refused here, since a rule that is silently void is worse than an error.

use std::fmt;

use thiserror::Error;

/// One glob, compiled element by element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    elements: Box<[Element]>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing, or a slash alone.
    #[error("the pattern is empty")]
    Empty,
    /// `https://host/path`, `/host`, `host//path`
    #[error(
        "the pattern has an empty path element; expected one such as git.corp.example/team, without a scheme"
    )]
    EmptyElement,
    /// A comma separates patterns in GOPRIVATE; here each pattern is an entry of its own.
    #[error("the pattern holds a comma; write each pattern as an entry of its own")]
    Comma,
    /// A character that no module path has.
    #[error(
        "the pattern holds a space, a control or a non-ASCII character, which no module path has"
    )]
    Character,
    /// `[` without `]`, an empty class, a class that begins or ends with `-`, a slash in a class.
    #[error("the pattern has a malformed [...] class")]
    Class,
    /// A backslash at the end of an element; a slash needs none.
    #[error("an element of the pattern ends in a backslash that escapes nothing")]
    Backslash,
}

impl Pattern {
    /// Compiles a glob; one slash at the end is ignored.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let glob = text.strip_suffix('/').unwrap_or(text);
        if glob.is_empty() {
            return Err(PatternError::Empty);
        }
        if !glob.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(PatternError::Character);
        }
        if glob.contains(',') {
            return Err(PatternError::Comma);
        }
        let elements = glob
            .split('/')
            .map(Element::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: glob.into(),
            elements,
        })
    }

    /// Whether the glob matches the path or a prefix of it that ends at a slash.
    pub fn matches(&self, module: &str) -> bool {
        if let [Element::Any] = &*self.elements {
            return true;
        }
        let mut parts = module.split('/');
        self.elements
            .iter()
            .all(|element| parts.next().is_some_and(|part| element.matches(part)))
    }

    /// The text that was compiled, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A list of patterns, of which one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Box<[Pattern]>);

impl Patterns {
    /// Compiles a list.
    ///
    /// # Errors
    /// The place of the first pattern that is none, and why.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, (usize, PatternError)> {
        let compile =
            |(at, text): (usize, &T)| Pattern::parse(text.as_ref()).map_err(|error| (at, error));
        texts
            .iter()
            .enumerate()
            .map(compile)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether one of them matches: `module.MatchPrefixPatterns`.
    pub fn matches(&self, module: &str) -> bool {
        self.find(module).is_some()
    }

    /// The first that matches.
    pub fn find(&self, module: &str) -> Option<&Pattern> {
        self.0.iter().find(|pattern| pattern.matches(module))
    }

    /// The patterns in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Pattern> {
        self.0.iter()
    }

    /// Whether there are none, so that nothing matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one path element must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Any,
    Literal(Box<str>),
    Glob(Box<[Token]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Star,
    One,
    Byte(u8),
    Class {
        negated: bool,
        ranges: Box<[(u8, u8)]>,
    },
}

impl Element {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let mut rest = text.bytes();
        let mut tokens = Vec::new();
        while let Some(byte) = rest.next() {
            tokens.push(match byte {
                b'*' => Token::Star,
                b'?' => Token::One,
                b'[' => class(&mut rest)?,
                b'\\' => Token::Byte(rest.next().ok_or(PatternError::Backslash)?),
                byte => Token::Byte(byte),
            });
        }
        match tokens.as_slice() {
            [] => Err(PatternError::EmptyElement),
            [Token::Star] => Ok(Self::Any),
            tokens if tokens.iter().all(|token| matches!(token, Token::Byte(_))) => {
                Ok(Self::Literal(
                    tokens
                        .iter()
                        .filter_map(Token::literal)
                        .collect::<String>()
                        .into(),
                ))
            }
            _ => Ok(Self::Glob(tokens.into())),
        }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(text) => **text == *part,
            Self::Glob(tokens) => glob_matches(tokens, part.as_bytes()),
        }
    }
}

impl Token {
    fn literal(&self) -> Option<char> {
        match self {
            Self::Byte(byte) => Some(char::from(*byte)),
            _ => None,
        }
    }

    fn accepts(&self, byte: u8) -> bool {
        match self {
            Self::Star => false,
            Self::One => true,
            Self::Byte(expected) => *expected == byte,
            Self::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&byte))
                    != *negated
            }
        }
    }
}

/// Reads a class behind its `[`; `]` and `-` must be escaped in it.
fn class(rest: &mut std::str::Bytes<'_>) -> Result<Token, PatternError> {
    let mut next = || rest.next().ok_or(PatternError::Class);
    let mut byte = next()?;
    let negated = byte == b'^';
    if negated {
        byte = next()?;
    }
    let mut ranges = Vec::new();
    loop {
        if byte == b']' && !ranges.is_empty() {
            return Ok(Token::Class {
                negated,
                ranges: ranges.into(),
            });
        }
        let low = class_byte(byte, &mut next)?;
        byte = next()?;
        let mut high = low;
        if byte == b'-' {
            high = class_byte(next()?, &mut next)?;
            byte = next()?;
        }
        ranges.push((low, high));
    }
}

fn class_byte(
    byte: u8,
    next: &mut impl FnMut() -> Result<u8, PatternError>,
) -> Result<u8, PatternError> {
    match byte {
        b'-' | b']' => Err(PatternError::Class),
        b'\\' => next(),
        byte => Ok(byte),
    }
}

/// Matches a whole element. On a mismatch only the last star is tried again, one byte further on: what an earlier
/// star could take instead, the later one can take as well, so the time is the product of the lengths at worst.
fn glob_matches(tokens: &[Token], text: &[u8]) -> bool {
    let (mut tokens, mut text) = (tokens, text);
    let mut retry: Option<(&[Token], &[u8])> = None;
    loop {
        match (tokens.split_first(), text.split_first()) {
            (Some((Token::Star, after)), _) => {
                retry = Some((after, text));
                tokens = after;
                continue;
            }
            (Some((token, after)), Some((byte, rest))) if token.accepts(*byte) => {
                (tokens, text) = (after, rest);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after_star, [_, shorter @ ..])) = retry else {
            return false;
        };
        retry = Some((after_star, shorter));
        (tokens, text) = (after_star, shorter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_pattern_matches_a_prefix_of_the_path() {
        for (pattern, module, expected) in [
            ("*", "example.com", true),
            ("*", "example.com/a/b", true),
            ("*/quote", "rsc.io/quote", true),
            ("*/quo", "rsc.io/quote", false),
            ("*/quo??", "rsc.io/quote", true),
            ("*/quo*", "rsc.io/quote", true),
            ("*quo*", "rsc.io/quote", false),
            ("rsc.io", "rsc.io/quote", true),
            ("rsc.io", "rsc.io", true),
            ("*.io", "rsc.io/quote", true),
            ("rsc.io/", "rsc.io/quote", true),
            ("rsc", "rsc.io/quote", false),
            ("rsc*", "rsc.io/quote", true),
            ("rsc.io", "rsc.io.evil.example/quote", false),
            ("rsc.io", "rsc.io/quote/v3", true),
            ("*/quote", "rsc.io/quote/v3", true),
            ("*/quote/", "rsc.io/quote/v3", true),
            ("*/quote/*", "rsc.io/quote/v3", true),
            ("*/quote/*/", "rsc.io/quote/v3", true),
            ("*/v3", "rsc.io/quote/v3", false),
            ("*/*/v3", "rsc.io/quote/v3", true),
            ("*/*/*", "rsc.io/quote/v3", true),
            ("*/*/*/", "rsc.io/quote/v3", true),
            ("*/*/*", "rsc.io/quote", false),
            ("*/*/*/", "rsc.io/quote", false),
            ("p", "abc", false),
            ("p", "a/p", false),
            ("p", "pq", false),
            ("p", "p", true),
            ("p", "p/x", true),
            ("*/q", "x/q/z", true),
            ("*/q", "n/o/p/q", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).expect(pattern).matches(module),
                expected,
                "{pattern} on {module}"
            );
        }
    }

    #[test]
    fn globs_are_those_of_path_match() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[d-b]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("[a-cx-z]1", "y1", true),
            ("[a-cx-z]1", "m1", false),
            ("a[^a]b", "axb", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("[\\]a]", "]", true),
            ("[\\-]", "-", true),
            ("[x\\-]", "x", true),
            ("[x\\-]", "-", true),
            ("[x\\-]", "z", false),
            ("[\\-x]", "-", true),
            ("[\\-x]", "a", false),
            ("a]b", "a]b", true),
            ("*x", "xxx", true),
            ("**x**", "axb", true),
            ("*a*a*b", "aaaaaaaab", true),
            ("*a*a*b", "aaaaaaaac", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).expect(pattern).matches(text),
                expected,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for (pattern, expected) in [
            ("", PatternError::Empty),
            ("/", PatternError::Empty),
            ("//", PatternError::EmptyElement),
            ("a//b", PatternError::EmptyElement),
            ("/a", PatternError::EmptyElement),
            ("https://git.corp.example", PatternError::EmptyElement),
            ("a.example,b.example", PatternError::Comma),
            ("a b", PatternError::Character),
            ("a\n", PatternError::Character),
            ("m\u{fc}nchen.example", PatternError::Character),
            ("[]a]", PatternError::Class),
            ("[-]", PatternError::Class),
            ("[x-]", PatternError::Class),
            ("[-x]", PatternError::Class),
            ("[a-b-c]", PatternError::Class),
            ("[", PatternError::Class),
            ("[]", PatternError::Class),
            ("[^", PatternError::Class),
            ("[^]", PatternError::Class),
            ("[^bc", PatternError::Class),
            ("a[", PatternError::Class),
            ("a/b[", PatternError::Class),
            ("[a/b]", PatternError::Class),
            ("[a\\", PatternError::Class),
            ("\\", PatternError::Backslash),
            ("a/b\\", PatternError::Backslash),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(expected), "{pattern:?}");
        }
    }

    #[test]
    fn a_list_matches_if_one_of_it_does() {
        let list = Patterns::parse(&["*/*/*", "*/quote"]).expect("both are patterns");
        assert_eq!(
            list.find("rsc.io/quote").map(Pattern::as_str),
            Some("*/quote")
        );
        assert_eq!(
            list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["*/*/*", "*/quote"]
        );
        assert!(!list.matches("rsc.io/other"));
        assert!(!Patterns::default().matches("rsc.io/quote") && Patterns::default().is_empty());
        assert_eq!(
            Patterns::parse(&["a.b", "", "c.d"]),
            Err((1, PatternError::Empty))
        );
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = Pattern::parse(&"a*".repeat(200)).expect("a pattern");
        assert!(!pattern.matches(&format!("b{}", "a".repeat(2000))));
        let pattern = Pattern::parse(&format!("{}b", "*a".repeat(200))).expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(2000)));
    }
}
