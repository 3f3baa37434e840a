//! The proxy-wasm plugin: adapters between the host and `goproxy-core`.
#![allow(missing_docs, reason = "the macro `proxy_wasm::main` makes an export without a docstring")]

use proxy_wasm::traits::{Context, RootContext};

struct Plugin;
impl Context for Plugin {}
impl RootContext for Plugin {}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Plugin));
}}
