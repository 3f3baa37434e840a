//! What the fields of an index are, and which documents do not fit: the part of it that events meet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

/// The fields of an index, by their dotted names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    fields: BTreeMap<String, Field>,
    /// Objects in which new fields get a type from the first document that has them; the root is "".
    dynamic: BTreeMap<String, Dynamic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dynamic {
    Add,
    Ignore,
    Refuse,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    kind: String,
    ignore_malformed: bool,
}

impl Mapping {
    /// What an index begins with: its template, if its name fits, else nothing.
    pub fn of_index(index: &str, template: Option<&Value>) -> Self {
        let fits = |template: &&Value| {
            let patterns = template["index_patterns"]
                .as_array()
                .expect("index_patterns");
            patterns.iter().filter_map(Value::as_str).any(|pattern| {
                match pattern.strip_suffix('*') {
                    Some(start) => index.starts_with(start),
                    None => index == pattern,
                }
            })
        };
        let mut mapping = Self::default();
        mapping.dynamic.insert(String::new(), Dynamic::Add);
        if let Some(template) = template.filter(fits) {
            mapping.object("", &template["template"]["mappings"], Dynamic::Add);
        }
        mapping
    }

    /// The names and types of all fields.
    pub fn types(&self) -> BTreeMap<String, String> {
        self.fields
            .iter()
            .map(|(name, field)| (name.clone(), field.kind.clone()))
            .collect()
    }

    fn object(&mut self, name: &str, object: &Value, inherited: Dynamic) {
        let dynamic = match &object["dynamic"] {
            Value::Null => inherited,
            Value::Bool(true) => Dynamic::Add,
            Value::Bool(false) => Dynamic::Ignore,
            strict if strict == "strict" => Dynamic::Refuse,
            other => panic!("dynamic: {other}"),
        };
        self.dynamic.insert(name.to_owned(), dynamic);
        let properties = object["properties"].as_object().into_iter().flatten();
        for (field, definition) in properties {
            let name = joined(name, field);
            if definition.get("properties").is_some() {
                self.object(&name, definition, dynamic);
                continue;
            }
            let kind = definition["type"]
                .as_str()
                .unwrap_or_else(|| panic!("{name} has no type"));
            let ignore_malformed = definition["ignore_malformed"] == true;
            let kind = kind.to_owned();
            self.fields.insert(
                name,
                Field {
                    kind,
                    ignore_malformed,
                },
            );
        }
    }

    /// Takes a document, or says why it does not fit.
    pub fn take(&mut self, document: &Map<String, Value>) -> Result<(), String> {
        let mut after = self.clone();
        after.take_object("", document)?;
        *self = after;
        Ok(())
    }

    fn take_object(&mut self, parent: &str, object: &Map<String, Value>) -> Result<(), String> {
        for (name, value) in object {
            let name = joined(parent, name);
            match value {
                Value::Null => {}
                Value::Array(_) => return Err(format!("[{name}]: no event has an array")),
                Value::Object(inner) => self.take_inner(parent, &name, inner)?,
                scalar => self.take_scalar(parent, &name, scalar)?,
            }
        }
        Ok(())
    }

    fn take_inner(
        &mut self,
        parent: &str,
        name: &str,
        inner: &Map<String, Value>,
    ) -> Result<(), String> {
        if self.fields.contains_key(name) {
            return Err(format!(
                "object mapping for [{name}] tried to parse field as object, but it is a value"
            ));
        }
        if !self.dynamic.contains_key(name) {
            match self.dynamic[parent] {
                Dynamic::Add => drop(self.dynamic.insert(name.to_owned(), Dynamic::Add)),
                Dynamic::Ignore => return Ok(()),
                Dynamic::Refuse => return Err(refused(name)),
            }
        }
        self.take_object(name, inner)
    }

    fn take_scalar(&mut self, parent: &str, name: &str, scalar: &Value) -> Result<(), String> {
        if self.dynamic.contains_key(name) {
            return Err(format!(
                "object mapping for [{name}] tried to parse field as object, but found a concrete value"
            ));
        }
        match (self.fields.get(name), self.dynamic[parent]) {
            (Some(field), _) if field.accepts(scalar) => Ok(()),
            (Some(field), _) => Err(format!(
                "failed to parse field [{name}] of type [{}]: {scalar}",
                field.kind
            )),
            (None, Dynamic::Ignore) => Ok(()),
            (None, Dynamic::Refuse) => Err(refused(name)),
            (None, Dynamic::Add) => {
                let kind = match scalar {
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_f64() => "float",
                    Value::Number(_) => "long",
                    Value::String(text) if is_date(text) => "date",
                    _ => "text",
                };
                let kind = kind.to_owned();
                self.fields.insert(
                    name.to_owned(),
                    Field {
                        kind,
                        ignore_malformed: false,
                    },
                );
                Ok(())
            }
        }
    }
}

impl Field {
    fn accepts(&self, scalar: &Value) -> bool {
        let text = scalar.as_str();
        let fits = match self.kind.as_str() {
            "keyword" | "text" | "wildcard" => true,
            "date" => text.is_some_and(is_date) || scalar.is_u64(),
            "ip" => text.is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            // A number in quotes is one too (`coerce`).
            "long" => scalar.is_i64() || text.is_some_and(|text| text.parse::<i64>().is_ok()),
            "float" => scalar.is_number() || text.is_some_and(|text| text.parse::<f64>().is_ok()),
            "boolean" => scalar.is_boolean() || matches!(text, Some("true" | "false" | "")),
            other => panic!("no type of ours: {other}"),
        };
        fits || self.ignore_malformed
    }
}

fn refused(name: &str) -> String {
    format!("mapping set to strict, dynamic introduction of [{name}] is not allowed")
}

fn joined(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// `strict_date_optional_time`: a date of ten characters, and perhaps a time.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let numbers = |text: &str, separator: char, widths: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == widths.len()
            && parts.iter().zip(widths).all(|(part, width)| {
                part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let clock = time.strip_suffix('Z').unwrap_or(time);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    numbers(date, '-', &[4, 2, 2])
        && numbers(clock, ':', &[2, 2, 2])
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
