//! One record a minute, and no event lost.

use super::*;
use crate::testing::failure;
use crate::testing::test;

/// The beginning of a window.
const START: Timestamp = Timestamp::from_millis(600_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn event(module: &str) -> Event {
    failure(module, "v1.0.0", START)
}

/// Notes one event, and gives what is told: how many others each record stands for, and its window.
fn note(folding: &mut Folding, module: &str, now: Timestamp) -> Vec<(u32, Window)> {
    let mut told = Vec::new();
    folding.note(event(module), 1, false, now, &mut told);
    shown(told)
}

/// As many calls as it takes to look at everything once.
fn due(folding: &mut Folding, now: Timestamp) -> Vec<(u32, Window)> {
    let mut told = Vec::new();
    for _ in 0..SETS * WAYS / AT_ONCE {
        folding.due(now, &mut told);
    }
    shown(told)
}

fn shown(told: Vec<Fold>) -> Vec<(u32, Window)> {
    told.into_iter()
        .map(|fold| (fold.suppressed, fold.window))
        .collect()
}

#[test]
fn the_first_is_told_at_once_and_the_others_at_the_end() {
    let mut folding = Folding::default();
    assert_eq!(note(&mut folding, "m", at(5)), [(0, Window::of(at(5)))]);
    for second in 6..56 {
        assert_eq!(note(&mut folding, "m", at(second)), []);
    }
    assert_eq!(folding.open(), 50);
    assert_eq!(due(&mut folding, at(59)), []);
    // The last of 50 stands for the other 49, under a name of its own.
    assert_eq!(due(&mut folding, at(66)), [(49, Window::of(at(66)))]);
    assert_eq!(folding.open(), 0);
    assert_eq!(due(&mut folding, at(200)), []);
    assert!(folding.table.iter().all(Option::is_none), "it is forgotten");
}

#[test]
fn what_goes_on_has_one_record_a_minute_whose_sum_is_right() {
    let mut folding = Folding::default();
    let mut told = Vec::new();
    for second in 0..600 {
        told.extend(note(&mut folding, "m", at(second)));
        told.extend(due(&mut folding, at(second)));
    }
    told.extend(due(&mut folding, at(700)));
    let events: u32 = told.iter().map(|(suppressed, _)| suppressed + 1).sum();
    assert_eq!((told.len(), events), (11, 600));
    assert!(
        told.windows(2).all(|pair| pair[0].1 != pair[1].1),
        "each has a window of its own: {told:?}"
    );
}

#[test]
fn a_single_event_has_a_single_record() {
    let mut folding = Folding::default();
    note(&mut folding, "m", at(59));
    for second in 60..100 {
        assert_eq!(due(&mut folding, at(second)), []);
    }
    assert_eq!(note(&mut folding, "m", at(100)), [(0, Window::of(at(100)))]);
}

#[test]
fn others_are_not_folded_with_it() {
    let mut folding = Folding::default();
    for module in ["a", "b", "c"] {
        assert_eq!(note(&mut folding, module, at(0)).len(), 1, "{module}");
    }
}

#[test]
fn what_is_audited_is_told_at_the_end_of_its_minute_only() {
    let mut folding = Folding::default();
    let mut told = Vec::new();
    for second in 0..10 {
        folding.note(event("m"), 1, true, at(second), &mut told);
    }
    assert_eq!((told.len(), folding.open()), (0, 10));
    assert_eq!(due(&mut folding, at(61)), [(9, Window::of(at(61)))]);
}

fn second(folding: &mut Folding, asks_first: bool, now: Timestamp) -> bool {
    let mut told = Vec::new();
    let is = folding.is_second_request(event("m").identity(), asks_first, now, &mut told);
    assert_eq!(told, []);
    is
}

#[test]
fn the_second_request_of_go_is_none_and_a_third_is_another_first() {
    let mut folding = Folding::default();
    // Two builds at once, each asks twice: the first time as GoCommand, the second time as Go-http-client.
    assert!(!second(&mut folding, true, at(0)));
    assert!(!second(&mut folding, true, at(0)));
    assert!(second(&mut folding, false, at(0)));
    assert!(second(&mut folding, false, at(1)));
    assert!(!second(&mut folding, false, at(1)));
    assert!(second(&mut folding, false, at(1)));
}

#[test]
fn a_second_request_comes_soon_or_is_none_and_may_be_in_the_next_window() {
    let mut folding = Folding::default();
    assert!(!second(&mut folding, true, at(59)));
    note(&mut folding, "m", at(59));
    assert_eq!(due(&mut folding, at(60)), []);
    assert!(second(&mut folding, false, at(61)));
    assert!(!second(&mut folding, true, at(70)));
    assert!(!second(&mut folding, false, at(80)));
}

#[test]
fn identities_are_bounded_and_what_is_pushed_out_is_told() {
    let mut folding = Folding::default();
    let mut events = 0;
    for second in 0..3 {
        for number in 0..40_000 {
            let told = note(&mut folding, &format!("m{number}"), at(second));
            events += told
                .iter()
                .map(|(suppressed, _)| u64::from(*suppressed) + 1)
                .sum::<u64>();
        }
    }
    assert_eq!(folding.table.len(), SETS * WAYS);
    assert_eq!(events + folding.open(), 120_000);
}

#[test]
fn ten_thousand_that_fail_again_and_again_have_some_ten_thousand_records_a_minute() {
    let mut folding = Folding::default();
    let mut told = 0;
    for count in 0..100_000 {
        let now = START.after(Duration::from_micros(count * 500));
        told += note(&mut folding, &format!("m{}", count % 10_000), now).len();
    }
    // Of sets of sixteen that get ten, some get seventeen.
    assert!((10_000..18_000).contains(&told), "{told}");
}

#[test]
fn what_is_heard_of_least_lately_gives_way() {
    let mut folding = Folding::default();
    // More than all sets hold, and one that is heard of between any two.
    for number in 0..80_000 {
        note(&mut folding, &format!("m{number}"), at(number / 2000));
        note(&mut folding, "often", at(number / 2000));
    }
    let told = note(&mut folding, "often", at(60));
    assert_eq!(told, [(79_999 + 1 - 1, Window::of(at(60)))]);
}

#[test]
fn all_windows_end_at_once_and_are_told_bit_by_bit() {
    let mut folding = Folding::default();
    for _ in 0..2 {
        for number in 0..500 {
            note(&mut folding, &format!("m{number}"), at(0));
        }
    }
    let (mut told, mut calls, open) = (0, 0, folding.open());
    assert!(open > 400, "{open}");
    while folding.open() > 0 {
        let mut now = Vec::new();
        folding.due(at(61), &mut now);
        assert!(now.len() <= AT_ONCE);
        told += now.len() as u64;
        calls += 1;
    }
    assert_eq!(told, open);
    // A tick is a tenth of a second: all are told within seven.
    assert!((50..=64).contains(&calls), "{calls}");
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_for_longer() {
    let mut folding = Folding::default();
    note(&mut folding, "m", at(7200));
    note(&mut folding, "m", at(7201));
    assert_eq!(due(&mut folding, at(0)), [(0, Window::of(at(0)))]);
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_event_is_lost_or_told_twice(
            steps in prop::collection::vec((0_usize..4, 0_u64..90_000, any::<bool>(), 1_u32..4), 1..200),
        ) {
            let mut folding = Folding::default();
            let (mut noted, mut told, mut now) = (0_u64, Vec::new(), START);
            for (module, millis, is_noted, times) in steps {
                now = now.after(Duration::from_millis(millis));
                if is_noted {
                    folding.note(event(["a", "b", "c", "d"][module]), times, module == 3, now, &mut told);
                    noted += u64::from(times);
                } else {
                    folding.due(now, &mut told);
                }
                let events: u64 = told.iter().map(|fold| u64::from(fold.suppressed) + 1).sum();
                prop_assert_eq!(noted, events + folding.open());
            }
            let mut names: Vec<String> = told
                .iter()
                .map(|fold| format!("{:?}", fold.event.identity().in_window(fold.window)))
                .collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), told.len(), "each record has a name of its own");
        }
    }
}
