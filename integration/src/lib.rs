//! The launcher, the end-to-end tests and the benchmarks of goproxy-wasm.

pub mod base_url;
pub mod bootstrap;
pub mod children;
pub mod gateway;
pub mod http;
pub mod interrupt;
pub mod places;
pub mod plugin_config;
pub mod run;
pub mod running;
pub mod settings;
