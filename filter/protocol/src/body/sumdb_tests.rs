//! Records, signed trees and tiles; the tables cover the ground of `x/mod/sumdb/tlog/note_test.go` and `note/note_test.go`.

use super::*;
use crate::testing::test;

const DATABASE: &str = "sum.golang.org";
const HASH: &str = "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=";
const SIGNATURE: &str = "\u{2014} sum.golang.org x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const OTHER: &str = "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn tree(size: &str) -> String {
    format!("go.sum database tree\n{size}\n{HASH}\n\n{SIGNATURE}")
}

fn checksums(version: &str) -> String {
    format!("example.com/a {version} h1:{HASH}\nexample.com/a {version}/go.mod h1:{HASH}\n")
}

fn look_up(body: &str) -> Result<(), BodyError> {
    lookup(DATABASE, "example.com/a", "v1.0.0", body.as_bytes())
}

#[test]
fn a_record_names_the_version_that_was_asked_for() {
    let (record, tree) = (checksums("v1.0.0"), tree("123456789012"));
    for body in [
        format!("0\n{record}\n{tree}"),
        format!("123456789011\n{record}\n{tree}"),
        format!("1\n{record}example.com/a v1.0.0 h2:xyzzy\n\n{tree}"),
    ] {
        assert_eq!(look_up(&body), Ok(()), "{body}");
    }
}

#[test]
fn what_is_no_record_of_that_version_is_refused() {
    let (record, tree) = (checksums("v1.0.0"), tree("3"));
    let zip = format!("example.com/a v1.0.0 h1:{HASH}\n");
    let of_mod = format!("example.com/a v1.0.0/go.mod h1:{HASH}\n");
    for (body, why) in [
        (String::new(), "empty"),
        (record.clone(), "no number"),
        (format!("{record}\n{tree}"), "no number"),
        (format!("\n{record}\n{tree}"), "no number"),
        (format!("0x1\n{record}\n{tree}"), "hexadecimal"),
        (format!("-1\n{record}\n{tree}"), "negative"),
        (format!("+1\n{record}\n{tree}"), "a sign"),
        (format!("01\n{record}\n{tree}"), "a leading zero"),
        (
            format!("99999999999999999999\n{record}\n{tree}"),
            "beyond int64",
        ),
        (format!("not-1\n{record}\n{tree}"), "a word"),
        (format!("1\n{record}{tree}"), "no blank line"),
        (format!("1\n{record}"), "no tree"),
        (format!("1\n{record}\n"), "no tree"),
        (format!("1\n\n{record}\n{tree}"), "an empty record"),
        (format!("1\n{record}\u{1}\n\n{tree}"), "a control byte"),
        (format!("1\r\n{record}\n{tree}"), "CRLF"),
        (format!("1\n{zip}\n{tree}"), "no go.mod"),
        (format!("1\n{of_mod}\n{tree}"), "no archive"),
        (
            format!("1\n{}\n{tree}", checksums("v1.0.1")),
            "another version",
        ),
        (
            format!("1\n{}\n{tree}", checksums("v1.0.00")),
            "a longer version",
        ),
        (
            format!(
                "1\n{}\n{tree}",
                record.replace("example.com/a", "example.com/b")
            ),
            "another module",
        ),
        (
            format!(
                "1\n{}\n{tree}",
                record.replace("example.com/a", "example.com/a/b")
            ),
            "a longer module",
        ),
        (
            format!("1\n{record}{}\n{tree}", checksums("v1.0.1")),
            "another version as well",
        ),
        (
            format!("1\n{record}\n{tree}").replace("h1:", "h2:"),
            "no h1",
        ),
        (
            format!("1\n{record}\n{tree}").replace("h1:T", "h1:"),
            "a hash cut short",
        ),
        (
            format!("1\n{record}\n{tree}").replace("h1:T", "h1:TTTTT"),
            "a long hash",
        ),
        (
            format!("1\n{record}\n{tree}").replace("h1:T", "h1:!"),
            "no base64",
        ),
        (
            format!("1\n{record}{}\n{tree}", zip.replace("h1:T", "h1:!")),
            "one good and one bad hash",
        ),
        (
            format!("3\n{record}\n{tree}"),
            "a tree that does not hold it",
        ),
        (
            "<html><body>please log in</body></html>\n".to_owned(),
            "a page",
        ),
    ] {
        assert!(look_up(&body).is_err(), "{why}: {body:?}");
    }
    let latin = format!("1\n{record}\n{tree}")
        .into_bytes()
        .into_iter()
        .chain([0xff])
        .collect::<Vec<_>>();
    assert!(
        lookup(DATABASE, "example.com/a", "v1.0.0", &latin).is_err(),
        "not UTF-8"
    );
}

#[test]
fn no_checksum_hides_outside_the_record() {
    let (record, good, tree) = (checksums("v1.0.1"), checksums("v1.0.0"), tree("3"));
    let (head, _) = tree.split_once("\n\n").expect("signatures");
    for (body, why) in [
        (
            format!("1\n{record}\n{head}\n{good}\n{SIGNATURE}"),
            "in the lines behind the tree's hash",
        ),
        (
            format!("1\n{good}\n{head}\n{record}\n{SIGNATURE}"),
            "there, beside a good record",
        ),
        (format!("1\n{record}\n{good}\n{tree}"), "in a second record"),
        (
            format!("1\n{good}\n{record}\n{tree}"),
            "in a second record, beside a good one",
        ),
    ] {
        assert!(look_up(&body).is_err(), "{why}: {body}");
    }
}

#[test]
fn a_tree_is_signed_by_its_database() {
    for note in [
        tree("0"),
        tree("123456789012"),
        format!("go.sum database tree\n3\n{HASH}\n\n{OTHER}{SIGNATURE}"),
        format!("go.sum database tree\n3\n{HASH}\n\n{SIGNATURE}{SIGNATURE}"),
        format!("go.sum database tree\n3\n{HASH}\nmore\n\nand more\n\n{SIGNATURE}"),
        format!(
            "go.sum database tree\n3\n{HASH}\n{}\n{SIGNATURE}",
            "more\n".repeat(1000)
        ),
        format!(
            "go.sum database tree\n3\n{HASH}\n\n{}",
            SIGNATURE.repeat(100)
        ),
        format!("go.sum database tree\n3\n{HASH}\n\n\u{2014} sum.golang.org {HASH}\n"),
    ] {
        assert_eq!(tree_note(DATABASE, note.as_bytes()), Ok(()), "{note}");
    }
}

#[test]
fn what_is_no_signed_tree_is_refused() {
    let text = format!("go.sum database tree\n3\n{HASH}\n");
    for (note, why) in [
        (String::new(), "empty"),
        (text.clone(), "unsigned"),
        (format!("{text}\n"), "unsigned"),
        (format!("{text}\n\n"), "unsigned"),
        (format!("{text}{SIGNATURE}"), "no blank line"),
        (
            format!("{text}\n{SIGNATURE}").trim_end().to_owned(),
            "no line feed at the end",
        ),
        (format!("{text}\n{SIGNATURE}\n"), "a blank line at the end"),
        (
            format!("{text}\n{SIGNATURE}junk\n"),
            "a line behind the signatures",
        ),
        (format!("{text}\n{OTHER}"), "signed by another"),
        (
            format!("{text}\n{}", SIGNATURE.repeat(101)),
            "too many signatures",
        ),
        (format!("\u{1}{text}\n{SIGNATURE}"), "a control byte"),
        (format!("not-{text}\n{SIGNATURE}"), "another first line"),
        (
            format!("{text}\n{SIGNATURE}").replace("\n3\n", "\n0x3\n"),
            "a hexadecimal size",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("\n3\n", "\n-3\n"),
            "a negative size",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("\n3\n", "\n03\n"),
            "a leading zero",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("\n3\n", "\n\n"),
            "no size",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("Bb0=", "BTOOBIG="),
            "a long hash",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("Bb0=", "Bb0"),
            "a hash without padding",
        ),
        (
            format!("{text}\n{SIGNATURE}").replace("Tszz", "T_zz"),
            "URL-safe base64",
        ),
        (
            format!("{text}\n\u{2014} sum.golang.org AAAAAA==\n"),
            "a signature of four bytes",
        ),
        (
            format!("{text}\n\u{2014} sum.golang.org\n"),
            "no signature in the line",
        ),
        (
            format!("{text}\n\u{2014} sum.golang.org \n"),
            "no signature in the line",
        ),
        (format!("{text}\n\u{2014}  AAAAAAA=\n"), "no name"),
        (
            format!("{text}\n- sum.golang.org AAAAAAA=\n"),
            "another dash",
        ),
        (
            format!("{text}\n\u{2014} Bad Name AAAAAAA=\n{SIGNATURE}"),
            "a name of two words",
        ),
        (
            format!("{text}\n\u{2014} a+b AAAAAAA=\n{SIGNATURE}"),
            "a plus in a name",
        ),
        (
            format!("{text}\n\u{2014} sum.golang.org AAAAAAA= \n"),
            "a space at the end",
        ),
    ] {
        assert!(
            tree_note(DATABASE, note.as_bytes()).is_err(),
            "{why}: {note:?}"
        );
    }
    assert!(
        tree_note("sum.golang.org/a", tree("3").as_bytes()).is_err(),
        "another database"
    );
}

#[test]
fn a_hash_tile_has_32_bytes_a_hash() {
    for width in [1, 17, 255, 256] {
        let coordinates = Tile {
            level: Level::Hash(0),
            index: 0,
            width,
        };
        let expected = usize::from(width) * 32;
        assert_eq!(tile(coordinates, &vec![0xff; expected]), Ok(()));
        for got in [0, expected - 1, expected + 1, expected + 32, 8192 + 32] {
            let error = BodyError::TileBytes { expected, got };
            assert_eq!(
                tile(coordinates, &vec![0; got]),
                Err(error),
                "width {width}"
            );
        }
    }
}

#[test]
fn a_data_tile_has_a_record_for_each_of_its_width() {
    let record = |n: usize| format!("{}\n", checksums(&format!("v1.0.{n}")));
    let records = |n: usize| (0..n).map(record).collect::<String>();
    for width in [1_u16, 2, 256] {
        let coordinates = Tile {
            level: Level::Data,
            index: 0,
            width,
        };
        let expected = usize::from(width);
        assert_eq!(
            tile(coordinates, records(expected).as_bytes()),
            Ok(()),
            "width {width}"
        );
        let numbered = (0..expected).map(|n| format!("{n}\n{}", record(n)));
        assert_eq!(
            tile(coordinates, numbered.collect::<String>().as_bytes()),
            Ok(()),
            "width {width}, with numbers as golang.org/x/mod once had them"
        );
        let got = expected + 1;
        assert_eq!(
            tile(coordinates, records(got).as_bytes()),
            Err(BodyError::TileRecords { expected, got })
        );
        let whole = records(expected);
        for (body, why) in [
            (String::new(), "empty"),
            ("\n".to_owned(), "a blank line"),
            ("\n\n".to_owned(), "two blank lines"),
            (whole.trim_end().to_owned(), "cut before the end"),
            (
                whole.strip_suffix('\n').unwrap_or("").to_owned(),
                "cut before the last blank line",
            ),
            (format!("{whole}\n"), "a blank line too many"),
            (format!("\n{whole}"), "a blank line first"),
            (whole.replace(" h1:", "\u{1}h1:"), "a control byte"),
            (whole.replace(" h1:", " "), "no kind of hash"),
            (format!("1\n2\n{whole}"), "two record numbers"),
            ("<html>\n\n".repeat(expected), "pages"),
        ] {
            assert!(
                tile(coordinates, body.as_bytes()).is_err(),
                "width {width}, {why}"
            );
        }
    }
}
