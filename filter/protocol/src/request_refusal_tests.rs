//! What is refused, and how the person at the `go` command is told.

use super::*;
use crate::testing::test;

#[test]
fn what_cannot_be_decoded_is_told_apart() {
    for (path, error) in [
        (&b"/example.com/a/@v/v1.0.0.info%zz"[..], PathError::Percent),
        (b"/example.com/a/@v/v1.0.0.info%2", PathError::Percent),
        (b"/example.com/a/@v/%", PathError::Percent),
        (b"/example.com/a/@v/%u0041.info", PathError::Percent),
        (b"/example.com/a/@v/v1.0.0%00.info", PathError::Byte),
        (b"/example.com/a/@v/v1.0.0.info%00", PathError::Byte),
        (b"/example.com/a/@v/list%0a", PathError::Byte),
        (b"/example.com/a/@v/list%0d%0aX:y", PathError::Byte),
        (b"/example.com/a/@v/list%7f", PathError::Byte),
        (b"/example.com/%C3%A9/@v/list", PathError::Byte),
        (b"/example.com/%c0%af/@v/list", PathError::Byte),
        (b"/example.com/%FF/@v/list", PathError::Byte),
        (b"/example.com/\xc3\xa9/@v/list", PathError::Byte),
        (b"/example.com/a/@v/list\n", PathError::Byte),
        (b"/example.com/a b/@v/list", PathError::Byte),
        (b"/example.com/a\\@v/list", PathError::Byte),
        (b"/example.com/a/@v/list#f", PathError::Byte),
    ] {
        let got = Request::parse(path);
        assert_eq!(got, Err(error), "{}", path.escape_ascii());
        assert!(error.is_undecodable() && !error.is_too_long(), "{error}");
    }
    let path = |n: usize| {
        format!(
            "/example.com/{}/@v/list",
            "a".repeat(n - "/example.com//@v/list".len())
        )
    };
    let length =
        |path: &str| Request::parse(path.as_bytes()).map(|request| request.canonical().len());
    let longest = path(MAX_PATH_BYTES);
    assert_eq!(length(&longest), Ok(MAX_PATH_BYTES));
    assert_eq!(length(&format!("{longest}?{longest}")), Ok(MAX_PATH_BYTES));
    let error = Request::parse(path(MAX_PATH_BYTES + 1).as_bytes()).expect_err("too long");
    assert!(error.is_too_long() && error.is_undecodable(), "{error}");
}

#[test]
fn what_go_cannot_send_is_refused() {
    for path in [
        "",
        "example.com/a/@v/list",
        "*",
        "http://x/example.com/a/@v/list",
        "/",
        "//",
        "/@v/list",
        "/@latest",
        "//@v/list",
        "/favicon.ico",
        "/robots.txt",
        "/example.com/",
        "/example.com/a",
        "/example.com/a?go-get=1",
        "/example.com/a/",
        "/example.com/a/@",
        "/example.com/a/@v",
        "/example.com/a/@v/",
        "/example.com/a/@v/.info",
        "/example.com/a/@v/.mod",
        "/example.com/a/@v/.zip",
        "/example.com/a/@v/v1.0.0",
        "/example.com/a/@v/v1.0.0.",
        "/example.com/a/@v/v1.0.0.ziphash",
        "/example.com/a/@v/v1.0.0.lock",
        "/example.com/a/@v/v1.0.0.partial",
        "/example.com/a/@v/list/",
        "/example.com/a/@latest/",
        "/example.com/a/@v/v1.0.0.zip/",
        "/example.com/a/@V/list",
        "/example.com/a/@v/LIST",
        "/example.com/a/@Latest",
        "/example.com/a/@latest.info",
        "/example.com/a/@v/v1.0.0.INFO",
        "/example.com/a/@v/list.mod",
        "/example.com/a/@v/list;x=1",
        "/example.com/a/@v/@v/list",
        "/example.com/a/@v/v1.0.0.mod/@v/list",
        "/private.example/@v/list/x.zip",
        // Module paths.
        "/foobar/@v/list",
        "/.example.com/a/@v/list",
        "/-example.com/a/@v/list",
        "/example.com/.a/@v/list",
        "/example.com/a./@v/list",
        "/example.com/a~1/@v/list",
        "/example.com/con/@v/list",
        "/example.com/!c!o!n/@v/list",
        "/example.com/a+b/@v/list",
        "/example.com/a%20b/@v/list",
        "/example.com/a@b/@v/list",
        "/example.com/a;b/@v/list",
        "/example.com:8080/a/@v/list",
        "/EXAMPLE.com/a/@v/list",
        "/!example.com/a/@v/list",
        "/example.com/a/v0/@v/list",
        "/example.com/a/v1/@v/list",
        "/example.com/a/v02/@v/list",
        "/example.com/a/v2.1/@v/list",
        "/gopkg.in/yaml/@v/list",
        "/gopkg.in/yaml/v2/@v/list",
        // Escapes.
        "/github.com/BurntSushi/toml/@v/list",
        "/github.com/%42urntsushi/toml/@v/list",
        "/github.com/!!burnt/@v/list",
        "/github.com/!Burnt/@v/list",
        "/github.com/burnt!/@v/list",
        "/github.com/!1burnt/@v/list",
        "/github.com/!%62urnt!/@v/list",
        "/github.com/%2521burnt/@v/list",
        "/example.com/a/@v/v1.0.0-RC1.mod",
        "/example.com/a/@v/!!v1.0.0.info",
        "/example.com/a/@v/v1.0.0!.info",
        "/example.com/a/@v/Master.info",
        // Elements that a proxy might fold.
        "/example.com//a/@v/list",
        "//example.com/a/@v/list",
        "/example.com/a//@v/list",
        "/example.com/a/@v//list",
        "/example.com/./a/@v/list",
        "/example.com/b/../a/@v/list",
        "/example.com/b/%2e%2e/a/@v/list",
        "/example.com/a/@v/../@latest",
        "/example.com/a/@v/..%2f..%2fb/@v/list",
        "/example.com/b/..;/a/@v/list",
        "/example.com%2Fa/@v/list",
        "/example.com/a%2F@v%2Flist",
        "/example.com/a%5C@v/list",
        "%2Fexample.com/a/@v/list",
        // Versions.
        "/example.com/a/@v/v1.0.0+meta.mod",
        "/example.com/a/@v/v2.0.0.mod",
        "/example.com/a/@v/v2.0.0%20incompatible.mod",
        "/example.com/a/v2/@v/v1.0.0.mod",
        "/example.com/a/v2/@v/v1.0.0.zip",
        "/gopkg.in/yaml.v2/@v/v3.0.0.mod",
        "/example.com/a/@v/master.mod",
        "/example.com/a/@v/master.zip",
        "/example.com/a/@v/v1.mod",
        "/example.com/a/@v/v1.zip",
        "/example.com/a/@v/v1.0.mod",
        "/example.com/a/@v/v01.0.0.mod",
        "/example.com/a/@v/v1.0.00.mod",
        "/example.com/a/@v/1.0.0.mod",
        "/example.com/a/@v/v1.0.0.0.mod",
        "/example.com/a/@v/latest.info",
        "/example.com/a/@v/upgrade.info",
        "/example.com/a/@v/patch.info",
        "/example.com/a/@v/l%61test.info",
        "/example.com/a/@v/feature/foo.info",
        "/example.com/a/@v/feature%2Ffoo.info",
        "/example.com/a/@v/v1.0.0.info%3Fx",
        "/example.com/a/@v/v1.0.0.info%23x",
        "/example.com/a/@v/a%3Fb.info",
        "/example.com/a/@v/a:b.info",
        "/example.com/a/@v/a*b.info",
        "/example.com/a/@v/con.info",
        "/example.com/a/@v/..info",
        // Checksum databases.
        "/sumdb",
        "/sumdb/",
        "/sumdb/sum.golang.org",
        "/sumdb/sum.golang.org/",
        "/sumdb/sum.golang.org/404",
        "/sumdb/sum.golang.org/SUPPORTED",
        "/sumdb/sum.golang.org/supported/",
        "/sumdb/sum.golang.org/supported/x",
        "/sumdb/sum.golang.org/latest/x",
        "/sumdb/SUM.golang.org/supported",
        "/sumdb/sum.golang.org:443/supported",
        "/sumdb//supported",
        "/sumdb/supported",
        "/sumdb/../supported",
        "/sumdb/sum.golang.org%2f..%2fx/supported",
        "/sumdb/sum.golang.org/../x/supported",
        "/sumdb/sum.golang.org//supported",
        "/sumdb/a%20b/supported",
        "/sumdb/sum.golang.org/lookup",
        "/sumdb/sum.golang.org/lookup/",
        "/sumdb/sum.golang.org/lookup/example.com/a",
        "/sumdb/sum.golang.org/lookup/example.com/a@",
        "/sumdb/sum.golang.org/lookup/@v1.0.0",
        "/sumdb/sum.golang.org/lookup/example.com/a@latest",
        "/sumdb/sum.golang.org/lookup/example.com/a@master",
        "/sumdb/sum.golang.org/lookup/example.com/a@v1",
        "/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0+meta",
        "/sumdb/sum.golang.org/lookup/example.com/a@v2.0.0",
        "/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0/go.mod",
        "/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0@v1.0.0",
        "/sumdb/sum.golang.org/lookup/example.com/A@v1.0.0",
        "/sumdb/sum.golang.org/lookup/foobar@v1.0.0",
        "/sumdb/sum.golang.org/tile",
        "/sumdb/sum.golang.org/tile/99/zz",
        "/sumdb/sum.golang.org/tile/8/0/0",
        "/sumdb/sum.golang.org/tile/8/0/x001",
        "/sumdb/sum.golang.org/tile/8/0/000.p/0",
        "/sumdb/sum.golang.org/tile/8/0/000.p/256",
        "/sumdb/sum.golang.org/tile/8/0/%2b00",
    ] {
        let error = Request::parse(path.as_bytes()).err();
        assert!(
            error.is_some_and(|error| !error.is_undecodable()),
            "{path}: {error:?}"
        );
    }
}

#[test]
fn an_error_says_what_is_wrong_and_echoes_nothing() {
    for (path, expected) in [
        (
            "/github.com/BurntSushi/toml/@v/list",
            "upper-case letters must be written as ! and the lower-case letter",
        ),
        (
            "/example.com/a/@v/v2.0.0.mod",
            "the major version is not that of the module path",
        ),
        (
            "/example.com/a/@v/master.zip",
            "the version is not canonical, expected one such as v1.2.3",
        ),
        (
            "/sumdb/SUM/latest",
            "not the name of a checksum database: expected a host name such as sum.golang.org",
        ),
    ] {
        assert_eq!(
            Request::parse(path.as_bytes()).map_err(|error| error.to_string()),
            Err(expected.to_owned()),
            "{path}"
        );
    }
    for error in [
        PathError::TooLong,
        PathError::Percent,
        PathError::Byte,
        PathError::EncodedSlash,
        PathError::Unknown,
        PathError::Keyword,
        PathError::SumdbName,
        PathError::Sumdb,
        PathError::Tile,
    ] {
        let text = error.to_string();
        assert!(
            text.len() < 200 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{text}"
        );
    }
}
