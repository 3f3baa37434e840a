//! The launcher, the end-to-end tests and the benchmarks of goproxy-wasm.

pub mod archives;
pub mod base_url;
pub mod bench;
pub mod bootstrap;
pub mod children;
pub mod demo;
pub mod events;
pub mod gateway;
pub mod go;
pub mod http;
pub mod interrupt;
pub mod lists;
pub mod origin;
pub mod places;
pub mod plugin_config;
pub mod plugin_file;
pub mod redis_http;
pub mod redis_server;
pub mod run;
pub mod running;
pub mod settings;
