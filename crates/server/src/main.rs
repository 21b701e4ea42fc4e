//! `counterweight`

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;
use counterweight_server::cli::Cli;
use counterweight_server::command;
use counterweight_server::problem::chain;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = command::run(Cli::parse()).await else { return ExitCode::SUCCESS };
    let code = if command::is_wrong_usage(&error) { WRONG_USAGE } else { FAILED };
    // Nothing can be said when even stderr is closed; the exit code is left.
    match writeln!(stderr(), "counterweight: {}", chain(error.as_ref())) {
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
