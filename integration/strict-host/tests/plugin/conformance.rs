//! The conformance table, whose rules no host changes, against the plugin alone.

use std::collections::HashMap;
use std::time::Duration;

use goproxy_strict_host::{Callout, Fate, Field, Host, Reply, StreamHandle, StrictHostError};

use crate::origin::{Ending, Origin};
use crate::support::Outcome;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/cases.tsv");

/// What `make run` makes of one upstream and one database at the same address.
const CONFIGURATION: &str = r#"{
    "upstreams": [{"name": "up0", "target": "goproxy_up0", "authority": "127.0.0.1:19000"}],
    "routes": [{"modules": ["*"], "chain": ["up0"]}],
    "sumdb": [{"name": "sum.golang.org", "target": "sumdb_0", "authority": "127.0.0.1:19000",
               "path": "/sumdb/sum.golang.org"}]
}"#;

struct Case {
    id: String,
    method: String,
    path: String,
    fields: Vec<Field>,
    expected: Vec<String>,
}

impl Case {
    fn read(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, method, path, fields, expected, _note] = columns[..] else {
            panic!("expected 6 columns, got {}: {line:?}", columns.len());
        };
        let fields = if fields == "-" {
            Vec::new()
        } else {
            fields.split('|').map(field).collect()
        };
        Self {
            id: id.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            fields,
            expected: expected.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// As the codec reads it: the name in lower case, each character of the value one byte.
fn field(text: &str) -> Field {
    let (name, value) = text.split_once(':').expect("Name: value");
    let value = value
        .trim()
        .chars()
        .map(|letter| u8::try_from(letter).expect("Latin-1"));
    (name.trim().to_lowercase(), value.collect())
}

/// Sends a request and plays the origin until it has its answer.
fn send(host: &mut Host, origin: &mut Origin, case: &Case) -> Result<Reply, StrictHostError> {
    let mut sent = case.fields.clone();
    // The codec takes an absolute form apart.
    let path = match case
        .path
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((authority, path)) => {
            sent.push((":authority".to_owned(), authority.as_bytes().to_vec()));
            format!("/{path}")
        }
        None => case.path.clone(),
    };
    let stream = host.request(&case.method, &path, &sent)?;
    for _ in 0..100 {
        match host.fate(stream) {
            Fate::Replied(reply) => return Ok(reply),
            Fate::Forwarded(forwarded) => {
                let method = case.method.as_str();
                let ending = origin.ask(method, &forwarded.path, &forwarded.fields);
                stream_answer(host, stream, method, ending)?;
            }
            Fate::Waiting => match host.callouts().first() {
                Some(callout) => answer(host, origin, callout)?,
                None => host.advance(Duration::from_millis(50))?,
            },
            other => panic!("{}: {other:?}", case.id),
        }
    }
    panic!("{}: no answer", case.id)
}

fn answer(host: &mut Host, origin: &mut Origin, callout: &Callout) -> Outcome {
    match origin.ask(&callout.method, &callout.path, &callout.fields) {
        Ending::Answer {
            status,
            fields,
            body,
        } => host.answer(callout.handle, status, &fields, &body),
        Ending::BrokenOff { .. } => host.reset(callout.handle),
    }
}

fn stream_answer(host: &mut Host, stream: StreamHandle, method: &str, ending: Ending) -> Outcome {
    match ending {
        Ending::Answer {
            status,
            fields,
            body,
        } => {
            let bodiless = method == "HEAD" || body.is_empty();
            host.upstream_head(stream, status, &fields, bodiless)?;
            if bodiless {
                return Ok(());
            }
            // In pieces, as they come from a network.
            let (first, rest) = body.split_at(body.len().min(1000));
            host.upstream_body(stream, first, rest.is_empty())?;
            if rest.is_empty() {
                Ok(())
            } else {
                host.upstream_body(stream, rest, true)
            }
        }
        Ending::BrokenOff { fields, body } => {
            host.upstream_head(stream, 200, &fields, false)?;
            host.upstream_body(stream, &body, false)?;
            host.upstream_reset(stream)
        }
    }
}

fn max_age(reply: &Reply) -> Option<u64> {
    let control = reply.field("cache-control")?;
    let mut directives = control.split(',').map(str::trim);
    directives
        .find_map(|directive| directive.strip_prefix("max-age="))?
        .parse()
        .ok()
}

/// A text that `go` shows its user.
fn readable(reply: &Reply) -> Result<(), String> {
    if !reply
        .field("content-type")
        .is_some_and(|kind| kind.starts_with("text/plain"))
    {
        return Err(format!(
            "an error of type {:?}",
            reply.field("content-type")
        ));
    }
    let text = reply.text();
    let lines = text.trim_end_matches('\n');
    let printable = lines
        .chars()
        .all(|letter| !letter.is_control() || "\n\t".contains(letter));
    let fits = !lines.is_empty() && text.len() <= 648 && lines.lines().count() <= 8;
    if fits && printable && !lines.contains("\n\n") {
        return Ok(());
    }
    Err(format!("a text that go does not show: {text:?}"))
}

fn holds(
    expected: &str,
    reply: &Reply,
    origin: &Origin,
    first: Option<&Reply>,
) -> Result<(), String> {
    let (what, value) = expected.split_once('=').unwrap_or((expected, ""));
    let name = value.to_lowercase();
    let holds = match what {
        "type" => reply
            .field("content-type")
            .unwrap_or_default()
            .starts_with(value),
        "body" => reply.body == value.replace("\\n", "\n").replace("\\x20", " ").as_bytes(),
        "has" => reply.text().contains(&value.replace('_', " ")),
        "origin" => origin.asked.len().to_string() == value,
        "header" => reply.field(&name).is_some(),
        "!header" => reply.field(&name).is_none(),
        "!sent" => {
            !origin.asked.is_empty()
                && origin
                    .asked
                    .iter()
                    .all(|(_, _, names)| !names.contains(&name))
        }
        "same" => origin.asked.is_empty() && first.is_some_and(|first| first.body == reply.body),
        "immutable" => max_age(reply).is_some_and(|age| age >= 86_400),
        "mutable" => max_age(reply).is_some_and(|age| age <= 3_600),
        "text" => return readable(reply),
        _ if what
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'|') =>
        {
            what.split('|')
                .any(|status| status == reply.status.to_string())
        }
        _ => return Err(format!("unknown expectation {expected}")),
    };
    if holds {
        Ok(())
    } else {
        Err(format!("not {expected}"))
    }
}

#[test]
fn every_case_of_the_table_holds() -> Outcome {
    let table = std::fs::read_to_string(TABLE).unwrap_or_else(|error| panic!("{TABLE}: {error}"));
    let lines = table
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let cases: Vec<Case> = lines.map(Case::read).collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    let by_id: HashMap<&str, &Case> = cases.iter().map(|case| (case.id.as_str(), case)).collect();

    let mut host = Host::new(CONFIGURATION)?;
    let mut origin = Origin::default();
    let mut short = Vec::new();
    for case in &cases {
        let same = case
            .expected
            .iter()
            .find_map(|expected| expected.strip_prefix("same="));
        let first = match same {
            Some(id) => Some(send(&mut host, &mut origin, by_id[id])?),
            None => None,
        };
        origin.clear();
        let reply = send(&mut host, &mut origin, case)?;
        for expected in &case.expected {
            if let Err(problem) = holds(expected, &reply, &origin, first.as_ref()) {
                let asked = &origin.asked;
                short.push(format!(
                    "{}: {problem}; {} {:?}; origin {asked:?}",
                    case.id,
                    reply.status,
                    reply.text()
                ));
            }
        }
    }
    assert!(
        short.is_empty(),
        "{} of {}:\n{}",
        short.len(),
        cases.len(),
        short.join("\n")
    );
    host.check()
}

#[test]
fn an_expectation_that_does_not_hold_is_told() {
    let reply = Reply {
        status: 404,
        fields: goproxy_strict_host::fields(&[
            ("content-type", "text/html"),
            ("cache-control", "max-age=60"),
        ]),
        body: b"<html>\n\n</html>".to_vec(),
        details: String::new(),
    };
    let origin = Origin::default();
    for expected in [
        "200",
        "type=text/plain",
        "body=",
        "has=word",
        "origin=1",
        "header=Etag",
        "!header=Content-Type",
        "!sent=Cookie",
        "same=x",
        "immutable",
        "text",
        "nonsense",
    ] {
        assert!(
            holds(expected, &reply, &origin, None).is_err(),
            "{expected}"
        );
    }
    for expected in ["404", "200|404", "type=text/html", "origin=0", "mutable"] {
        assert_eq!(holds(expected, &reply, &origin, None), Ok(()), "{expected}");
    }
}
