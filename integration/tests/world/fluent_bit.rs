//! Fluent Bit's `in_http`, as far as a sink meets it: a POST with a JSON object or an array of them, whose tag is the path.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use super::PATIENCE;
use super::stub::{Asked, Say, Stub};

/// The server, on a port of its own.
pub struct FluentBit {
    stub: Stub,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    /// Statuses of the next answers, with which nothing is taken.
    refusals: VecDeque<u16>,
    records: Vec<(String, Value)>,
}

impl FluentBit {
    pub fn start() -> Self {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let served = Arc::clone(&shared);
        let stub = Stub::start(move |asked| {
            let (state, changed) = &*served;
            let status = take(&mut state.lock().expect("no poison"), asked);
            changed.notify_all();
            Say::Answer(status, "text/plain", Vec::new())
        });
        Self { stub, shared }
    }

    pub fn addr(&self) -> SocketAddr {
        self.stub.addr()
    }

    /// The next requests are answered with these, and nothing is taken of them.
    pub fn refuse(&self, statuses: impl IntoIterator<Item = u16>) {
        let mut state = self.shared.0.lock().expect("no poison");
        state.refusals.extend(statuses);
    }

    /// The records with their tags, in the order that they came.
    pub fn records(&self) -> Vec<(String, Value)> {
        self.shared.0.lock().expect("no poison").records.clone()
    }

    /// Waits until there are so many.
    pub fn await_records(&self, count: usize) {
        let (state, changed) = &*self.shared;
        let (state, timeout) = changed
            .wait_timeout_while(state.lock().expect("no poison"), PATIENCE, |state| {
                state.records.len() < count
            })
            .expect("no poison");
        drop(state);
        assert!(
            !timeout.timed_out(),
            "{count} records not within {PATIENCE:?}"
        );
    }
}

fn take(state: &mut State, asked: &Asked) -> u16 {
    if let Some(status) = state.refusals.pop_front() {
        return status;
    }
    let content_type = asked.header("content-type").unwrap_or_default();
    let records = match serde_json::from_slice(&asked.body) {
        Ok(Value::Array(records)) => records,
        Ok(object @ Value::Object(_)) => vec![object],
        _ => return 400,
    };
    if asked.method != "POST"
        || content_type != "application/json"
        || !records.iter().all(Value::is_object)
    {
        return 400;
    }
    let tag = asked.path.trim_start_matches('/').to_owned();
    state
        .records
        .extend(records.into_iter().map(|record| (tag.clone(), record)));
    201
}
