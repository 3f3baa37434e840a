//! The real `go` command through the gateway, over http and over https: every kind of download, cold, and then with all of
//! the client's caches empty and the gateway's warm.

#[path = "common/mod.rs"]
mod authority;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use authority::Authority;
use goproxy_integration::go::{GoHome, GoOutput};
use goproxy_integration::origin::{Origin, Seen};
use goproxy_integration::settings::Tls;
use serde_json::json;
use world::{World, config};

/// The shipped `cache.memory.max_object`.
const MAX_OBJECT: u64 = 256 * 1024;

/// A gateway with one worker, and what `go` needs to trust it.
struct Gate {
    world: World,
    authority: Option<Authority>,
}

impl Gate {
    fn start(https: bool) -> Self {
        let authority = https.then(Authority::new);
        let tls = authority
            .as_ref()
            .map(|authority| authority.sign("127.0.0.1"));
        let world = World::with(|gateway, origin| {
            // So long that the cold and the warm run are both within it.
            let cache = json!({"cache": {"freshness": {"mutable": "1h", "negative": "1h"}}});
            let gateway = gateway.config_json(config(origin, cache).to_string());
            match tls {
                Some((certificate, key)) => gateway.tls(Tls {
                    certificate,
                    key,
                    client_ca: None,
                }),
                None => gateway,
            }
        });
        Self { world, authority }
    }

    /// A user whose caches are empty.
    fn user(&self) -> User {
        let origin = &self.world.origin;
        let home = GoHome::new()
            .expect("go is there")
            .proxy(self.world.gateway.url())
            .sumdb(origin.sumdb_key());
        let work = home.folder().join("work");
        std::fs::create_dir(&work).expect("a folder");
        let ca = self.authority.as_ref().map(Authority::ca);
        User { home, work, ca }
    }

    /// What the origin was asked and need not have been asked again.
    fn needless(&self) -> Vec<Seen> {
        let seen = self.world.origin.seen().expect("the origin answers");
        seen.into_iter()
            .filter(|one| !may_be_asked_again(one))
            .collect()
    }
}

/// Archives that are larger than what is kept, and those of toolchains, which are never kept.
fn may_be_asked_again(seen: &Seen) -> bool {
    seen.path.ends_with(".zip")
        && (seen.bytes > MAX_OBJECT || seen.path.starts_with("/golang.org/toolchain/"))
}

/// A user of `go`, with a folder to work in.
struct User {
    home: GoHome,
    work: PathBuf,
    ca: Option<PathBuf>,
}

impl User {
    /// Runs a command line, which may begin with `NAME=value`.
    fn run(&self, line: &str) -> GoOutput {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let is_variable = |word: &&str| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.chars().all(|letter| letter.is_ascii_uppercase()))
        };
        let variables: Vec<&str> = words.iter().copied().take_while(is_variable).collect();
        words.drain(..variables.len());
        let mut command = self.home.go(words).dir(&self.work);
        if let Some(ca) = &self.ca {
            command = command.env("SSL_CERT_FILE", ca);
        }
        for variable in variables {
            let (name, value) = variable.split_once('=').expect("a variable");
            command = command.env(name, value);
        }
        command
            .run()
            .unwrap_or_else(|error| panic!("go {line}: {error}"))
    }

    /// Runs a command line that must go well, or fail, and say `words`.
    fn expect(&self, line: &str, well: bool, words: &str) {
        let output = self.run(line);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            output.status.success() == well && said.contains(words),
            "go {line}: expected success {well} and {words:?}, got success {} and\n{said}",
            output.status.success()
        );
    }

    fn says(&self, program: &Path, words: &str) {
        let output = Command::new(program)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(words), "{}: {said}", program.display());
    }
}

/// A program that needs 64 modules.
fn build(user: &User) {
    Origin::write_program(&user.work).expect("a program");
    user.expect("mod download all", true, "");
    user.expect("build -o hello .", true, "");
    user.says(&user.work.join("hello"), "hello from 64 modules, digest ");
    user.expect("mod tidy", true, "");
    user.expect("mod verify", true, "all modules verified");
}

/// Every way to name a version, and every kind of module.
fn queries(user: &User, commit: &str) {
    user.expect("mod init use.example", true, "");
    let by_commit = format!("get example.com/a@{commit}");
    for (line, words) in [
        ("get example.com/a@latest", "added example.com/a v1.2.1"),
        ("get example.com/a@v1.0.0", "=> v1.0.0"),
        ("get example.com/a@v1", "=> v1.2.1"),
        ("get example.com/a@v1.1", "=> v1.1.0"),
        ("get example.com/a@master", "=> v1.2.2-0.20250711120000-"),
        (&by_commit, "=> v1.1.0"),
        ("get example.com/a@>=v1.1.1", "=> v1.2.0"),
        ("get example.com/a@upgrade", "=> v1.2.1"),
        (
            "list -m -versions example.com/a",
            "example.com/a v1.0.0 v1.1.0 v1.2.0 v1.2.1 v1.3.0-beta.1",
        ),
        (
            "list -m -versions example.com/retracted",
            "example.com/retracted v1.0.0 v1.2.0\n",
        ),
        (
            "get example.com/retracted@v1.1.0",
            "retracted by module author: it rounds the wrong way",
        ),
        (
            "get example.com/a/v2 example.com/a/v3",
            "added example.com/a/v3 v3.0.0",
        ),
        (
            "get example.com/Upper/Case@v1.0.0-RC1",
            "added example.com/Upper/Case v1.0.0-RC1",
        ),
        (
            "get gopkg.in/fixture.v2 gopkg.in/old.v1",
            "added gopkg.in/old.v1 v0.0.0-20250604120000-",
        ),
        (
            "get example.com/untagged",
            "added example.com/untagged v0.0.0-20250610120000-",
        ),
        (
            "get example.com/legacy github.com/Example/Legacy",
            "added github.com/Example/Legacy v3.1.0+incompatible",
        ),
        (
            "get example.com/deprecated",
            "module example.com/deprecated is deprecated: use example.com/a instead",
        ),
        ("get a.example/b/c/d/e", "added a.example/b/c v1.1.0"),
        (
            "get example.com/large example.com/tenk",
            "added example.com/tenk v1.0.0",
        ),
        (
            "list -m -u all",
            "example.com/Upper/Case v1.0.0-RC1 [v1.1.0]",
        ),
        ("list -m go@latest", "go 1.99.1"),
        (
            "GONOSUMDB=private.example get private.example/secret",
            "added private.example/secret v1.0.0",
        ),
        ("install example.com/tool/cmd/greet@v1.1.0", ""),
        ("GOTOOLCHAIN=go1.99.1 version", "go version go1.99.1 "),
    ] {
        user.expect(line, true, words);
    }
    user.says(
        &user.home.folder().join("gopath/bin/greet"),
        "greet v1.1.0 hello, world, from v1.1.0",
    );
}

/// The first 12 digits of a version's commit, which `.info` tells.
fn commit(world: &World) -> String {
    let info = world
        .origin
        .control("GET", "/example.com/a/@v/v1.1.0.info", "")
        .expect("an .info");
    let hash = info["Origin"]["Hash"].as_str().expect("a commit");
    hash[..12].to_owned()
}

fn everything_cold_then_warm(https: bool) {
    let gate = Gate::start(https);
    let commit = commit(&gate.world);
    for run in ["cold", "warm"] {
        gate.world.origin.forget().expect("the origin forgets");
        build(&gate.user());
        queries(&gate.user(), &commit);
        let needless = gate.needless();
        if run == "cold" {
            assert!(
                needless.len() > 300,
                "the cold run asks for everything, and not {} objects",
                needless.len()
            );
            let mut asked: Vec<&str> = needless.iter().map(|seen| seen.path.as_str()).collect();
            asked.sort_unstable();
            let all = asked.len();
            asked.dedup();
            assert_eq!(asked.len(), all, "a cold run asks for each object once");
        } else {
            let asked: Vec<String> = needless
                .iter()
                .map(|seen| format!("{} {}", seen.method, seen.path))
                .collect();
            assert_eq!(
                asked,
                Vec::<String>::new(),
                "what the warm run asked of the origin"
            );
        }
    }
    if https {
        let streams = gate
            .world
            .gateway
            .stat("http.goproxy.downstream_cx_http2_total")
            .expect("Envoy answers");
        assert!(streams > Some(0), "go speaks HTTP/2 to the gateway");
    }
    world::assert_unharmed(&gate.world.gateway, "the real go");
}

#[test]
fn every_kind_of_download_cold_and_warm_over_http() {
    everything_cold_then_warm(false);
}

#[test]
fn every_kind_of_download_cold_and_warm_over_https() {
    everything_cold_then_warm(true);
}

fn refusals(https: bool) {
    let gate = Gate::start(https);
    let user = gate.user();
    user.expect("mod init use.example", true, "");
    let world = &gate.world;
    let _tampered = world.fault("/example.com/tenk/@v/v1.0.0.zip", "tampered", json!({}));
    let cut = world.fault("/example.com/large/@v/v1.0.0.zip", "truncate", json!({}));
    let _denied = world.fault(
        "/example.com/deprecated/*",
        "status",
        json!({"status": 403, "body": "not for you\n"}),
    );
    let _page = world.fault("/example.com/retracted/*", "html", json!({}));
    let _broken = world.fault(
        "/gopkg.in/old.v1/*",
        "status",
        json!({"status": 500, "body": "out of disk\n"}),
    );
    let _circle = world.fault(
        "/example.com/untagged/*",
        "redirect",
        json!({"location": "{path}"}),
    );
    // HTTP/2 ends the stream, HTTP/1.1 the connection.
    let cut_short = if https {
        "stream error"
    } else {
        "unexpected EOF"
    };
    for (line, words) in [
        (
            "get example.com/missing@v1.0.0",
            "server response:\n\tnot found: example.com/missing: the origin has no",
        ),
        (
            "get example.com/a@v1.9.9",
            "not_found, upstream origin, request ",
        ),
        ("get example.com/tampered", "SECURITY ERROR"),
        ("get example.com/tenk", "SECURITY ERROR"),
        ("get example.com/large", cut_short),
        ("get example.com/deprecated", "not for you"),
        (
            "get example.com/retracted",
            "the upstream's answer is not what was asked for",
        ),
        ("get gopkg.in/old.v1", "out of disk"),
        (
            "get example.com/untagged",
            "(goproxy-wasm: upstream_5xx, upstream origin, request ",
        ),
        ("get private.example/secret", "verifying module"),
        ("GOTOOLCHAIN=go1.99.7 version", "toolchain not available"),
    ] {
        user.expect(line, false, words);
    }
    drop(cut);
    user.expect(
        "get example.com/large",
        true,
        "added example.com/large v1.0.0",
    );
    world::assert_unharmed(&gate.world.gateway, "refusals");
}

#[test]
fn what_fails_is_told_by_go_in_the_upstreams_words_over_http() {
    refusals(false);
}

#[test]
fn what_fails_is_told_by_go_in_the_upstreams_words_over_https() {
    refusals(true);
}

#[test]
fn an_archive_of_70_megabytes_comes_whole() {
    let gate = Gate::start(false);
    let user = gate.user();
    user.expect("mod init use.example", true, "");
    user.expect(
        "get example.com/huge example.com/bigmod",
        true,
        "added example.com/huge v1.0.0",
    );
    user.expect("mod verify", true, "all modules verified");
    gate.world.assert_unharmed("a huge archive");
}
