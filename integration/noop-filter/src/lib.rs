//! A filter that lets everything pass. The benchmarks compare with it, so that what they tell is the cost of the
//! gateway and not of having a wasm filter at all.
#![allow(
    missing_docs,
    reason = "the macro `proxy_wasm::main` makes an export without a docstring"
)]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

// The trait's own methods answer `Continue` to everything.
impl HttpContext for Stream {}
