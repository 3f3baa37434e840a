//! From bytes to a tree that still knows what the JSON said: repeated keys, and what each value was.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::MAX_BYTES;
use super::error::{Echo, Problems};
use super::read::At;

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
    /// Reads one JSON value with nothing behind it, at most 128 levels deep.
    ///
    /// # Errors
    /// Where it is no JSON; no part of it is in the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let node = Self::deserialize(&mut reader)?;
        reader.end().map(|()| node)
    }
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
        // The error's text ends with the line and the column.
        Err(error) => {
            problems.add(At::Root, format!("expected JSON: {error}"));
            None
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = object.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }
}
