use std::cell::Cell;

use super::super::fake::{Fake, Worker};
use super::*;
use crate::cache::{ContentType, EntryHead};
use crate::testing::test;

const KEY: &str = "v1/x/public/example.com/a/@v/list";
const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

fn at(millis: u64) -> Timestamp {
    NOW.after(Duration::from_millis(millis))
}

fn nothing() -> Option<Entry> {
    None
}

fn something() -> Option<Entry> {
    let head = EntryHead {
        status: 200,
        content_type: ContentType::Text,
        stored_at: NOW,
        fresh_until: NOW,
        stale_until: NOW,
    };
    Some(Entry::new(head, KEY, "up", b"body").unwrap())
}

/// Workers with the queues 1, 2, 3 ..
fn workers(count: u32) -> (Rc<Fake>, Vec<Leases>) {
    let fake = Rc::new(Fake::default());
    let leases = (1..=count).map(|queue| Leases::open(fake.worker(queue)));
    let leases = leases.collect();
    (fake, leases)
}

/// What a claim says, in a word.
fn claim(leases: &Leases, key: &str, now: Timestamp) -> String {
    let claim = leases.claim(key, now, nothing);
    told(leases, &claim, now)
}

fn look_again(leases: &Leases, key: &str, now: Timestamp) -> String {
    let claim = leases.look_again(key, now, nothing);
    told(leases, &claim, now)
}

fn told(leases: &Leases, claim: &Claim, now: Timestamp) -> String {
    let counts = leases.take_counts();
    match claim {
        Claim::Hit(_) => "hit".to_owned(),
        Claim::Lead { until } => {
            assert_eq!(*until, now.after(LEASE));
            assert_eq!(counts.taken + counts.taken_over, 1);
            ["lead", "take over"][counts.taken_over as usize].to_owned()
        }
        Claim::Follow { until } => format!("follow to {}", until.as_millis() - NOW.as_millis()),
        Claim::Alone => {
            assert_eq!(counts, Counts::default());
            "alone".to_owned()
        }
    }
}

/// A key that has the same slot.
fn neighbour() -> String {
    let slot = number_of(KEY, COUNT);
    (0..)
        .map(|number: u32| number.to_string())
        .find(|key| number_of(key, COUNT) == slot)
        .unwrap()
}

#[test]
fn slots_are_made_once_and_lie_idle() {
    let (fake, leases) = workers(3);
    assert_eq!(
        (fake.names(), fake.values().len()),
        (COUNT as usize, 0),
        "{}",
        leases.len()
    );
    // Not a second time: that would end the leases of a process that works.
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    drop(Leases::open(fake.worker(9)));
    assert_eq!(claim(&leases[1], KEY, NOW), "follow to 3000");
}

#[test]
fn one_leads_and_all_others_follow_and_are_woken() {
    let (fake, leases) = workers(4);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    for leases in &leases[1..] {
        assert_eq!(claim(leases, KEY, at(100)), "follow to 3000");
        assert_eq!(claim(leases, KEY, at(100)), "follow to 3000", "once more");
        assert!(leases.is_followed(KEY, at(100)));
    }
    leases[0].published(KEY);
    for queue in 2..=4 {
        assert_eq!(fake.messages(queue), [KEY], "once, queue {queue}");
    }
    assert_eq!(fake.messages(1), [""; 0]);
    assert!(!leases[1].is_followed(KEY, at(100)));
    assert_eq!(fake.values(), [], "the slot is empty");
}

#[test]
fn what_is_there_already_is_a_hit_and_takes_no_lease() {
    let (fake, leases) = workers(2);
    assert!(matches!(
        leases[0].claim(KEY, NOW, something),
        Claim::Hit(_)
    ));
    assert_eq!(fake.values(), []);
}

#[test]
fn who_publishes_between_looking_and_claiming_is_seen() {
    let (fake, leases) = workers(1);
    let leader = Leases::open(fake.worker(2));
    let there = Rc::new(Cell::new(false));
    let published = there.clone();
    // The whole flight of another worker passes between our look at the object and our claim.
    fake.before_set(move || {
        assert_eq!(claim(&leader, KEY, NOW), "lead");
        published.set(true);
        leader.published(KEY);
    });
    let find = || there.get().then(something).flatten();
    assert!(matches!(leases[0].claim(KEY, NOW, find), Claim::Hit(_)));
}

#[test]
fn of_two_who_claim_at_once_one_leads() {
    let (fake, leases) = workers(1);
    let other = Leases::open(fake.worker(2));
    fake.before_set(move || assert_eq!(claim(&other, KEY, NOW), "lead"));
    assert_eq!(claim(&leases[0], KEY, NOW), "follow to 3000");
}

#[test]
fn of_two_who_take_over_at_once_one_leads() {
    let (fake, leases) = workers(2);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[1], KEY, at(10)), "follow to 3000");
    let third = Leases::open(fake.worker(3));
    fake.before_set(move || assert_eq!(claim(&third, KEY, at(3000)), "take over"));
    assert_eq!(claim(&leases[1], KEY, at(3000)), "follow to 6000");
}

#[test]
fn who_follows_while_the_leader_publishes_finds_it() {
    let (fake, leases) = workers(2);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    let leader = Leases::open(fake.worker(1));
    let there = Rc::new(Cell::new(false));
    let published = there.clone();
    fake.before_set(move || {
        published.set(true);
        leader.published(KEY);
    });
    let find = || there.get().then(something).flatten();
    assert!(matches!(leases[1].claim(KEY, NOW, find), Claim::Hit(_)));
    assert_eq!(fake.messages(2), [""; 0]);
}

#[test]
fn a_leader_that_lives_keeps_its_lease() {
    let (_fake, leases) = workers(2);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    for second in 1..20 {
        let now = at(second * 1000);
        assert_eq!(leases[0].renew(KEY, now), Some(now.after(LEASE)));
        let until = second * 1000 + 3000;
        assert_eq!(claim(&leases[1], KEY, now), format!("follow to {until}"));
        assert_eq!(leases[1].renew(KEY, now), None, "a follower has none");
    }
}

#[test]
fn a_leader_that_is_busy_too_long_is_replaced_and_told_so() {
    let (fake, leases) = workers(3);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[1], KEY, at(10)), "follow to 3000");
    assert_eq!(claim(&leases[2], KEY, at(10)), "follow to 3000");
    assert_eq!(claim(&leases[1], KEY, at(2999)), "follow to 3000");
    assert_eq!(claim(&leases[1], KEY, at(3000)), "take over");
    assert_eq!(leases[0].renew(KEY, at(3001)), None);
    leases[0].release(KEY);
    assert_eq!(fake.messages(3), [""; 0], "it is not its own any more");
    assert!(
        leases[2].is_followed(KEY, at(3001)),
        "it follows the new one"
    );
    leases[1].release(KEY);
    assert_eq!(fake.messages(3), [KEY]);
    assert_eq!(fake.messages(2), [""; 0], "the leader is not woken");
}

#[test]
fn who_looks_again_waits_on_or_takes_over_and_never_queues_up_anew() {
    let (fake, leases) = workers(3);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[1], KEY, NOW), "follow to 3000");
    leases[0].renew(KEY, at(2000));
    assert_eq!(look_again(&leases[1], KEY, at(3000)), "follow to 5000");
    leases[0].release(KEY);
    assert_eq!(fake.messages(2), [KEY], "and it is lost");
    assert_eq!(look_again(&leases[1], KEY, at(5000)), "alone");
    // Another leader has come meanwhile: that one is followed.
    assert_eq!(claim(&leases[2], KEY, at(5000)), "lead");
    assert_eq!(look_again(&leases[1], KEY, at(5000)), "follow to 8000");
    assert_eq!(look_again(&leases[1], KEY, at(8000)), "take over");
}

#[test]
fn claims_are_counted() {
    let (_fake, leases) = workers(2);
    for (leases, millis, expected) in [
        (&leases[0], 0, (1, 0, 0)),
        (&leases[1], 1, (0, 0, 1)),
        (&leases[1], 3000, (0, 1, 0)),
    ] {
        leases.claim(KEY, at(millis), nothing);
        let counts = leases.take_counts();
        let got = (counts.taken, counts.taken_over, counts.followed);
        assert_eq!(got, expected, "{millis}");
        assert_eq!(leases.take_counts(), Counts::default());
    }
}

#[test]
fn a_lease_that_ended_and_nobody_took_is_renewed() {
    let (_fake, leases) = workers(1);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert!(leases[0].renew(KEY, at(60_000)).is_some());
}

#[test]
fn whoever_publishes_wakes_all_who_wait_for_it() {
    let (fake, leases) = workers(3);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[1], KEY, NOW), "follow to 3000");
    leases[2].published(KEY);
    assert_eq!(fake.messages(2), [KEY]);
}

#[test]
fn an_object_in_the_slot_of_another_is_fetched_alone() {
    let (fake, leases) = workers(2);
    let neighbour = neighbour();
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[1], &neighbour, NOW), "alone");
    leases[1].published(&neighbour);
    leases[1].release(&neighbour);
    assert_eq!(leases[1].renew(&neighbour, NOW), None);
    assert!(!fake.values().is_empty(), "the lease stands");
    // The slot of a leader that died is anybody's.
    assert_eq!(claim(&leases[1], &neighbour, at(3000)), "lead");
    assert_eq!(leases[0].renew(KEY, at(3000)), None);
}

#[test]
fn a_clock_that_is_set_back_ends_leases_and_strands_nobody() {
    let (_fake, leases) = workers(2);
    assert_eq!(claim(&leases[0], KEY, at(3_600_000)), "lead");
    assert!(!leases[1].is_followed(KEY, NOW));
    assert_eq!(claim(&leases[1], KEY, NOW), "take over");
}

#[test]
fn a_worker_whose_clock_was_read_before_the_leader_s_follows_it() {
    // Each worker reads the clock as its callback begins, and may be kept waiting before it claims.
    for behind in [1, 20, 1000] {
        let (_fake, leases) = workers(2);
        assert_eq!(claim(&leases[0], KEY, at(behind)), "lead");
        let until = behind + 3000;
        let followed = format!("follow to {until}");
        assert_eq!(claim(&leases[1], KEY, NOW), followed, "{behind}");
        assert!(leases[1].is_followed(KEY, NOW), "{behind}");
    }
}

#[test]
fn a_worker_that_was_started_again_takes_its_own_lease() {
    let (_fake, leases) = workers(2);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    assert_eq!(claim(&leases[0], KEY, at(10)), "take over");
    assert_eq!(claim(&leases[1], KEY, at(20)), "follow to 3010");
}

#[test]
fn more_followers_than_fit_fetch_for_themselves() {
    let (fake, leases) = workers(MOST_QUEUES as u32 + 2);
    assert_eq!(claim(&leases[0], KEY, NOW), "lead");
    for leases in &leases[1..=MOST_QUEUES] {
        assert_eq!(claim(leases, KEY, NOW), "follow to 3000");
    }
    assert_eq!(claim(&leases[MOST_QUEUES + 1], KEY, NOW), "alone");
    let (_, bytes) = fake.values().remove(0);
    assert_eq!(bytes, 16 + 4 * MOST_QUEUES + KEY.len());
}

#[test]
fn garbage_in_a_slot_is_an_idle_slot() {
    let (fake, leases) = workers(1);
    let slot = leases[0].slot(KEY).unwrap();
    let mut endless = Lease::new(KEY);
    (endless.until, endless.holder) = (Timestamp::from_millis(u64::MAX), 7);
    let mut crowded = endless.write();
    crowded[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    for garbage in [b"x".to_vec(), vec![0xff; 100], endless.write(), crowded] {
        fake.overwrite(&slot, &garbage);
        let got = claim(&leases[0], KEY, NOW);
        assert!(["lead", "take over"].contains(&&*got), "{got}: {garbage:?}");
        leases[0].release(KEY);
        assert_eq!(fake.values(), []);
    }
}

#[test]
fn where_the_host_does_not_play_everybody_is_alone() {
    let (fake, leases) = workers(1);
    let sleeper: Rc<Worker> = fake.sleeper();
    assert_eq!(claim(&Leases::open(sleeper), KEY, NOW), "alone", "no queue");
    fake.refuses.set(true);
    assert_eq!(claim(&leases[0], KEY, NOW), "alone", "it refuses");
    let other = Rc::new(Fake::default());
    other.refuses.set(true);
    let leases = Leases::open(other.worker(1));
    other.refuses.set(false);
    assert_eq!(claim(&leases, KEY, NOW), "alone", "there are no slots");
}

#[test]
fn where_others_are_always_faster_it_goes_alone() {
    let (fake, leases) = workers(1);
    let slot = leases[0].slot(KEY).unwrap();
    for _ in 0..TRIES {
        let (fake, slot) = (fake.clone(), slot.clone());
        let other = fake.clone();
        fake.before_set(move || other.overwrite(&slot, b""));
    }
    assert_eq!(claim(&leases[0], KEY, NOW), "alone");
    assert_eq!(claim(&leases[0], KEY, NOW), "lead", "the next time");
}
