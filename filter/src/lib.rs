//! The proxy-wasm plugin: adapters between the host and `goproxy-core`.
//!
//! What is decided is decided in the core; here host calls are made, and only here is `unsafe`.
#![allow(
    missing_docs,
    reason = "the macro `proxy_wasm::main` makes an export without a docstring"
)]

mod ffi;
mod host;
mod pairs;
mod plugin;
mod shared;
mod stream;
mod worker;

proxy_wasm::main! {{
    // Until a configuration says how much is logged, so that a refused one can say why: without a level the SDK drops all.
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(plugin::Plugin::new(id)));
}}
