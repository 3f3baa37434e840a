//! Entries in the shared data. Every object has one slot of each class, and the last one written is in it.

use std::cell::Cell;
use std::rc::Rc;

use super::{PREFIX, TRIES, name, number_of};
use crate::cache::{Corrupt, Entry};
use crate::capabilities::{SetError, SharedData};

/// No process shares more, whatever the shared data says.
const MOST: usize = 1024 * 1024 * 1024;

/// Half of the size is for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Most of what `go` asks for: `.info`, `.mod`, lookups.
    Small,
    /// Tiles and long lists.
    Large,
}

impl Class {
    const ALL: [Self; 2] = [Self::Small, Self::Large];

    const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    /// The longest stored form that goes into a slot.
    const fn slot_bytes(self) -> usize {
        match self {
            Self::Small => 4 * 1024,
            Self::Large => 64 * 1024,
        }
    }

    fn of(stored: usize) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| stored <= class.slot_bytes())
    }

    /// How many slots a size has.
    fn count(self, size: usize) -> u32 {
        let count = (size / 2).checked_div(self.slot_bytes());
        count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or_default()
    }
}

/// The entries.
pub(crate) struct Slots {
    host: Rc<dyn SharedData>,
    /// The size in force, as it was when it was last looked up.
    size: Cell<usize>,
}

impl Slots {
    /// Puts a size to work for the whole process.
    ///
    /// A slot's name says nothing of the size: an entry that is found under another one's number is whole or is none, and
    /// so the number of names never exceeds the largest size's. What lies beyond a smaller size is emptied.
    pub(super) fn open(host: Rc<dyn SharedData>, size: usize) -> Self {
        let slots = Self {
            host,
            size: Cell::new(size.min(MOST)),
        };
        let record = record();
        for _ in 0..TRIES {
            let found = slots.host.get(&record);
            let old = found.as_ref().and_then(|(value, _)| read_size(value));
            if old.unwrap_or_default() == slots.size.get() {
                break;
            }
            let value = u64::try_from(slots.size.get()).unwrap_or_default();
            let version = found.map(|(_, version)| version);
            match slots.host.set(&record, &value.to_le_bytes(), version) {
                Ok(()) => {
                    slots.empty_beyond(old.unwrap_or_default());
                    break;
                }
                Err(SetError::Changed) => {}
                Err(SetError::Refused) => break,
            }
        }
        slots
    }

    /// Takes over the size that another configuration has put to work.
    pub(crate) fn refresh(&self) {
        if let Some(size) = self.host.get(&record()).and_then(|(v, _)| read_size(&v)) {
            self.size.set(size);
        }
    }

    /// The entry of `key`, fresh or not.
    ///
    /// # Errors
    /// Why what is in its place is not an entry. Another object's is no error.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Entry>, Corrupt> {
        let mut result = Ok(None);
        for class in Class::ALL {
            let Some(value) = self.value(class, key) else {
                continue;
            };
            match Entry::from_stored(value.into_boxed_slice(), key) {
                Ok(entry) => return Ok(Some(entry)),
                Err(Corrupt::Key) => {}
                Err(corrupt) => result = Err(corrupt),
            }
        }
        result
    }

    /// Puts the entry of `key` into its slot, if it fits; tells whether it did. It takes the place of whatever was there.
    pub(crate) fn put(&self, key: &str, entry: &Entry) -> bool {
        let fitting = Class::of(entry.stored().len());
        // An older one of another length must not be found any more.
        for class in Class::ALL {
            if Some(class) != fitting {
                self.forget(class, key);
            }
        }
        let Some((class, number)) =
            fitting.and_then(|class| Some((class, number_of(key, class.count(self.size.get()))?)))
        else {
            return false;
        };
        let name = name(class.name(), number);
        if self.host.set(&name, entry.stored(), None).is_err() {
            return false;
        }
        // Whoever made the size smaller meanwhile may have come by before this was written.
        self.refresh();
        if number < class.count(self.size.get()) {
            return true;
        }
        let _ = self.host.set(&name, &[], None);
        false
    }

    fn value(&self, class: Class, key: &str) -> Option<Vec<u8>> {
        let number = number_of(key, class.count(self.size.get()))?;
        let (value, _) = self.host.get(&name(class.name(), number))?;
        (!value.is_empty()).then_some(value)
    }

    fn forget(&self, class: Class, key: &str) {
        let Some(number) = number_of(key, class.count(self.size.get())) else {
            return;
        };
        let name = name(class.name(), number);
        if let Some((value, version)) = self.host.get(&name)
            && Entry::is_of(&value, key)
        {
            // Somebody else's is there by now if this fails.
            let _ = self.host.set(&name, &[], Some(version));
        }
    }

    /// Gives back the memory of slots that a larger size had.
    fn empty_beyond(&self, old: usize) {
        for class in Class::ALL {
            for number in class.count(self.size.get())..class.count(old) {
                let name = name(class.name(), number);
                // To empty one that was never used would make it.
                if self.host.get(&name).is_some() {
                    let _ = self.host.set(&name, &[], None);
                }
            }
        }
    }
}

/// The name of the size in force.
fn record() -> String {
    [PREFIX, "size"].concat()
}

fn read_size(value: &[u8]) -> Option<usize> {
    let size = u64::from_le_bytes(value.try_into().ok()?);
    usize::try_from(size).ok().filter(|size| *size <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::shared::fake::Fake;
    use crate::cache::{ContentType, EntryHead};
    use crate::testing::test;
    use crate::time::Timestamp;

    const MIB: usize = 1024 * 1024;

    fn entry(key: &str, body: &[u8]) -> Entry {
        let at = Timestamp::from_millis(0);
        let head = EntryHead {
            status: 200,
            content_type: ContentType::Text,
            stored_at: at,
            fresh_until: at,
            stale_until: at,
        };
        Entry::new(head, key, "up", body).unwrap()
    }

    fn bytes(fake: &Fake) -> usize {
        let values = fake.values();
        let entries = values.iter().filter(|(name, _)| *name != record());
        entries.map(|(_, bytes)| bytes).sum()
    }

    fn body_of(slots: &Slots, key: &str) -> Option<Vec<u8>> {
        let entry = slots.get(key).unwrap();
        entry.map(|entry| entry.body().to_vec())
    }

    #[test]
    fn what_one_worker_puts_in_another_finds() {
        let fake = Rc::new(Fake::default());
        let one = Slots::open(fake.worker(1), MIB);
        let other = Slots::open(fake.worker(2), MIB);
        for (key, size) in [("a", 10), ("b", 4000), ("c", 5000), ("d", 65_000)] {
            assert_eq!(body_of(&other, key), None);
            assert!(one.put(key, &entry(key, &vec![7; size])), "{key}");
            assert_eq!(body_of(&other, key), Some(vec![7; size]), "{key}");
        }
        assert!(!one.put("e", &entry("e", &[7; 66_000])), "too large");
        assert_eq!(body_of(&one, "e"), None);
    }

    #[test]
    fn bytes_never_exceed_the_size() {
        let fake = Rc::new(Fake::default());
        let slots = Slots::open(fake.worker(1), MIB);
        for round in 0..4000_usize {
            let key = round.to_string();
            slots.put(&key, &entry(&key, &vec![0; round * 97 % 66_000]));
        }
        assert!(bytes(&fake) <= MIB, "{}", bytes(&fake));
        assert!(bytes(&fake) > MIB / 4, "{}", bytes(&fake));
        // 128 small and 8 large ones, and the record.
        assert!(fake.names() <= 137, "{}", fake.names());
    }

    #[test]
    fn the_one_written_last_has_the_slot() {
        let fake = Rc::new(Fake::default());
        let slots = Slots::open(fake.worker(1), MIB);
        let key = |number: u32| number.to_string();
        let same = (1..)
            .map(key)
            .find(|key| number_of(key, 128) == number_of("0", 128))
            .unwrap();
        slots.put("0", &entry("0", b"zero"));
        slots.put(&same, &entry(&same, b"same"));
        assert!(slots.get("0").unwrap().is_none(), "no error either");
        assert_eq!(body_of(&slots, &same), Some(b"same".to_vec()));
    }

    #[test]
    fn an_older_entry_of_another_length_is_not_found_any_more() {
        let fake = Rc::new(Fake::default());
        let slots = Slots::open(fake.worker(1), MIB);
        for size in [100, 5000, 200, 66_000, 300] {
            let kept = slots.put("k", &entry("k", &vec![1; size]));
            assert_eq!(kept, size < 66_000);
            let expected = kept.then(|| vec![1; size]);
            assert_eq!(body_of(&slots, "k"), expected, "{size}");
        }
    }

    #[test]
    fn what_does_not_verify_is_told_and_not_given() {
        let fake = Rc::new(Fake::default());
        let slots = Slots::open(fake.worker(1), MIB);
        slots.put("k", &entry("k", b"body"));
        let (name, _) = fake
            .values()
            .into_iter()
            .find(|(name, _)| *name != record())
            .unwrap();
        for bad in [
            &b"x"[..],
            &[0; 5000],
            &entry("k", b"body").stored()[..50],
            b"goproxy",
        ] {
            fake.overwrite(&name, bad);
            assert!(slots.get("k").is_err(), "{bad:?}");
        }
        fake.overwrite(&name, b"");
        assert!(slots.get("k").unwrap().is_none(), "an empty slot is none");
    }

    #[test]
    fn a_smaller_size_gives_memory_back_and_all_workers_follow() {
        let fake = Rc::new(Fake::default());
        let old = Slots::open(fake.worker(1), 4 * MIB);
        for number in 0..3000_usize {
            let key = number.to_string();
            old.put(&key, &entry(&key, &vec![0; number * 31 % 60_000]));
        }
        let new = Slots::open(fake.worker(2), MIB);
        assert!(bytes(&fake) <= MIB, "{}", bytes(&fake));
        // The old configuration goes on, and learns of it as it writes.
        for number in 0..3000_usize {
            let key = number.to_string();
            old.put(&key, &entry(&key, &vec![0; number * 31 % 60_000]));
            assert!(bytes(&fake) <= MIB, "{number}: {}", bytes(&fake));
        }
        assert!(fake.names() <= 545, "those of the largest size, at most");
        old.put("k", &entry("k", b"body"));
        assert_eq!(body_of(&new, "k"), Some(b"body".to_vec()));
        drop(Slots::open(fake.worker(3), 0));
        assert_eq!(bytes(&fake), 0);
        assert!(!new.put("k", &entry("k", b"body")));
        assert_eq!(bytes(&fake), 0);
    }

    #[test]
    fn a_larger_size_reaches_those_that_work_already() {
        let fake = Rc::new(Fake::default());
        let old = Slots::open(fake.worker(1), MIB);
        let new = Slots::open(fake.worker(2), 64 * MIB);
        old.refresh();
        for number in 0..500_u32 {
            let key = number.to_string();
            old.put(&key, &entry(&key, b"body"));
            assert!(new.get(&key).unwrap().is_some(), "{number}");
        }
    }

    #[test]
    fn a_record_that_is_none_changes_nothing() {
        let fake = Rc::new(Fake::default());
        let slots = Slots::open(fake.worker(1), MIB);
        for garbage in [&b""[..], b"1048576", &u64::MAX.to_le_bytes()] {
            fake.overwrite(&record(), garbage);
            slots.refresh();
            assert!(slots.put("k", &entry("k", b"body")), "{garbage:?}");
        }
    }

    #[test]
    fn a_host_that_refuses_is_a_cache_without_room() {
        let fake = Rc::new(Fake::default());
        fake.refuses.set(true);
        let slots = Slots::open(fake.worker(1), MIB);
        assert!(!slots.put("k", &entry("k", b"body")));
        assert!(slots.get("k").unwrap().is_none());
    }
}
