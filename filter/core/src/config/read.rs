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
            Self::Field(At::Root, name) => Plain(name).fmt(f),
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
        problems.add(
            at,
            format!("required, expected {}, got nothing", Self::EXPECTED),
        );
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
        let Node::Text(text) = node else {
            mismatch(<T as Text>::EXPECTED, node, at, problems);
            return None;
        };
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
        let Node::List(nodes) = node else {
            mismatch(Self::EXPECTED, node, at, problems);
            return None;
        };
        if nodes.len() < LEAST {
            problems.add(
                at,
                format!("expected at least {LEAST} element, got {}", nodes.len()),
            );
            return None;
        }
        if nodes.len() > MOST {
            problems.add(
                at,
                format!("expected at most {MOST} elements, got {}", nodes.len()),
            );
            return None;
        }
        // Every element is read, also behind a bad one: all problems are told at once.
        let mut elements = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            elements.push(T::read(node, At::Index(&at, index), problems));
        }
        elements.into_iter().collect::<Option<_>>().map(Self)
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

    /// Reads one field; `default` is read in its place where it is absent.
    pub(super) fn read<T: Read>(
        &self,
        name: &str,
        default: Option<Node>,
        problems: &mut Problems,
    ) -> Option<T> {
        let at = At::Field(&self.at, name);
        let given = self
            .fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node);
        match given.or(default.as_ref()) {
            Some(node) => T::read(node, at, problems),
            None => T::absent(at, problems),
        }
    }
}

/// Notes that a value is of another JSON type than expected.
pub(super) fn mismatch(expected: &str, node: &Node, at: At<'_>, problems: &mut Problems) {
    problems.add(at, format!("expected {expected}, got {node}"));
}

/// Notes that a text is none of those expected.
pub(super) fn refuse(expected: &str, text: &str, why: &str, at: At<'_>, problems: &mut Problems) {
    let colon = if why.is_empty() { "" } else { ": " };
    problems.add(
        at,
        format!("expected {expected}, got {}{colon}{why}", Echo(text)),
    );
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

        impl $crate::config::read::Read for $name {
            const EXPECTED: &'static str = "an object";

            fn read(
                node: &$crate::config::json::Node,
                at: $crate::config::read::At<'_>,
                problems: &mut $crate::config::error::Problems,
            ) -> Option<Self> {
                let known = [$(stringify!($field)),*];
                let fields = $crate::config::read::Fields::new(node, at, &known, &[$($later),*], problems)?;
                // All are read before the first that failed ends it: all problems are told at once.
                $( let $field = fields.read(
                    stringify!($field),
                    $crate::config::read::default_node!($($default)?),
                    problems,
                ); )*
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
}
pub(super) use object;

/// The default of a field as the JSON that would have said the same.
macro_rules! default_node {
    () => { None };
    ({}) => { Some($crate::config::json::Node::Object(Vec::new())) };
    ([$($text:literal),*]) => {
        Some($crate::config::json::Node::List(vec![$($crate::config::json::Node::Text($text.to_owned())),*]))
    };
    ($text:literal) => { Some($crate::config::json::Node::Text($text.to_owned())) };
}
pub(super) use default_node;
