//! Many runs, each of which streams a small request a second.

use std::time::Duration;

use super::ascending;
use crate::bare::Bare;
use crate::body::{Body, METRICS};
use crate::counterweight::{Counterweight, MEMORY};
use crate::documents::Documents;
use crate::load::{self, Load, Writer};
use crate::peer::Peer;
use crate::setup::{Deadline, Setup};
use crate::table::{Cell, Column, Figure, Place, Report, short};

const PROJECT: &str = "bench";
const PACE: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(2);

const TIME: Figure = Figure("p50 / p99, ms", 1);
const ERRORS: Figure = Figure("answered/s / errors", 0);
const BEFORE: Figure = Figure("memory before, MiB", 0);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs that stream side by side. Bound and peers have as many as the most.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(10))]
    pub(crate) sizes: Vec<usize>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

fn place(size: usize) -> Place {
    Place { work: "many writers", size, of: "runs" }
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = ascending(&options.sizes);
    let seconds = Duration::from_secs(options.seconds);
    for store in setup.stores() {
        for &size in &sizes {
            let server = Counterweight::start(setup, &store).await?;
            let writers = server.writers(PROJECT, size, 1).await?;
            report.put(place(size), BEFORE, store.column(), [server.service.resident_mib()]);
            server.service.forget_peak();
            let load = load::stream(writers, PACE, WARM_UP, seconds).await?;
            put(report, size, store.column(), &load, seconds, size);
            server.report_memory(report, place(size), MEMORY, store.column());
            server.stop().await?;
        }
    }
    let most = sizes.last().copied().unwrap_or(0);
    let bare = Bare::start(setup)?;
    let load = load::stream(bare.writers(most, 1), PACE, WARM_UP, seconds).await?;
    put(report, most, Column::Bound, &load, seconds, most);
    drop(bare);
    setup
        .with_peers(report, place(most), async |peer, deadline, report| {
            measure_peer(peer, deadline, most, seconds, report).await
        })
        .await;
    Ok(())
}

/// What the load saw, with what there is to say about it: how many runs there were instead, or the first error.
fn put(report: &mut Report, size: usize, column: Column, load: &Load, seconds: Duration, runs: usize) {
    let answered = load.times.len() as f64 / seconds.as_secs_f64();
    let instead = if runs < size { format!("{runs} runs") } else { String::new() };
    let error = load.first_error.clone().unwrap_or_else(|| instead.clone());
    report.put(place(size), TIME, column, load.times.cell().remarked(instead));
    let answers = Cell::from([answered, load.errors as f64]);
    report.put(place(size), ERRORS, column, answers.remarked(short(&error)));
}

async fn measure_peer(
    peer: &Peer,
    deadline: Deadline,
    size: usize,
    seconds: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let writers = peer_writers(peer, deadline, size, 1).await?;
    let runs = writers.len();
    let load = load::stream(writers, PACE, WARM_UP, seconds).await?;
    put(report, size, peer.column, &load, seconds, runs);
    Ok(())
}

/// Runs of a peer that stream side by side, as many as it can make in time.
pub(super) async fn peer_writers(
    peer: &Peer,
    deadline: Deadline,
    count: usize,
    lines: usize,
) -> anyhow::Result<Vec<Writer>> {
    let experiment = peer.make_experiment(PROJECT).await?;
    let mut writers = Vec::with_capacity(count);
    while writers.len() < count && !deadline.over() {
        let number = writers.len();
        let id = peer.make_run(&experiment, &Documents::empty(format!("run-{number}"))).await?;
        let body = Body::log_batch(number as u64, &id, lines, METRICS);
        writers.push(Writer { url: peer.log_batch_url(), body });
    }
    Ok(writers)
}
