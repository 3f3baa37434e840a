//! The slots of reports, on a host's shared data in memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use goproxy_pages::{Own, Report, Slots};

use crate::cache::shared::fake::Fake;
use crate::capabilities::SharedData;
use crate::testing::test;
use crate::time::Timestamp;

/// The name of the second slot.
const SECOND_SLOT: &str = "goproxy-wasm/1/report/1";
const SECOND: Duration = Duration::from_secs(1);

fn start() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// One worker.
struct Worker {
    slots: Slots,
    name: Cell<u64>,
    own: Option<Own>,
}

impl Worker {
    fn new(fake: &Rc<Fake>, queue: u32) -> Self {
        let host: Rc<dyn SharedData> = fake.worker(queue);
        Self {
            slots: Slots::open(&host),
            name: Cell::default(),
            own: None,
        }
    }

    fn put(&mut self, requests: u64, now: Timestamp) {
        let mut report = Report {
            at: now,
            workers: 1,
            digest: "0".repeat(16),
            ..Report::default()
        };
        report.count("callouts_total", requests);
        self.own = self.slots.put(self.own, &self.name, "test", &report);
    }

    /// What each slot of a living worker says, and whether it is this worker's.
    fn seen(&self, now: Timestamp) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        self.slots.each(self.own, now, &mut |found| {
            assert_eq!(found.namespace, "test");
            seen.push((found.report.samples[0].1, found.is_own));
        });
        seen
    }

    fn number(&self) -> Option<u32> {
        self.own.map(|own| own.number)
    }
}

fn workers<const COUNT: usize>() -> (Rc<Fake>, [Worker; COUNT]) {
    let fake = Rc::new(Fake::default());
    let mut queue = 0;
    let workers = std::array::from_fn(|_| {
        queue += 1;
        Worker::new(&fake, queue)
    });
    (fake, workers)
}

#[test]
fn each_has_a_slot_and_all_are_read() {
    let (fake, [mut one, mut other]) = workers();
    let names = fake.names();
    assert_eq!(names, 256, "made while configuring");
    one.put(1, start());
    other.put(2, start());
    one.put(3, start().after(SECOND));
    assert_eq!(one.seen(start()), [(3, true), (2, false)]);
    assert_eq!(other.seen(start()), [(3, false), (2, true)]);
    assert_ne!(one.name.get(), other.name.get());
    assert!(one.slots.is_first(one.own.unwrap(), start()));
    assert!(!other.slots.is_first(other.own.unwrap(), start()));
    assert_eq!(fake.names(), names);
}

#[test]
fn who_died_is_not_read_and_its_slot_is_anothers() {
    let (fake, [mut one, mut other]) = workers();
    one.put(1, start());
    other.put(2, start());
    let later = start().after(31 * SECOND);
    other.put(5, later);
    assert_eq!(other.seen(later), [(5, true)]);
    assert!(other.slots.is_first(other.own.unwrap(), later));
    let mut new = Worker::new(&fake, 3);
    new.put(7, later);
    assert_eq!((new.number(), other.number()), (Some(0), Some(1)));
    // It was not dead after all: it finds another slot, and takes nobody's.
    one.put(9, later);
    assert_eq!(one.number(), Some(2));
    assert_eq!(one.seen(later), [(7, false), (5, false), (9, true)]);
}

#[test]
fn a_slot_that_is_given_back_is_used_again_and_hides_nobody() {
    let (fake, [mut one, mut other]) = workers();
    one.put(1, start());
    other.put(2, start());
    one.slots.release(one.own.unwrap());
    assert_eq!(other.seen(start()), [(2, true)]);
    assert!(other.slots.is_first(other.own.unwrap(), start()));
    one.slots.release(other.own.unwrap());
    assert_eq!(other.seen(start()), []);
    let mut new = Worker::new(&fake, 3);
    new.put(3, start());
    assert_eq!(new.number(), Some(0));
    // What is no longer its own is not given back by it.
    one.slots.release(one.own.unwrap());
    assert_eq!(new.seen(start()), [(3, true)]);
}

#[test]
fn two_that_want_the_same_slot_get_two() {
    let (fake, [mut one, other]) = workers();
    let other = Rc::new(std::cell::RefCell::new(other));
    let rival = other.clone();
    fake.before_set(move || rival.borrow_mut().put(2, start()));
    one.put(1, start());
    let other = other.borrow();
    assert_eq!((one.number(), other.number()), (Some(1), Some(0)));
    assert_eq!(one.seen(start()), [(2, false), (1, true)]);
}

#[test]
fn a_clock_that_differs_a_little_kills_nobody_and_one_that_was_set_back_is_survived() {
    let (_, [mut one, mut other]) = workers();
    one.put(1, start().after(SECOND));
    other.put(2, start());
    assert_eq!(other.seen(start()), [(1, false), (2, true)]);
    let back = Timestamp::from_millis(start().as_millis() - 3_600_000);
    other.put(3, back);
    assert_eq!(other.seen(back), [(3, true)]);
    one.put(4, back);
    assert_eq!(other.seen(back), [(4, false), (3, true)]);
}

#[test]
fn what_is_no_report_is_passed_over() {
    let (fake, [mut one, mut other]) = workers();
    one.put(1, start());
    other.put(2, start());
    let good = fake.worker(9).get(SECOND_SLOT).unwrap().0;
    for wrong in [
        &b"x"[..],
        b"\xff\n",
        b"goproxy-slot 1\n",
        b"goproxy-slot 1 1 1 1 test\n",
        b"goproxy-slot 1 1700000000000 1 1 test\nnothing",
        b"goproxy-slot 1 1700000000000 1 1\n",
        b"goproxy-slot 2 1700000000000 1 1 test\n",
        &good[..good.len() - 1],
    ] {
        fake.overwrite(SECOND_SLOT, wrong);
        assert_eq!(one.seen(start()), [(1, true)], "{:?}", wrong.escape_ascii());
    }
    // Whose slot was overwritten finds one.
    other.put(3, start());
    assert_eq!(other.seen(start()), [(1, false), (3, true)]);
}

#[test]
fn more_workers_than_slots_and_a_host_that_refuses_are_no_error() {
    let fake = Rc::new(Fake::default());
    let mut workers: Vec<_> = (1..=257).map(|queue| Worker::new(&fake, queue)).collect();
    for worker in &mut workers {
        worker.put(1, start());
    }
    assert_eq!(workers[255].number(), Some(255));
    assert_eq!(workers[256].number(), None);
    assert_eq!(workers[256].seen(start()).len(), 256);
    fake.refuses.set(true);
    workers[0].put(2, start());
    assert_eq!(workers[0].number(), None);
    let refusing = Rc::new(Fake::default());
    refusing.refuses.set(true);
    let mut worker = Worker::new(&refusing, 1);
    worker.put(1, start());
    assert_eq!((worker.number(), worker.seen(start())), (None, vec![]));
}
