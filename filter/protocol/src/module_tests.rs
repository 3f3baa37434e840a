//! Tables for the module rules; they cover the ground of `x/mod/module/module_test.go`.

use super::*;
use crate::testing::test;

/// Path, whether it is a module path, whether it may stand where a version stands (one element only).
const PATHS: &[(&str, bool)] = &[
    ("example.com/a", true),
    ("example.com", true),
    ("a.b/c", true),
    ("a..b/c", true),
    ("a-b.c-/d", true),
    ("1.2/c", true),
    ("example.com/a/b.c/d_e~f-g", true),
    ("example.com/Upper", true),
    ("example.com/_a", true),
    ("example.com/a~", true),
    ("example.com/a~x1", true),
    ("example.com/a~1b", true),
    ("example.com/a1~1z", true),
    ("example.com/a09", true),
    ("example.com/a09~", true),
    ("example.com/a.b~1", true),
    ("example.com/-a", true),
    ("example.com/con2", true),
    ("example.com/com", true),
    ("example.com/com0", true),
    ("example.com/com12", true),
    ("example.com/xcom1", true),
    ("example.com/a.con", true),
    ("example.com/a/v2", true),
    ("example.com/a/v10", true),
    ("example.com/a/v", true),
    ("example.com/a/vv1", true),
    ("example.com/a/b1", true),
    ("example.com/v2/a", true),
    ("gopkg.in/a.v0", true),
    ("gopkg.in/a.v1", true),
    ("gopkg.in/u/a.v12", true),
    ("gopkg.in/a.v1-unstable", true),
    ("", false),
    ("/", false),
    ("/example.com/a", false),
    ("example.com/a/", false),
    ("example.com//a", false),
    ("example.com/a//b", false),
    ("example.com/./a", false),
    ("example.com/a/../b", false),
    ("../a", false),
    ("./a", false),
    (".example.com/a", false),
    ("example.com./a", false),
    ("-example.com/a", false),
    ("example/a", false),
    ("Example.com/a", false),
    ("!example.com/a", false),
    ("_a.b/c", false),
    ("a_b.c/d", false),
    ("a~b.c/d", false),
    ("example.com/.git", false),
    ("example.com/a.", false),
    ("example.com/...", false),
    ("example.com/con", false),
    ("example.com/CON", false),
    ("example.com/prn", false),
    ("example.com/aux.go", false),
    ("example.com/nUl.tar.gz", false),
    ("example.com/com1", false),
    ("example.com/Lpt9.txt", false),
    ("example.com/a~0", false),
    ("example.com/a~09", false),
    ("example.com/a~09.b", false),
    ("example.com/a1~1z~9", false),
    ("example.com/~1", false),
    ("example.com/a/v0", false),
    ("example.com/a/v1", false),
    ("example.com/a/v02", false),
    ("example.com/a/v2.0", false),
    ("example.com/a/v2.", false),
    ("example.com/v1", false),
    ("gopkg.in/a", false),
    ("gopkg.in/a.v", false),
    ("gopkg.in/a.v01", false),
    ("gopkg.in/a.v00", false),
    ("gopkg.in/a/v2", false),
    ("gopkg.in/a.v0-unstable", false),
    ("example.com:8080/a", false),
    ("\\temp\\a", false),
    ("example.com/\u{e9}", false),
    ("example.com/\u{43a}\u{43e}\u{434}", false),
    ("a\u{263a}b", false),
];

#[test]
fn a_module_path_is_what_go_allows() {
    for (path, expected) in PATHS {
        assert_eq!(
            check_path(path).is_ok(),
            *expected,
            "{path}: {:?}",
            check_path(path)
        );
    }
}

#[test]
fn every_other_ascii_character_is_refused_wherever_it_stands() {
    for byte in 0..=0x7f_u8 {
        let c = char::from(byte);
        let in_host = c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '/');
        let in_element = c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/');
        assert_eq!(
            check_path(&format!("a{c}b.c/d")).is_ok(),
            in_host && c != '/',
            "{c:?} in the host"
        );
        assert_eq!(
            check_path(&format!("a.b/c{c}d")).is_ok(),
            in_element,
            "{c:?} in an element"
        );
        let in_query = c.is_ascii_alphanumeric() || "#$%&()+,-.=@[]^_{}~ ".contains(c);
        assert_eq!(
            check_query(&format!("a{c}b")).is_ok(),
            in_query,
            "{c:?} in a query"
        );
    }
}

#[test]
fn a_query_is_what_can_be_a_file_name() {
    for (query, expected) in [
        ("v1.0.0", true),
        ("master", true),
        (".hidden", true),
        ("a~1", true),
        ("-x", true),
        ("~ ", true),
        ("", false),
        (".", false),
        ("..", false),
        ("v1.", false),
        ("con", false),
        ("Con.txt", false),
        ("lpt1.x", false),
        ("a/b", false),
        ("a!b", false),
        ("\u{e9}", false),
    ] {
        assert_eq!(check_query(query).is_ok(), expected, "{query:?}");
    }
}

#[test]
fn a_path_is_cut_before_its_major_version() {
    for (prefix, major) in [
        ("example.com/a", ""),
        ("example.com/a", "/v2"),
        ("example.com/a", "/v3"),
        ("example.com/a/v", ""),
        ("example.com/a/b2", ""),
        ("gopkg.in/a", ".v0"),
        ("gopkg.in/a", ".v1"),
        ("gopkg.in/a", ".v22"),
        ("gopkg.in/a", ".v1-unstable"),
    ] {
        let path = format!("{prefix}{major}");
        assert_eq!(split_path_version(&path), Some((prefix, major)), "{path}");
    }
    for (path, _) in PATHS {
        let joined = split_path_version(path).map(|(prefix, major)| format!("{prefix}{major}"));
        assert!(joined.is_none_or(|joined| joined == *path), "{path}");
    }
}

#[test]
fn a_version_belongs_to_the_major_of_its_path() {
    for (path, version, expected) in [
        ("example.com/a", "v0.8.0", true),
        ("example.com/a", "v1.0.0", true),
        ("example.com/a", "v2.0.0", false),
        ("example.com/a", "v17.0.0", false),
        ("example.com/a", "v17.0.0+incompatible", true),
        ("example.com/a", "1.0.0", false),
        ("example.com/a", "v1.0", false),
        ("example.com/a", "v1.0.0+meta", false),
        ("example.com/a/v2", "v1.0.0", false),
        ("example.com/a/v2", "v2.0.0", true),
        ("example.com/a/v2", "v2.1.5-rc.1", true),
        ("example.com/a/v2", "v3.0.0", false),
        ("example.com/a/v2", "v20.0.0", false),
        ("gopkg.in/a.v0", "v0.8.0", true),
        ("gopkg.in/a.v0", "v1.0.0", false),
        ("gopkg.in/a.v1", "v0.8.0", false),
        ("gopkg.in/a.v1", "v1.0.0", true),
        ("gopkg.in/a.v1", "v2.0.0", false),
        ("gopkg.in/a.v1", "v0.0.0", false),
        ("gopkg.in/a.v1", "v0.0.0-20160102150405-abcdef123456", true),
        ("gopkg.in/a.v1-unstable", "v1.0.0", true),
        (
            "gopkg.in/a.v1-unstable",
            "v0.0.0-20160102150405-abcdef123456",
            true,
        ),
        ("gopkg.in/a.v2", "v0.0.0-20160102150405-abcdef123456", false),
        ("gopkg.in/a.v2", "v2.4.0", true),
        ("gopkg.in/a.v2", "v3.0.0", false),
        ("example com/a", "v1.0.0", false),
    ] {
        assert_eq!(check(path, version).is_ok(), expected, "{path}@{version}");
    }
}

#[test]
fn escaping_is_undone_by_unescaping() {
    for (path, escaped) in [
        (
            "example.com/abcdefghijklmnopqrstuvwxyz.-/~_0123456789",
            "example.com/abcdefghijklmnopqrstuvwxyz.-/~_0123456789",
        ),
        ("github.com/BurntSushi/toml", "github.com/!burnt!sushi/toml"),
        ("example.com/ABC", "example.com/!a!b!c"),
    ] {
        assert_eq!(escape_path(path).as_deref(), Ok(escaped), "{path}");
        assert_eq!(unescape_path(escaped).as_deref(), Ok(path), "{escaped}");
    }
    assert_eq!(escape_version("v1.0.0-RC1").as_deref(), Ok("v1.0.0-!r!c1"));
    assert_eq!(
        unescape_version("v1.0.0-!r!c1").as_deref(),
        Ok("v1.0.0-RC1")
    );
    assert!(
        matches!(unescape_path("example.com/a"), Ok(Cow::Borrowed(_))),
        "nothing to undo, nothing allocated"
    );
}

#[test]
fn what_is_escaped_badly_is_refused() {
    for escaped in [
        "",
        "github.com/BurntSushi/toml",
        "github.com/!burnt!sushi!/toml",
        "github.com/!!burnt/toml",
        "github.com/!Burnt/toml",
        "github.com/!1burnt/toml",
        "github.com/!_burnt/toml",
        "github.com/burnt!",
        "!example.com/a",
        "example.com/!c!o!n",
    ] {
        assert!(unescape_path(escaped).is_err(), "{escaped}");
    }
    for escaped in ["!!v1.0.0", "v1.0.0!", "v1.0.0-RC1", "v1!2", "!c!o!n"] {
        assert!(unescape_version(escaped).is_err(), "{escaped}");
    }
    for (path, expected) in PATHS {
        assert!(*expected || escape_path(path).is_err(), "{path}");
    }
}
