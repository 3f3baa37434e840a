//! `goproxy-launch bench`: how fast and how large the gateway is, as ratios to the same Envoy without it.
//!
//! Every ratio is of rounds that were interleaved in one run, on loopback, with one worker. A target that is missed is
//! shown; only what could not be measured is a failure.

mod archives;
mod builds;
mod calls;
mod chain;
mod core;
mod disk;
mod failures;
mod herd;
mod hit;
mod load;
mod memory;
mod redis_hit;
mod redis_kill;
mod report;
mod rounds;
mod shared_hit;
mod start;
mod variants;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use report::Figure;

use crate::interrupt;
use crate::places;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How `make bench` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// BENCH_QUICK=1: some minutes, fewer rounds
    #[arg(long, env = "BENCH_QUICK", value_parser = clap::builder::FalseyValueParser::new(), hide_env_values = true)]
    quick: bool,
    /// Only the figures whose name contains this
    #[arg(long, env = "BENCH_ONLY", hide_env_values = true, default_value = "")]
    only: String,
}

/// How much is measured. Rounds of three variants are multiples of six: all orders of the three.
#[derive(Debug, Clone, Copy)]
struct Plan {
    hit_rounds: usize,
    archive_rounds: usize,
    large_archive_rounds: usize,
    large_archive_seconds: u16,
    starts: usize,
    herds: usize,
    builds: usize,
    /// Seconds of criterion's warm-up and measurement of one function.
    core_seconds: (f32, f32),
}

const FULL: Plan = Plan {
    hit_rounds: 24,
    archive_rounds: 18,
    large_archive_rounds: 12,
    large_archive_seconds: 2,
    starts: 15,
    herds: 5,
    builds: 5,
    core_seconds: (1.0, 3.0),
};

const QUICK: Plan = Plan {
    hit_rounds: 6,
    archive_rounds: 3,
    large_archive_rounds: 3,
    large_archive_seconds: 1,
    starts: 3,
    herds: 1,
    builds: 1,
    core_seconds: (0.3, 0.6),
};

/// Measures everything, shows it on standard output and writes the report.
///
/// # Errors
/// Something could not be measured.
pub fn bench(options: &Options) -> Result<()> {
    interrupt::catch()?;
    let plan = if options.quick { QUICK } else { FULL };
    let began = Instant::now();
    let mut figures = Vec::new();
    for group in groups() {
        if !group.keys.iter().any(|key| key.contains(&options.only)) {
            continue;
        }
        eprintln!("bench: {}", group.doing);
        let found = (group.measure)(&plan);
        if interrupt::exit_code().is_some() {
            return Err("interrupted".into());
        }
        figures.extend(found);
    }
    println!("\n{}", report::table(&figures));
    println!(
        "{} s; ratios are medians over interleaved rounds, with the filter to without it",
        began.elapsed().as_secs()
    );
    // A report of some figures would pass for one of all.
    if options.only.is_empty() {
        let file = report::write(&target_folder().join("bench"), &figures)?;
        println!("the same, with what it was made from: {}", file.display());
    }
    let failed: Vec<String> = figures
        .iter()
        .filter_map(|figure| {
            let why = figure.measured.as_ref().err()?;
            Some(format!("{}: could not be measured: {why}", figure.key))
        })
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n").into())
    }
}

/// Figures that are measured together.
struct Group {
    doing: &'static str,
    keys: &'static [&'static str],
    measure: fn(&Plan) -> Vec<Figure>,
}

fn groups() -> Vec<Group> {
    vec![
        Group {
            doing: "hits in memory, behind a filter that does nothing, and without a filter",
            keys: &[hit::VS_DIRECT_RESPONSE, hit::VS_NOOP_FILTER],
            measure: hit::figures,
        },
        Group {
            doing: "200 clients at once for one cold object",
            keys: &[herd::KEY, herd::TWO_WORKERS],
            measure: herd::figures,
        },
        Group {
            doing: "hits in what the workers share, and in a worker's own memory",
            keys: &[shared_hit::KEY],
            measure: shared_hit::figures,
        },
        Group {
            doing: "a chain of two upstreams",
            keys: &[chain::KEY],
            measure: chain::figures,
        },
        Group {
            doing: "hits in Redis, and without a filter",
            keys: &[redis_hit::KEY],
            measure: redis_hit::figures,
        },
        Group {
            doing: "a Redis that dies under load",
            keys: &[redis_kill::KILLED, redis_kill::OPEN],
            measure: redis_kill::figures,
        },
        Group {
            doing: "builds from a mirror that is far away, with a cold and a warm gateway, and without one",
            keys: &[builds::WARM, builds::COLD],
            measure: builds::figures,
        },
        Group {
            doing: "host calls of each path",
            keys: &[calls::KEY],
            measure: calls::figures,
        },
        Group {
            doing: "archives of 10 KiB and of 70 MB that are streamed",
            keys: &[
                archives::VS_NOOP_FILTER,
                archives::VS_PLAIN_ENVOY,
                archives::LARGE,
            ],
            measure: archives::figures,
        },
        Group {
            doing: "archives of 10 KiB that are on disk",
            keys: &[disk::KEY],
            measure: disk::figures,
        },
        Group {
            doing: "downloads that fail, recorded at all sinks, and not recorded",
            keys: &[failures::KEY],
            measure: failures::figures,
        },
        Group {
            doing: "how long a start takes, and the size of the filter",
            keys: &[start::KEY, start::SIZE],
            measure: start::figures,
        },
        Group {
            doing: "a full cache",
            keys: &[memory::KEY],
            measure: memory::figures,
        },
        Group {
            doing: "the core, by criterion",
            keys: &[core::PREFIX],
            measure: core::figures,
        },
    ]
}

/// Where cargo builds, which `make clean` removes.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| places::root().join("target"), PathBuf::from)
}
