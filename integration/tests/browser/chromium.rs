//! A real browser without a screen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goproxy_integration::places;
use tempfile::TempDir;

use crate::world::closed_port;

/// A browser that does not end by itself is ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// One that knows nothing from before, and whose every request to another host goes to a port at which nobody listens.
pub struct Browser {
    program: PathBuf,
    folder: TempDir,
    nowhere: u16,
}

/// What a page became.
pub struct Shown {
    /// The document, as it is after everything on it has happened.
    pub dom: String,
    /// The addresses that were asked for it.
    pub requests: Vec<String>,
}

impl Browser {
    pub fn new() -> Self {
        Self {
            program: places::chromium().unwrap_or_else(|error| panic!("{error}")),
            folder: tempfile::tempdir().expect("a folder"),
            nowhere: closed_port(),
        }
    }

    /// Runs until it ends by itself; what it wrote to standard output.
    fn run(&self, arguments: &[String]) -> String {
        let profile = self.folder.path().join("profile");
        let mut child = Command::new(&self.program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-sync",
                "--disable-extensions",
                "--allow-file-access-from-files",
            ])
            .arg(format!("--proxy-server=http://127.0.0.1:{}", self.nowhere))
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.folder.path().join("out")).expect("a file"))
            .stderr(fs::File::create(self.folder.path().join("err")).expect("a file"))
            .spawn()
            .expect("the browser starts");
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("the browser is a child") {
                break status;
            }
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "the browser did not end within {PATIENCE:?}: {}",
                    self.read("err")
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(
            status.success(),
            "the browser: {status}: {}",
            self.read("err")
        );
        self.read("out")
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Opens a page and waits until nothing happens on it any more.
    pub fn open(&self, url: &str) -> Shown {
        let log = self.folder.path().join("netlog.json");
        let dom = self.run(&[
            "--virtual-time-budget=3000".to_owned(),
            format!("--log-net-log={}", log.display()),
            "--dump-dom".to_owned(),
            url.to_owned(),
        ]);
        Shown {
            dom,
            requests: requests(&log),
        }
    }

    /// A picture of a page, as PNG.
    pub fn picture(&self, url: &str, (width, height): (u32, u32), dark: bool) -> Vec<u8> {
        let file = self.folder.path().join("picture.png");
        let _ = fs::remove_file(&file);
        self.run(&[
            // 0 is dark (blink's `PreferredColorScheme`).
            format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)),
            format!("--window-size={width},{height}"),
            format!("--screenshot={}", file.display()),
            url.to_owned(),
        ]);
        fs::read(&file).unwrap_or_else(|error| panic!("no picture: {error}: {}", self.read("err")))
    }

    /// A file that the browser can open, and its address.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        format!("file://{}", path.display())
    }
}

/// The addresses of the requests in the browser's log of its network, each once, in their order.
fn requests(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).expect("the browser's log of its network");
    // A browser that ends at once leaves the list open.
    let log: serde_json::Value = serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&[text.trim_end().trim_end_matches(','), "]}"].concat()))
        .expect("JSON");
    let mut found: Vec<String> = Vec::new();
    for event in log["events"].as_array().into_iter().flatten() {
        if let Some(url) = event["params"]["url"].as_str()
            && !found.iter().any(|known| known == url)
        {
            found.push(url.to_owned());
        }
    }
    found
}
