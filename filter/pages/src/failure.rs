//! A failed download as its event tells it, read again for a page.

use goproxy_event::json::Reader;

/// What a page shows of one. Whatever an event does not say is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) timestamp: String,
    pub(crate) module: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) code: String,
    pub(crate) error: String,
    pub(crate) message: String,
    pub(crate) upstream: String,
    pub(crate) request_id: String,
    pub(crate) retry_count: String,
    pub(crate) duration_ms: String,
    pub(crate) suppressed: String,
}

impl Failure {
    /// Reads an event's line; `None` if it is no JSON object.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut failure = Self::default();
        let mut reader = Reader::new(line.as_bytes());
        failure.read_group(b"", &mut reader)?;
        reader.end()?;
        Some(failure)
    }

    fn read_group(&mut self, group: &[u8], reader: &mut Reader<'_>) -> Option<()> {
        reader.object(&mut |reader, name| match (reader.peek()?, group) {
            (b'{', b"") if matches!(name, b"module" | b"error") => self.read_group(name, reader),
            (b'"', _) => {
                let text = reader.string()?;
                if let Some(field) = self.field(group, name) {
                    *field = unescaped(text);
                }
                Some(())
            }
            (b'0'..=b'9', _) => {
                let digits = reader.word()?;
                if let Some(field) = self.field(group, name) {
                    *field = unescaped(digits);
                }
                Some(())
            }
            _ => reader.skip(),
        })
    }

    fn field(&mut self, group: &[u8], name: &[u8]) -> Option<&mut String> {
        Some(match (group, name) {
            (b"", b"timestamp") => &mut self.timestamp,
            (b"", b"upstream") => &mut self.upstream,
            (b"", b"request_id") => &mut self.request_id,
            (b"", b"duration_ms") => &mut self.duration_ms,
            (b"", b"suppressed") => &mut self.suppressed,
            (b"module", b"name") => &mut self.module,
            (b"module", b"version") => &mut self.version,
            (b"module", b"kind") => &mut self.kind,
            (b"error", b"code") => &mut self.code,
            (b"error", b"type") => &mut self.error,
            (b"error", b"message") => &mut self.message,
            (b"error", b"retry_count") => &mut self.retry_count,
            _ => return None,
        })
    }

    /// The path that was asked for, where it can be told from the event; of checksum databases it cannot.
    pub(crate) fn path(&self) -> Option<String> {
        let mut path = String::from("/");
        escape(&mut path, &self.module);
        path.push_str("/@");
        match self.kind.as_str() {
            "latest" => path.push_str("latest"),
            "list" => path.push_str("v/list"),
            kind @ ("info" | "query" | "mod" | "zip") => {
                path.push_str("v/");
                escape(&mut path, &self.version);
                path.push('.');
                path.push_str(if kind == "query" { "info" } else { kind });
            }
            _ => return None,
        }
        Some(path)
    }
}

/// Appends a module's path or version as the protocol writes it: a capital letter is `!` and the small one.
fn escape(path: &mut String, plain: &str) {
    for character in plain.chars() {
        if character.is_ascii_uppercase() {
            path.push('!');
        }
        path.push(character.to_ascii_lowercase());
    }
}

/// The text that stands between the quotes of a JSON string. Halves of a character are not put together.
fn unescaped(json: &[u8]) -> String {
    let json = String::from_utf8_lossy(json);
    let mut text = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        text.push(match rest.next() {
            Some('u') => {
                let digits = rest.by_ref().take(4);
                let digit = |number: u32, digit: char| {
                    number.wrapping_shl(4) | digit.to_digit(16).unwrap_or_default()
                };
                char::from_u32(digits.fold(0, digit)).unwrap_or('\u{fffd}')
            }
            Some('b' | 'f' | 'n' | 'r' | 't') => ' ',
            Some(other) => other,
            None => break,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{failure_line, test};

    #[test]
    fn an_event_is_read_as_it_was_told() {
        let line = failure_line(
            "github.com/BurntSushi/toml",
            "v1.0.0",
            r#"no "such"  \ module"#,
        );
        let failure = Failure::read(&line).unwrap();
        assert_eq!(
            failure,
            Failure {
                timestamp: "2023-11-14T22:13:20.000Z".to_owned(),
                module: "github.com/BurntSushi/toml".to_owned(),
                version: "v1.0.0".to_owned(),
                kind: "zip".to_owned(),
                code: "404".to_owned(),
                error: "not_found".to_owned(),
                message: r#"no "such" \ module"#.to_owned(),
                upstream: "public".to_owned(),
                request_id: "id-1".to_owned(),
                retry_count: "3".to_owned(),
                duration_ms: "12".to_owned(),
                suppressed: "2".to_owned(),
            }
        );
        assert_eq!(
            failure.path().as_deref(),
            Some("/github.com/!burnt!sushi/toml/@v/v1.0.0.zip")
        );
    }

    #[test]
    fn escapes_of_every_kind_are_read() {
        let line = r#"{"upstream":"a\u00e9\ud83d\n\/\"b","x":[{"upstream":"no"}],"module":7}"#;
        let failure = Failure::read(line).unwrap();
        assert_eq!(failure.upstream, "a\u{e9}\u{fffd} /\"b");
    }

    #[test]
    fn what_is_no_object_is_no_failure() {
        for line in [
            "",
            "x",
            "[]",
            "{",
            r#"{"upstream":"a"} {"#,
            r#"{"upstream":"a}"#,
        ] {
            assert_eq!(Failure::read(line), None, "{line}");
        }
    }

    #[test]
    fn a_path_can_be_told_of_modules_only() {
        for (kind, path) in [
            ("list", Some("/m/@v/list")),
            ("latest", Some("/m/@latest")),
            ("query", Some("/m/@v/main.info")),
            ("info", Some("/m/@v/main.info")),
            ("mod", Some("/m/@v/main.mod")),
            ("sumdb", None),
            ("", None),
        ] {
            let failure = Failure {
                module: "m".to_owned(),
                version: "main".to_owned(),
                kind: kind.to_owned(),
                ..Failure::default()
            };
            assert_eq!(failure.path().as_deref(), path, "{kind}");
        }
    }
}
