//! Header maps and buffers. Which of them are there depends on the phase; one that is not there is `BadArgument`, and a
//! buffer `NotFound`, as measured.

use wasmtime::Linker;

use super::{MODULE, Result, Vm, called, fail, give, take};
use crate::context::Context;
use crate::error::StrictHostError;
use crate::status::Status;
use crate::tally::Callback;
use crate::vm::VmState;
use crate::wire::{self, Field};

/// Maps, as the ABI numbers them.
const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;
const CALLOUT_RESPONSE: u32 = 6;

pub(super) fn link(linker: &mut Linker<VmState>) -> Result<()> {
    linker.func_wrap(MODULE, "proxy_get_header_map_pairs", get_pairs)?;
    linker.func_wrap(MODULE, "proxy_set_header_map_pairs", set_pairs)?;
    linker.func_wrap(MODULE, "proxy_get_header_map_value", get_value)?;
    linker.func_wrap(MODULE, "proxy_replace_header_map_value", replace_value)?;
    linker.func_wrap(MODULE, "proxy_add_header_map_value", add_value)?;
    linker.func_wrap(MODULE, "proxy_remove_header_map_value", remove_value)?;
    linker.func_wrap(MODULE, "proxy_get_buffer_bytes", get_buffer)?;
    linker.func_wrap(MODULE, "proxy_set_buffer_bytes", set_buffer)?;
    Ok(())
}

fn map(state: &mut VmState, kind: u32) -> Option<&mut Vec<Field>> {
    let id = state.in_force();
    if kind == CALLOUT_RESPONSE {
        let root = state.root_of(id);
        return match state.contexts.get_mut(&root)? {
            Context::Root(root) => root.call_response.as_mut()?.fields.as_mut(),
            Context::Stream(_) => None,
        };
    }
    let stream = state.stream(id)?;
    match kind {
        REQUEST => stream.visible_request(),
        RESPONSE => stream.visible_response(),
        _ => None,
    }
}

/// A map that may be changed: not that of an answer to a callout, and none while the access log is written.
fn changing(state: &mut VmState, kind: u32) -> Option<&mut Vec<Field>> {
    let id = state.in_force();
    let logging = state.stream(id).is_some_and(|stream| stream.logging);
    if logging || !matches!(kind, REQUEST | RESPONSE) {
        return None;
    }
    map(state, kind)
}

/// Setting one field of a request makes Envoy choose the route anew; exchanging the whole map does not (measured).
fn choose_route_anew(state: &mut VmState, kind: u32) {
    let id = state.in_force();
    if kind == REQUEST
        && let Some(stream) = state.stream(id)
    {
        stream.route = None;
    }
}

/// The gate that Envoy has not: it sets what it is given, and CR and LF would split the message.
pub(super) fn checked(call: &'static str, name: &[u8], value: &[u8]) -> Result<Field> {
    if !wire::is_field(name, value) {
        let field = format!(
            "{:?}: {:?}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        );
        return Err(fail(StrictHostError::HeaderInjection { call, field }));
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// A whole map that the plugin hands over.
pub(super) fn take_map(
    vm: &mut Vm<'_>,
    call: &'static str,
    pointer: u32,
    length: u32,
) -> Result<Vec<Field>> {
    let bytes = take(vm, call, pointer, length)?;
    let fields =
        wire::decode(&bytes).ok_or_else(|| fail(StrictHostError::MalformedMap { call }))?;
    fields
        .iter()
        .map(|(name, value)| checked(call, name, value))
        .collect()
}

fn get_pairs(mut vm: Vm<'_>, kind: u32, pointer: u32, size: u32) -> Result<u32> {
    const CALL: &str = "proxy_get_header_map_pairs";
    called(&mut vm, CALL);
    let Some(bytes) = map(vm.data_mut(), kind).map(|fields| wire::encode(fields)) else {
        return Ok(Status::BadArgument as u32);
    };
    give(&mut vm, CALL, &bytes, pointer, size)?;
    Ok(0)
}

fn set_pairs(mut vm: Vm<'_>, kind: u32, pointer: u32, length: u32) -> Result<u32> {
    const CALL: &str = "proxy_set_header_map_pairs";
    called(&mut vm, CALL);
    let fields = take_map(&mut vm, CALL, pointer, length)?;
    Ok(match changing(vm.data_mut(), kind) {
        Some(map) => {
            *map = fields;
            0
        }
        None => Status::BadArgument as u32,
    })
}

fn get_value(
    mut vm: Vm<'_>,
    kind: u32,
    name: u32,
    length: u32,
    pointer: u32,
    size: u32,
) -> Result<u32> {
    const CALL: &str = "proxy_get_header_map_value";
    called(&mut vm, CALL);
    let name = take(&mut vm, CALL, name, length)?;
    let Some(map) = map(vm.data_mut(), kind) else {
        return Ok(Status::BadArgument as u32);
    };
    let Some(value) = wire::value(map, &String::from_utf8_lossy(&name)).map(<[u8]>::to_vec) else {
        return Ok(Status::NotFound as u32);
    };
    give(&mut vm, CALL, &value, pointer, size)?;
    Ok(0)
}

fn replace_value(
    vm: Vm<'_>,
    kind: u32,
    name: u32,
    length: u32,
    value: u32,
    size: u32,
) -> Result<u32> {
    set_value(
        vm,
        "proxy_replace_header_map_value",
        kind,
        (name, length),
        (value, size),
        true,
    )
}

fn add_value(vm: Vm<'_>, kind: u32, name: u32, length: u32, value: u32, size: u32) -> Result<u32> {
    set_value(
        vm,
        "proxy_add_header_map_value",
        kind,
        (name, length),
        (value, size),
        false,
    )
}

fn set_value(
    mut vm: Vm<'_>,
    call: &'static str,
    kind: u32,
    name: (u32, u32),
    value: (u32, u32),
    replace: bool,
) -> Result<u32> {
    called(&mut vm, call);
    let name = take(&mut vm, call, name.0, name.1)?;
    let value = take(&mut vm, call, value.0, value.1)?;
    let (name, value) = checked(call, &name, &value)?;
    let Some(map) = changing(vm.data_mut(), kind) else {
        return Ok(Status::BadArgument as u32);
    };
    if replace {
        map.retain(|(known, _)| *known != name);
    }
    map.push((name, value));
    choose_route_anew(vm.data_mut(), kind);
    Ok(0)
}

fn remove_value(mut vm: Vm<'_>, kind: u32, name: u32, length: u32) -> Result<u32> {
    const CALL: &str = "proxy_remove_header_map_value";
    called(&mut vm, CALL);
    let name = take(&mut vm, CALL, name, length)?;
    let Some(map) = changing(vm.data_mut(), kind) else {
        return Ok(Status::BadArgument as u32);
    };
    map.retain(|(known, _)| known.as_bytes() != name);
    choose_route_anew(vm.data_mut(), kind);
    Ok(0)
}

/// A buffer and whether it may be changed.
fn buffer(state: &mut VmState, kind: u32) -> Option<(&mut Vec<u8>, bool)> {
    let (id, callback) = (state.in_force(), state.callback);
    let root = state.root_of(id);
    match kind {
        0 => Some((state.stream(id)?.request_body.as_mut()?, true)),
        1 => Some((state.stream(id)?.response_body.as_mut()?, true)),
        4 => match state.contexts.get_mut(&root)? {
            Context::Root(root) => Some((&mut root.call_response.as_mut()?.body, false)),
            Context::Stream(_) => None,
        },
        7 if callback == Callback::Configure => match state.contexts.get_mut(&root)? {
            Context::Root(root) => Some((&mut root.configuration, false)),
            Context::Stream(_) => None,
        },
        _ => None,
    }
}

fn get_buffer(
    mut vm: Vm<'_>,
    kind: u32,
    start: u32,
    max: u32,
    pointer: u32,
    size: u32,
) -> Result<u32> {
    const CALL: &str = "proxy_get_buffer_bytes";
    called(&mut vm, CALL);
    let Some((buffer, _)) = buffer(vm.data_mut(), kind) else {
        return Ok(Status::NotFound as u32);
    };
    let Some(end) = start.checked_add(max) else {
        return Ok(Status::BadArgument as u32);
    };
    let from = buffer.get(start as usize..).unwrap_or_default();
    let bytes = from[..from.len().min((end - start) as usize)].to_vec();
    give(&mut vm, CALL, &bytes, pointer, size)?;
    Ok(0)
}

fn set_buffer(
    mut vm: Vm<'_>,
    kind: u32,
    start: u32,
    size: u32,
    data: u32,
    length: u32,
) -> Result<u32> {
    const CALL: &str = "proxy_set_buffer_bytes";
    called(&mut vm, CALL);
    let bytes = take(&mut vm, CALL, data, length)?;
    let Some((buffer, true)) = buffer(vm.data_mut(), kind) else {
        return Ok(Status::BadArgument as u32);
    };
    let (start, end) = (
        start as usize,
        (start as usize).saturating_add(size as usize),
    );
    // Envoy replaces what is at the start and appends what is at the end; in between it is refused.
    if start == 0 {
        buffer.splice(..end.min(buffer.len()), bytes);
    } else if start >= buffer.len() {
        buffer.extend(bytes);
    } else {
        return Ok(Status::BadArgument as u32);
    }
    Ok(0)
}
