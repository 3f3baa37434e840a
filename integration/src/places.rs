//! Where the files stand that the launcher needs, and what to run when one of them is missing.

use std::path::{Path, PathBuf};

/// A file that is not there, and how it comes there.
#[derive(Debug, thiserror::Error)]
#[error("{path} is missing: {remedy}", path = .path.display())]
pub struct Missing {
    path: PathBuf,
    remedy: &'static str,
}

const RUN_MAKE: &str = "run `make demo`, which fetches it";
const GET_PROMETHEUS: &str = "run `python3 integration/toolchain/get.py prometheus`";

/// The folder that holds `envoy/`, `dist/` and `.toolchain/`: the workspace's, or what `GOPROXY_WASM_ROOT` names.
#[must_use]
pub fn root() -> PathBuf {
    if let Some(root) = named_by("GOPROXY_WASM_ROOT") {
        return root;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The Envoy binary; `ENVOY_BIN` overrides it.
///
/// # Errors
/// [`Missing`], as for each function here.
pub fn envoy() -> Result<PathBuf, Missing> {
    existing("ENVOY_BIN", ".toolchain/bin/envoy", RUN_MAKE)
}

/// The `go` command; `GO_BIN` overrides it.
pub fn go() -> Result<PathBuf, Missing> {
    existing("GO_BIN", ".toolchain/bin/go", RUN_MAKE)
}

/// The filter that is released; `FILTER_WASM` overrides it.
pub fn filter_wasm() -> Result<PathBuf, Missing> {
    existing(
        "FILTER_WASM",
        "dist/goproxy_filter.wasm",
        "run `make build`",
    )
}

/// The filter that does nothing; `NOOP_FILTER_WASM` overrides it.
pub fn noop_filter_wasm() -> Result<PathBuf, Missing> {
    existing(
        "NOOP_FILTER_WASM",
        "dist/noop_filter.wasm",
        "run `make bench`, which builds it",
    )
}

/// The origin of tests and demo; `ORIGIN_BIN` overrides it.
pub fn origin() -> Result<PathBuf, Missing> {
    existing(
        "ORIGIN_BIN",
        "dist/origin",
        "run `make demo`, which builds it",
    )
}

/// The load generator of the benchmarks; `WRK_BIN` overrides it.
pub fn wrk() -> Result<PathBuf, Missing> {
    existing(
        "WRK_BIN",
        ".toolchain/bin/wrk",
        "run `make bench`, which fetches it",
    )
}

/// The Redis of demo, tests and benchmarks; `REDIS_SERVER_BIN` overrides it.
pub fn redis_server() -> Result<PathBuf, Missing> {
    existing("REDIS_SERVER_BIN", ".toolchain/bin/redis-server", RUN_MAKE)
}

/// The HTTP gateway before it; `WEBDIS_BIN` overrides it.
pub fn webdis() -> Result<PathBuf, Missing> {
    existing("WEBDIS_BIN", ".toolchain/bin/webdis", RUN_MAKE)
}

/// nginx, the disk cache for archives; `NGINX_BIN` overrides it.
pub fn nginx() -> Result<PathBuf, Missing> {
    existing(
        "NGINX_BIN",
        ".toolchain/bin/nginx",
        "run `python3 integration/toolchain/get.py nginx`",
    )
}

/// Prometheus, which the tests let scrape a gateway; `PROMETHEUS_BIN` overrides it.
pub fn prometheus() -> Result<PathBuf, Missing> {
    existing(
        "PROMETHEUS_BIN",
        ".toolchain/bin/prometheus",
        GET_PROMETHEUS,
    )
}

/// Its tool, which checks rules and metrics; `PROMTOOL_BIN` overrides it.
pub fn promtool() -> Result<PathBuf, Missing> {
    existing("PROMTOOL_BIN", ".toolchain/bin/promtool", GET_PROMETHEUS)
}

/// The browser that opens the pages, without a screen; `CHROMIUM_BIN` overrides it. For root it needs `--no-sandbox`.
pub fn chromium() -> Result<PathBuf, Missing> {
    existing(
        "CHROMIUM_BIN",
        ".toolchain/bin/chromium",
        "run `python3 integration/toolchain/get.py chromium`",
    )
}

/// The log shipper that reads event lines, with its output to Elasticsearch; `RSYSLOGD_BIN` overrides it.
pub fn rsyslogd() -> Result<PathBuf, Missing> {
    existing(
        "RSYSLOGD_BIN",
        ".toolchain/bin/rsyslogd",
        "run `python3 integration/toolchain/get.py rsyslog`",
    )
}

/// The file of that name among nginx's: `archives.conf`.
pub fn nginx_file(name: &str) -> Result<PathBuf, Missing> {
    existing(
        "",
        &format!("nginx-wasm/{name}"),
        "it belongs to the repository: `git checkout nginx-wasm`",
    )
}

/// The file of that name among Envoy's: `envoy.yaml`, `plugin/goproxy.yaml`.
pub fn envoy_file(name: &str) -> Result<PathBuf, Missing> {
    existing(
        "",
        &format!("envoy/{name}"),
        "it belongs to the repository: `git checkout envoy`",
    )
}

fn existing(variable: &str, relative: &str, remedy: &'static str) -> Result<PathBuf, Missing> {
    let path = named_by(variable).unwrap_or_else(|| root().join(relative));
    if path.exists() {
        Ok(path)
    } else {
        Err(Missing { path, remedy })
    }
}

fn named_by(variable: &str) -> Option<PathBuf> {
    if variable.is_empty() {
        return None;
    }
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
