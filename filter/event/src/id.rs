//! What makes two events the same, and the name that a record of them has.

use xxhash_rust::xxh64::xxh64;

/// What is the same for every failure that is folded into one record: instance, module, version, kind and code.
///
/// 128 bits, as two hashes of 64: nobody meets two that are equal by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(u64, u64);

/// The name of a record: its identity and its window of 60 s. The same in every sink, in every worker of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId(u64, u64);

impl Identity {
    /// The identity of what has these parts. No part holds a NUL, which separates them.
    pub fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
        let (one, two) = hash(&bytes);
        Self(one, two)
    }

    /// One of `count` numbers from 0 on, always the same.
    pub(super) fn choose(self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap_or(1);
        self.1
            .checked_rem(count)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or_default()
    }

    /// The name of its record in a window.
    pub fn in_window(self, window: Window) -> EventId {
        let mut bytes = Vec::with_capacity(24);
        for number in [self.1, self.0, window.0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let (one, two) = hash(&bytes);
        EventId(one, two)
    }
}

impl EventId {
    /// 32 hexadecimal digits.
    pub fn write_to(self, text: &mut String) {
        for half in [self.0, self.1] {
            for shift in (0..64_u32).step_by(4).rev() {
                let digit = u32::try_from((half >> shift) & 15).ok();
                text.extend(digit.and_then(|digit| char::from_digit(digit, 16)));
            }
        }
    }
}

/// The number of a minute since the Unix epoch. Of one identity there is one record in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window(u64);

impl Window {
    /// How long one is, in milliseconds.
    pub const MILLIS: u64 = 60_000;

    /// The window that a moment is in.
    pub const fn of(at: crate::Timestamp) -> Self {
        Self(at.as_millis() / Self::MILLIS)
    }

    /// The one behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Two hashes of the same bytes; their seeds are what makes them two.
fn hash(bytes: &[u8]) -> (u64, u64) {
    (xxh64(bytes, 0), xxh64(bytes, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use crate::time::Timestamp;

    fn hex(id: EventId) -> String {
        let mut text = String::new();
        id.write_to(&mut text);
        text
    }

    #[test]
    fn a_record_has_one_name_a_minute() {
        let identity = Identity::of(&["pod", "example.com/m", "v1.0.0", "zip", "404"]);
        let at = |millis| hex(identity.in_window(Window::of(Timestamp::from_millis(millis))));
        assert_eq!(at(60_000), at(119_999));
        assert_ne!(at(59_999), at(60_000));
        // The name is stored elsewhere: it is the same in every release.
        assert_eq!(at(0), "0163e58fecfe005482ab66595585297f");
    }

    #[test]
    fn each_part_counts_and_none_runs_into_the_next() {
        let parts = ["pod", "example.com/m", "v1.0.0", "zip", "404"];
        let whole = Identity::of(&parts);
        for index in 0..parts.len() {
            let mut other = parts;
            other[index] = "x";
            assert_ne!(Identity::of(&other), whole, "{index}");
        }
        assert_ne!(Identity::of(&["ab", "c"]), Identity::of(&["a", "bc"]));
    }

    #[test]
    fn a_name_has_all_its_digits() {
        assert_eq!(hex(EventId(0, 0)), "0".repeat(32));
        assert_eq!(hex(EventId(0, 0xa1)), format!("{}a1", "0".repeat(30)));
        assert_eq!(hex(EventId(u64::MAX, u64::MAX)), "f".repeat(32));
    }
}
