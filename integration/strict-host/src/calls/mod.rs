//! The host calls of the proxy-wasm ABI 0.2.1, as Envoy answers them; and what they have in common.

mod fields;
mod shared;
mod streams;

use wasmtime::{Caller, ExternType, Linker, Module, Val};

use crate::context::Context;
use crate::error::StrictHostError;
use crate::status::{Status, number};
use crate::vm::VmState;

pub(crate) type Vm<'a> = Caller<'a, VmState>;
pub(crate) type Result<T> = wasmtime::Result<T>;

const MODULE: &str = "env";

/// Offers all calls that are played.
pub(crate) fn link(linker: &mut Linker<VmState>) -> Result<()> {
    fields::link(linker)?;
    streams::link(linker)?;
    shared::link(linker)?;
    linker.func_wrap(MODULE, "proxy_log", log)?;
    linker.func_wrap(MODULE, "proxy_get_current_time_nanoseconds", current_time)?;
    linker.func_wrap(
        MODULE,
        "proxy_set_tick_period_milliseconds",
        set_tick_period,
    )?;
    linker.func_wrap(MODULE, "proxy_get_property", get_property)?;
    linker.func_wrap(MODULE, "proxy_set_property", set_property)?;
    linker.func_wrap(MODULE, "proxy_define_metric", define_metric)?;
    linker.func_wrap(MODULE, "proxy_increment_metric", increment_metric)?;
    linker.func_wrap(MODULE, "proxy_record_metric", record_metric)?;
    linker.func_wrap(MODULE, "proxy_get_metric", get_metric)?;
    Ok(())
}

/// Whatever a module imports fails by name when it is called, and only then: the SDK imports much that nobody calls. What
/// is played takes the place of these.
pub(crate) fn link_unplayed(linker: &mut Linker<VmState>, module: &Module) -> Result<()> {
    linker.allow_shadowing(true);
    for import in module.imports() {
        let ExternType::Func(shape) = import.ty() else {
            continue;
        };
        let call = format!("{}.{}", import.module(), import.name());
        linker.func_new(
            import.module(),
            import.name(),
            shape,
            move |_, _: &[Val], _: &mut [Val]| {
                Err(fail(StrictHostError::UnplayedCall { call: call.clone() }))
            },
        )?;
    }
    Ok(())
}

pub(crate) fn fail(error: StrictHostError) -> wasmtime::Error {
    wasmtime::Error::new(error)
}

/// Counts a call.
fn called(vm: &mut Vm<'_>, name: &'static str) {
    vm.data_mut()
        .count(|tally| *tally.calls.entry(name).or_default() += 1);
}

/// Bytes of the VM's memory.
pub(crate) fn read(
    vm: &mut Vm<'_>,
    call: &'static str,
    pointer: u32,
    length: u32,
) -> Result<Vec<u8>> {
    if length == 0 {
        return Ok(Vec::new());
    }
    let memory = vm.data().memory;
    let all = memory.map(|memory| memory.data(&*vm)).unwrap_or_default();
    let from = pointer as usize;
    let bytes = all.get(from..from + length as usize).map(<[u8]>::to_vec);
    bytes.ok_or_else(|| {
        fail(StrictHostError::BadPointer {
            call,
            pointer,
            length,
        })
    })
}

/// Bytes that the plugin hands over with a call.
fn take(vm: &mut Vm<'_>, call: &'static str, pointer: u32, length: u32) -> Result<Vec<u8>> {
    let bytes = read(vm, call, pointer, length)?;
    vm.data_mut()
        .count(|tally| tally.bytes_out += u64::from(length));
    Ok(bytes)
}

pub(crate) fn write(vm: &mut Vm<'_>, call: &'static str, pointer: u32, bytes: &[u8]) -> Result<()> {
    let length = bytes.len() as u32;
    let memory = vm.data().memory;
    let written = memory.and_then(|memory| memory.write(&mut *vm, pointer as usize, bytes).ok());
    written.ok_or_else(|| {
        fail(StrictHostError::BadPointer {
            call,
            pointer,
            length,
        })
    })
}

/// Hands bytes to the plugin, in memory that the plugin is asked for; nothing is asked for when there are none.
fn give(vm: &mut Vm<'_>, call: &'static str, bytes: &[u8], pointer: u32, size: u32) -> Result<()> {
    let length = bytes.len() as u32;
    let mut address = 0_u32;
    if length > 0 {
        let allocate = vm.data().allocate.clone().ok_or_else(|| {
            fail(StrictHostError::UnplayedCall {
                call: format!("{call} without proxy_on_memory_allocate"),
            })
        })?;
        address = allocate.call(&mut *vm, length)?;
        write(vm, call, address, bytes)?;
        vm.data_mut()
            .count(|tally| tally.bytes_in += u64::from(length));
    }
    write(vm, call, pointer, &address.to_le_bytes())?;
    write(vm, call, size, &length.to_le_bytes())
}

fn log(mut vm: Vm<'_>, level: u32, pointer: u32, length: u32) -> Result<u32> {
    called(&mut vm, "proxy_log");
    let message = take(&mut vm, "proxy_log", pointer, length)?;
    vm.data_mut()
        .say(level, String::from_utf8_lossy(&message).into_owned());
    Ok(0)
}

fn current_time(mut vm: Vm<'_>, time: u32) -> Result<u32> {
    const CALL: &str = "proxy_get_current_time_nanoseconds";
    called(&mut vm, CALL);
    let now = vm.data().process.borrow().wall();
    write(&mut vm, CALL, time, &now.to_le_bytes())?;
    Ok(0)
}

/// Each call starts the period anew, so one that comes more often than its own period never ticks (D39).
fn set_tick_period(mut vm: Vm<'_>, millis: u32) -> Result<u32> {
    called(&mut vm, "proxy_set_tick_period_milliseconds");
    let state = vm.data_mut();
    let now = state.process.borrow().monotonic;
    let root = state.root_of(state.in_force());
    let Some(Context::Root(root)) = state.contexts.get_mut(&root) else {
        return Ok(Status::BadArgument as u32);
    };
    root.tick_period = (millis > 0).then(|| u64::from(millis) * 1_000_000);
    root.next_tick = now + u64::from(millis) * 1_000_000;
    Ok(0)
}

fn get_property(mut vm: Vm<'_>, path: u32, length: u32, pointer: u32, size: u32) -> Result<u32> {
    const CALL: &str = "proxy_get_property";
    called(&mut vm, CALL);
    let path = take(&mut vm, CALL, path, length)?;
    match property(vm.data_mut(), &path) {
        Some(value) => give(&mut vm, CALL, &value, pointer, size).map(|()| 0),
        None => Ok(Status::NotFound as u32),
    }
}

/// Envoy's attributes, as far as the plugin may need them; numbers are binary there.
fn property(state: &mut VmState, path: &[u8]) -> Option<Vec<u8>> {
    match path {
        b"plugin_name" | b"plugin_root_id" => return Some(state.plugin_name.clone().into_bytes()),
        b"plugin_vm_id" => return Some(state.vm_id.clone().into_bytes()),
        _ => {}
    }
    let id = state.in_force();
    let stream = state.stream(id)?;
    match path {
        b"response\0code_details" if !stream.details.is_empty() => {
            Some(stream.details.clone().into_bytes())
        }
        b"response\0code" if stream.status != 0 => {
            Some(u64::from(stream.status).to_le_bytes().to_vec())
        }
        b"request\0path" => Some(stream.path.clone().into_bytes()),
        b"source\0address" => Some(b"127.0.0.1:40000".to_vec()),
        _ => {
            let name = String::from_utf8_lossy(path).replace('\0', ".");
            stream.filter_state.get(&name).cloned()
        }
    }
}

fn set_property(mut vm: Vm<'_>, path: u32, length: u32, value: u32, size: u32) -> Result<u32> {
    const CALL: &str = "proxy_set_property";
    called(&mut vm, CALL);
    let path = take(&mut vm, CALL, path, length)?;
    let value = take(&mut vm, CALL, value, size)?;
    let name = String::from_utf8_lossy(&path).replace('\0', ".");
    let state = vm.data_mut();
    let id = state.in_force();
    Ok(match state.stream(id) {
        Some(stream) => {
            stream.filter_state.insert(name, value);
            0
        }
        None => Status::BadArgument as u32,
    })
}

fn define_metric(mut vm: Vm<'_>, kind: u32, name: u32, length: u32, metric: u32) -> Result<u32> {
    const CALL: &str = "proxy_define_metric";
    called(&mut vm, CALL);
    if kind > 2 {
        return Ok(Status::BadArgument as u32);
    }
    let name = take(&mut vm, CALL, name, length)?;
    let id = vm
        .data()
        .process
        .borrow_mut()
        .define(&String::from_utf8_lossy(&name));
    write(&mut vm, CALL, metric, &id.to_le_bytes())?;
    Ok(0)
}

fn increment_metric(mut vm: Vm<'_>, metric: u32, by: i64) -> u32 {
    called(&mut vm, "proxy_increment_metric");
    let mut process = vm.data().process.borrow_mut();
    number(process.metric(metric).map(|value| *value += by))
}

fn record_metric(mut vm: Vm<'_>, metric: u32, to: i64) -> u32 {
    called(&mut vm, "proxy_record_metric");
    let mut process = vm.data().process.borrow_mut();
    number(process.metric(metric).map(|value| *value = to))
}

fn get_metric(mut vm: Vm<'_>, metric: u32, value: u32) -> Result<u32> {
    const CALL: &str = "proxy_get_metric";
    called(&mut vm, CALL);
    let found = vm
        .data()
        .process
        .borrow_mut()
        .metric(metric)
        .map(|value| *value);
    match found {
        Ok(found) => write(&mut vm, CALL, value, &found.to_le_bytes()).map(|()| 0),
        Err(status) => Ok(status as u32),
    }
}
