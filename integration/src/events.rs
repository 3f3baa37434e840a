//! EVENTS and EVENTS_HTTP: where the records of failed downloads go.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base_url::BaseUrl;
use crate::settings::{Parsed, wrong};

/// The cluster's name, and the target's.
pub const TARGET: &str = "events_http";

/// The index of `envoy/elasticsearch/index-template.json`.
const INDEX: &str = "cce-logpilot-failures-%Y.%m";

/// EVENTS: where what the host writes to its standard output goes, which is records and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lines {
    /// To our own.
    Stdout,
    /// To the end of a file, by its absolute path.
    File(PathBuf),
}

/// EVENTS_HTTP: a collector that takes batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsHttp {
    format: Format,
    url: BaseUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Elasticsearch,
    Json,
}

// === impl Lines ===

impl Lines {
    /// `-`, or a file. Whether it can be written is seen when it is opened: [`open`].
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Parsed<Self> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let path = std::path::absolute(text).or_else(|error| refuse(text, &error.to_string()))?;
        if text.ends_with('/') || path.is_dir() {
            return refuse(text, "a folder");
        }
        match path.parent() {
            Some(folder) if folder.is_dir() => Ok(Self::File(path)),
            _ => refuse(text, "no such folder"),
        }
    }
}

/// Opens the file for its end.
///
/// # Errors
/// It cannot be written.
pub fn open(path: &Path) -> Parsed<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.or_else(|error| refuse(&path.to_string_lossy(), &error.to_string()))
}

fn refuse<T>(got: &str, why: &str) -> Parsed<T> {
    let expected = "expected - for standard output, or a file that lines can be appended to";
    wrong("EVENTS", format!("{expected}, got {got:?}: {why}"))
}

// === impl EventsHttp ===

impl EventsHttp {
    /// The URL of an Elasticsearch behind `elasticsearch+`, or of something that takes a JSON array.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Parsed<Self> {
        let (format, url) = match text.strip_prefix("elasticsearch+") {
            Some(url) => (Format::Elasticsearch, url),
            None => (Format::Json, text),
        };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            let expected = "expected elasticsearch+http://127.0.0.1:9200 or http://127.0.0.1:9880/path (or https)";
            return wrong("EVENTS_HTTP", format!("{expected}, got {text:?}"));
        }
        match BaseUrl::parse(url) {
            Ok(url) => Ok(Self { format, url }),
            Err(why) => wrong("EVENTS_HTTP", why),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// `events.http` of the plugin's configuration.
    #[must_use]
    pub fn configuration(&self) -> Value {
        let mut http = json!({"target": TARGET, "authority": self.url.authority()});
        match self.format {
            Format::Elasticsearch => {
                http["format"] = "elasticsearch".into();
                http["index"] = INDEX.into();
            }
            Format::Json => http["format"] = "json".into(),
        }
        if !self.url.path.is_empty() {
            http["path"] = self.url.path.as_str().into();
        }
        http
    }
}

impl fmt::Display for EventsHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Format::Elasticsearch => write!(f, "Elasticsearch at {}", self.url),
            Format::Json => write!(f, "{}", self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_its_format_its_authority_and_its_path() {
        for (text, expected) in [
            (
                "elasticsearch+http://127.0.0.1:9200",
                json!({"format": "elasticsearch", "target": "events_http", "authority": "127.0.0.1:9200",
                       "index": "cce-logpilot-failures-%Y.%m"}),
            ),
            (
                "elasticsearch+https://es.example/logs/",
                json!({"format": "elasticsearch", "target": "events_http", "authority": "es.example", "path": "/logs",
                       "index": "cce-logpilot-failures-%Y.%m"}),
            ),
            (
                "http://127.0.0.1:9880/goproxy.events",
                json!({"format": "json", "target": "events_http", "authority": "127.0.0.1:9880",
                       "path": "/goproxy.events"}),
            ),
        ] {
            let http = EventsHttp::parse(text).expect(text);
            assert_eq!(http.configuration(), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_appended_to_what_is_there() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{}\n").expect("written");
        let lines = Lines::parse(&path.to_string_lossy()).expect("a file");
        assert_eq!(lines, Lines::File(path.clone()));
        open(&path)
            .expect("open")
            .write_all(b"{}\n")
            .expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{}\n{}\n");
        assert_eq!(Lines::parse("-"), Ok(Lines::Stdout));
    }
}
