//! A log shipper reads Envoy's standard output as it would a container's: Debian's rsyslog, with the shipped file, into the
//! strict `_bulk`.

#[path = "events/station.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod station;
mod world;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use goproxy_integration::children::{self, Child};
use goproxy_integration::places;
use nix::sys::signal::Signal;
use serde_json::json;

use station::{Station, assert_valid};
use world::elasticsearch::{Elasticsearch, Setup};

/// rsyslog, from `envoy/elasticsearch/rsyslog.conf` with its file, its folder and its port replaced.
fn rsyslog(lines: &Path, folder: &Path, port: u16) -> Child {
    let file = places::envoy_file("elasticsearch/rsyslog.conf").expect("the shipped file");
    let mut text = std::fs::read_to_string(file).expect("the shipped file");
    for (shipped, here) in [
        (
            "/var/log/goproxy/events.jsonl",
            lines.to_string_lossy().into_owned(),
        ),
        ("/var/spool/rsyslog", folder.to_string_lossy().into_owned()),
        ("serverport=\"9200\"", format!("serverport=\"{port}\"")),
    ] {
        assert!(text.contains(shipped), "{shipped}");
        text = text.replace(shipped, &here);
    }
    let config = folder.join("rsyslog.conf");
    std::fs::write(&config, text).expect("written");
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let mut command = Command::new(places::rsyslogd().expect("rsyslogd"));
    command
        .arg("-n")
        .arg("-f")
        .arg(config)
        .arg("-i")
        .arg(folder.join("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    children::start("rsyslogd", command).expect("rsyslogd starts")
}

#[test]
fn rsyslog_ships_the_lines_and_each_is_a_document_once() {
    // It is down at first: whoever comes is sent away.
    let down = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = down.local_addr().expect("its address");
    let station = Station::start(json!({}));
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..20 {
        let path = format!("/shipped.example/m{number}/@v/v1.0.0.zip");
        assert_eq!(station.get(&path).status, 404);
    }
    let lines = station.world.gateway.folder().join("stdout");
    let shipper = rsyslog(&lines, folder.path(), address.port());
    drop(down.accept().expect("rsyslog"));
    drop(down);
    let server = Elasticsearch::start_at(address, Setup::default());
    server.await_documents(20);
    for number in 20..30 {
        let path = format!("/shipped.example/m{number}/@v/v1.0.0.zip");
        assert_eq!(station.get(&path).status, 404);
    }
    server.await_documents(30);
    shipper.signal(Signal::SIGTERM);
    let _ = shipper.wait();

    let records = station.records();
    assert_eq!(records.len(), 30);
    let documents = server.documents();
    for record in &records {
        let at = record["timestamp"].as_str().expect("a time");
        let index = format!("cce-logpilot-failures-{}.{}", &at[..4], &at[5..7]);
        let id = record["event_id"].as_str().expect("an id").to_owned();
        assert_eq!(documents.get(&(index, id)), Some(record));
        assert_valid(record);
    }
    assert_eq!(documents.len(), 30);
}
