//! What upstreams say in the gateway's target: good and bad answers, by a number.

use goproxy_core::goproxy::{Endpoint, Request};
use goproxy_core::{Answer, AnswerBody, AnswerHead, CalloutOutcome};

/// What clients ask for.
pub(super) const PATHS: [&str; 20] = [
    "/example.com/a/@v/list",
    "/example.com/a/@latest",
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/v1.0.0.mod",
    "/example.com/a/@v/v1.0.0.zip",
    "/example.com/a/@v/v1.1.0.zip",
    "/example.com/a/@v/master.info",
    "/example.com/b/@v/v1.0.0.zip",
    "/example.com/b/@v/list",
    "/github.com/%21burnt/toml/@v/v1.0.0.mod",
    "/github.com/!burnt/toml/@v/v1.0.0.mod",
    "/golang.org/toolchain/@v/v0.0.1-go1.99.linux-amd64.zip",
    "/sumdb/sum.example/lookup/example.com/a@v1.0.0",
    "/sumdb/sum.example/latest",
    "/sumdb/sum.example/tile/8/0/000.p/1",
    "/sumdb/sum.example/supported",
    "/cached-only/example.com/a/@v/v1.0.0.zip",
    "/example.com/a/@v/v1.0.0.zip?follow",
    "/-/healthz",
    "/example.com/Upper/@v/list",
];

const STATUSES: [u16; 20] = [
    200, 404, 410, 200, 302, 307, 403, 401, 429, 500, 502, 503, 504, 405, 206, 304, 204, 451, 100,
    999,
];

const FIELDS: [&[(&[u8], &[u8])]; 14] = [
    &[],
    &[(b"content-type", b"text/html")],
    &[(b"content-encoding", b"gzip")],
    &[(b"location", b"https://storage.example/x?Signature=y")],
    &[(b"location", b"https://evil.example/x")],
    &[(b"location", b"/base/elsewhere")],
    &[(b"location", b"http://169.254.169.254/latest\r\nx: y")],
    &[(b"cache-control", b"no-store")],
    &[(b"cache-control", b"max-age=99999999999999999999")],
    &[(b"retry-after", b"3")],
    &[(b"retry-after", b"99999999999999999999")],
    &[(b"content-length", b"30")],
    &[(b"content-length", b"18446744073709551616")],
    &[(b"content-type", b"text/plain"), (b"content-length", b"-1")],
];

/// One of these, told by `number`.
pub(super) fn pick<T: Copy>(all: &[T], number: u8) -> T {
    all[usize::from(number) % all.len()]
}

pub(super) fn status(number: u8) -> u16 {
    pick(&STATUSES, number)
}

pub(super) fn head(number: u8) -> AnswerHead {
    AnswerHead::read(pick(&FIELDS, number).iter().copied())
}

/// What becomes of a callout for `path`.
pub(super) fn outcome(path: &str, kind: u8, what: u8) -> CalloutOutcome {
    match kind % 16 {
        0 => CalloutOutcome::Unreachable,
        1 => CalloutOutcome::Reset,
        2 => CalloutOutcome::Timeout,
        3 => CalloutOutcome::UnknownTarget,
        kind => CalloutOutcome::Answer(Answer {
            status: if kind < 10 { 200 } else { status(what) },
            head: head(if kind < 8 { 0 } else { what / 16 }),
            body: body(path, what),
        }),
    }
}

fn body(path: &str, what: u8) -> AnswerBody {
    let text = match what % 8 {
        0..=3 => good(path),
        4 => return AnswerBody::TooLarge,
        5 => b"<html>please log in</html>\n".to_vec(),
        6 => b"gone: \x1b[31m\xff\n\n\r\nfar too long ".repeat(200),
        _ => Vec::new(),
    };
    AnswerBody::Whole(text)
}

/// An answer as it should be, for the object that a callout's path asks for.
fn good(path: &str) -> Vec<u8> {
    const HASH: &str = "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=";
    let path = path.strip_prefix("/base").unwrap_or(path);
    let path = path.strip_prefix("/db").map_or_else(
        || path.to_owned(),
        |path| format!("/sumdb/sum.example{path}"),
    );
    let Ok(request) = Request::parse(path.as_bytes()) else {
        return b"module example.com/a\n".to_vec();
    };
    let (module, version) = (
        request.module().unwrap_or_default(),
        request.version().unwrap_or_default(),
    );
    let tree = format!("go.sum database tree\n9\n{HASH}\n\n\u{2014} sum.example {HASH}\n");
    match request.endpoint() {
        Endpoint::List => b"v1.1.0\nv1.0.0\n".to_vec(),
        Endpoint::Latest | Endpoint::Query => b"{\"Version\":\"v1.1.0\"}".to_vec(),
        Endpoint::Info => format!("{{\"Version\":\"{version}\"}}").into_bytes(),
        Endpoint::Mod => format!("module {module}\n").into_bytes(),
        Endpoint::SumLookup => format!(
            "1\n{module} {version} h1:{HASH}\n{module} {version}/go.mod h1:{HASH}\n\n{tree}"
        )
        .into_bytes(),
        Endpoint::SumTile(tile) => vec![7; usize::from(tile.width) * 32],
        Endpoint::SumLatest | Endpoint::SumSupported => tree.into_bytes(),
        Endpoint::Zip => b"PK\x05\x06".to_vec(),
    }
}

/// A piece of an archive, by a number: the beginning of one, a middle, a page, nothing.
pub(super) fn piece(number: u8) -> &'static [u8] {
    pick(
        &[
            &b"PK\x03\x04 an archive"[..],
            b"PK",
            b"P",
            b" more bytes..",
            b"<html>",
            b"",
            &[b'x'; 5000],
        ],
        number,
    )
}
