//! The JSON Schema of the configuration, for editors and other tools; native only.
//!
//! Objects come from the types of [`super::document`]; here is what their leaves look like. A schema cannot say
//! all that is checked (names that dangle, ranges): it accepts whatever the filter does, and more.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::admin::Cidr;
use super::authority::{Authority, HostRule, ListedHost};
use super::document::{
    ChainEntry, ChainRule, Document, RedirectHosts, RedirectRules, RedirectsDocument,
};
use super::env::EnvName;
use super::events::{
    ContextDocument, Flag, FormatName, Index, MissingRule, StdoutDocument, StdoutObject,
    Value as ContextValue,
};
use super::read::{List, Read, Text};
use super::redis::{Prefix, RedisGateway};
use super::span::{
    BatchAge, BatchBytes, BatchCount, FailTimeout, ImmutableAge, MaxFails, MemorySize, Moment,
    MutableAge, ObjectSize, QueueSize, SharedSize, Timeout,
};
use super::text::{BasePath, ModulePattern, Name, Namespace, Target, UpstreamName};
use super::{FallThrough, HostKind, LogLevel, Unlisted};

/// The schema (JSON Schema, draft 2020-12).
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), "goproxy-wasm".into());
    schema.into()
}

/// Says of a generated object what the reader does: a field with a default may be absent, and `null` is never
/// taken for an absent field.
pub(super) fn tidy(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    let mut optional = Vec::new();
    for (name, property) in properties.iter_mut() {
        let Value::Object(property) = property else {
            continue;
        };
        remove_null(property);
        if property.contains_key("default") {
            optional.push(name.clone());
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !optional.iter().any(|optional| name == optional));
    }
}

/// `anyOf: [X, null]` becomes X. (Every optional field is of a named type, so this is how all of them look.)
fn remove_null(property: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = property.remove("anyOf") else {
        return;
    };
    for choice in choices {
        if let Value::Object(choice) = choice
            && choice.get("type").is_none_or(|kind| kind != "null")
        {
            property.extend(choice);
        }
    }
}

impl<T: JsonSchema, const LEAST: usize, const MOST: usize> JsonSchema for List<T, LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let element = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": element, "minItems": LEAST, "maxItems": MOST })
    }
}

impl JsonSchema for ChainEntry {
    fn schema_name() -> Cow<'static, str> {
        "ChainEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, rule) = (
            generator.subschema_for::<UpstreamName>(),
            generator.subschema_for::<ChainRule>(),
        );
        json_schema!({
            "description": "An upstream: its name, or its name with the rule for coming to it.",
            "anyOf": [name, rule],
        })
    }
}

impl JsonSchema for RedirectsDocument {
    fn schema_name() -> Cow<'static, str> {
        "Redirects".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (hosts, rules) = (
            generator.subschema_for::<RedirectHosts>(),
            generator.subschema_for::<RedirectRules>(),
        );
        json_schema!({
            "description": "Where upstreams may redirect to: the hosts, or the hosts with the rule for all others.",
            "anyOf": [hosts, rules],
        })
    }
}

impl JsonSchema for EnvName {
    fn schema_name() -> Cow<'static, str> {
        "EnvName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": Self::EXPECTED, "pattern": VARIABLE, "examples": ["env:REDIS_TOKEN"] })
    }
}

impl JsonSchema for StdoutDocument {
    fn schema_name() -> Cow<'static, str> {
        "Stdout".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (flag, object) = (
            generator.subschema_for::<Flag>(),
            generator.subschema_for::<StdoutObject>(),
        );
        json_schema!({
            "description": "Records as lines of JSON on the host's standard output: whether, or how many bytes of them may wait.",
            "anyOf": [flag, object],
        })
    }
}

impl JsonSchema for ContextDocument {
    fn schema_name() -> Cow<'static, str> {
        "Context".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<ContextValue>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_]{0,31}$" },
            "additionalProperties": value,
            "maxProperties": 16,
            "examples": [{ "pod_uid": "env:POD_UID", "zone": "eu-1" }],
        })
    }
}

impl JsonSchema for Flag {
    fn schema_name() -> Cow<'static, str> {
        "Flag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl JsonSchema for BatchCount {
    fn schema_name() -> Cow<'static, str> {
        "BatchCount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "description": Self::EXPECTED, "minimum": 1, "maximum": 5000 })
    }
}

impl JsonSchema for MaxFails {
    fn schema_name() -> Cow<'static, str> {
        "MaxFails".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "description": Self::EXPECTED, "minimum": 0, "maximum": 100 })
    }
}

/// The schema of a type that is written as a string; its description is what a message would call expected.
macro_rules! text_schemas {
    ($( $type:ident { $($key:literal: $value:tt),* $(,)? } )*) => { $(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": <$type as Text>::EXPECTED, $($key: $value),* })
            }
        }
    )* };
}

/// `env:` and the name of an environment variable.
const VARIABLE: &str = "^env:[A-Za-z_][A-Za-z0-9_]{0,127}$";
/// Whole numbers with units, the largest first. Nothing (which is refused) and nonsense are told apart by `minLength`.
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
const SIZE: &str = "^[0-9]+(B|KiB|MiB|GiB)$";
/// Letters, digits, dots and so on, or an IPv6 address, and perhaps a port.
const AUTHORITY: &str = r"^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?$";
const HOST_RULE: &str =
    r"^(\*|(\*\.)?[A-Za-z0-9_.-]+(:[1-9][0-9]{0,4})?|\[[0-9A-Fa-f:.]+\](:[1-9][0-9]{0,4})?)$";

text_schemas! {
    Name { "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "not": { "const": "direct" }, "examples": ["public"] }
    UpstreamName { "minLength": 1, "not": { "const": "direct" }, "examples": ["public"] }
    Namespace { "pattern": "^[A-Za-z0-9_.-]{1,255}$", "examples": ["team-a"] }
    Target { "pattern": "^[!-+\\--~]{1,255}$", "not": { "pattern": "^direct$|://" }, "examples": ["goproxy_public"] }
    BasePath {
        "pattern": "^/([A-Za-z0-9_.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$",
        "maxLength": 1024,
        "examples": ["/", "/artifactory/api/go/go"],
    }
    ModulePattern { "pattern": "^[!-+\\--~]+$", "examples": ["git.corp.example", "*.corp.example", "*"] }
    Authority { "pattern": AUTHORITY, "examples": ["proxy.golang.org", "127.0.0.1:8081", "[::1]:8081"] }
    ListedHost { "pattern": AUTHORITY, "examples": ["storage.googleapis.com"] }
    HostRule { "pattern": HOST_RULE, "examples": ["*", "go.corp.example", "*.corp.example"] }
    Cidr { "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$", "examples": ["10.0.0.0/8", "fd00::/8"] }
    Timeout { "pattern": DURATION, "minLength": 2, "examples": ["8s", "1m30s"] }
    FailTimeout { "pattern": DURATION, "minLength": 2, "examples": ["8s"] }
    ImmutableAge { "pattern": DURATION, "minLength": 2, "examples": ["365d", "30d"] }
    MutableAge { "pattern": DURATION, "minLength": 2, "examples": ["60s", "0s"] }
    MemorySize { "pattern": SIZE, "examples": ["32MiB", "0B"] }
    SharedSize { "pattern": SIZE, "examples": ["32MiB", "0B"] }
    ObjectSize { "pattern": SIZE, "examples": ["256KiB"] }
    QueueSize { "pattern": SIZE, "examples": ["4MiB"] }
    Prefix { "pattern": "^[a-z0-9-]{1,32}$", "examples": ["gomod"] }
    RedisGateway { "enum": ["webdis", "upstash"] }
    BatchAge { "pattern": DURATION, "minLength": 2, "examples": ["2s"] }
    BatchBytes { "pattern": SIZE, "examples": ["1MiB"] }
    ContextValue {
        "anyOf": [{ "pattern": VARIABLE }, { "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$", "maxLength": 128, "not": { "pattern": "^env:" } }],
        "examples": ["env:POD_UID", "eu-1"],
    }
    Index {
        "pattern": "^([a-z0-9]|%[YmdH])([a-z0-9._-]|%[YmdH])*$",
        "maxLength": 200,
        "examples": ["cce-logpilot-failures-%Y.%m"],
    }
    MissingRule { "enum": ["refuse", "empty"] }
    FormatName { "enum": ["elasticsearch", "json"] }
    Moment {
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        "examples": ["2026-11-22T00:00:00Z"],
    }
    HostKind { "enum": ["envoy"] }
    FallThrough { "enum": ["not_found", "any_error"] }
    Unlisted { "enum": ["pass", "refuse"] }
    LogLevel { "enum": ["error", "warn", "info", "debug", "trace"] }
}
