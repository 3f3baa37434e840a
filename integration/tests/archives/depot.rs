//! A gateway with a disk cache, and the upstream behind it.

use std::net::SocketAddr;
use std::path::Path;

use goproxy_integration::archives::Nginx;
use goproxy_integration::gateway::Gateway;
use goproxy_integration::running::Running;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Fetched, fetch};
use crate::source::Source;
use crate::world::merge;

pub struct Depot {
    pub gateway: Running,
    pub source: Source,
    pub folder: TempDir,
}

impl Depot {
    /// One worker, and no memory cache that could answer in place of the disk.
    pub fn start() -> Self {
        Self::with(|gateway| gateway)
    }

    pub fn with(change: impl FnOnce(Gateway) -> Gateway) -> Self {
        let source = Source::start();
        let folder = tempfile::tempdir().unwrap();
        let gateway = before(&[("up", &source)], json!({})).archives(folder.path());
        let gateway = change(gateway)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            gateway,
            source,
            folder,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    pub fn get(&self, path: &str) -> Fetched {
        fetch(self.addr(), path)
    }

    pub fn nginx(&self) -> &Nginx {
        self.gateway.nginx().expect("there is an nginx")
    }

    /// How many archives are on the disk.
    pub fn kept(&self) -> usize {
        files(self.folder.path())
    }
}

/// A gateway with these upstreams as one chain; `more` replaces whole fields.
pub fn before(sources: &[(&str, &Source)], more: Value) -> Gateway {
    let upstreams = sources.iter().map(|(name, source)| {
        json!({"name": name, "target": name, "authority": source.addr().to_string(), "timeout": "5s"})
    });
    let chain: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    let mut config = json!({
        "upstreams": upstreams.collect::<Vec<_>>(),
        "routes": [{"modules": ["*"], "chain": chain}],
        "cache": {"memory": {"size": "0B"}, "disk": {"target": "archives", "fail_timeout": "1s"}},
    });
    merge(&mut config, more);
    let gateway = Gateway::builder().config_json(config.to_string());
    let cluster =
        |gateway: Gateway, (name, source): &(&str, &Source)| gateway.cluster(name, &source.url());
    sources.iter().fold(gateway, cluster)
}

/// The entries below a folder, but for that of the health check.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let count = entries.map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return files(&path);
        }
        let is_archive = std::fs::read(&path).is_ok_and(|bytes| {
            let key = b"\nKEY: v1/";
            bytes
                .windows(key.len())
                .take(4096)
                .any(|window| window == key)
        });
        usize::from(is_archive)
    });
    count.sum()
}
