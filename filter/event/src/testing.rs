//! What the tests share: the `test` attribute that works natively and, under `wasm-bindgen-test`, in Node; and examples.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use ::core::prelude::v1::test;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

use std::time::Duration;

use super::index::IndexPattern;
use super::record::{Code, Event, Failure, Kind};
use super::section::{Collector, Format, Missing, Section};
use crate::error::ErrorType;
use crate::time::Timestamp;

/// An archive that is not there.
pub(crate) fn missing_zip<'a>(module: &'a str, version: &'a str) -> Failure<'a> {
    Failure {
        kind: Kind::Zip,
        module,
        version,
        url: "https://proxy.example/m/@v/v1.0.0.zip",
        code: Code::Status(404),
        error: ErrorType::NotFound,
        message: "Not Found",
        retry_count: 3,
        upstream: "public",
        request_id: "id-1",
        duration_ms: 12,
    }
}

/// The event of it.
pub(crate) fn failure(module: &str, version: &str, at: Timestamp) -> Event {
    Event::failure(&missing_zip(module, version), "pod", at)
}

/// Lines on standard output only.
pub(crate) fn section() -> Section {
    Section {
        context: Vec::new(),
        missing: Missing::Refuse,
        stdout: Some(64 * 1024),
        http: None,
        audit: false,
        client_gone: false,
    }
}

/// Elasticsearch, in small batches.
pub(crate) fn elasticsearch() -> Collector {
    Collector {
        format: Format::Elasticsearch(IndexPattern::parse("go-%Y.%m").unwrap()),
        target: "es".to_owned(),
        authority: "es.example:9200".to_owned(),
        path: String::new(),
        timeout: Duration::from_secs(10),
        max_batch: 4,
        max_bytes: 64 * 1024,
        max_age: Duration::from_secs(2),
        queue: 64 * 1024,
        authorization: None,
    }
}
