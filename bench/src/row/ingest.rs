//! How much history a server takes in, beside what a bare route takes in on the same machine at the same time.

use std::time::Duration;

use anyhow::Context as _;

use super::many_writers::peer_writers;
use crate::bare::Bare;
use crate::body::METRICS;
use crate::counterweight::{Counterweight, Store};
use crate::load::{self, Load};
use crate::peer::Peer;
use crate::say;
use crate::setup::{Deadline, Setup};
use crate::table::{Cell, Column, Figure, Place, Report};

const PROJECT: &str = "bench";
/// Lines of a request.
const LINES: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs that stream side by side.
    #[arg(long, default_value_t = 32)]
    runs: usize,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of a turn that are measured.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
}

/// Who has a turn.
enum Turn {
    Bare,
    Counterweight(Store),
    Peer(Column),
}

struct Round {
    load: Load,
    requests: f64,
    store_bytes: f64,
    resident_mib: f64,
    cpu_ms: f64,
}

/// How a round, beside that of the bare route, gives a figure.
type Reading = (Figure, fn(&Round, &Round) -> f64);

const READINGS: [Reading; 9] = [
    (Figure("requests/s", 0), |round, _| round.requests),
    (Figure("points/s", 0), |round, _| round.requests * (LINES * METRICS) as f64),
    (Figure("requests/s, % of the bound", 1), |round, bound| 100.0 * round.requests / bound.requests),
    (Figure("p50, ms", 1), |round, _| round.load.times.percentile(50)),
    (Figure("p99, ms", 1), |round, _| round.load.times.percentile(99)),
    (Figure("errors", 0), |round, _| round.load.errors as f64),
    (Figure("CPU of the server, ms/request", 2), |round, _| round.cpu_ms / round.load.acknowledged as f64),
    (Figure("bytes stored/point", 2), |round, _| {
        round.store_bytes / (round.load.acknowledged * LINES * METRICS) as f64
    }),
    (Figure("memory of the server, MiB", 0), |round, _| round.resident_mib),
];

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let mut turns: Vec<(Column, Turn, Vec<Round>)> = vec![(Column::Bound, Turn::Bare, Vec::new())];
    turns.extend(
        setup.stores().into_iter().map(|store| (store.column(), Turn::Counterweight(store), Vec::new())),
    );
    turns.extend(setup.peers().iter().map(|column| (*column, Turn::Peer(*column), Vec::new())));
    for number in 1..=options.rounds {
        for (column, turn, rounds) in &mut turns {
            let of = || format!("{}, round {number}", column.title());
            let round = turn.take(setup, options).await.with_context(of)?;
            say(&format!("  {}: {:.0} requests/s\n", of(), round.requests))?;
            if let Some(error) = &round.load.first_error {
                say(&format!("  first error: {error}\n"))?;
            }
            rounds.push(round);
        }
    }
    let place = Place { work: "ingest, lowest / median / highest", size: options.runs, of: "runs" };
    let Some((_, _, bound)) = turns.first() else { return Ok(()) };
    for (figure, read) in READINGS {
        for (column, _, rounds) in &turns {
            let mut numbers: Vec<f64> =
                rounds.iter().zip(bound).map(|(round, bound)| read(round, bound)).collect();
            numbers.sort_unstable_by(f64::total_cmp);
            let cell = Cell::from([numbers[0], numbers[numbers.len() / 2], numbers[numbers.len() - 1]]);
            report.put(place, figure, *column, cell);
        }
    }
    Ok(())
}

impl Turn {
    async fn take(&self, setup: &Setup, options: &Options) -> anyhow::Result<Round> {
        match self {
            Self::Bare => {
                let mut bare = Bare::start(setup)?;
                let writers = bare.writers(options.runs, LINES);
                let idle = bare.service.cpu_ms();
                let load = options.stream(writers).await?;
                let (cpu_ms, resident_mib) = (bare.service.cpu_ms() - idle, bare.service.resident_mib());
                bare.service.stop().await?;
                let store_bytes = std::fs::metadata(bare.folder.path().join("bodies"))?.len() as f64;
                Ok(options.round(load, store_bytes, resident_mib, cpu_ms))
            }
            Self::Counterweight(store) => {
                let server = Counterweight::start(setup, store).await?;
                let writers = server.writers(PROJECT, options.runs, LINES).await?;
                let idle = server.service.cpu_ms();
                let load = options.stream(writers).await?;
                let (cpu_ms, resident_mib) = (server.service.cpu_ms() - idle, server.service.resident_mib());
                Ok(options.round(load, server.stop().await?, resident_mib, cpu_ms))
            }
            Self::Peer(column) => {
                let peer = Peer::start(setup, *column).await?;
                let deadline = Deadline::new(setup.peer_patience);
                let writers = peer_writers(&peer, deadline, options.runs, LINES).await?;
                let idle = peer.service.cpu_ms();
                let load = options.stream(writers).await?;
                let (cpu_ms, resident_mib) = (peer.service.cpu_ms() - idle, peer.service.resident_mib());
                Ok(options.round(load, peer.stop().await?, resident_mib, cpu_ms))
            }
        }
    }
}

impl Options {
    async fn stream(&self, writers: Vec<load::Writer>) -> anyhow::Result<Load> {
        let (warm_up, duration) = (Duration::from_secs(self.warm_up), Duration::from_secs(self.seconds));
        load::stream(writers, Duration::ZERO, warm_up, duration).await
    }

    fn round(&self, load: Load, store_bytes: f64, resident_mib: f64, cpu_ms: f64) -> Round {
        let requests = load.times.len() as f64 / self.seconds as f64;
        Round { load, requests, store_bytes, resident_mib, cpu_ms }
    }
}
