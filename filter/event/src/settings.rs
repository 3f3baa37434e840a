//! The section `events` of a configuration, with what it takes from the host's environment: resolved once.

use std::rc::Rc;
use std::time::Duration;

use super::context::{Context, ContextError};
use super::index::IndexPattern;
use super::rules::Circumstances;
use super::section::{self, Section};

/// A longer credential fits into no header that hosts allow.
const MAX_CREDENTIAL: usize = 4096;

/// What is recorded, and where it goes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) context: Context,
    /// How many bytes of lines may wait.
    pub(super) stdout: Option<usize>,
    /// The collector.
    pub http: Option<CollectorSettings>,
    pub(super) audit: bool,
    pub(super) client_gone: bool,
}

/// A collector, and how batches for it are made.
#[derive(Clone)]
pub struct CollectorSettings {
    pub(super) format: Format,
    pub(super) target: Rc<str>,
    pub(super) authority: Rc<str>,
    pub(super) path: Rc<str>,
    pub(super) timeout: Duration,
    pub(super) max_batch: usize,
    pub(super) max_bytes: usize,
    pub(super) max_age: Duration,
    pub(super) queue: usize,
    pub(super) authorization: Option<Rc<str>>,
}

/// How a collector is spoken to.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Elasticsearch(IndexPattern),
    Json,
}

/// The host does not give what the section asks of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Of `events.context`.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// Of `events.http.authorization`. The value is never told.
    #[error(
        "expected the environment variable {0} to hold a header's value, and the host hands on {1}"
    )]
    Authorization(String, &'static str),
}

// === impl Settings ===

impl Settings {
    /// Resolves a section.
    ///
    /// # Errors
    /// [`SettingsError`]
    #[inline(never)]
    pub fn resolve(
        section: &Section,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let missing_is_empty = section.missing == section::Missing::Empty;
        let context = Context::resolve(&section.context, missing_is_empty, environment)?;
        let http = section
            .http
            .as_ref()
            .map(|collector| CollectorSettings::resolve(collector, environment));
        Ok(Self {
            context,
            stdout: section.stdout,
            http: http.transpose()?,
            audit: section.audit,
            client_gone: section.client_gone,
        })
    }

    /// Whether downloads that did not fail are to be told of.
    pub const fn audits(&self) -> bool {
        self.audit
    }

    /// Whether a client that left early is a failed download.
    pub const fn counts_the_gone(&self) -> bool {
        self.client_gone
    }

    /// What tells this gateway from another.
    pub fn instance(&self) -> &str {
        self.context.instance()
    }

    /// What counts beside a failure itself.
    pub(super) const fn circumstances(&self, from_caches_only: bool) -> Circumstances {
        Circumstances {
            from_caches_only,
            client_gone_counts: self.client_gone,
        }
    }
}

// === impl SettingsError ===

impl SettingsError {
    /// The path of the configuration's field.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Context(_) => "events.context",
            Self::Authorization(..) => "events.http.authorization",
        }
    }
}

// === impl CollectorSettings ===

impl CollectorSettings {
    fn resolve(
        collector: &section::Collector,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let credential = |variable: &String| credential(variable, environment);
        Ok(Self {
            format: match &collector.format {
                section::Format::Elasticsearch(index) => Format::Elasticsearch(index.clone()),
                section::Format::Json => Format::Json,
            },
            target: (*collector.target).into(),
            authority: (*collector.authority).into(),
            path: (*collector.path).into(),
            timeout: collector.timeout,
            max_batch: collector.max_batch,
            max_bytes: collector.max_bytes,
            max_age: collector.max_age,
            queue: collector.queue,
            authorization: collector
                .authorization
                .as_ref()
                .map(credential)
                .transpose()?,
        })
    }
}

impl std::fmt::Debug for CollectorSettings {
    /// Without the credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectorSettings")
            .field("target", &self.target)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("authorization", &self.authorization.as_ref().map(|_| "..."))
            .finish_non_exhaustive()
    }
}

fn credential(
    variable: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Rc<str>, SettingsError> {
    let refuse = |why| SettingsError::Authorization(variable.to_owned(), why);
    let value = environment(variable).ok_or_else(|| refuse("no such variable"))?;
    let value = value.trim();
    // One gate for all header values: nothing in it can end the header.
    let fits =
        value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.len() <= MAX_CREDENTIAL;
    match (fits, value.is_empty()) {
        (true, false) => Ok(value.into()),
        (true, true) => Err(refuse("an empty one")),
        (false, _) => Err(refuse("one that is too long or holds what no header can")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use crate::testing::{elasticsearch, section};

    fn with_credential(value: Option<&str>) -> Result<Settings, SettingsError> {
        let mut collector = elasticsearch();
        collector.authorization = Some("ES_KEY".to_owned());
        let section = Section {
            http: Some(collector),
            ..section()
        };
        Settings::resolve(&section, &|name| {
            (name == "ES_KEY")
                .then(|| value.map(str::to_owned))
                .flatten()
        })
    }

    #[test]
    fn a_credential_comes_from_the_environment_and_is_never_shown() {
        let settings = with_credential(Some("ApiKey s3cr3t\n")).unwrap();
        let http = settings.http.as_ref().unwrap();
        assert_eq!(http.authorization.as_deref(), Some("ApiKey s3cr3t"));
        assert!(!format!("{settings:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_credential_that_cannot_be_sent_is_refused_without_being_told() {
        for value in [
            None,
            Some(""),
            Some("  "),
            Some("s3cr3t\r\nx: y"),
            Some("s3cr3t\u{e9}"),
            Some(&*"s3cr3t".repeat(1000)),
        ] {
            let error = with_credential(value).unwrap_err();
            assert_eq!(error.field(), "events.http.authorization");
            assert!(
                error.to_string().contains("ES_KEY") && !error.to_string().contains("s3cr3t"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_context_that_cannot_be_had_is_refused_by_its_field() {
        let section = Section {
            context: vec![(
                "pod_uid".to_owned(),
                section::ContextValue::Environment("POD_UID".to_owned()),
            )],
            ..section()
        };
        let error = Settings::resolve(&section, &|_| None).unwrap_err();
        assert_eq!(error.field(), "events.context");
    }
}
