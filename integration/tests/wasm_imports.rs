//! What `dist/goproxy_filter.wasm` asks of its host: a module that imports one function too many does not even load.
//!
//! Envoy 1.40 offers all of the proxy-wasm ABI 0.2.1 and most of WASI; what counts is what ngx_wasm_module 0.6 has
//! (`src/common/proxy_wasm/ngx_proxy_wasm_host.c`, `src/wasm/wasi/ngx_wasi_preview1_host.c`), in name and signature.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wasmparser::{
    CompositeInnerType, DataKind, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef,
    ValType, Validator, WasmFeatures,
};

/// DESIGN's budget: 500 KiB.
const LARGEST: usize = 512_000;

/// Host functions that work on both hosts: name, parameters and results (`i` is i32, `I` is i64).
const WORKS: &[(&str, &str)] = &[
    ("proxy_add_header_map_value", "iiiii:i"),
    ("proxy_call_foreign_function", "iiiiii:i"),
    ("proxy_continue_stream", "i:i"),
    ("proxy_define_metric", "iiii:i"),
    ("proxy_dequeue_shared_queue", "iii:i"),
    ("proxy_enqueue_shared_queue", "iii:i"),
    ("proxy_get_buffer_bytes", "iiiii:i"),
    ("proxy_get_current_time_nanoseconds", "i:i"),
    ("proxy_get_header_map_pairs", "iii:i"),
    ("proxy_get_header_map_value", "iiiii:i"),
    ("proxy_get_metric", "ii:i"),
    ("proxy_get_property", "iiii:i"),
    ("proxy_get_shared_data", "iiiii:i"),
    ("proxy_http_call", "iiiiiiiiii:i"),
    ("proxy_increment_metric", "iI:i"),
    ("proxy_log", "iii:i"),
    ("proxy_record_metric", "iI:i"),
    ("proxy_register_shared_queue", "iii:i"),
    ("proxy_remove_header_map_value", "iii:i"),
    ("proxy_replace_header_map_value", "iiiii:i"),
    ("proxy_send_local_response", "iiiiiiii:i"),
    ("proxy_set_buffer_bytes", "iiiii:i"),
    ("proxy_set_effective_context", "i:i"),
    ("proxy_set_header_map_pairs", "iii:i"),
    ("proxy_set_property", "iiii:i"),
    ("proxy_set_shared_data", "iiiii:i"),
    ("proxy_set_tick_period_milliseconds", "i:i"),
];

/// Host functions that nginx links and that trap when they are called there. The SDK's traits import most of them
/// whether or not we call them; that we call `proxy_close_stream` and the like on Envoy only is for other tests to see.
/// `proxy_get_log_level` is not here: nginx declares it with two parameters, so importing it fails to link.
const LINKS_ONLY: &[(&str, &str)] = &[
    ("proxy_close_stream", "i:i"),
    ("proxy_done", ":i"),
    ("proxy_get_status", "iii:i"),
    ("proxy_grpc_call", "iiiiiiiiiiii:i"),
    ("proxy_grpc_cancel", "i:i"),
    ("proxy_grpc_close", "i:i"),
    ("proxy_grpc_send", "iiii:i"),
    ("proxy_grpc_stream", "iiiiiiiii:i"),
    ("proxy_resolve_shared_queue", "iiiii:i"),
];

/// The WASI functions that nginx has; Envoy has these and more.
const WASI: &[(&str, &str)] = &[
    ("args_get", "ii:i"),
    ("args_sizes_get", "ii:i"),
    ("clock_time_get", "iIi:i"),
    ("environ_get", "ii:i"),
    ("environ_sizes_get", "ii:i"),
    ("fd_close", "i:i"),
    ("fd_fdstat_get", "ii:i"),
    ("fd_fdstat_set_flags", "ii:i"),
    ("fd_prestat_dir_name", "iii:i"),
    ("fd_prestat_get", "ii:i"),
    ("fd_read", "iiii:i"),
    ("fd_seek", "iIii:i"),
    ("fd_write", "iiii:i"),
    ("path_open", "iiiiiIIii:i"),
    ("poll_oneoff", "iiii:i"),
    ("proc_exit", "i:"),
    ("random_get", "ii:i"),
    ("sched_yield", ":i"),
];

/// What a host calls; without one of these the plugin would load and do nothing, or not load. And nothing else: each callback
/// of the SDK's that does nothing would be an entry into the VM, and code.
const EXPORTS: &[&str] = &[
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_tick",
    "proxy_on_queue_ready",
    "proxy_on_log",
    "proxy_on_delete",
];

fn plugin_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/goproxy_filter.wasm")
}

fn plugin() -> Vec<u8> {
    let path = plugin_path();
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `make` builds it", path.display()))
}

/// One imported function: the module it is asked of, its name, its signature.
type Import = (String, String, String);

/// Everything a module imports; what is no function (a memory, a table) has the signature `not a function`.
fn imports(wasm: &[u8]) -> Vec<Import> {
    let mut types: Vec<Option<FuncType>> = Vec::new();
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("a well-formed module") {
            Payload::TypeSection(section) => {
                for group in section {
                    for sub in group.expect("a well-formed type").into_types() {
                        types.push(match sub.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.expect("a well-formed import");
                    let shape = match import.ty {
                        TypeRef::Func(index) => types[index as usize].as_ref().map(signature),
                        _ => None,
                    };
                    found.push((
                        import.module.to_owned(),
                        import.name.to_owned(),
                        shape.unwrap_or_else(|| "not a function".to_owned()),
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

fn signature(function: &FuncType) -> String {
    let letters = |types: &[ValType]| -> String {
        let letter = |ty: &ValType| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'I',
            _ => '?',
        };
        types.iter().map(letter).collect()
    };
    format!(
        "{}:{}",
        letters(function.params()),
        letters(function.results())
    )
}

/// What one of the hosts would refuse, in words; empty is good.
fn refused(imports: &[Import]) -> Vec<String> {
    let host: BTreeMap<_, _> = WORKS.iter().chain(LINKS_ONLY).copied().collect();
    let wasi: BTreeMap<_, _> = WASI.iter().copied().collect();
    imports
        .iter()
        .filter_map(|(module, name, shape)| {
            let known = match module.as_str() {
                "env" => host.get(name.as_str()),
                "wasi_snapshot_preview1" => wasi.get(name.as_str()),
                _ => None,
            };
            match known {
                Some(expected) if expected == shape => None,
                Some(expected) => {
                    Some(format!("{module}.{name}: expected {expected}, got {shape}"))
                }
                None => Some(format!("{module}.{name}: not on both hosts")),
            }
        })
        .collect()
}

#[test]
fn the_plugin_imports_only_what_both_hosts_have() {
    let imports = imports(&plugin());
    assert!(
        !imports.is_empty(),
        "a plugin without imports can do nothing"
    );
    let refused = refused(&imports);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn an_import_that_a_host_lacks_is_refused() {
    for (module, name, shape) in [
        ("env", "proxy_get_log_level", "i:i"),
        ("env", "proxy_init_redis", "ii:i"),
        ("env", "proxy_log", "ii:i"),
        ("wasi_snapshot_preview1", "sock_send", "iiiii:i"),
        ("wasi_snapshot_preview1", "path_readlink", "iiiiii:i"),
        ("wasi_unstable", "fd_write", "iiii:i"),
        ("env", "proxy_done", "not a function"),
    ] {
        let import = (module.to_owned(), name.to_owned(), shape.to_owned());
        assert_eq!(refused(&[import]).len(), 1, "{module}.{name} {shape}");
    }
}

#[test]
fn the_lists_hold_each_name_once_and_all_of_the_eighteen() {
    let mut names: Vec<_> = WORKS
        .iter()
        .chain(LINKS_ONLY)
        .map(|(name, _)| *name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a name in both lists");
    assert_eq!(WASI.len(), 18);
}

#[test]
fn the_plugin_exports_what_a_host_calls_and_nothing_else() {
    let wasm = plugin();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::ExportSection(section) = payload.expect("a well-formed module") {
            for export in section {
                let export = export.expect("a well-formed export");
                exports.push((export.name.to_owned(), export.kind));
            }
        }
    }
    for needed in EXPORTS {
        let kind = if *needed == "memory" {
            ExternalKind::Memory
        } else {
            ExternalKind::Func
        };
        assert!(
            exports
                .iter()
                .any(|(name, what)| name == needed && *what == kind),
            "no export {needed}"
        );
    }
    // `_start` would be one: a command, which runs once and ends, where hosts want a reactor.
    exports.retain(|(name, _)| !EXPORTS.contains(&name.as_str()));
    assert!(exports.is_empty(), "{exports:?}");
}

#[test]
fn the_plugin_needs_no_newer_webassembly_than_2_0() {
    Validator::new_with_features(WasmFeatures::WASM2)
        .validate_all(&plugin())
        .expect("valid WebAssembly 2.0");
}

/// As wasm-opt is told (`integration/toolchain/build.py`): else it could fold an address that wraps into one that does not.
#[test]
fn the_plugin_has_nothing_in_the_lowest_memory() {
    let wasm = plugin();
    let mut segments = 0;
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::DataSection(section) = payload.expect("a well-formed module") {
            for data in section {
                let DataKind::Active { offset_expr, .. } =
                    data.expect("a well-formed segment").kind
                else {
                    continue;
                };
                let first = offset_expr.get_operators_reader().read();
                let Ok(Operator::I32Const { value }) = first else {
                    panic!("{first:?}");
                };
                assert!(value >= 1024, "data at {value}");
                segments += 1;
            }
        }
    }
    assert!(segments > 0, "a plugin without data");
}

#[test]
fn the_plugin_fits_its_budget() {
    let size = plugin().len();
    assert!(size <= LARGEST, "{size} bytes, and {LARGEST} are allowed");
}

#[test]
fn the_plugin_names_no_folder_of_the_machine_that_built_it() {
    let wasm = plugin();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository");
    let home = std::env::var("HOME").unwrap_or_default();
    for folder in [root.to_str().unwrap_or_default(), &format!("{home}/.cargo")] {
        let found = wasm
            .windows(folder.len())
            .any(|window| window == folder.as_bytes());
        assert!(folder.len() < 4 || !found, "it holds {folder}");
    }
}
