//! Where a gateway runs, as every record of it says: resolved once, when a configuration is put to work.

use super::line::string;
use super::plain::plain;
use super::section::ContextValue;

/// All of it, as JSON.
pub(super) const MAX_BYTES: usize = 400;

/// A longer value is cut.
const MAX_VALUE: usize = 128;

/// What every record has, so that dashboards can rely on it; empty where the configuration does not say.
const FIXED: [&str; 3] = ["pod_uid", "node_ip", "logpilot_version"];

/// Where a gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    json: Box<str>,
    instance: Box<str>,
}

/// Why a context cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The host does not hand on a variable, and the configuration wants it.
    #[error(
        "{name}: the host hands on no environment variable {variable}; add it to the host's list, or say \"missing\": \"empty\""
    )]
    Missing {
        /// The name in the context.
        name: String,
        /// The variable.
        variable: String,
    },
    /// All values together leave no room for the rest of a record.
    #[error("expected at most 400 bytes of JSON in all, got {0}")]
    TooLong(usize),
}

impl Context {
    /// Resolves what the configuration says. `missing_is_empty`: a variable that the host does not hand on is "".
    ///
    /// # Errors
    /// [`ContextError`]
    #[inline(never)]
    pub fn resolve(
        pairs: &[(String, ContextValue)],
        missing_is_empty: bool,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ContextError> {
        let mut resolved: Vec<(&str, String)> =
            FIXED.iter().map(|name| (*name, String::new())).collect();
        for (name, value) in pairs {
            let value = match value {
                ContextValue::Text(text) => text.clone(),
                ContextValue::Environment(variable) => match environment(variable) {
                    Some(value) => value,
                    None if missing_is_empty => String::new(),
                    None => {
                        let (name, variable) = (name.clone(), variable.clone());
                        return Err(ContextError::Missing { name, variable });
                    }
                },
            };
            let value = plain(&value, MAX_VALUE);
            match resolved.iter_mut().find(|(known, _)| known == name) {
                Some((_, place)) => *place = value,
                None => resolved.push((name, value)),
            }
        }
        let json = object(&resolved);
        if json.len() > MAX_BYTES {
            return Err(ContextError::TooLong(json.len()));
        }
        let instance = resolved.into_iter().next().map(|(_, value)| value);
        Ok(Self {
            json: json.into(),
            instance: instance.unwrap_or_default().into(),
        })
    }

    /// The object that records hold.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What tells this gateway from another: `pod_uid`.
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

fn object(pairs: &[(&str, String)]) -> String {
    let mut json = String::new();
    for (name, value) in pairs {
        json.push(if json.is_empty() { '{' } else { ',' });
        string(&mut json, name, usize::MAX);
        json.push(':');
        string(&mut json, value, usize::MAX);
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, ContextValue)> {
        let value = |value: &str| match value.strip_prefix("env:") {
            Some(name) => ContextValue::Environment(name.to_owned()),
            None => ContextValue::Text(value.to_owned()),
        };
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(text)))
            .collect()
    }

    fn environment(name: &str) -> Option<String> {
        match name {
            "POD_UID" => Some("4fe1-22\n".to_owned()),
            "LONG" => Some("x".repeat(5000)),
            _ => None,
        }
    }

    #[test]
    fn the_fixed_names_are_always_there_and_others_follow() {
        let given = pairs(&[("zone", "a \"b\""), ("pod_uid", "env:POD_UID")]);
        let context = Context::resolve(&given, false, &environment).unwrap();
        assert_eq!(
            context.json(),
            r#"{"pod_uid":"4fe1-22","node_ip":"","logpilot_version":"","zone":"a \"b\""}"#
        );
        assert_eq!(context.instance(), "4fe1-22");
    }

    #[test]
    fn a_variable_that_is_missing_is_refused_or_empty_as_configured() {
        let given = pairs(&[("node_ip", "env:NODE_IP")]);
        let refusal = Context::resolve(&given, false, &environment).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("node_ip: the host hands on no environment variable NODE_IP")
        );
        let context = Context::resolve(&given, true, &environment).unwrap();
        assert!(context.json().contains(r#""node_ip":"""#));
    }

    #[test]
    fn a_long_value_is_cut_and_a_long_context_refused() {
        let context = Context::resolve(&pairs(&[("a", "env:LONG")]), false, &environment).unwrap();
        assert!(context.json().contains("x\u{2026}") && context.json().len() < 200);
        let many: Vec<(String, ContextValue)> = (0..4)
            .flat_map(|n| pairs(&[(&format!("n{n}"), "env:LONG")]))
            .collect();
        let refusal = Context::resolve(&many, false, &environment).unwrap_err();
        assert_eq!(refusal, ContextError::TooLong(593));
    }
}
