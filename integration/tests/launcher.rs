//! The launcher as a person meets it: the program `goproxy-launch`, its output, its exit codes, what it leaves behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::redis_server::{RedisServer, Webdis};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn launch(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goproxy-launch"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "HOST",
        "LISTEN",
        "ADMIN",
        "UPSTREAM",
        "SUMDB",
        "CONFIG",
        "CLUSTERS",
        "WORKERS",
        "TLS",
        "EVENTS",
        "EVENTS_HTTP",
        "ARCHIVES",
        "REDIS_HTTP",
        "REDIS_TOKEN",
        "REDIS_SIGNING_KEY",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

const ANYWHERE: [(&str, &str); 3] = [
    ("LISTEN", "127.0.0.1:0"),
    ("ADMIN", "127.0.0.1:0"),
    ("WORKERS", "1"),
];

/// A `run` that has said `ready`, and Envoy's process id.
struct Run {
    launcher: Child,
    ready: String,
    envoy: Pid,
    nginx: Option<Pid>,
    folders: tempfile::TempDir,
}

impl Run {
    fn start(variables: &[(&str, &str)]) -> Self {
        let folders = tempfile::tempdir().unwrap();
        let mut launcher = launch(&["run"], variables)
            .envs(ANYWHERE)
            .env("TMPDIR", folders.path())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(launcher.stdout.as_mut().unwrap())
            .read_line(&mut ready)
            .unwrap();
        let children = format!("/proc/{0}/task/*/children", launcher.id());
        let children = glob_children(&children);
        let called = |name: &str| {
            let is = |child: &&Pid| comm(**child).starts_with(name);
            children.iter().find(is).copied()
        };
        let envoy = called("envoy").unwrap_or_else(|| panic!("no Envoy; it said {ready:?}"));
        Self {
            launcher,
            ready,
            envoy,
            nginx: called("nginx"),
            folders,
        }
    }

    /// What the line says behind `http://`: address, and path if there is one.
    fn addr(&self) -> SocketAddr {
        let (_, behind) = self.ready.trim().rsplit_once("//").unwrap();
        behind.split('/').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.launcher.id().cast_signed()), signal).unwrap();
    }

    /// The exit code, and what it said on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.launcher
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        (self.launcher.wait().unwrap().code(), said)
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folders.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// The name of a process.
fn comm(process: Pid) -> String {
    std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default()
}

/// The children of every thread of a process.
fn glob_children(pattern: &str) -> Vec<Pid> {
    let (tasks, _) = pattern.split_once("/*/").unwrap();
    let threads = std::fs::read_dir(tasks).unwrap();
    let lists = threads.map(|thread| {
        std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default()
    });
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(|id| Pid::from_raw(id.parse().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether the process ends within 5 s; a zombie that nobody has reaped yet has ended.
fn ends(process: Pid) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn run_says_ready_with_the_line_for_goproxy_and_serves_there() {
    let origin = Origin::start(&[]).unwrap();
    let run = Run::start(&[
        ("UPSTREAM", &origin.url()),
        (
            "SUMDB",
            &format!("{}={}", origin.sumdb(), origin.sumdb_url()),
        ),
    ]);
    assert!(
        run.ready
            .starts_with("ready  go env -w GOPROXY=http://127.0.0.1:"),
        "{}",
        run.ready
    );
    let list = http::get(run.addr(), "/example.com/a/@v/list").unwrap();
    assert_eq!(
        (list.status, list.text().lines().next()),
        (200, Some("v1.0.0")),
        "{}",
        list.text()
    );
    let supported = http::get(run.addr(), &format!("/sumdb/{}/supported", origin.sumdb())).unwrap();
    assert_eq!(supported.status, 200);
}

#[test]
fn two_runs_share_a_redis_and_what_they_sign() {
    let origin = Origin::start(&[]).unwrap();
    let redis = RedisServer::start().unwrap();
    let webdis = Webdis::start(redis.addr()).unwrap();
    let (upstream, redis_http) = (origin.url(), webdis.addr().to_string());
    let variables = [
        ("UPSTREAM", upstream.as_str()),
        ("REDIS_HTTP", &redis_http),
        ("REDIS_SIGNING_KEY", "0123456789abcdef"),
    ];
    let path = "/example.com/a/@v/v1.0.0.mod";
    let first = Run::start(&variables);
    let body = http::get(first.addr(), path).unwrap().body;
    // Written behind the answer, so it may not be there yet for the first to ask.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        origin.forget().unwrap();
        let second = Run::start(&variables);
        assert_eq!(http::get(second.addr(), path).unwrap().body, body);
        if origin.seen().unwrap().is_empty() {
            break;
        }
        assert!(Instant::now() < until, "it is never in Redis");
    }
}

#[test]
fn run_stops_on_a_signal_and_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut run = Run::start(&[
            ("UPSTREAM", "http://127.0.0.1:9"),
            ("SUMDB", "sum.golang.org=http://127.0.0.1:9"),
        ]);
        assert_eq!(run.left_behind().len(), 1, "{:?}", run.left_behind());
        run.signal(signal);
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert!(ends(run.envoy), "{signal}: Envoy still runs");
        assert!(
            run.left_behind().is_empty(),
            "{signal}: {:?}",
            run.left_behind()
        );
    }
}

#[test]
fn envoy_does_not_outlive_a_launcher_that_is_killed() {
    let run = Run::start(&[
        ("UPSTREAM", "http://127.0.0.1:9"),
        ("SUMDB", "sum.golang.org=http://127.0.0.1:9"),
    ]);
    run.signal(Signal::SIGKILL);
    assert!(ends(run.envoy));
}

#[test]
fn an_envoy_that_ends_by_itself_is_told_with_the_end_of_its_log() {
    let mut run = Run::start(&[
        ("UPSTREAM", "http://127.0.0.1:9"),
        ("SUMDB", "sum.golang.org=http://127.0.0.1:9"),
    ]);
    kill(run.envoy, Signal::SIGTERM).unwrap();
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("Envoy ended by itself") && said.contains("caught ENVOY_SIGTERM"),
        "{said}"
    );
    assert!(run.left_behind().is_empty(), "{:?}", run.left_behind());
}

const NOBODY: [(&str, &str); 2] = [
    ("UPSTREAM", "http://127.0.0.1:9"),
    ("SUMDB", "sum.golang.org=http://127.0.0.1:9"),
];

#[test]
fn archives_are_kept_in_the_folder_by_an_nginx_that_ends_with_the_launcher() {
    let origin = Origin::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archives = folder.path().join("made").join("archives");
    let path = "/example.com/large/@v/v1.0.0.zip";
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let mut run = Run::start(&[
            ("UPSTREAM", &origin.url()),
            ("SUMDB", NOBODY[1].1),
            ("ARCHIVES", archives.to_str().unwrap()),
        ]);
        let nginx = run.nginx.expect("an nginx");
        let mut all = glob_children(&format!("/proc/{nginx}/task/*/children"));
        assert!(all.len() >= 2, "its workers");
        all.extend([nginx, run.envoy]);
        assert_eq!(http::get(run.addr(), path).unwrap().status, 200);
        run.signal(signal);
        if signal != Signal::SIGKILL {
            let (code, said) = run.end();
            assert_eq!(code, Some(0), "{signal}: {said}");
            let line = format!("archives on disk in {}", archives.display());
            assert!(said.contains(&line), "{said}");
            assert!(run.left_behind().is_empty(), "{:?}", run.left_behind());
        }
        for process in all {
            assert!(ends(process), "{signal}: {process} {}", comm(process));
        }
    }
    assert_eq!(
        origin.await_seen(path, 0).unwrap().len(),
        1,
        "the rest came from the folder"
    );
}

#[test]
fn an_envoy_that_ends_takes_nginx_with_it_and_an_nginx_that_ends_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let archives = ("ARCHIVES", folder.path().to_str().unwrap());
    let mut run = Run::start(&[NOBODY[0], NOBODY[1], archives]);
    let nginx = run.nginx.expect("an nginx");
    kill(nginx, Signal::SIGKILL).unwrap();
    assert!(ends(nginx));
    assert_eq!(http::get(run.addr(), "/-/readyz").unwrap().status, 200);
    run.signal(Signal::SIGTERM);
    let (_, said) = run.end();
    assert!(said.contains("warning: nginx ended by itself"), "{said}");

    let mut run = Run::start(&[NOBODY[0], NOBODY[1], archives]);
    kill(run.envoy, Signal::SIGTERM).unwrap();
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("nginx ended"), "{said}");
    assert!(ends(run.nginx.expect("an nginx")));
}

#[test]
fn what_cannot_be_started_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("plugin.json");
    std::fs::write(&config, r#"{"upstreams":[{"name":"public"}]}"#).unwrap();
    for (variables, code, says) in [
        (
            vec![("LISTEN", taken.as_str())],
            1,
            format!("LISTEN: cannot listen on {taken}"),
        ),
        (
            vec![("ADMIN", taken.as_str())],
            1,
            format!("ADMIN: cannot listen on {taken}"),
        ),
        (
            vec![("HOST", "nginx")],
            2,
            "HOST: nginx is not supported yet".to_owned(),
        ),
        (
            vec![("REDIS_HTTP", "redis://127.0.0.1:6379")],
            2,
            "REDIS_HTTP: expected 127.0.0.1:7379 (a webdis)".to_owned(),
        ),
        (
            vec![("UPSTREAM", "https://a.example,direct")],
            2,
            "UPSTREAM: a filter cannot clone".to_owned(),
        ),
        (
            vec![("ARCHIVES", config.to_str().unwrap())],
            1,
            "ARCHIVES: expected a folder for archives, got".to_owned(),
        ),
        (
            vec![("ARCHIVES", "/proc/archives")],
            1,
            "ARCHIVES: expected a folder for archives, got \"/proc/archives\"".to_owned(),
        ),
        (
            vec![("EVENTS", "/proc/events.jsonl")],
            1,
            "EVENTS: expected - for standard output, or a file that lines can be appended to, got \"/proc/events.jsonl\""
                .to_owned(),
        ),
        (
            vec![("EVENTS_HTTP", "127.0.0.1:9200")],
            2,
            "EVENTS_HTTP: expected elasticsearch+http://127.0.0.1:9200 or http://127.0.0.1:9880/path".to_owned(),
        ),
        (
            vec![("CONFIG", config.to_str().unwrap())],
            1,
            "upstreams[0].".to_owned(),
        ),
    ] {
        let output = launch(&["run"], &ANYWHERE)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{variables:?}: {said}");
        assert!(said.contains(&says), "{variables:?}: {said}");
        assert!(
            output.stdout.is_empty(),
            "{variables:?}: it must not say ready"
        );
    }
}

#[test]
fn a_configuration_of_ones_own_is_used_as_it_is_with_clusters() {
    let origin = Origin::start(&["-base", "/go"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("plugin.json");
    let json = format!(
        r#"{{"upstreams":[{{"name":"m","target":"mirror","authority":"{}","path":"/go"}}],
            "routes":[{{"modules":["*"],"chain":["m"]}}],"serve":{{"base_path":"/mod"}}}}"#,
        origin.addr()
    );
    std::fs::write(&config, json).unwrap();
    let run = Run::start(&[
        ("CONFIG", config.to_str().unwrap()),
        ("CLUSTERS", &format!("mirror={}", origin.url())),
    ]);
    assert!(run.ready.trim().ends_with("/mod"), "{}", run.ready);
    assert_eq!(
        http::get(run.addr(), "/mod/example.com/a/@v/list")
            .unwrap()
            .status,
        200
    );
    assert_eq!(origin.seen().unwrap()[0].path, "/go/example.com/a/@v/list");
}

#[test]
fn the_demo_passes_and_is_silent_about_nothing_when_interrupted() {
    let folders = tempfile::tempdir().unwrap();
    let output = launch(&["demo"], &[])
        .env("TMPDIR", folders.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("ok: the warm build needed nothing from the origin"),
        "{said}"
    );

    assert_eq!(std::fs::read_dir(folders.path()).unwrap().count(), 0);

    let mut demo = launch(&["demo"], &[])
        .env("TMPDIR", folders.path())
        .spawn()
        .unwrap();
    // In the middle of the cold build.
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("go build -o hello")));
    let children = glob_children(&format!("/proc/{}/task/*/children", demo.id()));
    assert!(
        children.len() >= 2,
        "expected the origin and Envoy, got {children:?}"
    );
    kill(Pid::from_raw(demo.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    for child in children {
        assert!(ends(child), "{child}");
    }
    assert_eq!(std::fs::read_dir(folders.path()).unwrap().count(), 0);
}
