//! What the section becomes, and that none is accepted by mistake.

use std::time::Duration;

use super::*;
use crate::testing::test;
use crate::{ConfigError, json};

/// Reads the section of a configuration that may lack all else.
fn section_of(document: &[u8]) -> Result<Section, ConfigError> {
    let mut problems = Problems::default();
    let section = match json::parse(document, &mut problems) {
        Some(Node::Object(fields)) => fields.into_iter().find(|(name, _)| name == "events"),
        _ => None,
    };
    let (_, section) = section.expect("a section");
    let document = EventsDocument::read(&section, At::Field(&At::Root, "events"), &mut problems);
    let compiled = document.and_then(|document| compile(document, &mut problems));
    match (compiled, problems.into_error()) {
        (Some(events), None) => Ok(events),
        (_, Some(error)) => Err(error),
        (None, None) => Err(ConfigError::unexplained()),
    }
}

fn section(json: &str) -> Section {
    match section_of(format!(r#"{{"events": {json}}}"#).as_bytes()) {
        Ok(events) => events,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_written_is_what_is_configured() {
    let complete = include_bytes!("../examples/events/valid/complete.json");
    let events = section_of(complete).unwrap();
    let variable = |name: &str| ContextValue::Environment(name.to_owned());
    let text = |text: &str| ContextValue::Text(text.to_owned());
    let context = [
        ("pod_uid", variable("POD_UID")),
        ("node_ip", variable("NODE_IP")),
        ("logpilot_version", text("v1.15.0")),
        ("zone", text("eu-1")),
    ];
    let collector = Collector {
        format: Format::Elasticsearch(IndexPattern::parse("cce-logpilot-failures-%Y.%m").unwrap()),
        target: "es".to_owned(),
        authority: "es.logging.svc:9200".to_owned(),
        path: "/es".to_owned(),
        timeout: Duration::from_secs(5),
        max_batch: 1000,
        max_bytes: 2 << 20,
        max_age: Duration::from_millis(500),
        queue: 16 << 20,
        authorization: Some("ES_AUTHORIZATION".to_owned()),
    };
    let expected = Section {
        context: context.map(|(name, value)| (name.to_owned(), value)).into(),
        missing: Missing::Empty,
        stdout: Some(1 << 20),
        http: Some(collector),
        audit: true,
        client_gone: true,
    };
    assert_eq!(events, expected);
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let events = section(r#"{"stdout": true, "http": {"format": "json", "target": "fluent_bit"}}"#);
    let collector = Collector {
        format: Format::Json,
        target: "fluent_bit".to_owned(),
        authority: "fluent_bit".to_owned(),
        path: String::new(),
        timeout: Duration::from_secs(10),
        max_batch: 500,
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(2),
        queue: 4 << 20,
        authorization: None,
    };
    let expected = Section {
        context: Vec::new(),
        missing: Missing::Refuse,
        stdout: Some(4 << 20),
        http: Some(collector),
        audit: false,
        client_gone: false,
    };
    assert_eq!(events, expected);
}

#[cfg(not(target_arch = "wasm32"))]
mod examples {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The examples of a folder; one without any would make a test that cannot fail.
    fn examples(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/events")
            .join(folder);
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
        files.sort();
        assert!(files.len() >= 5, "{} examples", files.len());
        files
    }

    #[test]
    fn every_valid_example_is_accepted() {
        for path in examples("valid") {
            if let Err(error) = section_of(&fs::read(&path).unwrap()) {
                panic!("{}: {error}", path.display());
            }
        }
    }

    #[test]
    fn every_invalid_example_is_refused_with_its_message() {
        let update = std::env::var_os("UPDATE_EXAMPLES").is_some();
        let mut wrong = Vec::new();
        for path in examples("invalid") {
            let got = match section_of(&fs::read(&path).unwrap()) {
                Ok(_) => "accepted\n".to_owned(),
                Err(error) => format!("{error}\n"),
            };
            let beside = path.with_extension("txt");
            if update {
                fs::write(&beside, &got).unwrap();
            }
            let expected = fs::read_to_string(&beside).unwrap_or_default();
            if got != expected || got == "accepted\n" {
                wrong.push(format!(
                    "{}\n  expected: {expected}  got: {got}",
                    path.display()
                ));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.concat());
    }
}
