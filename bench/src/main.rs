//! Load for Counterweight, beside bounds that the same machine sets and beside its peers: see `README.md`.

#![expect(clippy::cast_precision_loss, reason = "figures for people, who read three digits of them")]

mod bare;
mod body;
mod bound;
mod bucket;
mod copies;
mod counterweight;
mod documents;
mod foreground;
mod load;
mod parquet;
mod passes;
mod peer;
mod row;
mod sdk;
mod service;
mod setup;
mod table;

use std::io::{Write as _, stderr, stdout};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::row::{
    chart, collect, decades, delete, ingest, killed, many_writers, run_list, scan, start, upload,
};
use crate::setup::Setup;
use crate::table::Report;

#[derive(Debug, Parser)]
#[command(about = "Measures Counterweight beside bounds that the same machine sets, and beside its peers.")]
struct Cli {
    #[command(flatten)]
    setup: Setup,
    /// One row of the table; all of them, unless named.
    #[command(subcommand)]
    row: Option<Row>,
}

#[derive(Debug, Subcommand)]
enum Row {
    /// Streams many runs side by side, as fast as they are taken.
    Ingest(ingest::Options),
    /// Streams a small request a second of each of many runs.
    ManyWriters(many_writers::Options),
    /// Lists runs by a config value and a metric, in the order of another metric.
    RunList(run_list::Options),
    /// Charts one key of one run.
    Chart(chart::Options),
    /// Charts one key of fifty runs in one request.
    MultiChart(chart::MultiOptions),
    /// Reads every row of a run.
    Scan(scan::Options),
    /// Uploads a large file and many small ones.
    Upload(upload::Options),
    /// Deletes runs by a filter, until their bytes are gone.
    Delete(delete::Options),
    /// Looks for bytes that nothing refers to, beside a client that goes on.
    Collect(collect::Options),
    /// Deletes, restores and purges runs while the process is killed again and again.
    Killed(killed::Options),
    /// Starts on an existing database, and rests.
    Start(start::Options),
    /// Every row that has a size, at 1, 10 and 100 times the same one.
    Growth,
    /// Serves the bound of writing: a bare route that stores request bodies in a file.
    #[command(hide = true)]
    Bare(bare::Options),
}

impl Row {
    /// What is measured when nothing is named, with its default sizes.
    fn all() -> anyhow::Result<Vec<Self>> {
        let names = [
            "ingest",
            "many-writers",
            "run-list",
            "chart",
            "multi-chart",
            "scan",
            "upload",
            "delete",
            "killed",
            "collect",
            "start",
        ];
        names.into_iter().map(Self::by_default).collect()
    }

    fn growth() -> anyhow::Result<Vec<Self>> {
        let mut rows = Self::all()?;
        rows.retain(|row| !matches!(row, Self::Ingest(_) | Self::Killed(_)));
        for row in &mut rows {
            match row {
                Self::Chart(options) => options.sizes = decades(10_000),
                Self::Upload(options) => (options.sizes, options.files) = (decades(10), decades(100)),
                _ => {}
            }
        }
        Ok(rows)
    }

    fn by_default(name: &str) -> anyhow::Result<Self> {
        let cli = Cli::try_parse_from(["counterweight-bench", name])?;
        cli.row.ok_or_else(|| anyhow::anyhow!("there is no row {name}"))
    }

    async fn run(&self, setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Ingest(options) => Box::pin(ingest::run(setup, options, report)).await,
            Self::ManyWriters(options) => Box::pin(many_writers::run(setup, options, report)).await,
            Self::RunList(options) => Box::pin(run_list::run(setup, options, report)).await,
            Self::Chart(options) => Box::pin(chart::run(setup, options, report)).await,
            Self::MultiChart(options) => Box::pin(chart::run_multi(setup, options, report)).await,
            Self::Scan(options) => Box::pin(scan::run(setup, options, report)).await,
            Self::Upload(options) => Box::pin(upload::run(setup, options, report)).await,
            Self::Delete(options) => Box::pin(delete::run(setup, options, report)).await,
            Self::Collect(options) => Box::pin(collect::run(setup, options, report)).await,
            Self::Killed(options) => Box::pin(killed::run(setup, options, report)).await,
            Self::Start(options) => Box::pin(start::run(setup, options, report)).await,
            Self::Growth | Self::Bare(_) => Ok(()),
        }
    }
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

async fn run(Cli { setup, row }: Cli) -> anyhow::Result<()> {
    let rows = match row {
        Some(Row::Bare(options)) => return bare::serve(options).await,
        Some(Row::Growth) => Row::growth()?,
        Some(row) => vec![row],
        None => Row::all()?,
    };
    let (mut report, mut failed) = (Report::default(), 0);
    for row in &rows {
        say(&format!("{row:?}\n"))?;
        let mut measured = Report::default();
        if let Err(error) = row.run(&setup, &mut measured).await {
            failed += 1;
            say(&format!("  failed: {error:#}\n"))?;
        }
        report.append(measured);
    }
    let tables = [setup.describe(), report.render(), report.render_growth()];
    stdout().lock().write_all(tables.join("\n").as_bytes())?;
    anyhow::ensure!(failed == 0, "{failed} rows failed");
    Ok(())
}

/// Tells how far it is; the tables alone go to the standard output.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(stderr().lock().write_all(text.as_bytes())?)
}
