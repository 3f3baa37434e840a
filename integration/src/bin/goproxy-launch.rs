//! `goproxy-launch`: what `make run` and `make demo` start.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use goproxy_integration::settings::Variables;
use goproxy_integration::{demo, interrupt, run};

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
