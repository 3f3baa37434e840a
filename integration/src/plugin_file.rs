//! The file from which a running Envoy takes its filter, and what Envoy's log says against it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bootstrap::{BootstrapError, PluginFile};
use crate::gateway::GatewayError;
use crate::running::ReconfigureError;

/// The file from which Envoy takes one filter, and what stands in it.
#[derive(Debug)]
pub struct Plugin {
    name: String,
    folder: PathBuf,
    file: PathBuf,
    wasm: Option<PathBuf>,
    /// The names of what Envoy hands on of its environment. A VM keeps what it began with, so these are all at once.
    environment: Arc<BTreeSet<String>>,
    configuration: Mutex<String>,
}

impl Plugin {
    pub(crate) fn new(
        folder: &Path,
        name: &str,
        configuration: &str,
        wasm: Option<&Path>,
        environment: Arc<BTreeSet<String>>,
    ) -> Self {
        // A folder for each: whatever is moved into a watched folder makes Envoy read its files again.
        let folder = folder.join(name);
        let file = folder.join("plugin.yaml");
        let configuration = Mutex::new(configuration.to_owned());
        Self {
            name: name.to_owned(),
            folder,
            file,
            wasm: wasm.map(Path::to_owned),
            environment,
            configuration,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn configuration(&self) -> String {
        self.configuration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_configuration(&self, configuration: &str) {
        configuration.clone_into(
            &mut self
                .configuration
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Writes the file beside its place and moves it there.
    pub(crate) fn write(&self, configuration: &str) -> Result<(), PluginError> {
        let wasm = self.wasm.as_deref().unwrap_or(Path::new(""));
        let text = PluginFile::shipped()?
            .with(&self.name, wasm, configuration)?
            .hand_on(self.environment.iter())?
            .to_yaml();
        let next = self.folder.with_extension("next");
        std::fs::write(&next, text)?;
        std::fs::rename(next, &self.file)?;
        self.set_configuration(configuration);
        Ok(())
    }
}

/// The plugin's file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The shipped one is not what it was.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The disk.
    #[error("cannot write the plugin's file: {0}")]
    Write(#[from] std::io::Error),
}

impl From<PluginError> for ReconfigureError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Bootstrap(error) => Self::Bootstrap(error),
            PluginError::Write(error) => Self::Write(error),
        }
    }
}

impl From<PluginError> for GatewayError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Bootstrap(error) => Self::Bootstrap(error),
            PluginError::Write(error) => Self::Write(error),
        }
    }
}

/// The messages of the filter from warnings up; where it said nothing, those of Envoy. A message may have several lines.
pub(crate) fn complaints(log: &str) -> String {
    const GRAVE: [&str; 3] = ["[warning]", "[error]", "[critical]"];
    let mut messages: Vec<(bool, String)> = Vec::new();
    let mut listening = false;
    for line in log.lines() {
        if line.starts_with('[') {
            listening = GRAVE.iter().any(|level| line.contains(level));
            // `.. wasm log <plugin> <root> <vm>: <message>`
            let own = line
                .split_once(" wasm log ")
                .and_then(|(_, rest)| rest.split_once(": "));
            if listening {
                let text = own.map_or(line, |(_, message)| message);
                messages.push((own.is_some(), text.to_owned()));
            }
        } else if let (true, Some((_, message))) = (listening, messages.last_mut()) {
            message.push('\n');
            message.push_str(line);
        }
    }
    let filter_spoke = messages.iter().any(|(own, _)| *own);
    let mut shown: Vec<String> = Vec::new();
    for (own, message) in messages {
        // Configured once for Envoy itself and once for each worker, it says the same each time.
        if own == filter_spoke && !shown.contains(&message) {
            shown.push(message);
        }
    }
    shown.truncate(10);
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_own_words_are_shown_once_and_else_envoys() {
        let filter = "[x][info][main] starting\n\
                      [x][error][wasm] [context.cc:1157] wasm log goproxy goproxy goproxy: routes[0]: expected a, got b\nroutes[1]: no\n\
                      [x][error][wasm] [context.cc:1157] wasm log goproxy goproxy goproxy: routes[0]: expected a, got b\nroutes[1]: no\n\
                      [x][warning][config] update rejected\n";
        assert_eq!(
            complaints(filter),
            "routes[0]: expected a, got b\nroutes[1]: no"
        );
        assert_eq!(
            complaints("[x][info][a] b\n[x][warning][config] no such file\n"),
            "[x][warning][config] no such file"
        );
        assert_eq!(complaints("[x][info][a] b\n"), "");
    }
}
