//! Load for Counterweight, beside a bound that the same machine sets: see `README.md`.

#![expect(clippy::cast_precision_loss, reason = "figures for people, who read three digits of them")]

mod bare;
mod body;
mod ingest;
mod load;
mod service;
mod table;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about = "Measures Counterweight beside a bound that the same machine sets.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Streams many runs side by side, and prints a table. The default.
    Ingest(ingest::Options),
    /// Serves the bound: a bare route that stores request bodies in a file.
    #[command(hide = true)]
    Bare(bare::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    // What is dropped here stops its child processes.
    tokio::select! {
        result = run(Cli::parse()) => result,
        result = tokio::signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Ingest(options)) => ingest::run(options).await,
        Some(Command::Bare(options)) => bare::serve(options).await,
        None => ingest::run(ingest::Options::parse_from(["ingest"])).await,
    }
}
