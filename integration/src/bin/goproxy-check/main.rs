//! Checks plugin configurations with the very code that the filter configures itself with: for CI and init
//! containers. With the host's own file also that every target is a cluster there.

mod envoy;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;
use goproxy_core::config::{Config, json_schema};

use envoy::{Bootstrap, Plugin};

/// Stands in for the plugin's name, which only the host knows; it is never shown.
const PLUGIN: &str = "goproxy";

/// Check configurations of goproxy-wasm.
///
/// Problems go to standard error, one a line: `file: field: what was expected, what came`.
/// The exit status is 0 if all is well, 1 if a configuration is refused, 2 if there was something that could not be
/// checked (a file that cannot be read, a wrong option).
#[derive(Debug, Parser)]
#[command(name = "goproxy-check", version)]
struct Options {
    /// Plugin configurations as JSON; `-` is standard input
    #[arg(value_name = "CONFIG.json", required_unless_present = "print_schema")]
    configs: Vec<PathBuf>,

    /// An Envoy bootstrap (YAML or JSON): every target must be one of its clusters, unless it has a cds_config
    #[arg(long, value_name = "FILE")]
    envoy_config: Option<PathBuf>,

    /// The files are Envoy's or Istio's (bootstrap, listener, ECDS, WasmPlugin; YAML or JSON): check the plugin
    /// configurations in them
    #[arg(long)]
    from_envoy: bool,

    /// With --from-envoy: check only the plugin of this name, where the file has others
    #[arg(long, value_name = "NAME", requires = "from_envoy")]
    plugin: Option<String>,

    /// Print the JSON Schema of the configuration and end
    #[arg(long, exclusive = true)]
    print_schema: bool,
}

/// How it ended; the worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Good,
    Refused,
    NotChecked,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let verdict = if options.print_schema {
        print_schema()
    } else {
        check_all(&options)
    };
    match verdict {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Refused => ExitCode::from(1),
        Verdict::NotChecked => ExitCode::from(2),
    }
}

fn print_schema() -> Verdict {
    match writeln!(io::stdout(), "{:#}", json_schema()) {
        Ok(()) => Verdict::Good,
        Err(error) => not_checked("standard output", &error),
    }
}

fn check_all(options: &Options) -> Verdict {
    let mut verdict = Verdict::Good;
    let bootstrap = match options
        .envoy_config
        .as_deref()
        .map(Bootstrap::read)
        .transpose()
    {
        Ok(bootstrap) => bootstrap,
        Err(error) => return not_checked("--envoy-config", &error),
    };
    for path in &options.configs {
        let file = path.display().to_string();
        verdict = verdict.max(match read(path) {
            Ok(bytes) if options.from_envoy => {
                check_embedded(&file, &bytes, options.plugin.as_deref(), bootstrap.as_ref())
            }
            Ok(bytes) => check(&file, &bytes, PLUGIN, bootstrap.as_ref()),
            Err(error) => not_checked(&file, &error),
        });
    }
    verdict
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks what is embedded in a file of the host. Its own clusters count where no other bootstrap is given.
fn check_embedded(
    file: &str,
    bytes: &[u8],
    wanted: Option<&str>,
    bootstrap: Option<&Bootstrap>,
) -> Verdict {
    let (own, plugins) = match envoy::read_plugins(file, bytes) {
        Ok(found) => found,
        Err(error) => return not_checked(file, &error),
    };
    let chosen: Vec<&Plugin> = plugins
        .iter()
        .filter(|plugin| wanted.is_none_or(|name| plugin.name == name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        let expected = wanted.map_or_else(String::new, |name| format!(" {name:?}"));
        return not_checked(
            file,
            &format!("expected a wasm plugin{expected}, got {names:?}"),
        );
    }
    let bootstrap = bootstrap.or(own.as_ref());
    let verdicts = chosen.iter().map(|plugin| {
        let name = format!("{file}: plugin {:?}", plugin.name);
        match &plugin.configuration {
            Ok(json) => check(&name, json.as_bytes(), &plugin.name, bootstrap),
            Err(error) => refused(&name, error),
        }
    });
    verdicts.max().unwrap_or(Verdict::Good)
}

fn check(name: &str, bytes: &[u8], plugin: &str, bootstrap: Option<&Bootstrap>) -> Verdict {
    let config = match Config::from_json(bytes, plugin) {
        Ok(config) => config,
        Err(error) => {
            for problem in error.to_string().lines() {
                refused(name, problem);
            }
            return Verdict::Refused;
        }
    };
    let missing = bootstrap
        .map(|bootstrap| bootstrap.missing_targets(&config))
        .unwrap_or_default();
    // With CDS the clusters of the file are not all that Envoy has.
    let uncertain = bootstrap.is_some_and(Bootstrap::discovers_more);
    let note = if uncertain {
        " (not refused: its cds_config may bring it)"
    } else {
        ""
    };
    for problem in &missing {
        refused(name, &format!("{problem}{note}"));
    }
    if !missing.is_empty() && !uncertain {
        return Verdict::Refused;
    }
    let (upstreams, routes, databases) = (
        config.upstreams.len(),
        config.routes.len(),
        config.sumdb.len(),
    );
    // Somebody who stopped reading (`| head -1`) still gets the exit status.
    let _ = writeln!(
        io::stdout(),
        "{name}: ok (upstreams: {upstreams}, routes: {routes}, checksum databases: {databases})"
    );
    Verdict::Good
}

fn refused(name: &str, problem: &str) -> Verdict {
    eprintln!("{name}: {problem}");
    Verdict::Refused
}

fn not_checked(name: &str, error: &impl std::fmt::Display) -> Verdict {
    eprintln!("goproxy-check: {name}: {error}");
    Verdict::NotChecked
}
