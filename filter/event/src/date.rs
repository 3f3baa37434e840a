//! The calendar: what a moment is called in UTC.

use crate::time::Timestamp;

/// 9999-12-31T23:59:59.999Z: RFC 3339 has no later year.
const LAST: u64 = 253_402_300_799_999;

const DAY_MILLIS: u64 = 86_400_000;

/// A moment in UTC, in the proleptic Gregorian calendar. Moments behind the year 9999 are its last millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// From 1970 to 9999.
    pub year: u64,
    /// From 1 to 12.
    pub month: u64,
    /// From 1 to 31.
    pub day: u64,
    /// Milliseconds since midnight.
    pub millis: u64,
}

impl Date {
    /// The date of a moment.
    ///
    /// Years are counted from 1 March, so that the leap day is a year's last one (Howard Hinnant, "chrono-compatible
    /// low-level date algorithms", `civil_from_days`).
    pub fn of(at: Timestamp) -> Self {
        let millis = at.as_millis().min(LAST);
        // Days since 0000-03-01; an era is 400 years. No number here comes near its type's end.
        let days = (millis / DAY_MILLIS).wrapping_add(719_468);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = day_of_era
            .wrapping_sub(day_of_era / 1_460)
            .wrapping_add(day_of_era / 36_524)
            .wrapping_sub(day_of_era / 146_096)
            / 365;
        let before_year = year_of_era
            .wrapping_mul(365)
            .wrapping_add(year_of_era / 4)
            .wrapping_sub(year_of_era / 100);
        let day_of_year = day_of_era.wrapping_sub(before_year);
        let month_from_march = day_of_year.wrapping_mul(5).wrapping_add(2) / 153;
        let before_month = month_from_march.wrapping_mul(153).wrapping_add(2) / 5;
        let month = match month_from_march {
            early @ 0..=9 => early.wrapping_add(3),
            late => late.wrapping_sub(9),
        };
        Self {
            year: year_of_era
                .wrapping_add(era.wrapping_mul(400))
                .wrapping_add(u64::from(month <= 2)),
            month,
            day: day_of_year.wrapping_sub(before_month).wrapping_add(1),
            millis: millis % DAY_MILLIS,
        }
    }

    /// The hour, from 0 to 23.
    pub const fn hour(self) -> u64 {
        self.millis / 3_600_000
    }

    /// Appends RFC 3339 with milliseconds: `2024-06-15T08:22:31.456Z`.
    pub fn write_to(self, text: &mut String) {
        digits(text, self.year, 4);
        text.push('-');
        digits(text, self.month, 2);
        text.push('-');
        digits(text, self.day, 2);
        text.push('T');
        digits(text, self.hour(), 2);
        text.push(':');
        digits(text, self.millis / 60_000 % 60, 2);
        text.push(':');
        digits(text, self.millis / 1_000 % 60, 2);
        text.push('.');
        digits(text, self.millis % 1_000, 3);
        text.push('Z');
    }
}

/// Appends the last `width` digits of a number.
pub(super) fn digits(text: &mut String, number: u64, width: u32) {
    let divisors = [1000, 100, 10, 1];
    for (place, divisor) in (1..=4).rev().zip(divisors) {
        if place <= width {
            // Of 0 to 9 there is always a digit.
            text.extend(
                u32::try_from(number.checked_div(divisor).unwrap_or_default() % 10)
                    .ok()
                    .and_then(|digit| char::from_digit(digit, 10)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn rfc3339(millis: u64) -> String {
        let mut text = String::new();
        Date::of(Timestamp::from_millis(millis)).write_to(&mut text);
        text
    }

    #[test]
    fn known_moments_have_their_names() {
        // `date -u -d @SECONDS +%FT%TZ` of GNU coreutils.
        for (seconds, name) in [
            (0, "1970-01-01T00:00:00"),
            (68_169_599, "1972-02-28T23:59:59"),
            (68_169_600, "1972-02-29T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_718_439_751, "2024-06-15T08:22:31"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (1_735_689_600, "2025-01-01T00:00:00"),
            (4_107_542_399, "2100-02-28T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (13_574_563_200, "2400-02-29T00:00:00"),
        ] {
            assert_eq!(rfc3339(seconds * 1000 + 456), format!("{name}.456Z"));
        }
    }

    #[test]
    fn no_moment_is_behind_the_last_year_that_can_be_told() {
        for millis in [LAST, LAST + 1, u64::MAX] {
            assert_eq!(rfc3339(millis), "9999-12-31T23:59:59.999Z", "{millis}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod reference {
        use super::*;
        use proptest::prelude::*;
        use time::OffsetDateTime;

        proptest! {
            #[test]
            fn every_moment_is_named_as_the_crate_time_names_it(millis in 0..=LAST) {
                let nanos = i128::from(millis) * 1_000_000;
                let reference = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
                let date = Date::of(Timestamp::from_millis(millis));
                prop_assert_eq!(date.year, u64::try_from(reference.year()).unwrap());
                prop_assert_eq!(date.month, u64::from(u8::from(reference.month())));
                prop_assert_eq!(date.day, u64::from(reference.day()));
                prop_assert_eq!(date.hour(), u64::from(reference.hour()));
                let (hour, minute, second) = reference.to_hms();
                let clock = format!("T{hour:02}:{minute:02}:{second:02}.{:03}Z", reference.millisecond());
                prop_assert_eq!(&rfc3339(millis)[10..], clock);
            }
        }
    }
}
