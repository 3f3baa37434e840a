//! `goproxy-launch`: what `make run`, `make demo` and `make bench` start.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use goproxy_integration::settings::Variables;
use goproxy_integration::{bench, demo, interrupt, run};

/// Starts goproxy-wasm: Envoy, from the files under envoy/, with the filter.
#[derive(Parser)]
#[command(name = "goproxy-launch", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A gateway in the foreground, until it is interrupted
    Run(Box<Variables>),
    /// The real go command builds a program through a gateway, cold and then warm
    Demo,
    /// Measures the gateway against Envoy without it; a table, and target/bench/report.json
    Bench(bench::Options),
}

/// The exit code for a value that cannot be used, as clap's own is.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Run(variables) => match variables.parse() {
            Ok(settings) => run::run(settings),
            Err(wrong) => {
                eprintln!("{wrong}");
                return ExitCode::from(WRONG_USE);
            }
        },
        Task::Demo => demo::demo(),
        Task::Bench(options) => bench::bench(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match interrupt::exit_code() {
            Some(code) => {
                eprintln!("interrupted");
                ExitCode::from(code)
            }
            None => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
    }
}
