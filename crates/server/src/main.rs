//! `counterweight`

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;
use counterweight_server::cli::Cli;
use counterweight_server::command;
use counterweight_server::problem::chain;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = command::run(Cli::parse()).await else { return ExitCode::SUCCESS };
    let code = command::exit_code(&error);
    // Nothing can be said when even stderr is closed; the exit code is left.
    match writeln!(stderr(), "counterweight: {}", chain(error.as_ref())) {
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
