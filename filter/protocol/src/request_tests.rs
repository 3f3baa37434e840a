//! What a path means, what it is called once, and what is refused.

use super::*;
use crate::Level;
use crate::testing::test;

fn parse(path: &str) -> Request {
    Request::parse(path.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_path_means_one_object() {
    use Class::{Immutable, Mutable};
    use Endpoint::{Info, Latest, List, Mod, Query, Zip};
    for (path, endpoint, class, module, version) in [
        (
            "/example.com/a/@v/list",
            List,
            Mutable,
            "example.com/a",
            None,
        ),
        ("/example.com/@v/list", List, Mutable, "example.com", None),
        (
            "/golang.org/toolchain/@v/list",
            List,
            Mutable,
            "golang.org/toolchain",
            None,
        ),
        (
            "/example.com/a/@latest",
            Latest,
            Mutable,
            "example.com/a",
            None,
        ),
        (
            "/example.com/a/@v/v1.0.0.info",
            Info,
            Immutable,
            "example.com/a",
            Some("v1.0.0"),
        ),
        (
            "/example.com/a/@v/v1.0.0.mod",
            Mod,
            Immutable,
            "example.com/a",
            Some("v1.0.0"),
        ),
        (
            "/example.com/a/@v/v1.0.0.zip",
            Zip,
            Immutable,
            "example.com/a",
            Some("v1.0.0"),
        ),
        (
            "/github.com/!burnt!sushi/toml/@v/v1.0.0-!r!c1.mod",
            Mod,
            Immutable,
            "github.com/BurntSushi/toml",
            Some("v1.0.0-RC1"),
        ),
        (
            "/example.com/a/@v/v2.0.0+incompatible.mod",
            Mod,
            Immutable,
            "example.com/a",
            Some("v2.0.0+incompatible"),
        ),
        (
            "/example.com/a/@v/v2.0.0+incompatible.info",
            Info,
            Immutable,
            "example.com/a",
            Some("v2.0.0+incompatible"),
        ),
        (
            "/example.com/a/v2/@v/v2.0.0.mod",
            Mod,
            Immutable,
            "example.com/a/v2",
            Some("v2.0.0"),
        ),
        (
            "/example.com/a/@v/v0.0.0-20200101000000-abcdefabcdef.mod",
            Mod,
            Immutable,
            "example.com/a",
            Some("v0.0.0-20200101000000-abcdefabcdef"),
        ),
        (
            "/example.com/a/@v/v1.0.1-0.20200101000000-abcdefabcdef.info",
            Info,
            Immutable,
            "example.com/a",
            Some("v1.0.1-0.20200101000000-abcdefabcdef"),
        ),
        (
            "/gopkg.in/yaml.v2/@v/v2.4.0.mod",
            Mod,
            Immutable,
            "gopkg.in/yaml.v2",
            Some("v2.4.0"),
        ),
        (
            "/gopkg.in/check.v1/@v/v0.0.0-20161208181325-20d25e280405.mod",
            Mod,
            Immutable,
            "gopkg.in/check.v1",
            Some("v0.0.0-20161208181325-20d25e280405"),
        ),
        (
            "/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.zip",
            Zip,
            Immutable,
            "golang.org/toolchain",
            Some("v0.0.1-go1.99.1.linux-amd64"),
        ),
        (
            "/example.com/a/@v/master.info",
            Query,
            Mutable,
            "example.com/a",
            Some("master"),
        ),
        (
            "/example.com/a/@v/!master.info",
            Query,
            Mutable,
            "example.com/a",
            Some("Master"),
        ),
        (
            "/example.com/a/@v/abcdef123456.info",
            Query,
            Mutable,
            "example.com/a",
            Some("abcdef123456"),
        ),
        (
            "/example.com/a/@v/list.info",
            Query,
            Mutable,
            "example.com/a",
            Some("list"),
        ),
        (
            "/example.com/a/@v/v1.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v1"),
        ),
        (
            "/example.com/a/@v/v1.0.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v1.0"),
        ),
        (
            "/example.com/a/@v/v1.0.0+meta.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v1.0.0+meta"),
        ),
        (
            "/example.com/a/@v/v2.0.0.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v2.0.0"),
        ),
        (
            "/example.com/a/v2/@v/v1.0.0.info",
            Query,
            Mutable,
            "example.com/a/v2",
            Some("v1.0.0"),
        ),
        (
            "/example.com/a/@v/v1.0.0.info.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v1.0.0.info"),
        ),
        (
            "/example.com/a/@v/v01.0.0.info",
            Query,
            Mutable,
            "example.com/a",
            Some("v01.0.0"),
        ),
        (
            "/example.com/a/@v/.info.info",
            Query,
            Mutable,
            "example.com/a",
            Some(".info"),
        ),
        (
            "/example.com/a/@v/@latest.info",
            Query,
            Mutable,
            "example.com/a",
            Some("@latest"),
        ),
        (
            "/example.com/a/@v/%23%25%20%5B%5D%5E%7B%7D.info",
            Query,
            Mutable,
            "example.com/a",
            Some("#% []^{}"),
        ),
        (
            "/example.com/a/@v/%2521!x.info",
            Query,
            Mutable,
            "example.com/a",
            Some("%21X"),
        ),
    ] {
        let request = parse(path);
        assert_eq!(
            (request.endpoint(), request.class()),
            (endpoint, class),
            "{path}"
        );
        assert_eq!(request.module().as_deref(), Some(module), "{path}");
        assert_eq!(request.version().as_deref(), version, "{path}");
        assert_eq!((request.canonical(), request.upstream_path()), (path, path));
        assert_eq!(
            (request.sumdb(), request.cached_only()),
            (None, false),
            "{path}"
        );
    }
}

#[test]
fn a_checksum_path_means_one_object() {
    use Class::{Immutable, Mutable};
    let tile = |level, index, width| {
        Endpoint::SumTile(Tile {
            level,
            index,
            width,
        })
    };
    for (path, below, endpoint, class) in [
        (
            "/sumdb/sum.golang.org/supported",
            "/supported",
            Endpoint::SumSupported,
            Mutable,
        ),
        (
            "/sumdb/sum.golang.org/latest",
            "/latest",
            Endpoint::SumLatest,
            Mutable,
        ),
        (
            "/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0",
            "/lookup/example.com/a@v1.0.0",
            Endpoint::SumLookup,
            Immutable,
        ),
        (
            "/sumdb/sum.golang.org/tile/8/0/000",
            "/tile/8/0/000",
            tile(Level::Hash(0), 0, 256),
            Immutable,
        ),
        (
            "/sumdb/sum.golang.org/tile/8/1/x001/234.p/17",
            "/tile/8/1/x001/234.p/17",
            tile(Level::Hash(1), 1234, 17),
            Mutable,
        ),
        (
            "/sumdb/sum.golang.org/tile/8/data/000",
            "/tile/8/data/000",
            tile(Level::Data, 0, 256),
            Immutable,
        ),
        (
            "/sumdb/sum.golang.org/tile/8/data/000.p/1",
            "/tile/8/data/000.p/1",
            tile(Level::Data, 0, 1),
            Mutable,
        ),
    ] {
        let request = parse(path);
        assert_eq!(
            (request.endpoint(), request.class()),
            (endpoint, class),
            "{path}"
        );
        assert_eq!(
            (request.canonical(), request.upstream_path()),
            (path, below)
        );
        assert_eq!(request.sumdb(), Some("sum.golang.org"), "{path}");
    }
    assert_eq!(
        parse("/sumdb/localhost.localdev/sumdb/latest").sumdb(),
        Some("localhost.localdev/sumdb")
    );
    assert_eq!(
        parse("/sumdb/localhost.localdev/sumdb/latest").upstream_path(),
        "/latest"
    );
    for (path, module, version) in [
        (
            "/sumdb/a.b/lookup/github.com/!burnt!sushi/toml@v2.0.0+incompatible",
            "github.com/BurntSushi/toml",
            "v2.0.0+incompatible",
        ),
        (
            "/sumdb/a.b/lookup/example.com/a@v1.0.0-!r!c1",
            "example.com/a",
            "v1.0.0-RC1",
        ),
        (
            "/sumdb/a.b/lookup/golang.org/toolchain@v0.0.1-go1.99.1.linux-amd64",
            "golang.org/toolchain",
            "v0.0.1-go1.99.1.linux-amd64",
        ),
    ] {
        let request = parse(path);
        assert_eq!(
            (request.module().as_deref(), request.version().as_deref()),
            (Some(module), Some(version)),
            "{path}"
        );
        assert!(!request.is_toolchain(), "{path}: a lookup is no archive");
    }
}

#[test]
fn spellings_of_one_object_have_one_name() {
    for (canonical, spellings) in [
        (
            "/github.com/!burnt!sushi/toml/@v/v1.0.0.mod",
            &[
                "/github.com/%21burnt%21sushi/toml/@v/v1.0.0.mod",
                "/github.com/%21burnt!sushi/toml/%40v/v1%2e0%2E0.mod",
                "/%67ithub.com/!burnt!sushi/toml/@v/v1.0.0.mo%64?x=1",
                "/cached-only/github.com/!burnt!sushi/toml/@v/v1.0.0.mod",
                "/%63ached-only/github.com/%21burnt!sushi/toml/@v/v1.0.0.mod?",
            ][..],
        ),
        (
            "/example.com/a/@v/v2.0.0+incompatible.mod",
            &[
                "/example.com/a/@v/v2.0.0%2Bincompatible.mod",
                "/example.com/a/@v/v2.0.0%2bincompatible.mod",
            ],
        ),
        (
            "/example.com/a/@v/a%5Bb.info",
            &["/example.com/a/@v/a%5bb.info"],
        ),
        (
            "/example.com/a/@v/list",
            &[
                "/example.com/a/%40v/list",
                "/example.com/a/@v/list?x=1",
                "/example.com/a/@v/%6cist?",
                "/example.com/a/@v/list?a?b/../c%zz",
            ],
        ),
        (
            "/sumdb/a.b/lookup/x.y/!z@v1.0.0",
            &[
                "/sumdb/a.b/lookup/x.y/%21z%40v1.0.0",
                "/%73umdb/a.b/%6Cookup/x.y/!z@v1.0.0",
            ],
        ),
    ] {
        for spelling in spellings {
            let request = parse(spelling);
            assert_eq!(request.canonical(), canonical, "{spelling}");
            assert_eq!(
                request.cached_only(),
                spelling.contains("ached-only"),
                "{spelling}"
            );
            assert_eq!(
                Request {
                    cached_only: false,
                    ..request
                },
                parse(canonical),
                "{spelling}"
            );
        }
    }
}

#[test]
fn below_cached_only_stands_every_path_once() {
    assert!(parse("/cached-only/sumdb/a.b/latest").cached_only());
    let other = parse("/cached-onlyexample.com/a/@v/list");
    assert_eq!(
        (other.module().as_deref(), other.cached_only()),
        (Some("cached-onlyexample.com/a"), false)
    );
    for path in [
        "/cached-only",
        "/cached-only/",
        "/cached-only/cached-only/example.com/a/@v/list",
        "/cached-only//example.com/a/@v/list",
    ] {
        assert!(Request::parse(path.as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn a_toolchain_is_told_from_other_archives() {
    assert!(parse("/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.zip").is_toolchain());
    assert!(!parse("/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.mod").is_toolchain());
    assert!(!parse("/golang.org/toolchain/@v/list").is_toolchain());
    assert!(!parse("/golang.org/toolchain2/@v/v0.0.1-go1.99.1.linux-amd64.zip").is_toolchain());
}
