//! The paths that every request takes: hit, miss, waiters, refusals, archives.

use goproxy_strict_host::{Cluster, Fate, Host, StrictHostError, fields};

use crate::support::{
    BODY, CONFIGURATION, MOD, Outcome, ZIP, answer, forwarded, get, only_callout, reply,
};

#[test]
fn a_miss_is_one_callout_and_then_a_hit() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let miss = get(&mut host, MOD)?;
    assert_eq!(host.fate(miss), Fate::Waiting);
    let callout = only_callout(&host);
    assert_eq!(
        (callout.target.as_str(), callout.path.as_str()),
        ("up", MOD)
    );
    assert_eq!(callout.timeout_millis, 1000);
    answer(&mut host, 200, BODY)?;
    assert_eq!(reply(&host, miss).text(), BODY);

    let hit = get(&mut host, MOD)?;
    let hit = reply(&host, hit);
    assert_eq!((hit.status, hit.text().as_str()), (200, BODY));
    assert_eq!(host.callouts_out(), 0);
    host.check()
}

#[test]
fn what_is_missing_is_remembered() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let miss = get(&mut host, MOD)?;
    answer(&mut host, 404, "not found: no such module\n")?;
    let again = get(&mut host, MOD)?;
    for stream in [miss, again] {
        let reply = reply(&host, stream);
        assert!(
            reply.status == 404 && reply.text().contains("no such module"),
            "{reply:?}"
        );
    }
    host.check()
}

#[test]
fn four_hundred_waiters_share_one_callout() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let mut waiters = Vec::new();
    for _ in 0..400 {
        waiters.push(get(&mut host, MOD)?);
    }
    answer(&mut host, 200, BODY)?;
    for waiter in waiters {
        assert_eq!(reply(&host, waiter).text(), BODY);
    }
    host.check()
}

#[test]
fn an_archive_is_streamed_by_the_host() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let stream = get(&mut host, ZIP)?;
    let sent = forwarded(&host, stream);
    assert_eq!((sent.cluster.as_str(), sent.path.as_str()), ("up", ZIP));
    let archive = fields(&[
        ("content-type", "application/zip"),
        ("content-length", "34"),
        ("set-cookie", "sid=1"),
    ]);
    host.upstream_head(stream, 200, &archive, false)?;
    host.upstream_body(stream, b"PK\x03\x04", false)?;
    host.upstream_body(stream, &[7; 30], true)?;
    let reply = reply(&host, stream);
    assert_eq!(
        (reply.status, reply.body.clone()),
        (200, [&b"PK\x03\x04"[..], &[7; 30]].concat())
    );
    assert_eq!(reply.field("content-length"), Some("34"));
    assert_eq!(reply.field("set-cookie"), None);
    assert_eq!(host.callouts_out(), 0);

    // Small ones are copied while they pass.
    let again = get(&mut host, ZIP)?;
    assert!(
        matches!(host.fate(again), Fate::Replied(_)),
        "{:?}",
        host.fate(again)
    );
    host.check()
}

#[test]
fn what_is_no_archive_does_not_reach_the_client() -> Outcome {
    for (kind, body, fate) in [
        ("text/html", &b"<html>log in</html>"[..], "502"),
        ("application/json", b"{}", "502"),
        ("application/zip", b"no archive", "reset"),
    ] {
        let mut host = Host::new(CONFIGURATION)?;
        let stream = get(&mut host, ZIP)?;
        host.upstream_head(stream, 200, &fields(&[("content-type", kind)]), false)?;
        host.upstream_body(stream, body, true)?;
        match host.fate(stream) {
            Fate::Replied(reply) => assert_eq!(reply.status.to_string(), fate, "{kind}"),
            Fate::Reset(0) => assert_eq!(fate, "reset", "{kind}"),
            other => panic!("{kind}: {other:?}"),
        }
        host.check()?;
    }
    Ok(())
}

#[test]
fn the_ends_that_an_archive_can_come_to() -> Outcome {
    let head = fields(&[
        ("content-type", "application/zip"),
        ("content-length", "34"),
    ]);
    let start = |host: &mut Host| -> Result<_, StrictHostError> {
        let stream = get(host, ZIP)?;
        host.upstream_head(stream, 200, &head, false)?;
        host.upstream_body(stream, b"PK\x03\x04", false)?;
        Ok(stream)
    };
    let mut host = Host::new(CONFIGURATION)?;
    let broken = start(&mut host)?;
    host.upstream_reset(broken)?;
    assert_eq!(host.fate(broken), Fate::Reset(4));

    let left = start(&mut host)?;
    host.abort(left)?;
    assert_eq!(host.fate(left), Fate::Gone);

    let short = start(&mut host)?;
    host.upstream_trailers(short, 1)?;
    assert_ne!(host.fate(short), Fate::Waiting);

    for (status, end) in [
        (502, Host::upstream_reset as fn(&mut Host, _) -> Outcome),
        (504, Host::upstream_timeout),
    ] {
        let stream = get(&mut host, ZIP)?;
        end(&mut host, stream)?;
        let reply = reply(&host, stream);
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(
            reply.text().contains("goproxy-wasm"),
            "the filter's words: {}",
            reply.text()
        );
    }
    assert!(
        matches!(start(&mut host), Ok(stream) if host.fate(stream) != Fate::Waiting),
        "nothing is stored"
    );
    host.check()
}

#[test]
fn a_target_that_the_host_does_not_know_is_an_error_for_the_client() -> Outcome {
    for cluster in [Cluster::Unknown, Cluster::Refusing] {
        let mut host = Host::new(CONFIGURATION)?;
        host.set_cluster("up", cluster);
        for path in [MOD, ZIP] {
            let stream = get(&mut host, path)?;
            host.advance(std::time::Duration::from_secs(1))?;
            let reply = reply(&host, stream);
            assert!(
                (500..600).contains(&reply.status),
                "{cluster:?} {path}: {reply:?}"
            );
            assert!(
                reply.text().contains("goproxy-wasm"),
                "{cluster:?} {path}: {}",
                reply.text()
            );
        }
        host.check()?;
    }
    Ok(())
}

#[test]
fn a_client_cannot_choose_the_upstream() -> Outcome {
    let configuration =
        CONFIGURATION.replacen('{', r#"{"serve": {"hosts": ["other.example"]},"#, 1);
    let own = fields(&[
        ("x-goproxy-upstream", "internal"),
        ("x-goproxy-cache-key", "evil"),
        ("x-goproxy-origin", "internal"),
        ("x-goproxy-refresh", "1"),
    ]);
    // Even where the host's own configuration does not take the field away.
    for (configuration, path) in [(CONFIGURATION, ZIP), (&*configuration, "/anything")] {
        let mut host = Host::new(configuration)?;
        let stream = host.request("GET", path, &own)?;
        match host.fate(stream) {
            Fate::Forwarded(sent) => assert_eq!(sent.cluster, "up"),
            Fate::Replied(reply) => assert_eq!(reply.details, "direct_response", "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    Ok(())
}

#[test]
fn what_a_client_sends_is_refused_without_a_trap() -> Outcome {
    let mut host = Host::new(CONFIGURATION)?;
    let odd = vec![
        ("x-odd".to_owned(), vec![0xff, 0xfe]),
        ("user-agent".to_owned(), vec![0xff]),
    ];
    for (method, path, status) in [
        ("POST", MOD, 405),
        ("GET", "/example.com/a/@v/%zz.mod", 400),
        ("GET", "/example.com/a", 404),
        ("GET", "", 404),
        ("HEAD", "/-/healthz", 200),
        ("CONNECT", "", 404),
    ] {
        let stream = host.request(method, path, &odd)?;
        assert_eq!(reply(&host, stream).status, status, "{method} {path}");
    }
    let listener = goproxy_strict_host::ListenerHandle::FIRST;
    let with_body = host.request_on(listener, 0, "GET", MOD, &[], false)?;
    host.request_body(with_body, b"a body", true)?;
    assert_eq!(reply(&host, with_body).status, 400);
    host.check()
}

#[test]
fn a_clients_odd_header_splits_nothing() -> Outcome {
    // A codec would not let these through; the filter must not rely on it.
    let mut host = Host::new(CONFIGURATION)?;
    for name in [
        "x-request-id",
        "traceparent",
        "user-agent",
        "x-odd",
        ":scheme",
    ] {
        let odd = fields(&[(name, "a\r\nhost: evil.example")]);
        for path in [ZIP, MOD, "/example.com/none"] {
            host.request("GET", path, &odd)?;
        }
    }
    Ok(())
}

#[test]
fn an_upstreams_odd_header_splits_nothing() -> Outcome {
    // As above.
    let odd = fields(&[
        ("content-type", "text/plain\r\nset-cookie: a=b"),
        ("etag", "\"a\nb\""),
        ("retry-after", "5\r\nx: y"),
        ("location", "https://a.example/\r\nx: y"),
        ("last-modified", "\0"),
        ("www-authenticate", "\r\n"),
    ]);
    for status in [200, 302, 404, 429, 500] {
        for path in [MOD, ZIP] {
            let mut host = Host::new(CONFIGURATION)?;
            let stream = get(&mut host, path)?;
            if path == ZIP {
                host.upstream_head(stream, status, &odd, false)?;
                host.upstream_body(stream, b"PK\x03\x04", true)?;
            } else {
                let callout = only_callout(&host).handle;
                host.answer(callout, status, &odd, BODY.as_bytes())?;
                host.advance(std::time::Duration::from_secs(10))?;
            }
        }
    }
    Ok(())
}
