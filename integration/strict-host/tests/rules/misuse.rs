//! Plugins of a few lines that do one thing wrong: WebAssembly text around the bodies of some callbacks.

use goproxy_strict_host::{Builder, Host, Plugin, StrictHostError};

/// A plugin that does nothing but what its callbacks are given to do.
#[derive(Default)]
pub(crate) struct Misuse {
    /// `proxy_on_configure`: leaves 1 for yes.
    pub(crate) configure: &'static str,
    /// `proxy_on_request_headers`: leaves 0 to go on, 1 to pause. The default pauses.
    pub(crate) request_headers: &'static str,
    /// `proxy_on_response_headers`: the default goes on.
    pub(crate) response_headers: &'static str,
    /// `proxy_on_response_body`: the default goes on.
    pub(crate) response_body: &'static str,
    /// `proxy_on_tick`, once there was a request.
    pub(crate) tick: &'static str,
    /// `proxy_on_queue_ready`.
    pub(crate) queue_ready: &'static str,
    /// `proxy_on_http_call_response`.
    pub(crate) call_response: &'static str,
}

/// In each VM the root context of the first configuration is 1; a worker's streams are 2, 3, and so on.
const FRAME: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $ticks (param i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (memory (export "memory") 1)
  ;; 0..63: what host calls return. 64: text. 256: header maps. 4096: what the host copies in.
  (data (i32.const 64) "x-goproxy-upstream")
  (data (i32.const 96) "a\r\nb")
  (data (i32.const 112) "up")
  ;; {"a": "b"}, {"a": "\r\n"}, one that is longer than it is
  (data (i32.const 256) "\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00")
  (data (i32.const 288) "\01\00\00\00\01\00\00\00\02\00\00\00a\00\0d\0a\00")
  (data (i32.const 320) "\01\00\00\00\01\00\00\00\ff\00\00\00a\00b\00")
  ;; {":method": "GET", ":path": "/", ":authority": "a"}
  (data (i32.const 352) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00a\00")
  ;; {"x-forwarded-proto": "http", "x-goproxy-upstream": "up"}
  (data (i32.const 480) "\02\00\00\00\11\00\00\00\04\00\00\00\12\00\00\00\02\00\00\00x-forwarded-proto\00http\00x-goproxy-upstream\00up\00")
  (global $seen (mut i32) (i32.const 0))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  ;; A status that is not the expected one is a trap.
  (func $expect (param $got i32) (param $wanted i32)
    (if (i32.ne (local.get $got) (local.get $wanted)) (then unreachable)))
  (func $ok (param $status i32) (call $expect (local.get $status) (i32.const 0)))
  ;; Logs a letter and the context's number.
  (func $note (param $letter i32) (param $id i32)
    (i32.store8 (i32.const 48) (local.get $letter))
    (i32.store8 (i32.const 49) (i32.add (local.get $id) (i32.const 48)))
    (call $ok (call $log (i32.const 2) (i32.const 48) (i32.const 2))))
  ;; 200 with the body "up".
  (func $reply (call $ok (call $send (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 112) (i32.const 2)
    (i32.const 256) (i32.const 16) (i32.const -1))))
  (func $callout (param $timeout i32) (result i32)
    (call $call (i32.const 112) (i32.const 2) (i32.const 352) (i32.const 61) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (local.get $timeout) (i32.const 0)))
  (func (export "proxy_on_context_create") (param $id i32) (param i32))
  (func (export "proxy_on_configure") (param $id i32) (param i32) (result i32)
    (call $ok (call $ticks (i32.const 100))) CONFIGURE)
  (func (export "proxy_on_request_headers") (param $id i32) (param i32) (param i32) (result i32)
    (global.set $seen (i32.const 1)) REQUEST_HEADERS)
  (func (export "proxy_on_response_headers") (param $id i32) (param i32) (param i32) (result i32)
    (call $note (i32.const 104) (local.get $id)) RESPONSE_HEADERS)
  (func (export "proxy_on_response_body") (param $id i32) (param i32) (param i32) (result i32)
    (call $note (i32.const 98) (local.get $id)) RESPONSE_BODY)
  (func (export "proxy_on_log") (param $id i32) (call $note (i32.const 108) (local.get $id)))
  (func (export "proxy_on_done") (param $id i32) (result i32)
    (call $note (i32.const 100) (local.get $id)) (i32.const 1))
  (func (export "proxy_on_delete") (param $id i32) (call $note (i32.const 120) (local.get $id)))
  (func (export "proxy_on_tick") (param $id i32) (local $n i32)
    (if (global.get $seen) (then TICK)))
  (func (export "proxy_on_queue_ready") (param $id i32) (param $queue i32) QUEUE_READY)
  (func (export "proxy_on_http_call_response")
    (param $id i32) (param $token i32) (param $fields i32) (param $size i32) (param i32) CALL_RESPONSE)
)"#;

impl Misuse {
    fn builder(&self) -> Result<Builder, StrictHostError> {
        let or = |given: &'static str, default| if given.is_empty() { default } else { given };
        let text = FRAME
            .replace("CONFIGURE", or(self.configure, "(i32.const 1)"))
            .replace("REQUEST_HEADERS", or(self.request_headers, "(i32.const 1)"))
            .replace(
                "RESPONSE_HEADERS",
                or(self.response_headers, "(i32.const 0)"),
            )
            .replace("RESPONSE_BODY", or(self.response_body, "(i32.const 0)"))
            .replace("TICK", self.tick)
            .replace("QUEUE_READY", self.queue_ready)
            .replace("CALL_RESPONSE", self.call_response);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        Ok(Host::builder().plugin(Plugin::compile(&wasm)?))
    }

    /// A host with it in one worker.
    pub(crate) fn host(&self) -> Result<Host, StrictHostError> {
        self.builder()?.start("")
    }

    /// A host with it in several.
    pub(crate) fn workers(&self, workers: usize) -> Result<Host, StrictHostError> {
        self.builder()?.workers(workers).start("")
    }
}

/// What a worker's plugin has noted, joined.
pub(crate) fn notes(host: &Host, worker: usize) -> String {
    let lines: Vec<String> = host.log(worker).into_iter().map(|(_, line)| line).collect();
    lines.join(" ")
}
