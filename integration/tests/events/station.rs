//! A gateway that records, and its standard output, read as a container's would be: lines, and nothing else.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use goproxy_integration::gateway::Gateway;
use goproxy_integration::origin::Origin;
use goproxy_integration::running::Running;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, config, h1, merge};

/// Between two looks. Each look asks for readiness, as a probe would: what waits in the gateway leaves with that.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What is folded is told within this: a minute, the ten seconds in which the same may come again, and some to get round.
pub const A_WINDOW: Duration = Duration::from_secs(90);

/// A start takes a core for seconds, since Envoy compiles the filter: of many at once none would be in time.
static STARTING: Mutex<()> = Mutex::new(());

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../filter/core/schema/event.schema.json");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
});

/// A gateway that records, before an origin that says 404 to whatever it does not have.
pub struct Station {
    pub world: World,
}

/// The section `events`, with lines on standard output; `more` replaces whole fields.
pub fn events(more: Value) -> Value {
    let mut events = json!({
        "context": {"pod_uid": "4fe1a6f2", "node_ip": "10.15.22.104", "logpilot_version": "v1.15.0"},
        "stdout": true,
    });
    merge(&mut events, more);
    events
}

impl Station {
    pub fn start(more: Value) -> Self {
        Self::with(more, json!({}), |gateway, _| gateway)
    }

    /// The same, with other fields of the configuration, and changed by `change`.
    pub fn with(
        of_events: Value,
        more: Value,
        change: impl FnOnce(Gateway, &Origin) -> Gateway,
    ) -> Self {
        let one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let world = World::with(|gateway, origin| {
            let mut fields = json!({"events": events(of_events)});
            merge(&mut fields, more);
            let config = config(origin, fields).to_string();
            change(gateway.config_json(config), origin)
        });
        drop(one_at_a_time);
        Self { world }
    }

    pub fn get(&self, path: &str) -> h1::Answer {
        self.world.get(path)
    }

    /// What is on standard output.
    pub fn records(&self) -> Vec<Value> {
        records(&self.world.gateway)
    }

    /// Waits for the records of a module.
    pub fn await_module(&self, module: &str) -> Value {
        let of = |record: &Value| record["module"]["name"] == module;
        let found = await_records(&self.world.gateway, PATIENCE, module, |records| {
            records.iter().any(of)
        });
        found.into_iter().find(of).unwrap_or_default()
    }

    /// Everything that was recorded before now, but for what is folded.
    pub fn settled(&self) -> Vec<Value> {
        // An absence that is held back is told after those that were held back before it.
        let module = format!("marker.example/after-{}", self.records().len());
        let path = format!("/{module}/@v/v1.0.0.info");
        assert_eq!(self.get(&path).status, 404);
        self.await_module(&module);
        let mut records = self.records();
        records.retain(|record| {
            let name = record["module"]["name"].as_str().unwrap_or_default();
            !name.starts_with("marker.example/")
        });
        records
    }
}

/// Every whole line of standard output: a record as the schema says.
pub fn records(gateway: &Running) -> Vec<Value> {
    let text = gateway.stdout();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .split('\n')
        .filter(|_| !whole.is_empty())
        .map(checked)
        .collect()
}

/// A line that is a record.
pub fn checked(line: &str) -> Value {
    assert!(line.len() <= 1400, "{} bytes: {line}", line.len());
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| {
        panic!("expected a record and nothing else on standard output: {error}: {line:?}")
    });
    assert_valid(&record);
    record
}

pub fn assert_valid(record: &Value) {
    if let Err(error) = SCHEMA.validate(record) {
        panic!("{error}: {record}");
    }
}

/// Waits until the records are as they should be.
pub fn await_records(
    gateway: &Running,
    patience: Duration,
    what: &str,
    are_there: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let until = Instant::now() + patience;
    loop {
        let found = records(gateway);
        if are_there(&found) {
            return found;
        }
        assert!(
            Instant::now() < until,
            "not within {patience:?}: {what}; {} records, the last {:?}",
            found.len(),
            found.last()
        );
        gateway.probe().expect("the gateway answers");
        std::thread::sleep(LOOK_AGAIN);
    }
}
