//! Every seed of the fuzz targets, through the target's check: what was found once is found by `cargo test` again.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics fails, which is what it is for"
)]

#[path = "../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    reason = "these are the public items of another crate, whose source this is"
)]
mod checks;

use std::fs;
use std::path::Path;

/// Runs a target's seeds, and says which one is at fault.
fn seeds(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut ran = 0_usize;
    for seed in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = seed.expect("a seed").path();
        let bytes = fs::read(&path).expect("a readable seed");
        if std::panic::catch_unwind(|| check(&bytes)).is_err() {
            panic!("{}: see above", path.display());
        }
        ran = ran.saturating_add(1);
    }
    assert!(
        ran >= 10,
        "{target}: expected ten seeds at least, got {ran}"
    );
}

macro_rules! targets {
    ($($target:ident)*) => { $(
        #[test]
        fn $target() {
            seeds(stringify!($target), checks::$target::check);
        }
    )* };
}

targets! { path config list info lookup entry redis event bulk gateway }
