//! Archives by way of a disk cache: what the host is told of them, and what it says of their answers.

use goproxy_strict_host::{Cluster, Fate, Forwarded, Host, fields};

use crate::support::{CONFIGURATION, Outcome, ZIP, forwarded, get, reply};

fn host() -> Result<Host, goproxy_strict_host::StrictHostError> {
    let disk = r#"{"cache": {"disk": {"target": "archives"}},"#;
    let mut host = Host::new(&CONFIGURATION.replacen('{', disk, 1))?;
    host.set_cluster("archives", Cluster::default());
    Ok(host)
}

/// The fields of ours that a request has.
fn own(sent: &Forwarded) -> Vec<(&str, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let fields = sent
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)));
    let own = fields.filter(|(name, _)| name.starts_with("x-goproxy-"));
    own.collect()
}

#[test]
fn the_disk_cache_is_told_key_and_origin_and_an_upstream_nothing() -> Outcome {
    let mut host = host()?;
    let evil = fields(&[
        ("x-goproxy-cache-key", "evil"),
        ("x-goproxy-origin", "internal"),
        ("x-goproxy-refresh", "1"),
    ]);
    let stream = host.request("GET", ZIP, &evil)?;
    let sent = forwarded(&host, stream);
    assert_eq!(sent.cluster, "archives");
    let key = sent
        .fields
        .iter()
        .find(|(name, _)| name == "x-goproxy-cache-key");
    let key = key.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let key = key.unwrap_or_default();
    assert!(key.starts_with("v1/") && key.ends_with(ZIP), "{key}");
    let expected = [
        ("x-goproxy-cache-key", key),
        ("x-goproxy-origin", "up".to_owned()),
    ];
    assert_eq!(own(&sent), expected);

    host.upstream_head(stream, 503, &fields(&[("x-goproxy-disk", "failed")]), true)?;
    let again = reply(&host, stream);
    let location = format!("{ZIP}?direct");
    assert_eq!(
        (again.status, again.field("location")),
        (302, Some(&*location))
    );
    let stream = get(&mut host, &location)?;
    let sent = forwarded(&host, stream);
    assert_eq!((sent.cluster.as_str(), own(&sent)), ("up", Vec::new()));
    host.check()
}

#[test]
fn the_hosts_words_behind_the_disk_cache_are_read_as_its_own() -> Outcome {
    for (status, details, words) in [
        (
            503,
            "upstream_reset_before_response_started{x}",
            "connection, upstream public",
        ),
        (504, "stream_idle_timeout", "timeout, upstream public"),
        (503, "cluster_not_found", "no target \"up\""),
    ] {
        let mut host = host()?;
        let stream = get(&mut host, ZIP)?;
        let head = fields(&[("x-goproxy-fault", details), ("x-goproxy-disk", "miss")]);
        host.upstream_head(stream, status, &head, true)?;
        let reply = reply(&host, stream);
        assert!(reply.text().contains(words), "{details}: {}", reply.text());
        host.check()?;
    }
    Ok(())
}

#[test]
fn what_breaks_off_comes_without_the_disk_cache_next_and_what_a_client_leaves_does_not() -> Outcome
{
    for (breaks, next) in [(true, "up"), (false, "archives")] {
        let mut host = host()?;
        let stream = get(&mut host, ZIP)?;
        host.upstream_head(stream, 200, &fields(&[("x-goproxy-disk", "hit")]), false)?;
        host.upstream_body(stream, b"PK\x03\x04", false)?;
        if breaks {
            host.upstream_reset(stream)?;
            assert_eq!(host.fate(stream), Fate::Reset(4));
        } else {
            host.abort(stream)?;
        }
        let stream = get(&mut host, ZIP)?;
        assert_eq!(forwarded(&host, stream).cluster, next);
        host.check()?;
    }
    Ok(())
}
