//! Checksum records, signed trees and tiles: no line that `go` could believe is of anything but what was asked for.

use goproxy_core::goproxy::{Endpoint, Request, body};

const DATABASE: &str = "sum.example";

/// Input: the path of an object below `/sumdb/sum.example/`, a line end, an upstream's answer.
pub fn check(data: &[u8]) {
    let Some((object, answer)) = super::text(data) else {
        return;
    };
    let Ok(request) = Request::parse(format!("/sumdb/{DATABASE}/{object}").as_bytes()) else {
        return;
    };
    if let Err(error) = body::validate(&request, answer.to_vec()) {
        assert!(super::is_printable(&error.to_string()), "{error}");
        return;
    }
    match request.endpoint() {
        Endpoint::SumLookup => lookup(&request, answer),
        Endpoint::SumLatest => tree(answer),
        Endpoint::SumTile(tile) => assert!(answer.len() >= usize::from(tile.width)),
        _ => {}
    }
}

fn lookup(request: &Request, answer: &[u8]) {
    let text = std::str::from_utf8(answer).expect("a record is text");
    let (module, version) = (request.module().unwrap(), request.version().unwrap());
    let (record, note) = text
        .split_once("\n\n")
        .expect("a record ends with a blank line");
    let (number, record) = record
        .split_once('\n')
        .expect("a record begins with its number");
    assert!(number.parse::<u64>().is_ok(), "{number}");
    let of_version = [
        format!("{module} {version} "),
        format!("{module} {version}/go.mod "),
    ];
    for line in record.lines() {
        assert!(
            of_version.iter().any(|start| line.starts_with(start)),
            "{line}"
        );
    }
    for start in &of_version {
        assert!(
            record
                .lines()
                .any(|line| line.starts_with(&format!("{start}h1:"))),
            "{record}"
        );
    }
    let outside = format!("{module} ");
    assert!(
        !note.lines().any(|line| line.starts_with(&outside)),
        "{note}"
    );
    tree(note.as_bytes());
}

fn tree(note: &[u8]) {
    let text = std::str::from_utf8(note).expect("a note is text");
    assert!(text.starts_with("go.sum database tree\n") && text.ends_with('\n'));
    let signature = format!("\n\u{2014} {DATABASE} ");
    assert!(text.contains(&signature), "no signature of the database");
    // As `golang.org/x/mod/sumdb/note` has it.
    assert!(!text.chars().any(|c| c < ' ' && c != '\n'));
}
