//! The upstream that the conformance table assumes, as a function: the same modules and faults as
//! `integration/conformance/origin.py`, whose head says what they are.

use std::collections::HashSet;

use goproxy_strict_host::{Field, fields};

/// How the origin ends a request.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// With this answer.
    Answer {
        status: u16,
        fields: Vec<Field>,
        body: Vec<u8>,
    },
    /// With a head and half of its body.
    BrokenOff { fields: Vec<Field>, body: Vec<u8> },
}

/// The origin, and what it was asked.
#[derive(Default)]
pub(crate) struct Origin {
    /// Method, path and field names of every request since the log was cleared.
    pub(crate) asked: Vec<(String, String, Vec<String>)>,
    flaked: HashSet<String>,
}

const PSEUDO: &str = "v0.0.0-20200101000000-abcdefabcdef";
const DIRTY: &str = "v1.0.0\r\n\r\nv1.2\nv1.2.0+meta\nnot a version\nv1.1.0\nv1.1.0\nv2.0.0\n\
    v0.0.0-20200101000000-abcdefabcdef\n v1.3.0 2020-01-01T00:00:00Z\n";

fn versions(module: &str) -> Option<&'static [&'static str]> {
    Some(match module {
        "example.com/a" => &["v1.0.0", "v1.1.0"],
        "example.com/a/v2" => &["v2.0.0"],
        "example.com/!upper" => &["v1.0.0", "v2.0.0+incompatible", "v1.0.0-!r!c1"],
        "gopkg.in/yaml.v2" => &["v2.4.0"],
        "golang.org/toolchain" => &["v0.0.1-go1.99.1.linux-amd64"],
        "example.com/untagged" => &[],
        "example.com/flaky"
        | "example.com/setcookie"
        | "example.com/slow"
        | "example.com/redirect"
        | "example.com/wrongversion"
        | "example.com/truncated" => &["v1.0.0"],
        _ => return None,
    })
}

fn unescape(text: &str) -> String {
    let mut upper = false;
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '!' => upper = true,
            _ if upper => {
                plain.push(letter.to_ascii_uppercase());
                upper = false;
            }
            _ => plain.push(letter),
        }
    }
    plain
}

/// The path as it was meant: nothing but what a `go` command escapes comes here.
fn unquote(path: &str) -> String {
    path.replace("%21", "!").replace("%2B", "+")
}

fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Ending {
    let body = body.into();
    let length = body.len().to_string();
    let fields = fields(&[("content-type", content_type), ("content-length", &length)]);
    Ending::Answer {
        status,
        fields,
        body,
    }
}

fn text(status: u16, body: impl Into<Vec<u8>>) -> Ending {
    answer(status, "text/plain; charset=utf-8", body)
}

fn with(ending: Ending, name: &str, value: &str) -> Ending {
    match ending {
        Ending::Answer {
            status,
            mut fields,
            body,
        } => {
            fields.push((name.to_owned(), value.as_bytes().to_vec()));
            Ending::Answer {
                status,
                fields,
                body,
            }
        }
        broken @ Ending::BrokenOff { .. } => broken,
    }
}

fn info(version: &str) -> Ending {
    let version = unescape(version);
    let body = format!(
        r#"{{"Version": "{version}", "Time": "2020-01-01T00:00:00Z", "Origin": {{"VCS": "git", "URL": "https://example.com/a"}}}}"#
    );
    answer(200, "application/json", body)
}

fn unknown(version: &str) -> Ending {
    text(404, format!("not found: unknown revision {version}\n"))
}

impl Origin {
    /// Forgets what it was asked, as the table wants it before every case.
    pub(crate) fn clear(&mut self) {
        self.asked.clear();
        self.flaked.clear();
    }

    /// Answers a request; one of HEAD is answered like one of GET.
    pub(crate) fn ask(&mut self, method: &str, path: &str, sent: &[Field]) -> Ending {
        let names = sent.iter().map(|(name, _)| name.clone()).collect();
        self.asked.push((method.to_owned(), path.to_owned(), names));
        let path = unquote(path);
        let path = path
            .split('?')
            .next()
            .unwrap_or_default()
            .trim_start_matches('/');
        match path.strip_prefix("sumdb/") {
            Some(rest) => database(rest),
            None => self.module(path),
        }
    }

    fn module(&mut self, path: &str) -> Ending {
        let (module, rest) = path.split_once("/@").unwrap_or((path, ""));
        let fault = module.strip_prefix("example.com/").unwrap_or_default();
        match fault.split('/').next().unwrap_or_default() {
            "missing" => return text(404, "not found: no such module\n"),
            "gone" => return text(410, "gone: module was removed\n"),
            "deny" => return text(403, "blocked by upstream policy\n"),
            "unauth" => {
                return with(
                    text(401, "unauthorized\n"),
                    "www-authenticate",
                    "Basic realm=origin",
                );
            }
            "e5" => return text(503, "origin is down\n"),
            "e429" => return with(text(429, "slow down\n"), "retry-after", "5"),
            "html" => {
                return answer(
                    200,
                    "text/html",
                    "<html><body>please log in</body></html>\n",
                );
            }
            "flaky" if self.flaked.insert(path.to_owned()) => return text(503, "try again\n"),
            _ => {}
        }
        if module == "example.com/dirty" && rest == "v/list" {
            return text(200, DIRTY);
        }
        let Some(known) = versions(module) else {
            return text(404, "not found\n");
        };
        match rest {
            "v/list" => text(
                200,
                known
                    .iter()
                    .map(|version| unescape(version) + "\n")
                    .collect::<String>(),
            ),
            "latest" => info(known.last().unwrap_or(&PSEUDO)),
            _ => match rest
                .strip_prefix("v/")
                .and_then(|file| file.rsplit_once('.'))
            {
                Some((version, kind)) => file(module, known, version, kind),
                None => text(404, "not found\n"),
            },
        }
    }
}

fn file(module: &str, known: &[&str], version: &str, kind: &str) -> Ending {
    let exists = known.contains(&version) || version == PSEUDO;
    let extra = |ending| match module {
        "example.com/setcookie" => with(
            with(ending, "set-cookie", "sid=1"),
            "x-accel-redirect",
            "/etc/passwd",
        ),
        _ => ending,
    };
    match kind {
        "info" => match version {
            "master" | "abcdef123456" | "list" | "v1" | "v1.0" => info("v1.1.0"),
            _ if version.ends_with("+meta") => info("v1.1.0"),
            _ if exists && module == "example.com/wrongversion" => info("v9.9.9"),
            _ if exists => info(version),
            _ => unknown(version),
        },
        "mod" | "zip" if !exists => unknown(version),
        "mod" => {
            let body = format!("module {}\n", unescape(module));
            if module == "example.com/truncated" {
                broken_off(body.as_bytes())
            } else {
                extra(text(200, body))
            }
        }
        "zip" if module == "example.com/redirect" => {
            with(text(302, ""), "location", "/example.com/a/@v/v1.0.0.zip")
        }
        "zip" => {
            let mut body = b"PK\x03\x04".to_vec();
            body.resize(
                if module == "golang.org/toolchain" {
                    1 << 20
                } else {
                    300
                },
                0,
            );
            if module == "example.com/truncated" {
                broken_off(&body)
            } else {
                extra(answer(200, "application/zip", body))
            }
        }
        _ => text(404, "not found\n"),
    }
}

fn broken_off(body: &[u8]) -> Ending {
    let length = body.len().to_string();
    Ending::BrokenOff {
        fields: fields(&[
            ("content-type", "application/octet-stream"),
            ("content-length", &length),
        ]),
        body: body[..body.len() / 2].to_vec(),
    }
}

/// 32 bytes, in base64: what a hash looks like.
fn hash() -> String {
    "A".repeat(43) + "="
}

fn database(path: &str) -> Ending {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let hash = hash();
    let note = format!("go.sum database tree\n3\n{hash}\n\n\u{2014} {name} {hash}\n");
    if let Some(asked) = rest.strip_prefix("lookup/") {
        let (module, version) = asked.rsplit_once('@').unwrap_or((asked, ""));
        let (mut module, version) = (unescape(module), unescape(version));
        match module.as_str() {
            "example.com/missing" => return text(404, "not found: no such module\n"),
            "example.com/empty" => return text(200, ""),
            "example.com/liar" => module = "example.com/a".to_owned(),
            _ => {}
        }
        let record = format!(
            "1\n{module} {version} h1:{hash}\n{module} {version}/go.mod h1:{hash}\n\n{note}"
        );
        return text(200, record);
    }
    if let Some(tile) = rest.strip_prefix("tile/8/") {
        let width = tile
            .rsplit_once(".p/")
            .and_then(|(_, width)| width.parse().ok())
            .unwrap_or(256);
        if tile.starts_with("data/") {
            let record = |index: usize| {
                format!(
                    "example.com/a v1.0.{index} h1:{hash}\nexample.com/a v1.0.{index}/go.mod h1:{hash}\n\n"
                )
            };
            return text(200, (0..width).map(record).collect::<String>());
        }
        return answer(200, "application/octet-stream", vec![7; 32 * width]);
    }
    if rest == "latest" {
        return text(200, note);
    }
    text(404, "not found\n")
}
