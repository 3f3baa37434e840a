//! Where the workers of a process tell each other what they counted: slots in the shared data, one for each worker and
//! namespace.
//!
//! The host deletes no key, so the slots are fixed and are made while configuring: later on there is no way to make one that
//! another worker does not make at the same time. A slot is whose mark is in it; one that is free, or whose owner has not
//! written for a while, is taken by who is the first to write his own. What is found there is a hint, as all in shared data.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use goproxy_event::Timestamp;

use crate::metrics;
use crate::report::Report;
use crate::shared::{SetError, SharedData};

/// Of the slots' names: whose they are, as of all that the gateway has in the shared data.
const PREFIX: &str = "goproxy-wasm/1/report/";
/// More workers than a machine has cores. One that finds no slot is not in the sum.
const SLOTS: u32 = 256;
/// Who has written nothing for so long is dead. A living one writes six times as often.
const LIFE: Duration = Duration::from_secs(30);
/// What a slot begins with: whose it is, and its form.
const FIRST: &str = "goproxy-slot 1";
/// What is in a slot that was given back. An empty one was never used, and neither were those behind it.
const GONE: &[u8] = b"-";

/// The slots, as one root context sees them.
pub struct Slots {
    host: Rc<dyn SharedData>,
}

/// A slot of this worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Which one it is.
    pub number: u32,
    /// Nobody else writes this one.
    mark: u64,
}

/// What stands before a report.
#[derive(Debug, PartialEq, Eq)]
struct Head<'a> {
    at: Timestamp,
    mark: u64,
    worker: u64,
    namespace: &'a str,
}

/// A report of a worker that lives.
pub struct Found {
    /// It is what the slot of ours says.
    pub is_own: bool,
    /// Who wrote it; a worker has one for each namespace.
    pub worker: u64,
    /// Of whose requests it is.
    pub namespace: String,
    /// The report itself.
    pub report: Report,
}

impl Slots {
    /// Makes the slots, unless they are there.
    #[inline(never)]
    pub fn open(host: &Rc<dyn SharedData>) -> Self {
        // They are made in their order.
        if host.get(&name(SLOTS.saturating_sub(1))).is_none() {
            for number in 0..SLOTS {
                if host.get(&name(number)).is_none() {
                    let _ = host.set(&name(number), &[], None);
                }
            }
        }
        Self { host: host.clone() }
    }

    /// Puts a report into the slot that is ours, or into one that becomes ours. `worker` names this worker, and gets its name
    /// with its first slot.
    #[inline(never)]
    pub fn put(
        &self,
        own: Option<Own>,
        worker: &Cell<u64>,
        namespace: &str,
        report: &Report,
    ) -> Option<Own> {
        let text = report.write();
        let write = |own: Own, version| {
            if worker.get() == 0 {
                worker.set(own.mark);
            }
            let head = Head {
                at: report.at,
                mark: own.mark,
                worker: worker.get(),
                namespace,
            };
            let value = [&head.write(), text.as_str()].concat();
            self.host
                .set(&name(own.number), value.as_bytes(), Some(version))
        };
        if let Some(own) = own
            && let Some(version) = self.version_of(own)
            && write(own, version).is_ok()
        {
            return Some(own);
        }
        for number in 0..SLOTS {
            let (value, version) = self.host.get(&name(number))?;
            if alive(&value, report.at).is_some() {
                continue;
            }
            // A version is never given twice.
            let mark = u64::from(version) << 32 | u64::from(number);
            let own = Own { number, mark };
            match write(own, version) {
                Ok(()) => return Some(own),
                Err(SetError::Changed) => {}
                Err(SetError::Refused) => return None,
            }
        }
        None
    }

    /// Gives a slot back.
    pub fn release(&self, own: Own) {
        if let Some(version) = self.version_of(own) {
            // Somebody else has it by now if this fails.
            let _ = self.host.set(&name(own.number), GONE, Some(version));
        }
    }

    /// Whether no living worker has a slot before this one: such a worker speaks to the host for all.
    #[inline(never)]
    pub fn is_first(&self, own: Own, now: Timestamp) -> bool {
        (0..own.number).all(|number| {
            let found = self.host.get(&name(number));
            found.is_none_or(|(value, _)| alive(&value, now).is_none())
        })
    }

    /// Reads all reports of workers that live.
    #[inline(never)]
    pub fn each(&self, own: Option<Own>, now: Timestamp, see: &mut dyn FnMut(Found)) {
        for number in 0..SLOTS {
            let Some((value, _)) = self.host.get(&name(number)).filter(|(v, _)| !v.is_empty())
            else {
                return;
            };
            let Some((head, text)) = alive(&value, now) else {
                continue;
            };
            if let Some(report) = Report::read(text) {
                see(Found {
                    is_own: own.is_some_and(|own| own.mark == head.mark),
                    worker: head.worker,
                    namespace: head.namespace.to_owned(),
                    report,
                });
            }
        }
    }

    /// The gauges of all workers that live, in whatever namespace, added up.
    #[inline(never)]
    pub fn gauges(&self, now: Timestamp) -> Vec<(String, u64)> {
        let mut sum = Report::default();
        let mut workers = Vec::new();
        self.each(None, now, &mut |found| {
            for (key, value) in &metrics::gauges(&found.report.samples) {
                sum.count(key, *value);
            }
            // One that has two namespaces is one still.
            if !workers.contains(&found.worker) {
                workers.push(found.worker);
            }
        });
        sum.samples.retain(|(key, _)| key != "workers");
        sum.count("workers", u64::try_from(workers.len()).unwrap_or(u64::MAX));
        sum.samples
    }

    /// The version of our slot, if it is ours still.
    fn version_of(&self, own: Own) -> Option<u32> {
        let (value, version) = self.host.get(&name(own.number))?;
        let (head, _) = Head::read(&value)?;
        (head.mark == own.mark).then_some(version)
    }
}

impl<'a> Head<'a> {
    fn write(&self) -> String {
        [
            FIRST,
            &self.at.as_millis().to_string(),
            &self.mark.to_string(),
            &self.worker.to_string(),
            self.namespace,
        ]
        .join(" ")
            + "\n"
    }

    /// What stands before a report, and the report's text.
    fn read(value: &'a [u8]) -> Option<(Self, &'a str)> {
        let (line, text) = std::str::from_utf8(value).ok()?.split_once('\n')?;
        let mut words = line.strip_prefix(FIRST)?.strip_prefix(' ')?.splitn(4, ' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (at, mark, worker) = (number()?, number()?, number()?);
        let head = Self {
            at: Timestamp::from_millis(at),
            mark,
            worker,
            namespace: words.next()?,
        };
        Some((head, text))
    }
}

/// What is in a slot whose owner lives.
fn alive(value: &[u8], now: Timestamp) -> Option<(Head<'_>, &str)> {
    let found = Head::read(value)?;
    // Workers read the clock at different moments, and it may be set back.
    let lives = found.0.at <= now.after(LIFE) && now <= found.0.at.after(LIFE);
    lives.then_some(found)
}

fn name(number: u32) -> String {
    [PREFIX, &number.to_string()].concat()
}
