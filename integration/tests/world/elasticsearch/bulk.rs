//! `_bulk`: what is refused as a whole, what becomes of each item, and the answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::mapping::Mapping;
use super::{Setup, State};
use crate::world::stub::Asked;

/// Why a request is refused as a whole.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    kind: &'static str,
    reason: String,
}

/// `create` of one document.
#[derive(Debug)]
pub struct Action {
    index: String,
    id: String,
    source: String,
}

/// A document's index and id.
type Name = (String, String);

impl Refusal {
    fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            reason: reason.into(),
        }
    }

    fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub fn body(&self) -> String {
        let cause = json!({"type": self.kind, "reason": self.reason});
        json!({"error": {"root_cause": [cause], "type": self.kind, "reason": self.reason}, "status": self.status}).to_string()
    }
}

/// The actions of a request that can be read at all.
pub fn check(setup: &Setup, asked: &Asked) -> Result<Vec<Action>, Refusal> {
    if asked.body.len() > setup.max_bytes {
        return Err(Refusal::new(
            413,
            "content_too_large",
            "the body is larger than http.max_content_length",
        ));
    }
    if setup.authorization.as_deref() != asked.header("authorization")
        && setup.authorization.is_some()
    {
        return Err(Refusal::new(
            401,
            "security_exception",
            "missing or wrong authentication credentials",
        ));
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    if path != "/_bulk" || !matches!(asked.method.as_str(), "POST" | "PUT") {
        let reason = format!("Incorrect HTTP method or uri [{} {path}]", asked.method);
        return Err(Refusal::new(405, "method_not_allowed", reason));
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !matches!(
            name,
            "filter_path" | "refresh" | "pretty" | "timeout" | "pipeline"
        ) {
            return Err(Refusal::illegal(format!(
                "request [/_bulk] contains unrecognized parameter: [{name}]"
            )));
        }
    }
    let content_type = asked.header("content-type").unwrap_or_default();
    if !matches!(
        content_type.split(';').next(),
        Some("application/x-ndjson" | "application/json")
    ) {
        let reason = format!("Content-Type header [{content_type}] is not supported");
        return Err(Refusal::new(406, "media_type_header_exception", reason));
    }
    if asked.body.is_empty() {
        return Err(Refusal::new(
            400,
            "parse_exception",
            "request body is required",
        ));
    }
    if asked.body.last() != Some(&b'\n') {
        return Err(Refusal::illegal(
            "The bulk request must be terminated by a newline [\\n]",
        ));
    }
    let text = std::str::from_utf8(&asked.body)
        .map_err(|_| Refusal::new(400, "json_parse_exception", "Invalid UTF-8"))?;
    actions(text)
}

fn actions(text: &str) -> Result<Vec<Action>, Refusal> {
    let mut actions = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let (index, id) = action(line, number + 1)?;
        let Some((_, source)) = lines.next() else {
            return Err(Refusal::illegal(format!(
                "Malformed action/metadata line [{}], a source is missing",
                number + 1
            )));
        };
        let source = source.to_owned();
        actions.push(Action { index, id, source });
    }
    if actions.is_empty() {
        return Err(Refusal::new(
            400,
            "action_request_validation_exception",
            "Validation Failed: 1: no requests added;",
        ));
    }
    Ok(actions)
}

/// Index and id of an action line. Of the four actions only `create` is known here: with any other a record that was sent
/// twice would be stored twice, or changed.
fn action(line: &str, number: usize) -> Result<Name, Refusal> {
    let malformed = |what: String| {
        Refusal::illegal(format!("Malformed action/metadata line [{number}], {what}"))
    };
    let value: Value = serde_json::from_str(line)
        .map_err(|error| Refusal::new(400, "json_parse_exception", error.to_string()))?;
    let object = value
        .as_object()
        .ok_or_else(|| malformed("expected START_OBJECT".to_owned()))?;
    let mut fields = object.iter();
    let (name, parameters) = fields
        .next()
        .ok_or_else(|| malformed("expected FIELD_NAME but found [END_OBJECT]".to_owned()))?;
    if name != "create" {
        return Err(malformed(format!(
            "expected field [create], [delete], [index] or [update] but found [{name}]"
        )));
    }
    if fields.next().is_some() {
        return Err(malformed(
            "expected END_OBJECT but found [FIELD_NAME]".to_owned(),
        ));
    }
    let parameters = parameters
        .as_object()
        .ok_or_else(|| malformed("expected START_OBJECT or END_OBJECT".to_owned()))?;
    if let Some(unknown) = parameters
        .keys()
        .find(|name| !matches!(name.as_str(), "_index" | "_id"))
    {
        return Err(Refusal::illegal(format!(
            "Action/metadata line [{number}] contains an unknown parameter [{unknown}]"
        )));
    }
    let text = |name: &str| {
        parameters
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let invalid = |what: &str| {
        Refusal::new(
            400,
            "action_request_validation_exception",
            format!("Validation Failed: 1: {what};"),
        )
    };
    let index = text("_index").ok_or_else(|| invalid("index is missing"))?;
    let id = text("_id")
        .ok_or_else(|| invalid("an id is wanted here, or a batch could be stored twice"))?;
    if id.len() > 512 || id.is_empty() {
        return Err(invalid("id is empty or longer than 512 bytes"));
    }
    Ok((index, id))
}

/// Stores what can be stored: the whole answer, and what is stored. The items at `refused` are not, and have that status.
pub fn store(
    state: &mut State,
    setup: &Setup,
    actions: Vec<Action>,
    refused: &[usize],
    status: u16,
) -> (Value, Vec<Name>) {
    let (mut items, mut stored) = (Vec::new(), Vec::new());
    for (place, action) in actions.into_iter().enumerate() {
        let name = (action.index.clone(), action.id.clone());
        if state.acknowledged.contains(&name) {
            state.again.push(name.clone());
        }
        let done = if refused.contains(&place) {
            Err(ordered(status))
        } else {
            create(&mut state.documents, &mut state.mappings, setup, action)
        };
        let mut item = json!({"_index": name.0, "_id": name.1});
        let more = match done {
            Ok(()) => {
                json!({"_version": 1, "result": "created", "_shards": {"total": 2, "successful": 1, "failed": 0},
                             "_seq_no": state.documents.len(), "_primary_term": 1, "status": 201})
            }
            Err(refusal) => {
                json!({"status": refusal.status, "error": {"type": refusal.kind, "reason": refusal.reason}})
            }
        };
        if matches!(more["status"].as_u64(), Some(201 | 409)) {
            stored.push(name);
        }
        if let (Some(item), Value::Object(more)) = (item.as_object_mut(), more) {
            item.extend(more);
        }
        items.push(json!({"create": item}));
    }
    let errors = items.iter().any(|item| item["create"]["status"] != 201);
    (json!({"took": 3, "errors": errors, "items": items}), stored)
}

fn ordered(status: u16) -> Refusal {
    let kind = match status {
        429 => "es_rejected_execution_exception",
        503 => "unavailable_shards_exception",
        403 => "cluster_block_exception",
        _ => "document_parsing_exception",
    };
    Refusal::new(status, kind, "as ordered")
}

fn create(
    documents: &mut BTreeMap<Name, Value>,
    mappings: &mut BTreeMap<String, Mapping>,
    setup: &Setup,
    action: Action,
) -> Result<(), Refusal> {
    let Action { index, id, source } = action;
    if !is_index(&index) {
        let reason = format!("Invalid index name [{index}]");
        return Err(Refusal::new(400, "invalid_index_name_exception", reason));
    }
    if documents.contains_key(&(index.clone(), id.clone())) {
        let reason =
            format!("[{id}]: version conflict, document already exists (current version [1])");
        return Err(Refusal::new(
            409,
            "version_conflict_engine_exception",
            reason,
        ));
    }
    let parsing = |reason: String| Refusal::new(400, "document_parsing_exception", reason);
    let source: Map<String, Value> = serde_json::from_str(&source)
        .map_err(|error| parsing(format!("failed to parse: {error}")))?;
    let mapping = mappings
        .entry(index.clone())
        .or_insert_with(|| Mapping::of_index(&index, setup.template.as_ref()));
    mapping.take(&source).map_err(parsing)?;
    documents.insert((index, id), Value::Object(source));
    Ok(())
}

/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.17/indices-create-index.html#indices-create-api-path-params>
fn is_index(name: &str) -> bool {
    let forbidden = |c: char| c.is_uppercase() || c.is_control() || "\\/*?\"<>| ,#:".contains(c);
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['-', '_', '+'])
        && name != "."
        && name != ".."
        && !name.contains(forbidden)
}

/// What `filter_path` leaves of an answer, of the paths that the gateway asks for.
pub fn filtered(answer: Value, path: &str) -> Value {
    let Some((_, paths)) = path.split_once("filter_path=") else {
        return answer;
    };
    let paths: Vec<&str> = paths
        .split('&')
        .next()
        .unwrap_or_default()
        .split(',')
        .collect();
    let mut left = Map::new();
    if paths.contains(&"errors") {
        left.insert("errors".to_owned(), answer["errors"].clone());
    }
    let item = |item: &Value| {
        let (source, mut left) = (&item["create"], Map::new());
        if paths.contains(&"items.*.status") {
            left.insert("status".to_owned(), source["status"].clone());
        }
        let mut error = Map::new();
        for name in ["type", "reason"] {
            let wanted = paths.contains(&format!("items.*.error.{name}").as_str());
            if let Some(text) = source.pointer(&format!("/error/{name}")).filter(|_| wanted) {
                error.insert(name.to_owned(), text.clone());
            }
        }
        if !error.is_empty() {
            left.insert("error".to_owned(), Value::Object(error));
        }
        json!({"create": left})
    };
    let items: Vec<Value> = answer["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(item)
        .collect();
    left.insert("items".to_owned(), Value::Array(items));
    Value::Object(left)
}
