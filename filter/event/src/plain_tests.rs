//! What of a text is shown.

use super::*;
use crate::testing::test;

#[test]
fn what_is_shown_is_one_visible_line() {
    for (text, shown) in [
        (
            "two\r\nlines\tand\u{a0}a\u{2028}break",
            "two lines and a break",
        ),
        ("  a \n\n b  ", "a b"),
        ("\u{1b}[31mred\u{7}", "\u{fffd}[31mred\u{fffd}"),
        ("a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{ad}f", "abcdef"),
        ("fill\u{3164}er\u{115f} \u{e0041}tag", "filler tag"),
        ("\u{4f60}\u{597d} na\u{ef}ve", "\u{4f60}\u{597d} na\u{ef}ve"),
        ("\"quoted\\\"", "\"quoted\\\""),
        ("\u{1f600}", "\u{fffd}"),
    ] {
        assert_eq!(plain(text, 100), shown, "{text:?}");
    }
}

#[test]
fn what_is_too_long_ends_with_an_ellipsis_on_a_character_boundary() {
    for (text, max, shown) in [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc\u{2026}"),
        ("\u{4f60}\u{597d}\u{4f60}", 8, "\u{4f60}\u{2026}"),
        ("\u{4f60}\u{597d}", 5, "\u{2026}"),
        ("abcd", 3, "\u{2026}"),
        ("abcd", 2, ""),
        ("abcd", 0, ""),
    ] {
        assert_eq!(plain(text, max), shown, "{text} in {max}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use crate::words::{url, words};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_becomes_visible_and_fits(text in any::<String>(), max in 0_usize..300) {
            for shown in [plain(&text, max), words(&text, max), url(&text, max)] {
                prop_assert!(shown.len() <= max);
                for c in shown.chars() {
                    prop_assert!(!c.is_control() && !is_invisible(c), "{shown:?}");
                    prop_assert!(c == ' ' || !c.is_whitespace(), "{shown:?}");
                }
            }
        }
    }
}
