//! Texts as events may hold them: visible characters on one line.

/// What stands for what was cut off.
pub(super) const ELLIPSIS: char = '\u{2026}';

/// What stands for a character that cannot be shown.
const UNPRINTABLE: char = '\u{fffd}';

/// One line of visible characters, at most `max` bytes: what cannot be seen is gone, what cannot be shown is replaced.
pub(super) fn plain(text: &str, max: usize) -> String {
    if is_plain(text) && text.len() <= max {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let character = match character {
            _ if is_invisible(character) => continue,
            _ if character.is_whitespace() => ' ',
            _ if is_printable(character) => character,
            _ => UNPRINTABLE,
        };
        // Two spaces say no more than one.
        if character != ' ' || !(shown.is_empty() || shown.ends_with(' ')) {
            shown.push(character);
        }
        if shown.len() > max {
            break;
        }
    }
    shown.truncate(shown.trim_end().len());
    cut(shown, max)
}

/// Whether a text is such a line already, as nearly all are.
fn is_plain(text: &str) -> bool {
    let mut before = b' ';
    for byte in text.bytes() {
        if !(b' '..=b'~').contains(&byte) || (byte == b' ' && before == b' ') {
            return false;
        }
        before = byte;
    }
    before != b' ' || text.is_empty()
}

/// The text, or as much of it as fits into `max` bytes with an ellipsis at its end.
pub(super) fn cut(mut text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let Some(mut end) = max.checked_sub(ELLIPSIS.len_utf8()) else {
        return String::new();
    };
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text.push(ELLIPSIS);
    text
}

/// Letters and digits of any script, and printable ASCII. Other classes hold what `go` calls unprintable, or what turns
/// the writing direction.
pub fn is_printable(character: char) -> bool {
    (' '..='~').contains(&character) || (!character.is_ascii() && character.is_alphanumeric())
}

/// Whether a record may hold a character: it can be seen, and stands for itself or for what was cut off or replaced.
pub fn is_shown(character: char) -> bool {
    is_printable(character) || matches!(character, ELLIPSIS | UNPRINTABLE)
}

/// Characters that show nothing, or only change how others are shown: format characters (`Cf`), variation selectors,
/// tags, fillers, among them every control of the writing direction.
///
/// <https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt>, `Default_Ignorable_Code_Point`, and the `Cf` that
/// are not in it.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
