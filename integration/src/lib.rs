//! The launcher, the end-to-end tests and the benchmarks of goproxy-wasm.
