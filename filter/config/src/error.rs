//! What is wrong with a configuration, as a person reads it.

use std::fmt;

use super::read::At;

/// So many problems are reported; the rest is only counted, since the text goes into a log line.
const MAX_PROBLEMS: usize = 20;

/// So many characters of a value are repeated in a message.
const MAX_ECHO: usize = 64;

/// Everything that was found wrong with a configuration: one line for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
    left_out: usize,
}

impl ConfigError {
    /// The problems in the order of the document; never empty.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there were beyond those.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// For a reader that gives up and forgets to say why: a configuration is never accepted by mistake.
    pub(super) fn unexplained() -> Self {
        let message = "refused without a reason, which is a fault of the filter".to_owned();
        Self {
            problems: vec![Problem {
                path: String::new(),
                message,
            }],
            left_out: 0,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    /// The field, as `routes[0].chain[1].to`; empty for the document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was expected there, and what came.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Notes a problem of the field at `at`.
    pub(super) fn add(&mut self, at: At<'_>, message: String) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(Problem {
                path: at.to_string(),
                message,
            });
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The error that tells them all.
    pub(super) fn into_error(self) -> Option<ConfigError> {
        (!self.found.is_empty()).then_some(ConfigError {
            problems: self.found,
            left_out: self.left_out,
        })
    }
}

/// A value in a message: quoted, bounded, in printable ASCII, so that it can break no log line.
///
/// What stands before an `@` or behind a `?` is left out: somebody who writes `user:secret@host` or
/// `/path?token=secret` where neither belongs must not find the secret in a log.
pub(super) struct Echo<'a>(pub(super) &'a str);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, query) = match self.0.split_once('?') {
            Some((text, _)) => (text, "?..."),
            None => (self.0, ""),
        };
        let (user, text) = match text.rsplit_once('@') {
            Some((_, host)) => ("...@", host),
            None => ("", text),
        };
        write!(f, "\"{user}{}{query}\"", Plain(text))
    }
}

/// The same without quotes, and whole as far as it is not too long: names of fields.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MAX_ECHO) {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => write!(f, "{character}")?,
                _ => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            }
        }
        if characters.next().is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
