//! Host calls that return a status and never panic, whatever the host or a client does.
//!
//! The SDK's own wrappers panic on a status they do not expect and on a header that is not UTF-8, and a panic costs the
//! worker its VM. So all that is read or written goes through here; only callouts are sent by the SDK, because it
//! delivers their answers (its `dispatch_http_call` panics on a status that neither host gives for it). Signatures: proxy-wasm ABI 0.2.1.

use std::ptr::null_mut;

/// A status other than OK, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostError(pub(crate) u32);

const OK: u32 = 0;

/// Maps of header fields, by the message they belong to.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    Request = 0,
    Response = 2,
    ResponseTrailers = 3,
    CalloutResponse = 6,
}

/// Buffers of bytes.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    ResponseBody = 1,
    CalloutResponseBody = 4,
    PluginConfiguration = 7,
}

/// Directions of a stream.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Direction {
    Request = 0,
    Response = 1,
}

/// Kinds of metrics.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Metric {
    Counter = 0,
    Gauge = 1,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        length: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, size: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        size: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_set_property(path: *const u8, size: usize, data: *const u8, length: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(direction: u32) -> u32;
    fn proxy_close_stream(direction: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        size: usize,
        data: *mut *mut u8,
        length: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        size: usize,
        data: *const u8,
        length: usize,
        cas: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
}

fn checked(status: u32) -> Result<(), HostError> {
    if status == OK {
        Ok(())
    } else {
        Err(HostError(status))
    }
}

/// Calls a function that gives bytes, which the host puts into memory that it asked this VM for.
fn bytes_from(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
    let (mut data, mut size) = (null_mut::<u8>(), 0_usize);
    checked(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host allocated `size` bytes through the SDK's export `proxy_on_memory_allocate`, which makes a Vec of
    // exactly that capacity and forgets it, and filled all of them.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The host's wall clock, in nanoseconds since the Unix epoch.
pub(crate) fn now() -> Result<u64, HostError> {
    let mut time = 0_u64;
    // SAFETY: the pointer is valid for the call.
    checked(unsafe { proxy_get_current_time_nanoseconds(&mut time) })?;
    Ok(time)
}

/// Asks for ticks of this root context.
pub(crate) fn set_tick_period(millis: u32) -> Result<(), HostError> {
    // SAFETY: passes a number.
    checked(unsafe { proxy_set_tick_period_milliseconds(millis) })
}

/// At most `max` bytes of a buffer, from its start.
pub(crate) fn buffer(buffer: Buffer, max: usize) -> Result<Vec<u8>, HostError> {
    // SAFETY: the pointers are valid for the call.
    bytes_from(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, max, data, size) })
}

/// Puts `bytes` in place of the first `size` bytes of a buffer.
pub(crate) fn replace_buffer(buffer: Buffer, size: usize, bytes: &[u8]) -> Result<(), HostError> {
    // SAFETY: `bytes` outlives the call, and the host only reads it.
    checked(unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) })
}

/// All fields of a map, in the form that [`crate::pairs::decode`] reads.
pub(crate) fn map(map: Map) -> Result<Vec<u8>, HostError> {
    // SAFETY: the pointers are valid for the call.
    bytes_from(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })
}

/// Puts these fields, as [`crate::pairs::encode`] writes them, in place of all fields of a map.
pub(crate) fn replace_map(map: Map, fields: &[u8]) -> Result<(), HostError> {
    // SAFETY: `fields` outlives the call, and the host only reads it.
    checked(unsafe { proxy_set_header_map_pairs(map as u32, fields.as_ptr(), fields.len()) })
}

/// Sets a field. The value must have passed [`crate::pairs::checked`].
pub(crate) fn set_field(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: both slices outlive the call, and the host only reads them.
    checked(unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Takes a field out of a map.
pub(crate) fn remove_field(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: `name` outlives the call, and the host only reads it.
    checked(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A property of the host; a path's elements are separated by zero bytes.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, HostError> {
    // SAFETY: the pointers are valid for the call, and the host only reads `path`.
    bytes_from(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property of the stream whose context is effective; the host keeps it as filter state.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: both slices outlive the call, and the host only reads them.
    checked(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Answers the stream whose context is effective. Never call it twice for one stream: Envoy swallows the second answer,
/// and dies of the third (measured on 1.40).
pub(crate) fn send_local_response(
    status: u16,
    fields: &[u8],
    body: &[u8],
) -> Result<(), HostError> {
    // SAFETY: all slices outlive the call, and the host only reads them.
    checked(unsafe {
        proxy_send_local_response(
            u32::from(status),
            [].as_ptr(),
            0,
            body.as_ptr(),
            body.len(),
            fields.as_ptr(),
            fields.len(),
            -1,
        )
    })
}

/// Lets the request whose context is effective go on.
pub(crate) fn continue_request() -> Result<(), HostError> {
    // SAFETY: passes a number.
    checked(unsafe { proxy_continue_stream(Direction::Request as u32) })
}

/// Resets the stream whose context is effective.
pub(crate) fn reset_response() -> Result<(), HostError> {
    // SAFETY: passes a number.
    checked(unsafe { proxy_close_stream(Direction::Response as u32) })
}

/// Says for which context the next calls are. After an error the previous one is still in force.
pub(crate) fn set_effective_context(context: u32) -> Result<(), HostError> {
    // SAFETY: passes a number.
    checked(unsafe { proxy_set_effective_context(context) })
}

/// A value that all VMs of the same `vm_id` see, and its number, which changes with it.
pub(crate) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), HostError> {
    let mut cas = 0;
    // SAFETY: the pointers are valid for the call, and the host only reads `key`.
    let value = bytes_from(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas)
    })?;
    Ok((value, cas))
}

/// Sets such a value: with a number other than 0, only if it has that number still.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), HostError> {
    // SAFETY: both slices outlive the call, and the host only reads them.
    checked(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// Opens a queue; its wake-ups go to the root context that did so last.
pub(crate) fn register_queue(name: &str) -> Result<u32, HostError> {
    let mut queue = 0;
    // SAFETY: the pointers are valid for the call, and the host only reads `name`.
    checked(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) })?;
    Ok(queue)
}

/// Puts a message into a queue.
pub(crate) fn enqueue(queue: u32, message: &[u8]) -> Result<(), HostError> {
    // SAFETY: `message` outlives the call, and the host only reads it.
    checked(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

/// Takes a message out of a queue; an empty queue is an error.
pub(crate) fn dequeue(queue: u32) -> Result<Vec<u8>, HostError> {
    // SAFETY: the pointers are valid for the call.
    bytes_from(|data, size| unsafe { proxy_dequeue_shared_queue(queue, data, size) })
}

/// Makes a metric known to the host.
pub(crate) fn define_metric(kind: Metric, name: &str) -> Result<u32, HostError> {
    let mut metric = 0;
    // SAFETY: the pointers are valid for the call, and the host only reads `name`.
    checked(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut metric) })?;
    Ok(metric)
}

/// Adds to a counter.
pub(crate) fn increment(metric: u32, by: u64) -> Result<(), HostError> {
    // SAFETY: passes numbers.
    checked(unsafe { proxy_increment_metric(metric, i64::try_from(by).unwrap_or(i64::MAX)) })
}

/// Sets a gauge.
pub(crate) fn record(metric: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: passes numbers.
    checked(unsafe { proxy_record_metric(metric, value) })
}
