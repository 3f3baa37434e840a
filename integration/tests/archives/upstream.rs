//! Upstreams that lie, forbid, cut and fail: nothing of that is kept, and it means what it means without a disk cache.

use goproxy_integration::origin::Origin;

use crate::bytes::{LARGE, archive, hex, sha256_of};
use crate::client::{Fetched, fetch};
use crate::common::Authority;
use crate::depot::Depot;
use crate::source::Plan;
use crate::world::{assert_unharmed, eventually, h1};

#[test]
fn an_archive_that_the_upstream_cuts_is_not_kept_and_the_next_is_whole() {
    let depot = Depot::start();
    for (size, name) in [(LARGE, "large"), (1 << 20, "middle"), (10_240, "small")] {
        let path = archive(size, name);
        depot.source.plan(name, Plan::Cut(size / 3));
        let cut = depot.get(&path);
        assert!(cut.status != 200 || !cut.whole, "{name}: {cut:?}");
        depot.source.forget_plans();
        depot.get(&path).is_archive(&path);
    }
    assert_unharmed(&depot.gateway, "answers that were cut");
}

#[test]
fn what_an_upstream_forbids_to_keep_is_not_kept() {
    let depot = Depot::start();
    for (name, lines, kept) in [
        ("no-store", "Cache-Control: no-store\r\n", false),
        ("private", "Cache-Control: max-age=60, Private\r\n", false),
        ("fields", "Cache-Control: private=\"x\"\r\n", false),
        (
            "second",
            "Cache-Control: public\r\nCache-Control: no-store\r\n",
            false,
        ),
        ("short", "Cache-Control: public, max-age=1\r\n", true),
        (
            "must",
            "Cache-Control: no-cache, must-revalidate\r\nExpires: 0\r\n",
            true,
        ),
        (
            "odd",
            "Vary: *\r\nSet-Cookie: sid=1\r\nX-Accel-Expires: 0\r\n",
            true,
        ),
        (
            "accel",
            "X-Accel-Redirect: /etc/passwd\r\nX-Accel-Buffering: no\r\n",
            true,
        ),
        (
            "claims",
            "X-Goproxy-Disk: failed\r\nX-Goproxy-Fault: route_not_found\r\n",
            true,
        ),
        ("encoded", "Content-Encoding: identity\r\n", true),
    ] {
        let path = archive(10_240, name);
        depot.source.plan(name, Plan::With(lines));
        for round in 0..2 {
            let fetched = depot.get(&path);
            fetched.is_archive(&path);
            assert_eq!(
                fetched.header("cache-status").contains("hit"),
                kept && round == 1,
                "{name}"
            );
            for field in [
                "set-cookie",
                "vary",
                "x-goproxy-disk",
                "x-goproxy-fault",
                "server",
            ] {
                assert_eq!(fetched.header(field), "", "{name}: {fetched:?}");
            }
        }
        assert_eq!(depot.source.gets(name), if kept { 1 } else { 2 }, "{name}");
    }
}

#[test]
fn what_is_no_archive_is_not_kept() {
    let depot = Depot::start();
    let page = || b"<html>log in</html>, and so much more of it".to_vec();
    for (name, plan, status) in [
        (
            "html",
            Plan::Say(200, "Content-Type: text/html\r\n", page()),
            502,
        ),
        (
            "text",
            Plan::Say(200, "Content-Type: Text/Plain; x\r\n", page()),
            502,
        ),
        (
            "json",
            Plan::Say(200, "Content-Type: application/json\r\n", page()),
            502,
        ),
        ("gzip", Plan::With("Content-Encoding: gzip\r\n"), 502),
        (
            "tiny",
            Plan::Say(
                200,
                "Content-Type: application/zip\r\n",
                b"PK\x05\x06".to_vec(),
            ),
            502,
        ),
        (
            "part",
            Plan::Say(
                206,
                "Content-Range: bytes 0-9/99\r\n",
                b"PK\x03\x04......".to_vec(),
            ),
            502,
        ),
        (
            "gone",
            Plan::Say(
                404,
                "Content-Type: text/plain\r\n",
                b"gone for good\n".to_vec(),
            ),
            404,
        ),
        (
            "down",
            Plan::Say(
                503,
                "Content-Type: text/plain\r\n",
                b"out for lunch\n".to_vec(),
            ),
            502,
        ),
        (
            "secret",
            Plan::Say(
                403,
                "Content-Type: text/plain\r\n",
                b"not for you\n".to_vec(),
            ),
            403,
        ),
    ] {
        let path = archive(10_240, name);
        depot.source.plan(name, plan);
        let fetched = depot.get(&path);
        assert_eq!(fetched.status, status, "{name}: {fetched:?}");
        assert!(
            fetched.text.contains(", upstream up, request "),
            "{name}: {fetched:?}"
        );
        depot.source.forget_plans();
        // A 404 is remembered for a while, by the filter and not on the disk.
        if status != 404 {
            depot.get(&path).is_archive(&path);
        }
    }
    assert_eq!(depot.kept(), 8);
}

#[test]
fn an_archive_without_a_length_is_passed_on_and_not_kept() {
    let depot = Depot::start();
    let path = archive(100_000, "chunked");
    depot.source.plan("chunked", Plan::Chunked);
    for _ in 0..2 {
        let answer = h1::get(depot.addr(), &path);
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        let mut hash = <sha2::Sha256 as sha2::Digest>::new();
        sha2::Digest::update(&mut hash, &answer.body);
        assert_eq!(hex(hash), sha256_of(&path));
    }
    assert_eq!(depot.source.gets("chunked"), 2);
}

/// The client sees none of it, but nginx cannot tell that it is no archive.
#[test]
fn bytes_that_only_claim_to_be_an_archive_do_not_stay_on_the_disk() {
    let depot = Depot::start();
    let path = archive(10_240, "claim");
    let lie = Plan::Say(200, "Content-Type: application/zip\r\n", vec![b'x'; 10_240]);
    depot.source.plan("claim", lie);
    let refused = depot.get(&path);
    assert_eq!((refused.whole, refused.bytes), (false, 0), "{refused:?}");
    depot.source.forget_plans();
    // For a while it comes without the disk, and then it takes the place of what is there.
    let next = depot.get(&path);
    next.is_archive(&path);
    next.is_miss();
    eventually("it is on the disk", || {
        let fetched = depot.get(&path);
        fetched.is_archive(&path);
        fetched.header("cache-status").contains("hit")
    });
    assert_unharmed(&depot.gateway, "a claim");
}

#[test]
fn an_upstreams_failure_has_the_same_words_with_and_without_a_disk_cache() {
    let depot = Depot::with(|gateway| {
        gateway.edit(|bootstrap| {
            let listeners = &bootstrap.tree()["static_resources"]["listeners"];
            assert_eq!(
                listeners.as_sequence().map(Vec::len),
                Some(1),
                "egress comes later"
            );
            bootstrap.route(0, "forwarded")?["route"]["idle_timeout"] = "1s".into();
            Ok(())
        })
    });
    depot.source.plan(
        "down",
        Plan::Say(
            503,
            "Content-Type: text/plain\r\n",
            b"out for lunch\n".to_vec(),
        ),
    );
    depot.source.plan(
        "html",
        Plan::Say(
            500,
            "Content-Type: text/html\r\n",
            b"<h1>nginx</h1>".to_vec(),
        ),
    );
    depot.source.plan("cut", Plan::Cut(0));
    for name in ["down", "html", "cut", "nobody"] {
        if name == "nobody" {
            depot.source.stop();
        }
        let path = archive(10_240, name);
        let words = |fetched: &Fetched| {
            let (words, _) = fetched
                .text
                .split_once(", request ")
                .unwrap_or((&fetched.text, ""));
            words.to_owned()
        };
        let with = depot.get(&path);
        let without = depot.get(&format!("{path}?direct"));
        assert_eq!(with.status, without.status, "{name}: {with:?} {without:?}");
        if with.status != 200 {
            assert_eq!(words(&with), words(&without), "{name}");
            for never in ["<", "upstream connect error", "nginx"] {
                assert!(!with.text.contains(never), "{name}: {with:?}");
            }
        } else {
            assert!(!with.whole && !without.whole, "{name}");
        }
    }
}

#[test]
fn an_upstream_behind_a_ca_of_its_own_needs_nothing_of_nginx() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let flags = [
        "-tls-cert",
        certificate.to_str().unwrap(),
        "-tls-key",
        key.to_str().unwrap(),
    ];
    let origin = Origin::start(&flags).unwrap();
    let url = format!("https://{}", origin.tls_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let gateway = goproxy_integration::gateway::Gateway::builder()
        .upstream(&url)
        .upstream_ca(&authority.ca())
        .archives(folder.path())
        .start()
        .unwrap();
    let path = "/example.com/huge/@v/v1.0.0.zip";
    let cold = fetch(gateway.addr(), path);
    assert_eq!((cold.status, cold.whole), (200, true), "{cold:?}");
    let warm = fetch(gateway.addr(), path);
    warm.is_hit();
    assert_eq!((warm.whole, &warm.sha256), (true, &cold.sha256));
    let seen = origin.seen().unwrap();
    assert!(seen.iter().all(|seen| seen.all["tls"] == true), "{seen:?}");
    assert_eq!(seen.len(), 1);
}
