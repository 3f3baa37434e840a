//! The disk: small, and full.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::bytes::{LARGE, archive};
use crate::client::fetch;
use crate::depot::before;
use crate::source::Source;
use crate::world::{assert_unharmed, eventually};

/// A file system in memory, of so many bytes; unmounted when it is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` where this process may not mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "goproxy-test"]);
        let mounted = mount.arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                eprintln!("skipped: this process may not mount a file system");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still has it open is ended next.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn what_is_larger_than_the_folder_arrives_whole_and_what_fits_is_kept() {
    let Some(disk) = Tmpfs::mount("50m") else {
        return;
    };
    let source = Source::start();
    let gateway = before(&[("up", &source)], json!({})).archives(disk.path());
    let gateway = gateway.start().unwrap();
    let (large, small) = (archive(LARGE, "large"), archive(1 << 20, "small"));
    for _ in 0..2 {
        let fetched = fetch(gateway.addr(), &large);
        fetched.is_archive(&large);
        fetched.is_miss();
    }
    fetch(gateway.addr(), &small).is_archive(&small);
    let kept = fetch(gateway.addr(), &small);
    kept.is_archive(&small);
    kept.is_hit();
    // Many at once, each of them too large.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(gateway.addr(), &large).is_archive(&large));
        }
    });
    // More than fit, one after the other: some go, and none is wrong.
    for number in 0..60 {
        let path = archive(1 << 20, &format!("n{number}"));
        let fetched = fetch(gateway.addr(), &path);
        if fetched.whole {
            fetched.is_archive(&path);
        }
        fetch(gateway.addr(), &path).is_archive(&path);
    }
    assert_unharmed(&gateway, "a small disk");
}

/// Too full for an archive, and not for a health check: what was cut comes without the disk when it is asked for again.
#[test]
fn an_archive_that_the_disk_cuts_is_whole_the_next_time() {
    let Some(disk) = Tmpfs::mount("50m") else {
        return;
    };
    let source = Source::start();
    let gateway = before(&[("up", &source)], json!({})).archives(disk.path());
    let gateway = gateway.start().unwrap();
    let filler = disk.path().join("others");
    let file = std::fs::File::create(&filler).unwrap();
    let free = nix::sys::statvfs::statvfs(disk.path()).unwrap();
    let free = free.blocks_available() * free.fragment_size();
    (&file)
        .write_all(&vec![7; usize::try_from(free).unwrap() - (2 << 20)])
        .unwrap();
    let path = archive(5 << 20, "cut");
    let cut = fetch(gateway.addr(), &path);
    assert!(!cut.whole, "the disk was not full: {cut:?}");
    let next = fetch(gateway.addr(), &path);
    next.is_archive(&path);
    next.is_miss();
    assert_unharmed(&gateway, "a disk that is nearly full");
}

#[test]
fn a_full_disk_is_gone_around_and_used_again_when_there_is_room() {
    let Some(disk) = Tmpfs::mount("50m") else {
        return;
    };
    let source = Source::start();
    let gateway = before(&[("up", &source)], json!({})).archives(disk.path());
    let gateway = gateway.start().unwrap();
    let kept = archive(1 << 20, "kept");
    fetch(gateway.addr(), &kept).is_archive(&kept);
    let filler = disk.path().join("others");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    let healthy = || {
        gateway
            .stat("cluster.archives.health_check.healthy")
            .unwrap()
    };
    eventually("nginx is out of service", || healthy() == Some(0));
    for name in ["a", "b", "a"] {
        let path = archive(1 << 20, name);
        let fetched = fetch(gateway.addr(), &path);
        fetched.is_archive(&path);
        fetched.is_miss();
    }
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    eventually("nginx serves again", || healthy() == Some(1));
    // The filter leaves a disk that failed alone for some seconds more.
    let path = archive(1 << 20, "c");
    eventually("archives are kept again", || {
        let fetched = fetch(gateway.addr(), &path);
        fetched.is_archive(&path);
        fetched.header("cache-status") == "goproxy-wasm; hit; detail=disk"
    });
    assert_unharmed(&gateway, "a full disk");
}
