//! EVENTS and EVENTS_HTTP, as a person meets them who types `make run`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::station::{assert_valid, checked};
use crate::world::elasticsearch::{Elasticsearch, Setup};
use crate::world::eventually;

/// A `run` that has said `ready`; what it says behind that is still to be read.
struct Launched {
    launcher: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Launched {
    fn start(origin: &Origin, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goproxy-launch"));
        command.arg("run");
        for name in ["HOST", "SUMDB", "CONFIG", "EVENTS", "EVENTS_HTTP"] {
            command.env_remove(name);
        }
        let mut launcher = command
            .env("LISTEN", "127.0.0.1:0")
            .env("ADMIN", "127.0.0.1:0")
            .env("WORKERS", "1")
            .env("UPSTREAM", origin.url())
            .env(
                "SUMDB",
                format!("{}={}", origin.sumdb(), origin.sumdb_url()),
            )
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the launcher starts");
        let mut stdout = BufReader::new(launcher.stdout.take().expect("its output"));
        let mut ready = String::new();
        stdout.read_line(&mut ready).expect("a line");
        let address = ready
            .trim()
            .rsplit_once("//")
            .and_then(|(_, address)| address.parse().ok());
        Self {
            launcher,
            stdout,
            address: address.unwrap_or_else(|| panic!("it said {ready:?}")),
        }
    }

    /// A download that fails.
    fn fail(&self, path: &str) {
        let answer = http::get(self.address, path).expect("an answer");
        assert_eq!(answer.status, 404, "{path}");
    }

    /// Ends it, and gives what it has said that was not read.
    fn end(mut self) -> String {
        let process = Pid::from_raw(self.launcher.id().cast_signed());
        kill(process, Signal::SIGTERM).expect("it runs");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        rest
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

#[test]
fn behind_the_line_that_says_ready_standard_output_has_records_only() {
    let origin = Origin::start(&[]).expect("an origin");
    let mut run = Launched::start(&origin, &[("POD_UID", "pod-7"), ("NODE_IP", "192.0.2.7")]);
    // It is held back for two seconds, and nobody asks for anything after it.
    run.fail("/example.com/held/@v/v1.0.0.info");
    let mut line = String::new();
    run.stdout.read_line(&mut line).expect("a line");
    let record = checked(line.trim_end_matches('\n'));
    assert_eq!(record["module"]["name"], "example.com/held", "{record}");
    assert_eq!(
        record["context"],
        json!({"pod_uid": "pod-7", "node_ip": "192.0.2.7", "logpilot_version": ""})
    );
    run.fail("/example.com/last/@v/v1.0.0.zip");
    // What Envoy holds when it is asked to end is written.
    let rest = run.end();
    let rest: Vec<Value> = rest.lines().map(checked).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["module"]["name"], "example.com/last");
}

#[test]
fn records_are_appended_to_a_file_and_sent_to_a_collector() {
    let origin = Origin::start(&[]).expect("an origin");
    let server = Elasticsearch::start(Setup::default());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, "{\"earlier\":true}\n").expect("written");
    let collector = format!("elasticsearch+http://{}", server.addr());
    let run = Launched::start(
        &origin,
        &[
            ("EVENTS", file.to_str().expect("text")),
            ("EVENTS_HTTP", &collector),
        ],
    );
    run.fail("/example.com/no/@v/v1.0.0.zip");
    server.await_documents(1);
    let lines = || std::fs::read_to_string(&file).expect("the file");
    eventually("the file has it", || lines().lines().count() == 2);
    assert_eq!(
        run.end(),
        "",
        "standard output has the line with ready only"
    );
    let lines = lines();
    let (earlier, line) = lines.trim_end().split_once('\n').expect("two lines");
    assert_eq!(earlier, r#"{"earlier":true}"#);
    let record = checked(line);
    assert_eq!(
        record["context"],
        json!({"pod_uid": "", "node_ip": "", "logpilot_version": ""}),
        "nobody has set them"
    );
    let documents = server.documents();
    let ((index, _), document) = documents.iter().next().expect("a document");
    assert!(index.starts_with("cce-logpilot-failures-20"), "{index}");
    assert_valid(document);
    assert_eq!(*document, record);
}

#[test]
fn a_configuration_of_ones_own_says_what_is_recorded_and_finds_the_collector() {
    let origin = Origin::start(&[]).expect("an origin");
    let server = Elasticsearch::start(Setup::default());
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("plugin.json");
    let json = json!({
        "upstreams": [{"name": "m", "target": "mirror", "authority": origin.addr().to_string()}],
        "routes": [{"modules": ["*"], "chain": ["m"]}],
        "events": {"http": {"format": "elasticsearch", "target": "events_http", "authority": server.addr().to_string(),
                            "index": "own-%Y", "max_age": "100ms"}},
    });
    std::fs::write(&config, json.to_string()).expect("written");
    let run = Launched::start(
        &origin,
        &[
            ("CONFIG", config.to_str().expect("text")),
            ("CLUSTERS", &format!("mirror={}", origin.url())),
            (
                "EVENTS_HTTP",
                &format!("elasticsearch+http://{}", server.addr()),
            ),
        ],
    );
    run.fail("/example.com/no/@v/v1.0.0.zip");
    server.await_documents(1);
    assert!(
        server
            .documents()
            .keys()
            .all(|(index, _)| index.starts_with("own-20"))
    );
    assert_eq!(run.end(), "");
}
