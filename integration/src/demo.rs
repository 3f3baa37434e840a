//! `goproxy-launch demo`: the main job, self-contained. The real `go` builds a program through the gateway, cold and
//! then warm, and then through a second gateway that shares a Redis with the first; only the cold run may need the origin.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::children;
use crate::gateway::Gateway;
use crate::go::GoHome;
use crate::interrupt;
use crate::origin::{Origin, Seen};
use crate::places;
use crate::redis_server::{RedisServer, Webdis};
use crate::running::Running;

/// The origin plays a mirror that is far away: each answer takes so long.
const DISTANCE: Duration = Duration::from_millis(20);

/// How long the first gateway may take to write what it has into Redis.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// The shipped `cache.memory.max_object`, and `cache.redis.max_value` where nothing is said: larger archives are streamed, and asked of the origin each time.
const MAX_OBJECT: u64 = 256 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One build, as it was seen from both sides.
struct Build {
    took: Duration,
    /// Requests of `go` to the gateway.
    asked: u64,
    /// Requests of the gateway to the origin.
    passed_on: Vec<Seen>,
}

/// Shows everything on standard output.
///
/// # Errors
/// What went wrong, in words for a person: a build failed, or the warm one asked for what should have been cached.
pub fn demo() -> Result<()> {
    interrupt::catch()?;
    println!(
        "goproxy-wasm demo: the real go command builds a program through Envoy with the filter\n"
    );
    let delay = format!("{}ms", DISTANCE.as_millis());
    let origin = Origin::start(&["-delay", &delay])?;
    println!(
        "  origin    {}   modules and the checksum database {}; {delay} away",
        origin.url(),
        origin.sumdb()
    );
    let redis = RedisServer::start()?;
    let webdis = Webdis::start(redis.addr())?;
    println!(
        "  Redis     {}, behind webdis on http://{}",
        redis.addr(),
        webdis.addr()
    );
    let start = || {
        Gateway::builder()
            .upstream(&origin.url())
            .sumdb(origin.sumdb(), &origin.sumdb_url())
            .redis_http(&webdis.addr().to_string())
            .start()
    };
    let gateway = start()?;
    let size = std::fs::metadata(places::filter_wasm()?)?
        .len()
        .div_ceil(1024);
    let millis = gateway.started_in().as_millis();
    println!(
        "  gateway   {}   Envoy, the filter ({size} KiB), 1 worker; ready in {millis} ms",
        gateway.url()
    );
    let workshop = tempfile::Builder::new().prefix("goproxy-demo-").tempdir()?;
    let program = workshop.path();
    Origin::write_program(program)?;
    compile_standard_library()?;

    println!("\n1. cold: nothing is cached anywhere");
    println!(
        "   $ GOPROXY={} GOSUMDB={} go build -o hello .",
        gateway.url(),
        origin.sumdb_key()
    );
    let cold = build(&origin, &gateway, program)?;
    tell(&cold, "built");

    println!("\n2. warm: go's own caches and go.sum are gone again, the gateway has not forgotten");
    println!("   $ (the same command)");
    let warm = build(&origin, &gateway, program)?;
    tell(&warm, "built");

    println!("\n3. the program runs");
    println!("   $ ./hello\n   {}", run_program(program)?);

    let written = await_writes(&gateway, &cold)?;
    drop(gateway);
    println!("\n4. another gateway process: the first is gone, {written} objects are in Redis");
    let second = start()?;
    println!("   $ GOPROXY={} go build -o hello .", second.url());
    let shared = build(&origin, &second, program)?;
    tell(&shared, "built");

    let again = missed(&warm);
    if cold.passed_on.is_empty() {
        return Err("the cold build did not ask the origin: it went past the gateway".into());
    }
    if !again.is_empty() {
        let shown = again
            .iter()
            .take(10)
            .copied()
            .collect::<Vec<_>>()
            .join("\n  ");
        return Err(format!(
            "the warm build asked the origin {} times for what should have been cached:\n  {shown}",
            again.len()
        )
        .into());
    }
    // On a machine that is busy some answers of Redis come too late, which is a miss and no fault.
    let (late, all) = (missed(&shared).len(), cold.passed_on.len());
    if late * 10 > all {
        return Err(format!(
            "the second gateway asked the origin {late} times for what should have been in Redis"
        )
        .into());
    }
    println!(
        "\nok: the warm build needed nothing from the origin, and took {}; a new gateway took {}",
        compare(cold.took, warm.took),
        compare(cold.took, shared.took)
    );
    Ok(())
}

/// What the origin was asked for although it fits into the caches.
fn missed(build: &Build) -> Vec<&str> {
    let missed = build.passed_on.iter().filter(|seen| cacheable(seen));
    missed.map(|seen| seen.path.as_str()).collect()
}

/// Waits until the gateway has written what it fetched; tells how much that is.
fn await_writes(gateway: &Running, cold: &Build) -> Result<u64> {
    let fetched = cold.passed_on.iter();
    let fetched = fetched.filter(|seen| seen.status == 200 && cacheable(seen));
    let fetched = fetched.count() as u64;
    let until = Instant::now() + WRITTEN_WITHIN;
    loop {
        let written =
            gateway.stat("wasmcustom.goproxy_cache_operations_total.tier.redis.result.stored")?;
        let written = written.unwrap_or(0);
        if written >= fetched || Instant::now() > until {
            return Ok(written);
        }
        // It is counted on a tick, of which nobody is told.
        let _ = gateway.child().wait_at_most(Duration::from_millis(10));
    }
}

/// `go` with empty caches builds the program; every checksum is asked of the database.
fn build(origin: &Origin, gateway: &Running, program: &Path) -> Result<Build> {
    let _ = std::fs::remove_file(program.join("go.sum"));
    let home = GoHome::new()?
        .proxy(gateway.url())
        .sumdb(origin.sumdb_key());
    origin.forget()?;
    let before = requests(gateway)?;
    let output = home.go(["build", "-o", "hello", "."]).dir(program).run()?;
    if !output.status.success() {
        return Err(format!(
            "go build failed ({}):\n{}\nEnvoy's log ends with\n{}",
            output.status,
            output.stderr.trim_end(),
            gateway.log_tail()
        )
        .into());
    }
    let sums = std::fs::read_to_string(program.join("go.sum"))?;
    if !sums.contains(" h1:") {
        return Err("go build wrote no checksums: expected go.sum with h1: lines".into());
    }
    Ok(Build {
        took: output.took,
        asked: requests(gateway)? - before,
        passed_on: origin.seen()?,
    })
}

fn requests(gateway: &Running) -> Result<u64> {
    Ok(gateway
        .stat("http.goproxy.downstream_rq_total")?
        .unwrap_or(0))
}

/// So that the two builds differ in what they download, and in nothing else.
fn compile_standard_library() -> Result<()> {
    let home = GoHome::new()?;
    let began = Instant::now();
    let output = home.go(["build", "fmt"]).run()?;
    if !output.status.success() {
        return Err(format!("go build fmt failed: {}", output.stderr).into());
    }
    if began.elapsed() > Duration::from_secs(3) {
        println!(
            "  go        compiled the standard library ({:.1} s, once)",
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn tell(build: &Build, done: &str) {
    println!(
        "   {done} in {:.2} s; go asked the gateway {} times",
        build.took.as_secs_f64(),
        build.asked
    );
    println!(
        "   the gateway asked the origin {} times{}",
        build.passed_on.len(),
        by_kind(&build.passed_on)
    );
}

/// `: 64 archives, 70 .mod, 130 checksums`
fn by_kind(seen: &[Seen]) -> String {
    let mut counts: Vec<(usize, &str)> = Vec::new();
    for kind in seen.iter().map(|seen| kind(&seen.path)) {
        match counts.iter_mut().find(|(_, known)| *known == kind) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, kind)),
        }
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let shown: Vec<String> = counts
        .iter()
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!(": {}", shown.join(", "))
    }
}

fn kind(path: &str) -> &'static str {
    match path {
        _ if path.contains("/lookup/") => "checksums",
        _ if path.contains("/tile/") => "tiles",
        _ if path.ends_with(".zip") => "archives",
        _ if path.ends_with(".mod") => ".mod",
        _ if path.ends_with(".info") => ".info",
        _ => "lists",
    }
}

fn cacheable(seen: &Seen) -> bool {
    !(seen.path.ends_with(".zip") && seen.bytes > MAX_OBJECT)
}

fn run_program(program: &Path) -> Result<String> {
    let mut command = Command::new(program.join("hello"));
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped());
    let mut child = children::start("hello", command)?;
    let mut said = String::new();
    if let Some(mut stdout) = child.pipes.stdout.take() {
        std::io::Read::read_to_string(&mut stdout, &mut said)?;
    }
    let exit = child.wait();
    if exit.success() {
        Ok(said.trim_end().to_owned())
    } else {
        Err(format!("the program ended with {exit}").into())
    }
}

fn compare(cold: Duration, warm: Duration) -> String {
    format!(
        "{:.2} s instead of {:.2} s",
        warm.as_secs_f64(),
        cold.as_secs_f64()
    )
}
