//! What is accepted as `.info`, `.mod` and `.zip`, and that [`validate`] asks for what the endpoint is.

use super::*;
use crate::testing::test;

#[test]
fn an_info_names_the_version_that_was_asked_for() {
    for body in [
        r#"{"Version":"v1.0.0"}"#,
        r#"{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z","Origin":{"VCS":"git","Refs":[1,{"a":null}]}}"#,
        " {\n\"Time\" : null , \"Version\" : \"v1.0.0\"\n}\n ",
        r#"{"version":"v1.0.0"}"#,
        r#"{"Version":"v1\u002e0.0"}"#,
        r#"{"Version":"v1.0.0","VERSION":"v1.0.0"}"#,
        r#"{"V":"v2.0.0","Version":"v1.0.0"}"#,
    ] {
        assert_eq!(info("v1.0.0", body.as_bytes()), Ok(()), "{body}");
    }
}

#[test]
fn what_names_no_version_is_no_info() {
    for body in [
        "",
        "null",
        "{}",
        "[]",
        r#"["v1.0.0"]"#,
        r#""v1.0.0""#,
        r#"{"Version":null}"#,
        r#"{"Version":1}"#,
        r#"{"Version":["v1.0.0"]}"#,
        r#"{"Version":"v1.0.0""#,
        r#"{"Version":"v1.0.0"} x"#,
        r#"{"Version":"v1.0.0"}{"Version":"v1.0.0"}"#,
        r#"{"Version":"v1.0.0","version":"v2.0.0"}"#,
        r#"{"Version":"v1.0.0","Version":"v2.0.0"}"#,
        "{\"Version\":\"v1.0.0\",\"Ver\u{17f}ion\":\"v2.0.0\"}",
        "\u{feff}{\"Version\":\"v1.0.0\"}",
        "<html><body>please log in</body></html>",
    ] {
        assert_eq!(
            info("v1.0.0", body.as_bytes()),
            Err(BodyError::NotInfo),
            "{body}"
        );
    }
    assert_eq!(
        info("v1.0.0", b"{\"Version\":\"v1.0.0\xff\"}"),
        Err(BodyError::NotInfo)
    );
}

#[test]
fn an_info_of_another_version_is_named_if_it_can_be() {
    for (body, named) in [
        (r#"{"Version":"v1.0.1"}"#, "v1.0.1"),
        (r#"{"Version":"v1"}"#, "v1"),
        (r#"{"Version":""}"#, "something else"),
        (r#"{"Version":"\u001b[31mv1.0.0\n"}"#, "something else"),
    ] {
        let expected = BodyError::OtherVersion {
            asked: "v1.0.0".to_owned(),
            named: named.to_owned(),
        };
        assert_eq!(info("v1.0.0", body.as_bytes()), Err(expected), "{body}");
    }
    let long = format!(r#"{{"Version":"v1.0.{}"}}"#, "1".repeat(500));
    assert!(info("v1.0.0", long.as_bytes()).is_err_and(|error| error.to_string().len() < 100));
}

#[test]
fn deep_and_large_documents_are_skipped() {
    let deep = |n: usize| {
        format!(
            r#"{{"Origin":{}{},"Version":"v1.0.0"}}"#,
            "[".repeat(n),
            "]".repeat(n)
        )
    };
    assert_eq!(info("v1.0.0", deep(1_000_000).as_bytes()), Ok(()));
    let open = format!(r#"{{"Origin":{}"#, r#"{"a":["#.repeat(1_000_000));
    assert_eq!(info("v1.0.0", open.as_bytes()), Err(BodyError::NotInfo));
    let open = "[".repeat(1_000_000);
    assert_eq!(info("v1.0.0", open.as_bytes()), Err(BodyError::NotInfo));
    let large = format!(
        r#"{{"Version":"v1.0.0","Origin":"{}"}}"#,
        "x".repeat(1 << 20)
    );
    assert_eq!(info("v1.0.0", large.as_bytes()), Ok(()));
}

#[test]
fn a_query_is_answered_with_a_canonical_version_of_the_module() {
    for (module, version, expected) in [
        ("example.com/a", "v1.1.0", Ok(())),
        (
            "example.com/a",
            "v0.0.0-20200101000000-abcdefabcdef",
            Ok(()),
        ),
        ("example.com/a", "v2.0.0+incompatible", Ok(())),
        (
            "gopkg.in/a.v1",
            "v0.0.0-20200101000000-abcdefabcdef",
            Ok(()),
        ),
        ("example.com/a", "v1.1", Err(ModuleError::NotCanonical)),
        (
            "example.com/a",
            "v1.1.0+meta",
            Err(ModuleError::NotCanonical),
        ),
        ("example.com/a", "master", Err(ModuleError::NotCanonical)),
        ("example.com/a", "", Err(ModuleError::NotCanonical)),
        ("example.com/a", "v2.0.0", Err(ModuleError::OtherMajor)),
        ("example.com/a/v2", "v1.0.0", Err(ModuleError::OtherMajor)),
    ] {
        let body = format!(r#"{{"Version":"{version}"}}"#);
        assert_eq!(
            query(module, body.as_bytes()),
            expected.map_err(BodyError::BadVersion),
            "{module}@{version}"
        );
    }
    assert_eq!(query("example.com/a", b"<html>"), Err(BodyError::NotInfo));
}

#[test]
fn the_module_line_is_found_where_go_finds_it() {
    for (body, expected) in [
        ("module example.com/a", "example.com/a"),
        ("module example.com/a\n", "example.com/a"),
        ("module example.com/a\r\n\r\ngo 1.21\r\n", "example.com/a"),
        ("module  \"example.com/a\"", "example.com/a"),
        ("module `example.com/a`\n", "example.com/a"),
        ("module \"gopkg.in/a.v2\"\r\n", "gopkg.in/a.v2"),
        ("\tmodule\texample.com/a\t", "example.com/a"),
        (
            "// Deprecated: no.\n\nmodule example.com/a // with a comment\n",
            "example.com/a",
        ),
        (
            "go 1.21\nrequire b.c/d v1.0.0\nmodule example.com/a\n",
            "example.com/a",
        ),
        ("modulex\nmodule example.com/a\n", "example.com/a"),
        ("module  \nmodule a/b/c ", "a/b/c"),
        ("module \"  a/b/c  \"", "  a/b/c  "),
        ("module \"   \"", "   "),
        ("", ""),
        ("module", ""),
        ("module   ", ""),
        ("modulee x", ""),
        ("// module example.com/a", ""),
        ("module // example.com/a", ""),
        ("module \nexample.com/a\n", ""),
        ("module \n\"example.com/a\"\n", ""),
        ("module \"example.com/a\n\"", ""),
        ("module \"example.com/a\"b", ""),
        ("module \"example.com/a", ""),
        ("module \"\"", ""),
        ("module \"", ""),
        ("module `\nmodule b\n", ""),
        ("require b.c/d v1.0.0\n", ""),
    ] {
        let found = module_line(body.as_bytes()).unwrap_or_default();
        assert_eq!(found.as_ref(), expected.as_bytes(), "{body:?}");
        assert_eq!(
            mod_file(body.as_bytes()).is_ok(),
            !expected.is_empty(),
            "{body:?}"
        );
    }
    assert_eq!(
        mod_file(b"\xff\xfe // latin-1 \xe9\nmodule example.com/a\n"),
        Ok(())
    );
}

#[test]
fn a_page_is_no_go_mod() {
    for body in [
        "<html><body>please log in</body></html>\n",
        "\n <!doctype html>\nmodule example.com/a\n",
        "{}",
        "not found\n",
    ] {
        assert_eq!(mod_file(body.as_bytes()), Err(BodyError::NotMod), "{body}");
    }
}

#[test]
fn validate_asks_for_what_the_endpoint_is() {
    let tree = "go.sum database tree\n3\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n\u{2014} sum.golang.org AAAAAAA=\n";
    let checksums = "example.com/a v1.0.0 h1:TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\
        example.com/a v1.0.0/go.mod h1:TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n";
    let record = format!("1\n{checksums}{tree}");
    for (path, good) in [
        ("/example.com/a/@v/list", "v1.0.0\n"),
        ("/example.com/a/@latest", r#"{"Version":"v1.0.0"}"#),
        ("/example.com/a/@v/v1.0.0.info", r#"{"Version":"v1.0.0"}"#),
        ("/example.com/a/@v/master.info", r#"{"Version":"v1.0.0"}"#),
        ("/example.com/a/@v/v1.0.0.mod", "module example.com/a\n"),
        ("/example.com/a/@v/v1.0.0.zip", "PK\u{3}\u{4}.."),
        ("/sumdb/sum.golang.org/lookup/example.com/a@v1.0.0", &record),
        ("/sumdb/sum.golang.org/latest", tree),
        (
            "/sumdb/sum.golang.org/tile/8/0/000.p/1",
            "TszzRgjTG6xce+z2AG31kAXYKBgQVtCS",
        ),
        ("/sumdb/sum.golang.org/tile/8/data/000.p/1", checksums),
    ] {
        let request = Request::parse(path.as_bytes()).expect(path);
        assert_eq!(validate(&request, good.into()), Ok(good.into()), "{path}");
        for bad in [
            "<html><body>please log in</body></html>\n",
            "not found\n",
            "{\"Version\":\"v9.9.9\"}",
        ] {
            assert!(validate(&request, bad.into()).is_err(), "{path}: {bad}");
        }
        assert_eq!(
            validate(&request, Vec::new()).is_ok(),
            request.endpoint() == Endpoint::List,
            "{path}: empty"
        );
    }
    let list = Request::parse(b"/example.com/a/@v/list").expect("a list");
    assert_eq!(
        validate(&list, b"v1.1.0\r\nv1.0.0\n".into()),
        Ok(b"v1.0.0\nv1.1.0\n".into())
    );
}

#[test]
fn an_error_is_printable() {
    let request = Request::parse(b"/example.com/a/@v/v1.0.0.info").expect("an .info");
    for body in [
        &b"{\"Version\":\"\\u001b[2J\"}"[..],
        b"{\"Version\":\"v1.0.1\"}",
        b"\x1b\xff\n",
    ] {
        let text = validate(&request, body.into())
            .expect_err("not that version")
            .to_string();
        assert!(
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.len() < 200,
            "{text:?}"
        );
    }
}
