//! Answers, resumes, resets and callouts. None of them happens inside the call: they run when the VM has returned.

use wasmtime::Linker;

use super::fields::take_map;
use super::{MODULE, Result, Vm, called, fail, take, write};
use crate::context::{End, Request};
use crate::error::StrictHostError;
use crate::process::Cluster;
use crate::status::Status;
use crate::tally::Callback;
use crate::vm::{Deferred, Pending, VmState};
use crate::wire;

/// Directions of a stream, as the ABI numbers them.
const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;

pub(super) fn link(linker: &mut Linker<VmState>) -> Result<()> {
    linker.func_wrap(MODULE, "proxy_set_effective_context", set_effective_context)?;
    linker.func_wrap(MODULE, "proxy_send_local_response", send_local_response)?;
    linker.func_wrap(MODULE, "proxy_continue_stream", continue_stream)?;
    linker.func_wrap(MODULE, "proxy_close_stream", close_stream)?;
    linker.func_wrap(MODULE, "proxy_http_call", http_call)?;
    Ok(())
}

/// A context that is destroyed and not yet deleted is taken; after an error the one before stays in force.
fn set_effective_context(mut vm: Vm<'_>, id: u32) -> u32 {
    let known = vm.data().contexts.contains_key(&id);
    if known {
        vm.data_mut().effective = id;
    }
    called(&mut vm, "proxy_set_effective_context");
    if known { 0 } else { Status::BadArgument as u32 }
}

/// Checks what every answer and resume has to keep to, and gives the stream that it is for.
fn answered(state: &mut VmState, call: &'static str) -> std::result::Result<u32, StrictHostError> {
    let (id, callback, most) = (state.in_force(), state.callback, state.rules.most_answers());
    state.answers += 1;
    if state.answers > most {
        return Err(StrictHostError::TooManyAnswers { callback, most });
    }
    let Some(stream) = state.stream(id) else {
        return Err(StrictHostError::AnswerToNobody { call, context: id });
    };
    if stream.destroyed {
        return Err(StrictHostError::AnswerToDestroyed { stream: id });
    }
    Ok(id)
}

#[allow(clippy::too_many_arguments, reason = "the ABI has so many")]
fn send_local_response(
    mut vm: Vm<'_>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    fields: u32,
    fields_size: u32,
    _grpc_status: i32,
) -> Result<u32> {
    const CALL: &str = "proxy_send_local_response";
    called(&mut vm, CALL);
    let details = take(&mut vm, CALL, details, details_size)?;
    let body = take(&mut vm, CALL, body, body_size)?;
    let fields = take_map(&mut vm, CALL, fields, fields_size)?;
    let id = answered(vm.data_mut(), CALL).map_err(fail)?;
    let state = vm.data_mut();
    state.stop_iteration = true;
    let fatal = state.rules.fatal_answer();
    if let Some(stream) = state.stream(id) {
        stream.answers += 1;
        match stream.answers {
            1 => {}
            count if count >= fatal => {
                return Err(fail(StrictHostError::ThirdAnswer { stream: id }));
            }
            _ => state.second_answers += 1,
        }
    }
    state.deferred.push_back(Deferred::Reply {
        stream: id,
        status: u16::try_from(status).unwrap_or(u16::MAX),
        fields,
        details: String::from_utf8_lossy(&details).into_owned(),
        body,
    });
    Ok(0)
}

/// From here on the request's headers are gone, though it goes on only when the VM has returned.
fn continue_stream(mut vm: Vm<'_>, direction: u32) -> Result<u32> {
    const CALL: &str = "proxy_continue_stream";
    called(&mut vm, CALL);
    if direction != REQUEST {
        let call = format!("{CALL}({direction})");
        return Err(fail(StrictHostError::UnplayedCall { call }));
    }
    let id = answered(vm.data_mut(), CALL).map_err(fail)?;
    let state = vm.data_mut();
    let (callback, current) = (state.callback, state.current);
    let Some(stream) = state.stream(id) else {
        return Ok(Status::BadArgument as u32);
    };
    match stream.request {
        Request::InHeaders if current == id && callback == Callback::RequestHeaders => {
            Err(fail(StrictHostError::ResumedItself {
                stream: id,
                callback,
            }))
        }
        Request::Paused if stream.answers == 0 && stream.end == End::Open => {
            stream.request = Request::GoneOn;
            state.deferred.push_back(Deferred::Resume { stream: id });
            Ok(0)
        }
        _ => Err(fail(StrictHostError::NotPaused { stream: id })),
    }
}

fn close_stream(mut vm: Vm<'_>, direction: u32) -> Result<u32> {
    const CALL: &str = "proxy_close_stream";
    called(&mut vm, CALL);
    if !matches!(direction, REQUEST | RESPONSE) {
        return Ok(Status::BadArgument as u32);
    }
    let state = vm.data_mut();
    let id = state.in_force();
    match state.stream(id) {
        Some(stream) if !stream.destroyed => {
            state.deferred.push_back(Deferred::Reset { stream: id });
            Ok(0)
        }
        Some(_) => Err(fail(StrictHostError::AnswerToDestroyed { stream: id })),
        None => Err(fail(StrictHostError::AnswerToNobody {
            call: CALL,
            context: id,
        })),
    }
}

/// A callout belongs to the root context of whoever sends it.
#[allow(clippy::too_many_arguments, reason = "the ABI has so many")]
fn http_call(
    mut vm: Vm<'_>,
    target: u32,
    target_size: u32,
    fields: u32,
    fields_size: u32,
    body: u32,
    body_size: u32,
    trailers: u32,
    trailers_size: u32,
    timeout_millis: u32,
    token: u32,
) -> Result<u32> {
    const CALL: &str = "proxy_http_call";
    called(&mut vm, CALL);
    let target = take(&mut vm, CALL, target, target_size)?;
    let target = String::from_utf8_lossy(&target).into_owned();
    let fields = take_map(&mut vm, CALL, fields, fields_size)?;
    let body = take(&mut vm, CALL, body, body_size)?;
    let _ = take_map(&mut vm, CALL, trailers, trailers_size)?;
    if timeout_millis == 0 {
        return Err(fail(StrictHostError::EndlessCallout { target }));
    }
    for field in [":method", ":path", ":authority"] {
        if wire::value(&fields, field).is_none() {
            return Err(fail(StrictHostError::IncompleteCallout { target, field }));
        }
    }
    let state = vm.data_mut();
    let mut process = state.process.borrow_mut();
    match process.cluster(&target) {
        Cluster::Well => {}
        Cluster::Unknown => return Ok(Status::BadArgument as u32),
        Cluster::Refusing => return Ok(Status::InternalFailure as u32),
    }
    process.last_callout += 1;
    let (number, due) = (
        process.last_callout,
        process.monotonic + u64::from(timeout_millis) * 1_000_000,
    );
    drop(process);
    let root = state.root_of(state.in_force());
    state.last_token += 1;
    let id = state.last_token;
    state.callouts.insert(
        id,
        Pending {
            number,
            root,
            target,
            fields,
            body,
            timeout_millis,
            due,
        },
    );
    write(&mut vm, CALL, token, &id.to_le_bytes())?;
    Ok(0)
}
