//! What it costs to record failures: 404s of ever new modules, with lines on standard output and batches to a collector, over the
//! same without events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::load::{self, Ask, Load, Sample};
use super::report::{Figure, Measured, Target};
use super::rounds::{Spread, interleave};
use super::{Plan, Result};
use crate::bootstrap::PluginFile;
use crate::gateway::Gateway;
use crate::lists;
use crate::origin::Origin;
use crate::plugin_config;
use crate::running::Running;

pub(super) const KEY: &str = "failure_path_vs_no_events";

/// So many different modules fail at least, with events and without.
const MODULES: f64 = 10_000.0;
/// More than any sample asks for: each begins where no other has been.
const SERIES: u64 = 1_000_000;

struct Round {
    events: Sample,
    none: Sample,
}

pub(super) fn figures(plan: &Plan) -> Vec<Figure> {
    let target = Target::AtLeast(0.85, None);
    let rounds = rounds(plan);
    vec![Figure::of(
        KEY,
        target,
        "ratio of requests/s",
        &rounds,
        |rounds| measured(rounds),
    )]
}

fn measured(rounds: &[Round]) -> Option<Measured> {
    let of = |take: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(take));
    let spread =
        of(&|round| round.events.requests_per_second() / round.none.requests_per_second())?;
    let by_cpu_time =
        of(&|round| round.none.cpu_micros_per_request() / round.events.cpu_micros_per_request());
    let median = |take: &dyn Fn(&Round) -> f64| of(take).map(|spread| spread.median);
    let requests = json!({
        "with_events": median(&|round| round.events.requests_per_second()),
        "without": median(&|round| round.none.requests_per_second()),
    });
    let cpu = json!({
        "with_events": median(&|round| round.events.cpu_micros_per_request()),
        "without": median(&|round| round.none.cpu_micros_per_request()),
    });
    let measured = Measured {
        spread,
        by_cpu_time,
        detail: serde_json::Map::new(),
    };
    let load = "wrk, 16 connections, 1 worker, the .mod of a module that the upstream does not have, another each time; \
                lines in a file and batches to a collector that takes all";
    Some(
        measured
            .with("requests_per_second", requests)
            .with("cpu_us_per_request", cpu)
            .with("load", load),
    )
}

fn rounds(plan: &Plan) -> Result<Vec<Round>> {
    let origin = Origin::start(&[])?;
    let collector = Collector::start()?;
    let gateways = [
        gateway(&origin, Some(collector.address))?,
        gateway(&origin, None)?,
    ];
    let mut series = 0;
    let mut sample = |variant: usize| {
        series += SERIES;
        let load = Load {
            connections: 16,
            seconds: 2,
            ask: Ask::EveryAbsentModFrom(series),
        };
        load::measure(&gateways[variant], &load)
    };
    sample(0)?;
    sample(1)?;
    let rounds = interleave(plan.hit_rounds, 2, sample)?;
    let rounds: Vec<Round> = rounds
        .into_iter()
        .filter_map(|round| match round.as_slice() {
            &[events, none] => Some(Round { events, none }),
            _ => None,
        })
        .collect();
    let failed: f64 = rounds.iter().map(|round| round.events.requests).sum();
    were_recorded(&gateways, &collector, failed)?;
    Ok(rounds)
}

/// What was measured is what is meant: enough failed, one gateway recorded them at both sinks, and the other none.
fn were_recorded(gateways: &[Running; 2], collector: &Collector, failed: f64) -> Result<()> {
    let [recorded, silent] = gateways;
    let taken = collector.taken.load(Ordering::Relaxed) as f64;
    let lines = recorded.stdout().lines().count() as f64;
    // The last of them are on their way, or had to give way in the queue.
    let enough = failed / 2.0;
    if failed < MODULES || lines < enough || taken < enough || !silent.stdout().is_empty() {
        return Err(format!(
            "expected {MODULES} failures or more at both sinks of one gateway, got {failed}, with {lines} lines and {taken} \
             records at the collector, and {} bytes of lines from the other",
            silent.stdout().len()
        )
        .into());
    }
    Ok(())
}

/// As shipped but for its upstream: with a collector beside standard output, or without the section `events`.
fn gateway(origin: &Origin, collector: Option<SocketAddr>) -> Result<Running> {
    let shipped = PluginFile::shipped()?.configuration()?;
    let chain = lists::chain(&origin.url())?;
    let made = plugin_config::make(&shipped, &chain, &[], None, false, None)?;
    let mut configuration: Value = serde_json::from_str(&made)?;
    let mut gateway = Gateway::builder().upstream(&origin.url());
    match collector {
        Some(address) => {
            gateway = gateway.events_http(&format!("elasticsearch+http://{address}"));
            configuration["events"]["http"] = json!({
                "format": "elasticsearch", "target": "events_http", "authority": address.to_string(),
                "index": "cce-logpilot-failures-%Y.%m",
            });
        }
        None => {
            configuration
                .as_object_mut()
                .and_then(|fields| fields.remove("events"));
        }
    }
    Ok(gateway.config_json(configuration.to_string()).start()?)
}

/// Takes every batch of `_bulk`, and looks at none: a real one runs elsewhere.
struct Collector {
    address: SocketAddr,
    taken: Arc<AtomicU64>,
}

impl Collector {
    fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A client that leaves ends its thread.
                std::thread::spawn(move || take(&stream, &counter));
            }
        });
        Ok(Self { address, taken })
    }
}

fn take(stream: &TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if length == 0 {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        // An action and its document are two lines.
        let count = body.iter().filter(|byte| **byte == b'\n').count() / 2;
        taken.fetch_add(count as u64, Ordering::Relaxed);
        let items = vec![r#"{"create":{"status":201}}"#; count].join(",");
        let body = format!(r#"{{"errors":false,"items":[{items}]}}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (&mut &*stream).write_all([head, body].concat().as_bytes())?;
    }
}
