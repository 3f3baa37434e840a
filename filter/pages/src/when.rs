//! Moments and spans, as people read them.

use goproxy_event::Date;

use crate::Timestamp;
use crate::markup::number;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Appends a span: `12 s`, `5 min`, `3 h 12 min`, `4 d 2 h`. Nobody needs the rest.
pub(crate) fn span(text: &mut String, seconds: u64) {
    let (whole, unit, rest, smaller) = match seconds {
        DAY.. => (seconds / DAY, " d", seconds % DAY / HOUR, " h"),
        HOUR.. => (seconds / HOUR, " h", seconds % HOUR / MINUTE, " min"),
        MINUTE.. => (seconds / MINUTE, " min", 0, ""),
        _ => (seconds, " s", 0, ""),
    };
    number(text, whole);
    text.push_str(unit);
    if rest > 0 {
        text.push(' ');
        number(text, rest);
        text.push_str(smaller);
    }
}

/// Appends a moment in UTC to the second: `2024-06-15T08:22:31Z`.
pub(crate) fn moment(text: &mut String, at: Timestamp) {
    let mut whole = String::with_capacity(24);
    Date::of(at).write_to(&mut whole);
    // Without the milliseconds.
    text.push_str(whole.get(..19).unwrap_or_default());
    text.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (11_520, "3 h 12 min"),
            (86_400, "1 d"),
            (4 * 86_400 + 7_200 + 59, "4 d 2 h"),
            (u64::MAX, "213503982334601 d 7 h"),
        ] {
            let mut text = String::new();
            span(&mut text, seconds);
            assert_eq!(text, words, "{seconds}");
        }
    }

    #[test]
    fn a_moment_is_told_to_the_second() {
        let mut text = String::new();
        moment(&mut text, Timestamp::from_millis(1_718_439_751_456));
        assert_eq!(text, "2024-06-15T08:22:31Z");
    }
}
