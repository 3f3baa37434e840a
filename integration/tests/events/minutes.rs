//! What is told once a minute: each of these waits for a minute to end, so they wait for the same one.

use std::thread::Builder;

use crate::{audit, burst, collector, folding};

/// Each by its name, which is in the message of one that fails.
const ALL: [(&str, fn()); 6] = [
    (
        "a flood is told at once and then once a minute, and the sum is right",
        folding::a_flood_is_told_at_once_and_then_once_a_minute_and_the_sum_is_right,
    ),
    (
        "a burst of failures is accounted for at each sink",
        burst::a_burst_of_failures_is_accounted_for_at_each_sink,
    ),
    (
        "two workers account for their failures together",
        burst::two_workers_account_for_their_failures_together,
    ),
    (
        "what finds no room is dropped, oldest first, and counted",
        collector::what_finds_no_room_is_dropped_oldest_first_and_counted,
    ),
    (
        "downloads are counted by module, version and kind",
        audit::downloads_are_counted_by_module_version_and_kind,
    ),
    (
        "unless it is asked for, a download leaves no record",
        audit::unless_it_is_asked_for_a_download_leaves_no_record,
    ),
];

#[test]
fn what_is_told_once_a_minute_adds_up() {
    std::thread::scope(|scope| {
        for (name, test) in ALL {
            Builder::new()
                .name(name.to_owned())
                .spawn_scoped(scope, test)
                .expect("a thread");
        }
    });
}
