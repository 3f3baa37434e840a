//! Names of environment variables, where a configuration says `env:NAME`.

use std::fmt;

use super::error::Problems;
use super::json::Node;
use super::read::{At, Read, mismatch};

/// Longer than any that is used; a name goes into error texts.
const MAX_NAME: usize = 128;

/// The environment variable that holds a secret. The secret itself stands in no configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvName(pub(super) String);

impl EnvName {
    /// A variable of that name; `None` if no variable can be called so.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        is_variable(name).then(|| Self(name.to_owned()))
    }

    /// The variable's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env:{}", self.0)
    }
}

impl Read for EnvName {
    const EXPECTED: &'static str = r#""env:" and the name of an environment variable"#;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        let Node::Text(text) = node else {
            mismatch(Self::EXPECTED, node, at, problems);
            return None;
        };
        let name = text.strip_prefix("env:").and_then(Self::new);
        if name.is_none() {
            // It is not repeated: it may be the secret.
            let message = "got another text (not shown): a secret stands in no configuration";
            problems.add(at, format!("expected {}, {message}", Self::EXPECTED));
        }
        name
    }
}

/// Whether an environment variable can be called so (POSIX, section 8.1, and the lower-case letters that are in use).
pub(super) fn is_variable(name: &str) -> bool {
    let all = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    all && first && name.len() <= MAX_NAME
}
