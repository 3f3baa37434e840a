//! An Elasticsearch that knows `_bulk` only, and refuses what the real one refuses (8.17, by its published API and the
//! messages of its source): a body that does not end its last line, other content types, bad action lines, names that
//! no index can have, documents that do not fit the mapping. A test orders what else goes wrong, per request or per item.

mod bulk;
mod mapping;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::PATIENCE;
use super::stub::{Asked, Say, Stub};
use mapping::Mapping;

/// The fields that an index of that name begins with, and their types.
pub fn mapping_types(index: &str, template: &Value) -> BTreeMap<String, String> {
    Mapping::of_index(index, Some(template)).types()
}

/// What becomes of the next request, in place of what would.
#[derive(Debug, Clone)]
pub enum Order {
    /// Nothing is stored, and this is answered.
    Answer(u16, &'static str),
    /// Nothing is stored; 429 with so many seconds in `Retry-After`.
    RetryAfter(u32),
    /// The items at these places have this status, and only the others are stored.
    Items(u16, Vec<usize>),
    /// All is stored, and this is answered.
    StoreAndSay(u16, &'static str),
    /// All is stored, and nothing is answered: the connection ends.
    StoreAndCut,
    /// All is stored, and the answer comes byte by byte.
    StoreAndDrip(Duration),
    /// Nothing is stored, and nothing is answered until the client leaves.
    Hang,
}

/// The server, on a port of its own.
pub struct Elasticsearch {
    stub: Stub,
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// How it is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `http.max_content_length`
    pub max_bytes: usize,
    /// An index template; without one, the first document of an index says what its fields are.
    pub template: Option<Value>,
    /// What `authorization` must be.
    pub authorization: Option<String>,
}

/// What it was sent, and what it has.
#[derive(Debug, Default)]
struct State {
    orders: VecDeque<Order>,
    mappings: BTreeMap<String, Mapping>,
    documents: BTreeMap<(String, String), Value>,
    /// Documents of which a client was told that they are stored, as far as that is certain.
    acknowledged: BTreeSet<(String, String)>,
    /// Documents that came again though their client was told that they are stored.
    again: Vec<(String, String)>,
    requests: Vec<Request>,
}

/// One request, as it was answered.
#[derive(Debug, Clone)]
pub struct Request {
    /// The status; 0 where nothing was answered.
    pub status: u16,
    /// How many bytes it had.
    pub bytes: usize,
    /// How many documents it had.
    pub documents: usize,
    /// When it came.
    pub at: Instant,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            max_bytes: 100 * 1024 * 1024,
            template: None,
            authorization: None,
        }
    }
}

impl Elasticsearch {
    pub fn start(setup: Setup) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), setup)
    }

    /// The same at an address that was known before: one that was down.
    pub fn start_at(address: SocketAddr, setup: Setup) -> Self {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let served = Arc::clone(&shared);
        let stub = Stub::start_at(address, move |asked| {
            let (state, changed) = &*served;
            let said = answer(&mut state.lock().expect("no poison"), &setup, asked);
            changed.notify_all();
            said
        });
        Self { stub, shared }
    }

    pub fn addr(&self) -> SocketAddr {
        self.stub.addr()
    }

    /// What becomes of the next requests, one after the other; then everything is well again.
    pub fn order(&self, orders: impl IntoIterator<Item = Order>) {
        self.state(|state| state.orders.extend(orders));
    }

    /// The documents, by index and id.
    pub fn documents(&self) -> BTreeMap<(String, String), Value> {
        self.state(|state| state.documents.clone())
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state(|state| state.requests.clone())
    }

    /// Documents that came again though the client was told that they are stored.
    pub fn sent_again(&self) -> Vec<(String, String)> {
        self.state(|state| state.again.clone())
    }

    /// Waits until there are so many documents.
    pub fn await_documents(&self, count: usize) {
        self.await_that(&format!("{count} documents"), |state| {
            state.documents.len() >= count
        });
    }

    /// Waits until so many requests were answered or left without an answer.
    pub fn await_requests(&self, count: usize) {
        self.await_that(&format!("{count} requests"), |state| {
            state.requests.len() >= count
        });
    }

    fn await_that(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.shared;
        let (state, timeout) = changed
            .wait_timeout_while(state.lock().expect("no poison"), PATIENCE, |state| {
                !holds(state)
            })
            .expect("no poison");
        let (documents, requests) = (state.documents.len(), state.requests.len());
        drop(state);
        assert!(
            !timeout.timed_out(),
            "not within {PATIENCE:?}: {what}; {documents} documents after {requests} requests"
        );
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.0.lock().expect("no poison"))
    }
}

fn answer(state: &mut State, setup: &Setup, asked: &Asked) -> Say {
    let checked = bulk::check(setup, asked);
    let order = state.orders.pop_front();
    let mut request = Request {
        status: 0,
        bytes: asked.body.len(),
        documents: checked.as_ref().map_or(0, |actions| actions.len()),
        at: Instant::now(),
    };
    let say = match (order, checked) {
        (Some(Order::Hang), _) => Say::Hang,
        (Some(Order::Answer(status, body)), _) => json_answer(status, body),
        (Some(Order::RetryAfter(seconds)), _) => Say::Raw(retry_after(seconds).into_bytes()),
        (_, Err(refusal)) => json_answer(refusal.status, &refusal.body()),
        (order, Ok(actions)) => {
            let (refused, status) = match &order {
                Some(Order::Items(status, places)) => (places.as_slice(), *status),
                _ => (&[][..], 0),
            };
            let answers_items = !matches!(
                order,
                Some(Order::StoreAndSay(..) | Order::StoreAndCut | Order::StoreAndDrip(_))
            );
            let (body, stored) = bulk::store(state, setup, actions, refused, status);
            if answers_items {
                state.acknowledged.extend(stored);
            }
            let body = bulk::filtered(body, &asked.path).to_string();
            match order {
                Some(Order::StoreAndSay(status, body)) => json_answer(status, body),
                Some(Order::StoreAndCut) => Say::Raw(Vec::new()),
                Some(Order::StoreAndDrip(pause)) => Say::Drip(raw(200, &body).into_bytes(), pause),
                _ => json_answer(200, &body),
            }
        }
    };
    request.status = match &say {
        Say::Answer(status, ..) => *status,
        Say::Raw(bytes) if bytes.is_empty() => 0,
        Say::Raw(_) => 429,
        Say::Drip(..) => 200,
        Say::Hang => 0,
    };
    state.requests.push(request);
    say
}

fn json_answer(status: u16, body: &str) -> Say {
    Say::Answer(status, "application/json", body.as_bytes().to_vec())
}

fn raw(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn retry_after(seconds: u32) -> String {
    let body =
        json!({"error": {"type": "es_rejected_execution_exception"}, "status": 429}).to_string();
    raw(429, &body).replacen("\r\n", &format!("\r\nRetry-After: {seconds}\r\n"), 1)
}
