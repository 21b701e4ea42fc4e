//! From the start of the program on an existing database to its first answer; its memory when nothing is asked; its
//! size.

use std::path::Path;
use std::time::Duration;

use super::ascending;
use crate::counterweight::Counterweight;
use crate::documents::Documents;
use crate::load::Times;
use crate::peer::Peer;
use crate::setup::{Deadline, Setup};
use crate::table::{Cell, Column, Figure, Place, Report, short};

const PROJECT: &str = "bench";
/// After this it is at rest.
const REST: Duration = Duration::from_secs(2);

const START: Figure = Figure("start to first answer: lowest / median / highest, ms", 0);
const MEMORY: Figure = Figure("memory at rest, MiB", 0);
const PROGRAM: Figure = Figure("size of the program, MiB", 0);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs in the database.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(100))]
    pub(crate) sizes: Vec<usize>,
    /// How often it is started.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    starts: u64,
}

fn place(size: usize) -> Place {
    Place { work: "start, rest", size, of: "runs" }
}

fn runs(size: usize) -> impl Iterator<Item = Documents> {
    (0..size).map(|number| Documents::new(number as u64))
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = ascending(&options.sizes);
    for store in setup.stores() {
        for &size in &sizes {
            let mut server = Counterweight::start(setup, &store).await?;
            server.make_runs(PROJECT, runs(size)).await?;
            let mut times = Vec::new();
            for _ in 0..options.starts {
                let (again, time) = server.restart().await?;
                server = again;
                times.push(time);
            }
            tokio::time::sleep(REST).await;
            put(report, size, store.column(), times, server.service.resident_mib());
            server.stop().await?;
        }
    }
    let most = place(sizes.last().copied().unwrap_or(0));
    report.put(most, PROGRAM, Column::Sqlite, [mib(&setup.server()?)?]);
    for &column in setup.peers() {
        let cell: Cell = match (column, setup.program("fml")) {
            (Column::FastTrackMl, Ok(program)) => [mib(&program)?].into(),
            _ => "a Python environment".to_owned().into(),
        };
        report.put(most, PROGRAM, column, cell);
    }
    let first = sizes.first().copied().unwrap_or(0);
    for &column in setup.peers() {
        let measured = measure_peer(setup, column, first, options.starts, report).await;
        if let Err(error) = measured {
            report.put(place(first), START, column, short(&format!("{error:#}")));
        }
    }
    Ok(())
}

fn put(report: &mut Report, size: usize, column: Column, times: Vec<Duration>, resident_mib: f64) {
    let times: Times = times.into_iter().collect();
    let cell = [times.percentile(0), times.percentile(50), times.percentile(100)];
    report.put(place(size), START, column, cell);
    report.put(place(size), MEMORY, column, [resident_mib]);
}

fn mib(program: &Path) -> anyhow::Result<f64> {
    Ok(std::fs::metadata(program)?.len() as f64 / 1024.0 / 1024.0)
}

async fn measure_peer(
    setup: &Setup,
    column: Column,
    size: usize,
    starts: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut peer = Peer::start(setup, column).await?;
    let (experiment, deadline) = (peer.make_experiment(PROJECT).await?, Deadline::new(setup.peer_patience));
    for run in runs(size) {
        if !deadline.over() {
            peer.make_run(&experiment, &run).await?;
        }
    }
    let mut times = Vec::new();
    while times.is_empty() || ((times.len() as u64) < starts && !deadline.over()) {
        let (again, time) = peer.restart(&experiment).await?;
        peer = again;
        times.push(time);
    }
    tokio::time::sleep(REST).await;
    put(report, size, column, times, peer.service.resident_mib());
    peer.stop().await.map(drop)
}
