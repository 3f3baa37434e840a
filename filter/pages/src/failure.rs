//! A failed download as its event tells it, read again for a page.

use goproxy_event::json::Reader;

/// What a page shows of one, and where an event says it: in which group, under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Timestamp,
    Module,
    Version,
    Kind,
    Code,
    Error,
    Message,
    Upstream,
    RequestId,
    RetryCount,
    DurationMillis,
    Suppressed,
}

const NAMES: [(&str, &str); 12] = [
    ("", "timestamp"),
    ("module", "name"),
    ("module", "version"),
    ("module", "kind"),
    ("error", "code"),
    ("error", "type"),
    ("error", "message"),
    ("", "upstream"),
    ("", "request_id"),
    ("error", "retry_count"),
    ("", "duration_ms"),
    ("", "suppressed"),
];

/// A failed download. Whatever its event does not say is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure([String; NAMES.len()]);

impl Failure {
    /// Reads an event's line; `None` if it is no JSON object.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut failure = Self::default();
        let mut reader = Reader::new(line.as_bytes());
        failure.read_group("", &mut reader)?;
        reader.end()?;
        Some(failure)
    }

    fn read_group(&mut self, group: &str, reader: &mut Reader<'_>) -> Option<()> {
        reader.object(&mut |reader, name| {
            let is = |wanted: &str| name == wanted.as_bytes();
            let value = match reader.peek()? {
                b'{' if group.is_empty() && is("module") => {
                    return self.read_group("module", reader);
                }
                b'{' if group.is_empty() && is("error") => return self.read_group("error", reader),
                b'"' => reader.string()?,
                b'0'..=b'9' => reader.word()?,
                _ => return reader.skip(),
            };
            let place = NAMES
                .iter()
                .position(|(of, field)| *of == group && is(field));
            if let Some(field) = place.and_then(|place| self.0.get_mut(place)) {
                *field = unescaped(value);
            }
            Some(())
        })
    }

    /// What the event says.
    pub(crate) fn get(&self, field: Field) -> &str {
        self.0.get(field as usize).map_or("", String::as_str)
    }

    /// The path that was asked for, where it can be told from the event; of checksum databases it cannot.
    pub(crate) fn path(&self) -> Option<String> {
        let mut path = String::from("/");
        escape(&mut path, self.get(Field::Module));
        path.push_str("/@");
        match self.get(Field::Kind) {
            "latest" => path.push_str("latest"),
            "list" => path.push_str("v/list"),
            kind @ ("info" | "query" | "mod" | "zip") => {
                path.push_str("v/");
                escape(&mut path, self.get(Field::Version));
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
        for (field, text) in [
            (Field::Timestamp, "2023-11-14T22:13:20.000Z"),
            (Field::Module, "github.com/BurntSushi/toml"),
            (Field::Version, "v1.0.0"),
            (Field::Kind, "zip"),
            (Field::Code, "404"),
            (Field::Error, "not_found"),
            (Field::Message, r#"no "such" \ module"#),
            (Field::Upstream, "public"),
            (Field::RequestId, "id-1"),
            (Field::RetryCount, "3"),
            (Field::DurationMillis, "12"),
            (Field::Suppressed, "2"),
        ] {
            assert_eq!(failure.get(field), text, "{field:?}");
        }
        assert_eq!(
            failure.path().as_deref(),
            Some("/github.com/!burnt!sushi/toml/@v/v1.0.0.zip")
        );
    }

    #[test]
    fn escapes_of_every_kind_are_read() {
        let line = r#"{"upstream":"a\u00e9\ud83d\n\/\"b","x":[{"upstream":"no"}],"module":7}"#;
        let failure = Failure::read(line).unwrap();
        assert_eq!(failure.get(Field::Upstream), "a\u{e9}\u{fffd} /\"b");
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
            let line = format!(r#"{{"module":{{"name":"m","version":"main","kind":"{kind}"}}}}"#);
            let failure = Failure::read(&line).unwrap();
            assert_eq!(failure.path().as_deref(), path, "{kind}");
        }
    }
}
