//! The disk cache for archives.

use super::document::{DiskDocument, Document, RedirectsDocument};
use super::error::{Echo, Problems};
use super::read::At;
use std::time::Duration;

/// A disk cache for archives, between the host and the upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What the host calls it: on Envoy a cluster's name. No upstream's.
    pub target: String,
    /// So many failures in a row, of different modules, put it aside; 0 is never.
    pub max_fails: u32,
    /// How long it is put aside.
    pub fail_timeout: Duration,
}

impl From<DiskDocument> for Disk {
    fn from(document: DiskDocument) -> Self {
        Self {
            target: document.target.0,
            max_fails: document.max_fails.0,
            fail_timeout: document.fail_timeout.0,
        }
    }
}

/// An upstream at the disk cache's target would be asked by itself for ever.
pub(super) fn check_disk(document: &Document, problems: &mut Problems) {
    let Some(disk) = &document.cache.disk else {
        return;
    };
    let upstreams = document.upstreams.0.iter().map(|one| &one.target);
    let databases = document.sumdb.0.iter().map(|one| &one.target);
    let redirects = match &document.redirects {
        RedirectsDocument::Hosts(hosts) => &hosts.0,
        RedirectsDocument::Rules(rules) => &rules.hosts.0,
    };
    let redirects = redirects.iter().map(|one| &one.target);
    let redis = document.cache.redis.iter().map(|one| &one.target);
    let mut others = upstreams.chain(databases).chain(redirects).chain(redis);
    if others.any(|other| other.0 == disk.target.0) {
        let cache = At::Field(&At::Root, "cache");
        let at = At::Field(&cache, "disk");
        let target = Echo(&disk.target.0);
        let message = format!("expected a target of its own, got {target}, which another has");
        problems.add(At::Field(&at, "target"), message);
    }
}
