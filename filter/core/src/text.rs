//! Error texts: what a person at the `go` command reads when a download fails.
//!
//! `go` shows the body of an error only if it is `text/plain`, at most 8 lines and 648 bytes, without a blank line and
//! without a byte that cannot be printed (cmd/go/internal/web, `formatErrorDetail`). Every text here is of that form.

use std::borrow::Cow;
use std::fmt::Write as _;

pub use goproxy_event::ErrorType;
use goproxy_event::is_printable;

/// All that `go` will show.
const MAX_BYTES: usize = 648;
const MAX_LINES: usize = 8;
/// A longer piece of an upstream's body is not looked at.
pub(crate) const MAX_UPSTREAM_BYTES: usize = 4096;

/// Writes the text: `words`, made printable and cut to what fits, then a last line that says what, where and which
/// request. `upstream` is `None` where none was asked.
pub(crate) fn error_text(
    words: &str,
    error: ErrorType,
    upstream: Option<&str>,
    request_id: &str,
) -> String {
    let mut trailer = String::with_capacity(128);
    // Writing to a String cannot fail.
    let _ = writeln!(
        trailer,
        "(goproxy-wasm: {}, upstream {}, request {})",
        error.as_str(),
        upstream.unwrap_or("none"),
        request_id
    );
    let mut text = printable(
        &without_userinfo(words),
        MAX_BYTES.saturating_sub(trailer.len()),
        MAX_LINES.saturating_sub(1),
    );
    text.push_str(&trailer);
    text
}

/// The same without what stands before the `@` of a URL's authority: upstreams that call Git repeat its URLs, token and all.
fn without_userinfo(words: &str) -> Cow<'_, str> {
    if !words.contains("://") {
        return Cow::Borrowed(words);
    }
    let ends_authority = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#');
    let mut text = String::with_capacity(words.len());
    let mut rest = words;
    while let Some((before, url)) = rest.split_once("://") {
        // `://` within an authority begins another URL.
        let this = url.split_once("://").map_or(url, |(this, _)| this);
        let end = this.find(ends_authority).unwrap_or(this.len());
        let (authority, tail) = url.split_at_checked(end).unwrap_or((url, ""));
        let shown = authority.rsplit_once('@');
        text.extend([before, "://"]);
        text.extend(shown.map(|_| "...@"));
        text.push_str(shown.map_or(authority, |(_, host)| host));
        rest = tail;
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The lines of `words` that hold anything, each ended, with every character that a terminal or `go` could stumble
/// over replaced by `?`.
fn printable(words: &str, max_bytes: usize, max_lines: usize) -> String {
    let mut text = String::new();
    for line in words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(max_lines)
    {
        let start = text.len();
        for character in line.chars() {
            let shown = if is_printable(character) {
                character
            } else {
                '?'
            };
            // One byte is kept for the end of the line.
            if text.len().saturating_add(shown.len_utf8()) >= max_bytes {
                if text.len() > start {
                    text.push('\n');
                }
                return text;
            }
            text.push(shown);
        }
        text.push('\n');
    }
    text
}

/// The words of an upstream's error, if they are meant for people: `text/plain`, or no content type at all.
pub(crate) fn upstream_words(head: &crate::callout::AnswerHead, body: &[u8]) -> String {
    if head.encoded || !(head.content_type.is_none() || head.is_type(&["text/plain"])) {
        return String::new();
    }
    let start = body
        .get(..body.len().min(MAX_UPSTREAM_BYTES))
        .unwrap_or_default();
    String::from_utf8_lossy(start).into_owned()
}

/// A request id that may stand in a text: at most 64 bytes of printable ASCII, else `-`.
pub(crate) fn request_id(value: Option<&[u8]>) -> &str {
    let text = value
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default();
    let fits =
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { text } else { "-" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callout::AnswerHead;
    use crate::testing::test;

    fn text(words: &str) -> String {
        error_text(words, ErrorType::NotFound, Some("public"), "id-1")
    }

    /// What cmd/go asks of a text before it shows it.
    fn go_shows(text: &str) -> bool {
        text.len() <= 648
            && text.trim_end_matches('\n').matches('\n').count() < 8
            && !text.contains("\n\n")
            && text.chars().all(|c| c == '\n' || is_printable(c))
    }

    #[test]
    fn a_text_ends_with_what_where_and_which_request() {
        let text = text("not found: no such module\n");
        assert_eq!(
            text,
            "not found: no such module\n(goproxy-wasm: not_found, upstream public, request id-1)\n"
        );
    }

    #[test]
    fn whatever_an_upstream_says_go_shows_it() {
        for words in [
            "".to_owned(),
            "\n\n\r\n \n".to_owned(),
            "a\n\nb\n".repeat(40),
            "x".repeat(100_000),
            "\u{1b}[31mred\u{7}\u{202e}evil\u{200b}\u{feff}".to_owned(),
            "\u{4f60}\u{597d} ".repeat(400),
            "tab\there\r\nand\u{85}there\u{2028}x".to_owned(),
        ] {
            let text = text(&words);
            assert!(go_shows(&text), "{text:?}");
            assert!(text.ends_with("request id-1)\n"), "{text:?}");
        }
    }

    #[test]
    fn no_password_in_a_url_is_shown() {
        for (words, shown) in [
            (
                "fatal: https://user:tok@host/x",
                "fatal: https://...@host/x",
            ),
            ("a://b@c@d and ssh://e@f", "a://...@d and ssh://...@f"),
            ("https://host/a/@v/list: 404", "https://host/a/@v/list: 404"),
            ("https://host?x=a@b", "https://host?x=a@b"),
            ("://", "://"),
            (
                "https://x:https://user:tok@host/",
                "https://x:https://...@host/",
            ),
            ("me@host: no", "me@host: no"),
        ] {
            assert_eq!(text(words).lines().next(), Some(shown), "{words}");
        }
    }

    #[test]
    fn the_longest_names_leave_the_trailer_whole() {
        let text = error_text(
            &"w ".repeat(900),
            ErrorType::InvalidBody,
            Some(&"u".repeat(64)),
            &"r".repeat(64),
        );
        assert!(go_shows(&text) && text.ends_with("r)\n"), "{text}");
    }

    #[test]
    fn only_plain_text_is_meant_for_people() {
        let of = |content_type: &str| {
            let head = AnswerHead::read([(&b"content-type"[..], content_type.as_bytes())]);
            upstream_words(&head, b"words")
        };
        assert_eq!(of("text/plain; charset=utf-8"), "words");
        assert_eq!(of("text/html"), "");
        assert_eq!(of("application/json"), "");
        assert_eq!(upstream_words(&AnswerHead::default(), b"words"), "words");
    }

    #[test]
    fn a_request_id_that_could_break_the_text_is_not_shown() {
        assert_eq!(request_id(Some(b"2f-a")), "2f-a");
        for bad in [&b"a b"[..], b"a\nb", b"", b"\xff", &[b'x'; 65]] {
            assert_eq!(request_id(Some(bad)), "-");
        }
        assert_eq!(request_id(None), "-");
    }
}
