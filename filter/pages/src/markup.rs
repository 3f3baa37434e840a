//! How texts and numbers get into a document: nothing that came from outside is ever read as markup, and nothing as JSON but
//! what is written here.

use goproxy_event::is_shown;

/// Appends a text to an HTML document, between tags or between the quotes of an attribute.
pub(crate) fn text(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push(character),
            _ if is_shown(character) => html.push(character),
            // Whatever it is, it does not turn around the text that follows.
            _ => html.push('\u{fffd}'),
        }
    }
}

/// Appends the path of a URL: whatever a path's segments and a query may hold as it is, the rest in its encoded form.
pub(crate) fn path(url: &mut String, path: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in path.bytes() {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map(char::from);
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
            b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'@' | b'+' => url.push(char::from(byte)),
            _ => {
                url.push('%');
                url.extend(digit(byte >> 4));
                url.extend(digit(byte & 15));
            }
        }
    }
}

/// Appends a number.
pub(crate) fn number(text: &mut String, number: u64) {
    text.push_str(&number.to_string());
}

/// Appends a number in groups of three digits, as people read it: `12 345`, with spaces that do not break.
pub(crate) fn grouped(html: &mut String, number: u64) {
    let digits = number.to_string();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            html.push('\u{202f}');
        }
        html.push(digit);
    }
}

/// Appends a part of a whole in per cent, and as much of a digit behind the point as it has: `62 %`, `0.4 %`.
pub(crate) fn percent(html: &mut String, part: u64, whole: u64) {
    let tenths = share(part, whole, 1000);
    number(html, tenths / 10);
    // 99.96 % is not 100 %, and what is not nothing is not 0 %.
    if !tenths.is_multiple_of(10) && !(100..=990).contains(&tenths) {
        html.push('.');
        number(html, tenths % 10);
    }
    html.push_str("\u{202f}%");
}

/// A part of a whole, of so many; at least 1 of what is not nothing, and all only of what is the whole.
pub(crate) fn share(part: u64, whole: u64, of: u64) -> u64 {
    if part == 0 || whole == 0 {
        return 0;
    }
    if part >= whole {
        return of;
    }
    let share = u128::from(part)
        .saturating_mul(u128::from(of))
        .checked_div(u128::from(whole))
        .unwrap_or_default();
    u64::try_from(share)
        .unwrap_or(of)
        .clamp(1, of.saturating_sub(1))
}

/// Appends a JSON string.
pub(crate) fn string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            // None of ours is there; what a text holds all the same does not break the document.
            '\0'..' ' => json.push('\u{fffd}'),
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn made(make: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        make(&mut text);
        text
    }

    #[test]
    fn no_text_is_ever_markup() {
        for (raw, shown) in [
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("\" onload='x'", "&quot; onload=&#39;x&#39;"),
            ("&lt;", "&amp;lt;"),
            ("a\u{202e}b\u{200b}c\0d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
            (
                "M\u{fc}ller \u{6771}\u{4eac}\u{2026}",
                "M\u{fc}ller \u{6771}\u{4eac}\u{2026}",
            ),
        ] {
            assert_eq!(made(|html| text(html, raw)), shown, "{raw:?}");
        }
    }

    #[test]
    fn a_path_stays_one() {
        let raw = "/a.b/!c@v1+incompatible\"><script>?x=1&y#\u{e9}%21";
        let whole = made(|url| path(url, raw));
        assert_eq!(
            whole,
            "/a.b/!c@v1+incompatible%22%3E%3Cscript%3E%3Fx%3D1%26y%23%C3%A9%2521"
        );
    }

    #[test]
    fn numbers_are_read_in_groups() {
        for (raw, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(
                made(|html| grouped(html, raw)).replace('\u{202f}', " "),
                shown
            );
        }
    }

    #[test]
    fn what_is_not_all_is_not_a_hundred_per_cent() {
        for (part, whole, shown) in [
            (0, 0, "0 %"),
            (0, 9, "0 %"),
            (1, 3, "33 %"),
            (1, 1_000_000, "0.1 %"),
            (49, 1000, "4.9 %"),
            (999_999, 1_000_000, "99.9 %"),
            (u64::MAX - 1, u64::MAX, "99.9 %"),
            (7, 7, "100 %"),
            (8, 7, "100 %"),
        ] {
            let text = made(|html| percent(html, part, whole)).replace('\u{202f}', " ");
            assert_eq!(text, shown, "{part} of {whole}");
        }
    }

    #[test]
    fn a_json_string_is_one_whatever_is_in_it() {
        let raw = "a\"b\\c\n\u{1}\u{7f}\u{e9}</script>";
        let json = made(|json| string(json, raw));
        let read: String = serde_json::from_str(&json).unwrap();
        assert_eq!(read, "a\"b\\c\u{fffd}\u{fffd}\u{7f}\u{e9}</script>");
    }
}
