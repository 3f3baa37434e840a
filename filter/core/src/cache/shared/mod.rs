//! The tier that all workers of one process share: entries in slots of the host's shared data, and one flight per process
//! by leases in others.
//!
//! A hint, and never more: the host keeps values of any plugin of the same scope, so whatever does not verify is a miss.
//! Keys of shared data stay for ever, hence slots with fixed names, each named by its number.

#[cfg(test)]
pub(crate) mod fake;
mod lease;
mod slots;

use std::rc::Rc;

use xxhash_rust::xxh64::xxh64;

use crate::capabilities::SharedData;

pub(crate) use lease::{Claim, Counts, LONGEST, Leases};
pub(crate) use slots::Slots;

/// Of all names in the shared data: whose they are, and the form of what is in them but for entries, which tell their own.
const PREFIX: &str = "goproxy-wasm/1/";

/// A value is set again this often where others are faster. Each failure is another's success.
const TRIES: u8 = 16;

/// What the workers of one process share.
pub(crate) struct Shared {
    pub(crate) slots: Slots,
    pub(crate) leases: Leases,
}

impl Shared {
    /// Puts a size to work, in bytes, for the whole process: the one that came last holds. `None` for 0.
    pub(crate) fn open(host: &Rc<dyn SharedData>, size: usize) -> Option<Self> {
        let slots = Slots::open(host.clone(), size);
        if size == 0 {
            return None;
        }
        let leases = Leases::open(host.clone());
        Some(Self { slots, leases })
    }
}

/// A slot's name.
fn name(kind: &str, number: u32) -> String {
    [PREFIX, kind, "/", &number.to_string()].concat()
}

/// Which of `count` slots an object has; `None` if there are none.
fn number_of(key: &str, count: u32) -> Option<u32> {
    let number = xxh64(key.as_bytes(), 0).checked_rem(u64::from(count))?;
    u32::try_from(number).ok()
}
