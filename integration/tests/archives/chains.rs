//! Chains and redirects, with archives that are on the disk.

use serde_json::json;

use crate::bytes::{LARGE, archive};
use crate::client::fetch;
use crate::depot::before;
use crate::source::{Plan, Source};
use crate::world::assert_unharmed;

#[test]
fn in_a_chain_an_archive_comes_from_who_has_it_and_then_from_the_disk_with_all_of_them_down() {
    let (first, second) = (Source::start(), Source::start());
    let folder = tempfile::tempdir().unwrap();
    let sources = [("first", &first), ("second", &second)];
    let start = || {
        before(&sources, json!({}))
            .archives(folder.path())
            .start()
            .unwrap()
    };
    let gateway = start();
    let path = archive(LARGE, "chain");
    let absent = Plan::Say(404, "Content-Type: text/plain\r\n", b"not here\n".to_vec());
    first.plan("chain", absent);
    fetch(gateway.addr(), &path).is_archive(&path);
    assert_eq!((first.gets("chain"), second.gets("chain")), (0, 1));
    first.stop();
    second.stop();
    // This worker knows where it was, so nobody is asked.
    fetch(gateway.addr(), &path).is_hit();
    // Another one would find out by HEAD, and cannot.
    drop(gateway);
    let gateway = start();
    let warm = fetch(gateway.addr(), &path);
    warm.is_archive(&path);
    warm.is_hit();
    let cold = fetch(gateway.addr(), &archive(10_240, "cold"));
    assert_eq!(cold.status, 502, "{cold:?}");
    assert!(
        cold.text
            .contains("(goproxy-wasm: connection, upstream first, "),
        "{cold:?}"
    );
    assert_unharmed(&gateway, "an outage of a chain");
}

#[test]
fn behind_a_pipe_the_second_is_asked_by_way_of_the_disk_cache() {
    let (first, second) = (Source::start(), Source::start());
    let folder = tempfile::tempdir().unwrap();
    let chain =
        json!([{"modules": ["*"], "chain": ["first", {"on": "any_error", "to": "second"}]}]);
    let gateway = before(
        &[("first", &first), ("second", &second)],
        json!({"routes": chain}),
    );
    let gateway = gateway.archives(folder.path()).start().unwrap();
    let path = archive(100_000, "pipe");
    // It says by HEAD that it has it.
    first.plan("pipe", Plan::Say(500, "", b"oops".to_vec()));
    let again = follow(gateway.addr(), &path);
    again.is_archive(&path);
    follow(gateway.addr(), &path).is_hit();
    assert_eq!(second.gets("pipe"), 1);
}

#[test]
fn where_an_upstream_redirects_to_is_kept_under_the_archives_own_key() {
    let (registry, bucket) = (Source::start(), Source::start());
    let folder = tempfile::tempdir().unwrap();
    let hosts = json!([{"host": bucket.addr().to_string(), "target": "bucket"}]);
    let gateway = before(&[("up", &registry)], json!({"redirects": hosts}))
        .cluster("bucket", &bucket.url())
        .archives(folder.path())
        .start()
        .unwrap();
    let path = archive(1 << 20, "signed");
    for signature in ["a", "b"] {
        let location = format!(
            "Location: {}/signed{path}?Signature={signature}\r\n",
            bucket.url()
        );
        let plan = Plan::Say(302, Box::leak(location.into_boxed_str()), Vec::new());
        registry.plan("signed", plan);
        follow(gateway.addr(), &path).is_archive(&path);
    }
    // Another signature, the same archive.
    let seen = bucket.seen("signed");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].path.ends_with("?Signature=a"));
    assert!(
        !seen[0]
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("x-goproxy"))
    );
}

/// GET, and once more where the gateway sends its client back to itself.
fn follow(address: std::net::SocketAddr, path: &str) -> crate::client::Fetched {
    let mut fetched = fetch(address, path);
    for _ in 0..3 {
        if fetched.status != 302 {
            break;
        }
        let location = fetched.header("location").to_owned();
        assert!(location.starts_with(path), "{fetched:?}");
        fetched = fetch(address, &location);
    }
    fetched
}
