//! The disk cache for archives of one run: its folder, and nginx from `nginx-wasm/archives.conf` with what differs.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;

use crate::children::{self, Child};
use crate::places::{self, Missing};
use crate::settings::{Parsed, wrong};

/// Where the shipped files have the sockets, and nginx's other passing things.
pub(crate) const SHIPPED_RUN: &str = "/run/goproxy";
/// The cluster of `envoy/archives.yaml` that a plugin's configuration names.
pub const TARGET: &str = "archives";

/// What is replaced in `nginx-wasm/archives.conf`, beside [`SHIPPED_RUN`].
const SHIPPED_CACHE: &str = "/var/cache/goproxy";
const SHIPPED_SIZE: &str = "max_size=50g min_free=5g";
const SHIPPED_LARGEST: &str = r#""~^(?:[6-9]\d{8}|\d{10,})$""#;

/// Of the folder nginx has only this one: it deletes whatever it does not know in its own.
const WITHIN: &str = "archives";
/// Less room than this keeps next to nothing.
const LEAST_BYTES: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// nginx does not come to serve, or a shipped file has another form.
#[derive(Debug, thiserror::Error)]
pub enum NginxError {
    /// Not fetched, or a shipped file.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of this run.
    #[error("nginx: {0}")]
    Io(#[from] io::Error),
    /// The shipped file has another form.
    #[error("nginx-wasm/archives.conf: expected {0:?} in it")]
    Shipped(&'static str),
    /// It ended, or does not listen.
    #[error("nginx does not serve; it said\n{0}")]
    NotReady(String),
}

/// A folder that is ours while this lives: two nginx in one would delete each other's entries.
#[derive(Debug)]
pub struct Folder {
    cache: PathBuf,
    limits: Limits,
    _lock: Flock<File>,
}

/// How much is kept, by the room that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// All archives together, in bytes.
    max_size: u64,
    /// What is left free, in bytes.
    min_free: u64,
    /// An archive of so many bytes or more is not kept: a digit, and how many zeros follow it.
    too_large: (u64, u32),
}

/// A running nginx. Dropped, it is killed.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    log: PathBuf,
    folder: Folder,
}

// === impl Folder ===

impl Folder {
    /// Makes the folder if there is none, and takes it.
    ///
    /// # Errors
    /// It is none, it cannot be written to, another gateway has it, or there is no room.
    pub fn open(folder: &Path) -> Parsed<Self> {
        let refuse = |why: String| {
            let path = folder.display().to_string();
            wrong(
                "ARCHIVES",
                format!("expected a folder for archives, got {path:?}: {why}"),
            )
        };
        if folder.exists() && !folder.is_dir() {
            return refuse("not a folder".to_owned());
        }
        let cache = folder.join(WITHIN);
        if let Err(error) = fs::create_dir_all(&cache) {
            return refuse(error.to_string());
        }
        let lock = match File::create(folder.join("lock")) {
            Ok(file) => file,
            Err(error) => return refuse(format!("cannot be written to: {error}")),
        };
        let Ok(lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) else {
            return refuse("another gateway has it".to_owned());
        };
        let room = match tidy(&cache).and_then(|used| Ok(used.saturating_add(free(&cache)?))) {
            Ok(room) => room,
            Err(error) => return refuse(error.to_string()),
        };
        if room < LEAST_BYTES {
            return refuse(format!(
                "there is room for {room} bytes, at least {LEAST_BYTES} are needed"
            ));
        }
        let limits = Limits::of(room);
        Ok(Self {
            cache,
            limits,
            _lock: lock,
        })
    }

    /// Starts nginx for it, with its sockets in `run`, and waits until it listens.
    ///
    /// # Errors
    /// It is missing or does not come to serve.
    pub fn start(self, run: &Path) -> Result<Nginx, NginxError> {
        let conf = run.join("nginx.conf");
        let text = fs::read_to_string(places::nginx_file("archives.conf")?)?;
        fs::write(&conf, self.limits.fill_in(&text, run, &self.cache)?)?;
        let log = run.join("nginx.log");
        let mut command = Command::new(places::nginx()?);
        command.arg("-c").arg(&conf).args(["-e", "stderr"]);
        if nix::unistd::geteuid().is_root() {
            // Else its workers would be nobody, who may not enter the folder of a run.
            command.args(["-g", "user root;"]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        // Killed, it would leave its workers behind; asked to end, it ends them.
        let child = children::start_mortal("nginx", command, Signal::SIGTERM)?;
        let nginx = Nginx {
            child,
            log,
            folder: self,
        };
        let until = Instant::now() + PATIENCE;
        while UnixStream::connect(run.join("archives.sock")).is_err() {
            if nginx.child.wait_at_most(LOOK_AGAIN).is_some() || Instant::now() > until {
                return Err(NginxError::NotReady(nginx.log()));
            }
        }
        Ok(nginx)
    }
}

/// The bytes of the disk that whoever we are may still write.
fn free(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// What the folder takes of the disk; what an nginx that was killed had not finished writing goes, since nginx itself would
/// leave it there.
fn tidy(folder: &Path) -> io::Result<u64> {
    let mut used: u64 = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            used = used.saturating_add(tidy(&path)?);
        } else if path.extension().is_some_and(|number| number.len() == 10) {
            fs::remove_file(&path)?;
        } else {
            used = used.saturating_add(metadata.blocks().saturating_mul(512));
        }
    }
    Ok(used)
}

fn mib(bytes: u64) -> u64 {
    (bytes >> 20).max(1)
}

// === impl Limits ===

impl Limits {
    /// nginx looks every ten seconds whether there is too much, so a fifth stays free for what comes meanwhile, and one
    /// archive has at most an eighth.
    fn of(room: u64) -> Self {
        const MOST_FREE: u64 = 5 << 30;
        /// Above the 500 MiB of golang.org/x/mod/zip nothing is an archive.
        const LARGEST: u64 = 600_000_000;
        let largest = (room / 8).min(LARGEST);
        let zeros = largest.checked_ilog10().unwrap_or_default();
        Self {
            max_size: (room / 10 * 8).max(1 << 20),
            min_free: (room / 10).min(MOST_FREE),
            too_large: (largest / 10_u64.pow(zeros), zeros),
        }
    }

    /// nginx's regular expression for the lengths that are too large.
    fn too_large(self) -> String {
        let (digit, zeros) = self.too_large;
        let longer = zeros + 2;
        format!(r#""~^(?:[{digit}-9]\d{{{zeros}}}|\d{{{longer},}})$""#)
    }

    fn fill_in(self, shipped: &str, run: &Path, cache: &Path) -> Result<String, NginxError> {
        let size = format!(
            "max_size={}m min_free={}m",
            mib(self.max_size),
            mib(self.min_free)
        );
        let mut text = shipped.to_owned();
        for (from, to) in [
            (SHIPPED_SIZE, size),
            (SHIPPED_LARGEST, self.too_large()),
            (SHIPPED_RUN, run.display().to_string()),
            (SHIPPED_CACHE, cache.display().to_string()),
        ] {
            if !text.contains(from) {
                return Err(NginxError::Shipped(from));
            }
            text = text.replace(from, &to);
        }
        Ok(text)
    }
}

// === impl Nginx ===

impl Nginx {
    /// The process; its group has the workers.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Where and how much is kept, for people.
    #[must_use]
    pub fn about(&self) -> String {
        let Folder { cache, limits, .. } = &self.folder;
        let (most, left) = (mib(limits.max_size), mib(limits.min_free));
        format!(
            "archives on disk in {}, at most {most} MiB, {left} MiB left free; nginx is process {}",
            cache.display(),
            self.child.id()
        )
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Asks it to end and waits for it, so that what it writes is whole or gone.
    pub fn stop(&self) {
        self.child.signal(Signal::SIGTERM);
        let _ = self.child.wait_at_most(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_follow_the_room() {
        for (room, max_size, min_free, too_large) in [
            (
                50 << 20,
                41_943_040,
                5_242_880,
                r#""~^(?:[6-9]\d{6}|\d{8,})$""#,
            ),
            (100_000_000_000, 80_000_000_000, 5 << 30, SHIPPED_LARGEST),
            (8_000_000_000, 6_400_000_000, 800_000_000, SHIPPED_LARGEST),
        ] {
            let limits = Limits::of(room);
            assert_eq!((limits.max_size, limits.min_free), (max_size, min_free));
            assert_eq!(limits.too_large(), too_large, "{room}");
        }
    }

    #[test]
    fn the_shipped_file_has_everything_that_is_replaced() {
        let shipped = places::nginx_file("archives.conf").unwrap();
        let shipped = fs::read_to_string(shipped).unwrap();
        let limits = Limits::of(50 << 20);
        let text = limits
            .fill_in(&shipped, Path::new("/a"), Path::new("/b"))
            .unwrap();
        assert!(text.contains("max_size=40m min_free=5m"), "{text}");
        assert!(text.contains("listen unix:/a/archives.sock"), "{text}");
        assert!(
            !text.contains("goproxy/") && !text.contains("/var/"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_folder_or_taken_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let why = |path: &Path| Folder::open(path).unwrap_err().to_string();
        assert!(why(&file).ends_with("not a folder"), "{}", why(&file));
        assert!(why(&file.join("below")).contains("ot a directory"));
        let own = folder.path().join("a").join("b");
        let taken = Folder::open(&own).unwrap();
        assert!(why(&own).ends_with("another gateway has it"));
        drop(taken);
        assert!(Folder::open(&own).is_ok());
    }

    #[test]
    fn what_was_not_finished_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join(WITHIN).join("0").join("12");
        fs::create_dir_all(&cache).unwrap();
        let entry = cache.join("b7f54b2df7773722d382f4809d650120");
        let cut = cache.join("b7f54b2df7773722d382f4809d650120.0000000007");
        for file in [&entry, &cut] {
            fs::write(file, "x").unwrap();
        }
        let _folder = Folder::open(folder.path()).unwrap();
        assert!(entry.exists() && !cut.exists());
    }
}
