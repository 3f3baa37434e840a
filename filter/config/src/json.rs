//! From bytes to a tree that still knows what the JSON said: repeated keys, and what each value was.

use std::fmt;

use goproxy_json::Reader;

use super::MAX_BYTES;
use super::error::{Echo, Problems};
use super::read::At;

/// A value may be nested so deep.
const MAX_DEPTH: u8 = 128;

/// A JSON value. Of numbers only whole ones are kept: no field is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; `None` is one that is not whole, or too large.
    Number(Option<i64>),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// In the order of the document, with repeated keys.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads one JSON value with nothing behind it, at most [`MAX_DEPTH`] levels deep.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        let mut reader = Reader::new(bytes);
        let node = node(&mut reader, MAX_DEPTH);
        let is_all = reader.peek().is_none();
        let at = bytes.len().saturating_sub(reader.left());
        node.filter(|_| is_all)
            .ok_or_else(|| NotJson::at(bytes, at))
    }
}

/// Where something is no JSON. No part of it is in the text: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    line: usize,
    column: usize,
    /// It ended too early; what is there may be JSON.
    pub is_cut_off: bool,
}

impl NotJson {
    fn at(bytes: &[u8], at: usize) -> Self {
        let before = bytes.get(..at).unwrap_or(bytes);
        let line_ends = before.iter().filter(|byte| **byte == b'\n').count();
        let line = before.rsplit(|byte| *byte == b'\n').next();
        Self {
            line: line_ends.saturating_add(1),
            column: line.unwrap_or_default().len().saturating_add(1),
            is_cut_off: at == bytes.len(),
        }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let got = if self.is_cut_off {
            "its end"
        } else {
            "something else"
        };
        write!(f, "got {got} at line {} column {}", self.line, self.column)
    }
}

/// Reads a value that is at most so deep.
fn node(reader: &mut Reader<'_>, depth: u8) -> Option<Node> {
    let deeper = depth.checked_sub(1)?;
    Some(match reader.peek()? {
        b'{' => {
            let mut fields = Vec::new();
            reader.fields(&mut |reader, name| {
                fields.push((name.into_owned(), node(reader, deeper)?));
                Some(())
            })?;
            Node::Object(fields)
        }
        b'[' => {
            let mut nodes = Vec::new();
            reader.array(&mut |reader| {
                nodes.push(node(reader, deeper)?);
                Some(())
            })?;
            Node::List(nodes)
        }
        b'"' => Node::Text(reader.text()?.into_owned()),
        _ => match reader.word()? {
            b"null" => Node::Null,
            b"true" => Node::Bool(true),
            b"false" => Node::Bool(false),
            number => Node::Number(
                std::str::from_utf8(number)
                    .ok()
                    .and_then(|n| n.parse().ok()),
            ),
        },
    })
}

impl fmt::Display for Node {
    /// What "got" says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(Some(value)) => write!(f, "{value}"),
            Self::Number(None) => {
                f.write_str("a number with a fraction, an exponent or too many digits")
            }
            Self::Text(text) => Echo(text).fmt(f),
            Self::List(_) => f.write_str("an array"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

/// Parses one JSON value with nothing behind it.
pub(super) fn parse(bytes: &[u8], problems: &mut Problems) -> Option<Node> {
    if bytes.len() > MAX_BYTES {
        let length = bytes.len();
        problems.add(
            At::Root,
            format!("expected a configuration of at most 1 MiB, got {length} bytes"),
        );
        return None;
    }
    if bytes.trim_ascii().is_empty() {
        problems.add(
            At::Root,
            "expected a JSON object with at least upstreams and routes, got nothing".to_owned(),
        );
        return None;
    }
    match Node::parse(bytes) {
        Ok(node) => Some(node),
        Err(error) => {
            problems.add(At::Root, format!("expected JSON, {error}"));
            None
        }
    }
}
