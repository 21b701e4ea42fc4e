//! `counterweight`

use std::io::{Write as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;
use counterweight_server::cli::Cli;
use counterweight_server::command;
use counterweight_server::problem::chain;
use tokio::runtime::Builder;

/// Bytes of stack of a thread. The deepest document that is let in needs the more of it the more fields the types have that it
/// goes through; what is not touched costs nothing.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let runtime = Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(command::run(Cli::parse())),
        Err(error) => Err(error.into()),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let code = command::exit_code(&error);
    // Nothing can be said when even stderr is closed; the exit code is left.
    match writeln!(stderr(), "counterweight: {}", chain(error.as_ref())) {
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
