//! Numbers with a range, most with a unit: durations, sizes, moments, counts.

use std::time::Duration;

use super::error::Problems;
use super::json::Node;
use super::read::{At, Read, Text, Why, mismatch};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// No cache keeps longer (RFC 2616, section 14.21, asked for at most a year).
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// How long a callout may take. Zero would be for ever on Envoy; nobody waits for `go` longer than an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeout(pub(super) Duration);

impl Text for Timeout {
    const EXPECTED: &'static str = r#"a duration such as "8s" (from 1ms to 1h)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        duration_within(text, Duration::from_millis(1), HOUR).map(Self)
    }
}

/// How many failures in a row put an upstream aside; zero is "none do".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaxFails(pub(super) u32);

impl Read for MaxFails {
    const EXPECTED: &'static str = "a whole number from 0 to 100";

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        if let Node::Number(Some(number @ 0..=100)) = node {
            return u32::try_from(*number).ok().map(Self);
        }
        mismatch(Self::EXPECTED, node, at, problems);
        None
    }
}

/// How long an upstream is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FailTimeout(pub(super) Duration);

impl Text for FailTimeout {
    const EXPECTED: &'static str = r#"a duration such as "8s" (from 1s to 1h)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        duration_within(text, SECOND, HOUR).map(Self)
    }
}

/// How long a record waits for others to go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchAge(pub(super) Duration);

impl Text for BatchAge {
    const EXPECTED: &'static str = r#"a duration such as "2s" (from 100ms to 5m)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        duration_within(text, Duration::from_millis(100), Duration::from_secs(300)).map(Self)
    }
}

/// How many records go in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchCount(pub(super) usize);

impl Read for BatchCount {
    const EXPECTED: &'static str = "a whole number from 1 to 5000";

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        if let Node::Number(Some(number @ 1..=5000)) = node {
            return usize::try_from(*number).ok().map(Self);
        }
        mismatch(Self::EXPECTED, node, at, problems);
        None
    }
}

/// How long what never changes stays fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImmutableAge(pub(super) Duration);

impl Text for ImmutableAge {
    const EXPECTED: &'static str = r#"a duration such as "30d" (from 1s to 365d)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        duration_within(text, SECOND, YEAR).map(Self)
    }
}

/// How long what moves on stays fresh; zero is "not stored".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MutableAge(pub(super) Duration);

impl Text for MutableAge {
    const EXPECTED: &'static str = r#"a duration such as "60s" (from 0s to 365d)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        duration_within(text, Duration::ZERO, YEAR).map(Self)
    }
}

fn duration_within(text: &str, least: Duration, most: Duration) -> Result<Duration, Why> {
    let duration =
        duration(text).ok_or("whole numbers with ms, s, m, h or d, the largest unit first")?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err("out of range".into())
    }
}

/// `8s`, `1m30s`: whole numbers, each with its unit, the largest unit first and none twice.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let (number, behind) = leading_number(rest)?;
        let unit_length = behind
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(behind.len());
        let (name, behind) = behind.split_at_checked(unit_length)?;
        // The iterator goes on from the unit before: a larger one, or the same, is not found any more.
        let (_, unit_ms) = units.find(|(unit, _)| *unit == name)?;
        total_ms = total_ms.saturating_add(number.saturating_mul(*unit_ms));
        rest = behind;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total_ms))
}

/// The digits that a text begins with, and what is behind them. A number too large to hold is out of any range.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let length = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(length)?;
    (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u64::MAX), rest))
}

/// How much memory a cache may take. The upper bound is half of what a VM gets from Envoy (1 GiB), which never
/// takes memory back: the cache's own book-keeping, requests and what the allocator loses need the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemorySize(pub(super) usize);

impl Text for MemorySize {
    const EXPECTED: &'static str =
        r#"a size such as "32MiB" (from 64KiB to 512MiB, or 0B for none)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        match size_within(text, 0, 512 * MIB)? {
            small if small != 0 && small < 64 * 1024 => Err("out of range".into()),
            bytes => Ok(Self(bytes)),
        }
    }
}

/// How much memory the workers of a process share; the host's, so its bound is only that it is a mistake to go beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SharedSize(pub(super) usize);

impl Text for SharedSize {
    const EXPECTED: &'static str = r#"a size such as "32MiB" (from 1MiB to 1GiB, or 0B for none)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        match size_within(text, 0, GIB)? {
            small if small != 0 && small < 1024 * 1024 => Err("out of range".into()),
            bytes => Ok(Self(bytes)),
        }
    }
}

/// How large an object may be that goes into the memory cache. Above 1 MiB everything is the host's: it streams
/// such an object, and the VM would copy it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectSize(pub(super) usize);

impl Text for ObjectSize {
    const EXPECTED: &'static str = r#"a size such as "256KiB" (from 1KiB to 1MiB)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        size_within(text, KIB, MIB).map(Self)
    }
}

/// How many bytes of records go in one batch: the host copies it, and collectors bound what they take (Elasticsearch 100 MB,
/// Fluent Bit 4 MiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchBytes(pub(super) usize);

impl Text for BatchBytes {
    const EXPECTED: &'static str = r#"a size such as "1MiB" (from 4KiB to 8MiB)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        size_within(text, 4 * KIB, 8 * MIB).map(Self)
    }
}

/// How much may wait to be sent, in each worker: at most a part of what a VM gets from Envoy (1 GiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueSize(pub(super) usize);

impl QueueSize {
    /// Where nothing else is said.
    pub(super) const DEFAULT: usize = 4 * 1024 * 1024;
}

impl Text for QueueSize {
    const EXPECTED: &'static str = r#"a size such as "4MiB" (from 64KiB to 64MiB)"#;

    fn parse(text: &str) -> Result<Self, Why> {
        size_within(text, 64 * KIB, 64 * MIB).map(Self)
    }
}

fn size_within(text: &str, least: u64, most: u64) -> Result<usize, Why> {
    let bytes = size(text).ok_or("a whole number with B, KiB, MiB or GiB")?;
    let bytes = (least..=most)
        .contains(&bytes)
        .then_some(bytes)
        .ok_or("out of range")?;
    usize::try_from(bytes).map_err(|_| "out of range".into())
}

fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let unit = match unit {
        "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return None,
    };
    Some(number.saturating_mul(unit))
}

/// A moment in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

impl Text for Moment {
    const EXPECTED: &'static str =
        r#"an RFC 3339 time from 1970 on, such as "2026-11-22T00:00:00Z""#;

    fn parse(text: &str) -> Result<Self, Why> {
        rfc3339_ms(text).map(Self).ok_or("".into())
    }
}

/// RFC 3339, section 5.6, with `T` between date and time. What is behind the milliseconds is cut off.
fn rfc3339_ms(text: &str) -> Option<u64> {
    let text = text.as_bytes();
    let (date, text) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return None;
    };
    let (time, text) = text.split_at_checked(9)?;
    let [b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] = *time else {
        return None;
    };
    let day = days_since_epoch(
        digits(&[y1, y2, y3, y4])?,
        digits(&[m1, m2])?,
        digits(&[d1, d2])?,
    )?;
    // Second 60 is a leap second; it counts as the next minute's first.
    let (hour, minute, second) = (
        up_to(23, &[h1, h2])?,
        up_to(59, &[n1, n2])?,
        up_to(60, &[s1, s2])?,
    );
    let (fraction_ms, zone) = fraction_ms(text)?;
    let offset_minutes = zone_minutes(zone)?;
    let minutes = day
        .checked_mul(24 * 60)?
        .checked_add(hour.checked_mul(60)?)?
        .checked_add(minute)?;
    let seconds = minutes
        .checked_sub(offset_minutes)?
        .checked_mul(60)?
        .checked_add(second)?;
    u64::try_from(seconds.checked_mul(1000)?.checked_add(fraction_ms)?).ok()
}

/// `.123` and what follows; without a point, no fraction.
fn fraction_ms(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (fraction, zone) = text.split_at_checked(length)?;
    if fraction.is_empty() {
        return None;
    }
    let mut padded = fraction.iter().copied().chain([b'0', b'0']);
    Some((
        digits(&[padded.next()?, padded.next()?, padded.next()?])?,
        zone,
    ))
}

/// `Z`, or how far ahead of UTC.
fn zone_minutes(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = up_to(23, &[h1, h2])?
                .checked_mul(60)?
                .checked_add(up_to(59, &[m1, m2])?)?;
            if sign == b'-' {
                minutes.checked_neg()
            } else {
                Some(minutes)
            }
        }
        _ => None,
    }
}

fn up_to(most: i64, text: &[u8]) -> Option<i64> {
    digits(text).filter(|number| *number <= most)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte.checked_sub(b'0'))??;
        number.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

/// The proleptic Gregorian calendar, by the days before each year and each month.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    const MONTH_DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    let leap_day = i64::from(leap);
    let length = MONTH_DAYS
        .get(index)?
        .checked_add(if month == 2 { leap_day } else { 0 })?;
    if !(1..=length).contains(&day) || year < 1970 {
        return None;
    }
    let before_month: i64 = MONTH_DAYS.iter().take(index).sum();
    let before_month = before_month.checked_add(if month > 2 { leap_day } else { 0 })?;
    let before_year = days_before_year(year)?.checked_sub(days_before_year(1970)?)?;
    before_year
        .checked_add(before_month)?
        .checked_add(day)?
        .checked_sub(1)
}

/// Days from 1 January of year 1 to 1 January of `year`.
fn days_before_year(year: i64) -> Option<i64> {
    let years = year.checked_sub(1)?;
    let leap_days = (years / 4)
        .checked_sub(years / 100)?
        .checked_add(years / 400)?;
    years.checked_mul(365)?.checked_add(leap_days)
}
