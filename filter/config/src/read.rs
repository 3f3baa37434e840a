//! From the tree to types: how an object, an array and a text are read, each problem with its path.

use std::borrow::Cow;
use std::fmt;

use super::error::{Echo, Plain, Problems};
use super::json::Node;

/// No object has as many fields. Above it they are not looked at: comparing each with each takes its time.
const MAX_FIELDS: usize = 64;

/// Where in the document: `routes[0].chain[1].to`.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// The document itself.
    Root,
    /// A field of an object.
    Field(&'a At<'a>, &'a str),
    /// An element of an array.
    Index(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            // An empty path would be the document itself.
            Self::Field(At::Root, "") => f.write_str("\"\""),
            Self::Field(At::Root, name) => Plain(name).fmt(f),
            Self::Field(parent, "") => write!(f, "{parent}.\"\""),
            Self::Field(parent, name) => write!(f, "{parent}.{}", Plain(name)),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A type that a JSON value can be read as.
pub(super) trait Read: Sized {
    /// What a message says is expected.
    const EXPECTED: &'static str;

    /// Reads the value; `None` once a problem has been noted.
    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self>;

    /// What stands for a field that is not there.
    fn absent(at: At<'_>, problems: &mut Problems) -> Option<Self> {
        require(Self::EXPECTED, at, problems);
        None
    }
}

/// Why a text is refused, where "expected .., got .." leaves the reader guessing; else empty.
pub(super) type Why = Cow<'static, str>;

/// A type that is written as a JSON string.
pub(super) trait Text: Sized {
    /// See [`Read::EXPECTED`].
    const EXPECTED: &'static str;

    /// Parses the string.
    fn parse(text: &str) -> Result<Self, Why>;
}

impl<T: Text> Read for T {
    const EXPECTED: &'static str = <T as Text>::EXPECTED;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        let text = text_of(node, <T as Text>::EXPECTED, at, problems)?;
        match T::parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                refuse(<T as Text>::EXPECTED, text, &why, at, problems);
                None
            }
        }
    }
}

impl<T: Read> Read for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        T::read(node, at, problems).map(Some)
    }

    fn absent(_: At<'_>, _: &mut Problems) -> Option<Self> {
        Some(None)
    }
}

/// An array of at least `LEAST` and at most `MOST` elements.
#[derive(Debug)]
pub(super) struct List<T, const LEAST: usize, const MOST: usize>(pub(super) Vec<T>);

impl<T: Read, const LEAST: usize, const MOST: usize> Read for List<T, LEAST, MOST> {
    const EXPECTED: &'static str = "an array";

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        let nodes = elements_of(node, LEAST, MOST, at, problems)?;
        let mut elements = Vec::with_capacity(nodes.len());
        // Every element is read, also behind a bad one: all problems are told at once.
        for (index, node) in nodes.iter().enumerate() {
            elements.extend(T::read(node, At::Index(&at, index), problems));
        }
        (elements.len() == nodes.len()).then_some(Self(elements))
    }
}

/// The fields of one object, known to be among those the type has.
pub(super) struct Fields<'a> {
    fields: &'a [(String, Node)],
    at: At<'a>,
}

impl<'a> Fields<'a> {
    /// Refuses what is no object, unknown fields, and a field that is there twice. `later` are fields that
    /// a later release will know.
    #[inline(never)]
    pub(super) fn new(
        node: &'a Node,
        at: At<'a>,
        known: &[&str],
        later: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let Node::Object(fields) = node else {
            mismatch("an object", node, at, problems);
            return None;
        };
        if fields.len() > MAX_FIELDS {
            problems.add(
                at,
                format!("expected at most {MAX_FIELDS} fields, got {}", fields.len()),
            );
            return None;
        }
        for (index, (name, _)) in fields.iter().enumerate() {
            let here = At::Field(&at, name);
            if fields
                .iter()
                .take(index)
                .any(|(earlier, _)| earlier == name)
            {
                problems.add(here, "expected once, got it again".to_owned());
            } else if later.contains(&name.as_str()) {
                problems.add(here, "not built yet in this release; remove it".to_owned());
            } else if !known.contains(&name.as_str()) {
                problems.add(
                    here,
                    format!("unknown field, expected one of {}", known.join(", ")),
                );
            }
        }
        Some(Self { fields, at })
    }

    /// Reads one field, or its default in its place where it is absent.
    pub(super) fn read<T: Read>(
        &self,
        name: &str,
        default: Default,
        problems: &mut Problems,
    ) -> Option<T> {
        let at = At::Field(&self.at, name);
        if let Some(node) = self.find(name) {
            return T::read(node, at, problems);
        }
        match default.node() {
            Some(node) => T::read(&node, at, problems),
            None => T::absent(at, problems),
        }
    }

    #[inline(never)]
    fn find(&self, name: &str) -> Option<&'a Node> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node)
    }
}

/// What stands for a field that is absent: the JSON that would have said the same.
#[derive(Clone, Copy)]
pub(super) enum Default {
    /// Nothing.
    None,
    /// A string.
    Text(&'static str),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// An array of strings.
    List(&'static [&'static str]),
    /// `{}`
    Object,
}

impl Default {
    #[inline(never)]
    fn node(self) -> Option<Node> {
        let text = |text: &&str| Node::Text((*text).to_owned());
        match self {
            Self::None => None,
            Self::Text(default) => Some(text(&default)),
            Self::Number(default) => Some(Node::Number(Some(default))),
            Self::Flag(default) => Some(Node::Bool(default)),
            Self::List(default) => Some(Node::List(default.iter().map(text).collect())),
            Self::Object => Some(Node::Object(Vec::new())),
        }
    }
}

impl From<&'static str> for Default {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Default {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Default {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

// What follows is no part of the generic functions above, which are compiled for each type: the filter's size counts.

/// The text that a value is, or a problem.
#[inline(never)]
fn text_of<'a>(
    node: &'a Node,
    expected: &str,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<&'a str> {
    let Node::Text(text) = node else {
        mismatch(expected, node, at, problems);
        return None;
    };
    Some(text)
}

/// The elements of the array that a value is, as many as there may be, or a problem.
#[inline(never)]
fn elements_of<'a>(
    node: &'a Node,
    least: usize,
    most: usize,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<&'a [Node]> {
    let Node::List(nodes) = node else {
        mismatch("an array", node, at, problems);
        return None;
    };
    let got = nodes.len();
    if got < least {
        problems.add(at, format!("expected at least {least} element, got {got}"));
    } else if got > most {
        problems.add(at, format!("expected at most {most} elements, got {got}"));
    }
    (least..=most).contains(&got).then_some(nodes)
}

/// Notes that a value is of another JSON type than expected.
#[cold]
#[inline(never)]
pub(super) fn mismatch(expected: &str, node: &Node, at: At<'_>, problems: &mut Problems) {
    problems.add(at, format!("expected {expected}, got {node}"));
}

/// Notes that a text is none of those expected.
#[cold]
#[inline(never)]
fn refuse(expected: &str, text: &str, why: &str, at: At<'_>, problems: &mut Problems) {
    let colon = if why.is_empty() { "" } else { ": " };
    problems.add(
        at,
        format!("expected {expected}, got {}{colon}{why}", Echo(text)),
    );
}

/// Notes that a field is not there.
#[cold]
#[inline(never)]
fn require(expected: &str, at: At<'_>, problems: &mut Problems) {
    problems.add(at, format!("required, expected {expected}, got nothing"));
}

/// Declares a type that mirrors a JSON object, and how it is read.
///
/// A field of type `Option` may be absent; one with `= default` is read from the default then; any other is
/// required. `later` names the fields that a later release will know. The doc comments and the defaults go
/// into the JSON Schema.
macro_rules! object {
    (
        $(#[$about:meta])*
        struct $name:ident {
            $( $(#[$about_field:meta])* $field:ident: $type:ty $(= $default:tt)?, )*
        }
        later: [$($later:literal),* $(,)?]
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(deny_unknown_fields, transform = super::schema::tidy))]
        pub(super) struct $name {
            $(
                $(#[$about_field])*
                $( #[cfg_attr(feature = "schema", schemars(extend("default" = $default)))] )?
                pub(super) $field: $type,
            )*
        }

        impl $crate::read::Read for $name {
            const EXPECTED: &'static str = "an object";

            fn read(
                node: &$crate::json::Node,
                at: $crate::read::At<'_>,
                problems: &mut $crate::error::Problems,
            ) -> Option<Self> {
                let known = [$(stringify!($field)),*];
                let fields = $crate::read::Fields::new(node, at, &known, &[$($later),*], problems)?;
                // All are read before the first that failed ends it: all problems are told at once.
                $( let $field = fields.read(
                    stringify!($field),
                    $crate::read::default!($($default)?),
                    problems,
                ); )*
                let ($(Some($field),)*) = ($($field,)*) else { return None };
                Some(Self { $($field,)* })
            }
        }
    };
}
pub(super) use object;

/// [`Default`], as it is written in a declaration.
macro_rules! default {
    () => { $crate::read::Default::None };
    ({}) => { $crate::read::Default::Object };
    ([$($text:literal),*]) => { $crate::read::Default::List(&[$($text),*]) };
    ($value:literal) => { $crate::read::Default::from($value) };
}
pub(super) use default;
