//! What looks like Upstash's REST API and like serverless-redis-http, and is as strict as the stricter of the two.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::world::stub::{Asked, Say, Stub};

pub const TOKEN: &str = "upstash-token-of-the-tests";

/// Below this path, so that a base path is tested too.
pub const BASE: &str = "/base";

/// Upstash's own limit of the free plan.
const MAX_REQUEST: usize = 1 << 20;

/// A REST gateway with a Redis of its own.
pub struct Upstash {
    stub: Stub,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, Stored>,
    /// What was refused, and why.
    refused: Vec<String>,
}

/// What stands below a key.
#[derive(Debug, Clone)]
pub struct Stored {
    pub value: String,
    /// In seconds; none is for ever.
    pub ttl: Option<u64>,
}

impl Upstash {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let theirs = Arc::clone(&state);
        let stub = Stub::start(move |asked| {
            let mut state = theirs.lock().unwrap();
            let (status, answer) = state.answer(asked);
            if status != 200 {
                state.refused.push(format!("{status} {answer}"));
            }
            Say::Answer(status, "application/json", answer.to_string().into_bytes())
        });
        Self { stub, state }
    }

    pub fn addr(&self) -> SocketAddr {
        self.stub.addr()
    }

    /// REDIS_HTTP
    pub fn url(&self) -> String {
        format!("upstash+http://{}{BASE}", self.addr())
    }

    pub fn values(&self) -> BTreeMap<String, Stored> {
        self.state().values.clone()
    }

    /// Every refusal so far.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// <https://upstash.com/docs/redis/features/restapi>: an array in a POST, a bearer token, `result` or `error`.
    /// <https://github.com/hiett/serverless-redis-http>: no paths but these, and exactly this content type.
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let error = |status: u16, why: &str| (status, json!({"error": why}));
        if asked.path != format!("{BASE}/") {
            return error(404, "SRH: Endpoint not found");
        }
        if asked.method != "POST" {
            return error(405, "method not allowed");
        }
        match asked.header("authorization") {
            None => return error(400, "SRH: unable to process request, missing authorization"),
            Some(value) if value != format!("Bearer {TOKEN}") => {
                return error(401, "Unauthorized");
            }
            Some(_) => {}
        }
        if asked.header("content-type") != Some("application/json") {
            return error(400, "SRH: expected application/json");
        }
        if asked.header("upstash-encoding").is_some() {
            return error(400, "this one knows no upstash-encoding");
        }
        if asked.body.len() > MAX_REQUEST {
            return error(400, "ERR max request size exceeded. Limit: 1048576 bytes");
        }
        let Ok(words) = serde_json::from_slice::<Vec<Value>>(&asked.body) else {
            return error(400, "ERR failed to parse command");
        };
        // Numbers are as good as texts there.
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                word.as_str()
                    .map_or_else(|| word.to_string(), str::to_owned)
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["PING"] => (200, json!({"result": "PONG"})),
            ["GET", key] => {
                let value = self.values.get(key).map(|stored| &stored.value);
                (200, json!({"result": value}))
            }
            ["SETEX", key, ttl, value] => match ttl.parse() {
                Ok(0) | Err(_) => error(400, "ERR invalid expire time in 'setex' command"),
                Ok(ttl) => self.set(key, value, Some(ttl)),
            },
            ["SET", key, value] => self.set(key, value, None),
            _ => error(400, "ERR unknown command"),
        }
    }

    fn set(&mut self, key: &str, value: &str, ttl: Option<u64>) -> (u16, Value) {
        let value = value.to_owned();
        self.values.insert(key.to_owned(), Stored { value, ttl });
        (200, json!({"result": "OK"}))
    }
}
