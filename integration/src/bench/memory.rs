//! What a worker's VM takes when its cache is full.
//!
//! Envoy tells of no VM's memory. But V8 keeps a linear memory at the start of a reservation of several GiB that nobody
//! may touch, and lets as much of it be written as the module has asked for (`memory.grow`): so the writable mapping
//! with such a reservation behind it, in `/proc/<pid>/maps`, is the linear memory, to the byte.

use serde_json::json;

use super::load::{self, Ask, Load};
use super::report::{Figure, Measured, Target};
use super::rounds::Spread;
use super::variants::with_filter;
use super::{Plan, Result};
use crate::origin::Origin;
use crate::running::Running;

pub(super) const KEY: &str = "memory_per_worker_bytes";

/// The shipped size of the cache.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// The size of the `.mod` files that fill it.
const BODY_BYTES: u64 = 2048;
/// Asked for: half as many again as fit, so that old ones had to go for new ones.
const OBJECTS: u64 = CACHE_BYTES / BODY_BYTES * 3 / 2;

/// V8 reserves 4 GiB and guards for every linear memory of 32 bit.
const RESERVATION: u64 = 4 << 30;

struct Filled {
    linear: Vec<u64>,
    before: Vec<u64>,
    resident_growth: u64,
    asked: u64,
}

pub(super) fn figures(_plan: &Plan) -> Vec<Figure> {
    let target = Target::AtMost(48.0 * 1024.0 * 1024.0);
    vec![Figure::of(KEY, target, "bytes", &fill(), measured)]
}

fn measured(filled: &Filled) -> Option<Measured> {
    let largest = *filled.linear.iter().max()?;
    Some(
        Measured::plain(Spread::exact(largest as f64))
            .with("linear_memories_bytes", json!(filled.linear))
            .with("before_the_first_request_bytes", json!(filled.before))
            .with("resident_growth_of_envoy_bytes", json!(filled.resident_growth))
            .with("objects_asked", json!(filled.asked))
            .with(
                "of",
                json!("the largest linear memory of one Envoy with one worker, cache full of 2 KiB entries; the main thread has a VM too, which stays idle"),
            ),
    )
}

fn fill() -> Result<Filled> {
    let origin = Origin::start(&[])?;
    let gateway = with_filter(&origin, "256KiB", false)?.start()?;
    let (before, resident) = (linear_memories(&gateway)?, resident(&gateway)?);
    let mut asked = 0;
    while asked < OBJECTS {
        let load = Load {
            connections: 16,
            seconds: 1,
            ask: Ask::EveryModFrom(asked),
        };
        asked += load::measure(&gateway, &load)?.requests as u64;
    }
    expect_full(&gateway, asked)?;
    let linear = linear_memories(&gateway)?;
    if linear.is_empty() {
        return Err(format!(
            "no linear memory was found in the mappings of Envoy ({})",
            gateway.pid()
        )
        .into());
    }
    Ok(Filled {
        linear,
        before,
        resident_growth: self::resident(&gateway)?.saturating_sub(resident),
        asked,
    })
}

/// The cache is full if the first object had to go, while one of a third of a cache ago is still there.
fn expect_full(gateway: &Running, asked: u64) -> Result<()> {
    let recent = asked.saturating_sub(CACHE_BYTES / BODY_BYTES / 3);
    for (number, expected) in [(recent, "; hit"), (0, "; fwd=uri-miss")] {
        let answer = gateway.get(&format!("/bench.example/n{number}/@v/v1.0.0.mod"))?;
        let status = answer.header("cache-status").unwrap_or_default();
        if !status.contains(expected) {
            return Err(format!("expected a full cache, in which n{number} of {asked} is {expected:?}, got {status:?}").into());
        }
    }
    Ok(())
}

fn linear_memories(envoy: &Running) -> Result<Vec<u64>> {
    Ok(in_front_of_reservations(&std::fs::read_to_string(
        format!("/proc/{}/maps", envoy.pid()),
    )?))
}

/// Sizes of the writable mappings that have a reservation right behind them.
fn in_front_of_reservations(maps: &str) -> Vec<u64> {
    let mappings: Vec<(u64, u64, &str)> = maps.lines().filter_map(mapping).collect();
    let mut sizes: Vec<u64> = mappings
        .windows(2)
        .filter_map(|pair| match *pair {
            [(start, end, "rw-p"), (behind, last, "---p")]
                if behind == end && last - start >= RESERVATION =>
            {
                Some(end - start)
            }
            _ => None,
        })
        .collect();
    sizes.sort_unstable();
    sizes
}

/// `7f0000000000-7f0000400000 rw-p 00000000 00:00 0`: start, end, permissions.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let mut columns = line.split_ascii_whitespace();
    let (start, end) = columns.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?, columns.next()?))
}

/// What of Envoy is in RAM.
fn resident(envoy: &Running) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.pid()))?;
    let kilobytes = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| format!("no VmRSS of Envoy ({})", envoy.pid()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_memory_stands_in_front_of_its_reservation() {
        let maps = "7e0000000000-7e0000110000 rw-p 00000000 00:00 0 \n\
                    7e0000110000-7e0280000000 ---p 00000000 00:00 0 \n\
                    7f0000000000-7f0000110000 rw-p 00000000 00:00 0 \n\
                    7f0000110000-7f0000111000 ---p 00000000 00:00 0 \n\
                    7f0000200000-7f0000300000 rw-p 00000000 00:00 0 [heap]\n";
        assert_eq!(in_front_of_reservations(maps), [0x11_0000]);
    }
}
