//! The WASI functions that a plugin may import: enough for a standard library without files, time zones and arguments.

use wasmtime::{Caller, Linker};

use crate::calls::{self, Result};
use crate::error::StrictHostError;
use crate::vm::VmState;

const MODULE: &str = "wasi_snapshot_preview1";
/// `errno`: 8 bad file descriptor, 52 not supported.
const BADF: u32 = 8;
const NOSYS: u32 = 52;
/// What is kept of the plugin's standard output and error.
const KEPT: usize = 64 << 10;

type Vm<'a> = Caller<'a, VmState>;

/// Offers the functions.
pub(crate) fn link(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "environ_get", |_: u32, _: u32| 0_u32)?;
    linker.func_wrap(MODULE, "environ_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "args_get", |_: u32, _: u32| 0_u32)?;
    linker.func_wrap(MODULE, "args_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "sched_yield", || 0_u32)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> Result<()> {
        Err(calls::fail(StrictHostError::UnplayedCall {
            call: format!("proc_exit({code})"),
        }))
    })?;
    linker.func_wrap(MODULE, "fd_close", |_: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |_: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_prestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_read", |_: u32, _: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "fd_seek", |_: u32, _: u64, _: u32, _: u32| BADF)?;
    linker.func_wrap(MODULE, "poll_oneoff", |_: u32, _: u32, _: u32, _: u32| {
        NOSYS
    })?;
    let path_open = |_: u32, _: u32, _: u32, _: u32, _: u32, _: u64, _: u64, _: u32, _: u32| NOSYS;
    linker.func_wrap(MODULE, "path_open", path_open)?;
    Ok(())
}

/// Seeded by the worker's number: a test repeats, and no two workers are alike.
fn random_get(mut vm: Vm<'_>, pointer: u32, length: u32) -> Result<u32> {
    let mut bytes = Vec::with_capacity(length as usize);
    for _ in 0..length {
        // splitmix64
        let state = &mut vm.data_mut().random;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.push((mixed >> 56) as u8);
    }
    calls::write(&mut vm, "random_get", pointer, &bytes)?;
    Ok(0)
}

fn fd_write(mut vm: Vm<'_>, _file: u32, vectors: u32, count: u32, written: u32) -> Result<u32> {
    const CALL: &str = "fd_write";
    let mut total = 0_u32;
    for index in 0..count {
        let vector = calls::read(&mut vm, CALL, vectors + index * 8, 8)?;
        let word = |at: usize| {
            u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]])
        };
        let bytes = calls::read(&mut vm, CALL, word(0), word(4))?;
        total += word(4);
        let kept = &mut vm.data_mut().stderr;
        if kept.len() < KEPT {
            kept.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    calls::write(&mut vm, CALL, written, &total.to_le_bytes())?;
    Ok(0)
}

fn no_strings(mut vm: Vm<'_>, count: u32, size: u32) -> Result<u32> {
    calls::write(&mut vm, "environ_sizes_get", count, &0_u32.to_le_bytes())?;
    calls::write(&mut vm, "environ_sizes_get", size, &0_u32.to_le_bytes())?;
    Ok(0)
}

fn clock_time_get(mut vm: Vm<'_>, clock: u32, _precision: u64, time: u32) -> Result<u32> {
    let process = vm.data().process.clone();
    // 0 is the wall clock, what else there is goes on evenly.
    let now = if clock == 0 {
        process.borrow().wall()
    } else {
        process.borrow().monotonic
    };
    calls::write(&mut vm, "clock_time_get", time, &now.to_le_bytes())?;
    Ok(0)
}
