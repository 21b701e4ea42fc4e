//! Runs deleted by a filter: until none is listed, until their rows are gone, until their bytes are gone; beside
//! `unlink` on the same disk, and beside `mlflow gc`.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::Instant;

use serde_json::{Value, json};

use super::ascending;
use crate::bucket::Bucket;
use crate::copies::{self, UNWANTED, WANTED};
use crate::counterweight::{Counterweight, MEMORY, SLOW, Store};
use crate::documents::Documents;
use crate::foreground::Foreground;
use crate::passes::Passes;
use crate::peer::Peer;
use crate::setup::{Deadline, Setup, count_files};
use crate::table::{Cell, Column, Figure, Place, Report};

const PROJECT: &str = "bench";
/// Files that are removed before their folders are synced, as the server does it.
const SYNC_AFTER: usize = 1000;

const PLAN: Figure = Figure("its plan, ms", 0);
const CALL: Figure = Figure("the call itself, with the plan, ms", 0);
const UNLISTED: Figure = Figure("from the call until none is listed, ms", 0);
const PURGE: Figure = Figure("rows purged: runs/s", 0);
const SWEEP: Figure = Figure("bytes swept: objects/s", 0);
const BUCKET: Figure = Figure("bytes swept from a bucket: objects/s", 0);
const HIDDEN: Figure = Figure("until none is listed: ms a run", 3);
const GONE: Figure = Figure("then, until rows and bytes are gone: ms a run", 3);
const LEFT: Figure = Figure("objects left of them", 0);
const LEFT_THERE: Figure = Figure("objects left of them in the bucket", 0);
const READ: Figure = Figure("a page of runs meanwhile: p50 / p99 / longest, ms", 1);
const WRITE: Figure = Figure("a line of history meanwhile: p50 / p99 / longest, ms", 1);

const MAKE_PLAN: &str = "query($runs: RunsInput!) { deletionPlan(runs: $runs) { id runCount } }";
const DELETE: &str = "mutation($i: DeleteRunsInput!) { deleteRuns(input: $i) { deletion { id } } }";
const COUNT: &str = "query($filters: JSONString) { project(name: \"bench\", entityName: \"admin\") {
    runCount(filters: $filters) } }";
const PURGE_NOW: &str = "mutation($i: PurgeNowInput!) { purgeNow(input: $i) { deletion { id } } }";
const STATE: &str = "query($id: ID!) { deletion(id: $id) { state } }";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs that are deleted; a tenth as many stay.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(1000))]
    pub(crate) sizes: Vec<usize>,
}

fn place(size: usize) -> Place {
    Place { work: "delete", size, of: "runs" }
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = ascending(&options.sizes);
    for store in setup.stores() {
        for &size in &sizes {
            measure(setup, &store, size, report).await?;
        }
    }
    if let Some(s3) = &setup.s3 {
        for &size in &sizes {
            measure_bucket(setup, s3, size, report).await?;
        }
    }
    let first = place(sizes.first().copied().unwrap_or(0));
    setup
        .with_peers(report, first, async |peer, deadline, report| {
            if peer.column == Column::FastTrackMl {
                report.put(first, GONE, peer.column, "it has no such thing".to_owned());
                return Ok(());
            }
            measure_peer(peer, deadline, first, report).await
        })
        .await;
    Ok(())
}

async fn measure(setup: &Setup, store: &Store, size: usize, report: &mut Report) -> anyhow::Result<()> {
    let (place, column) = (place(size), store.column());
    let server = start(setup, store, size, None).await?;
    let mut client = Foreground::of(&server, PROJECT).await?;
    server.service.forget_peak();

    let filters = copies::filter(UNWANTED);
    let runs = json!({"entityName": "admin", "projectName": PROJECT, "filters": filters});
    let called = Instant::now();
    let plan = server.ask(MAKE_PLAN, json!({"runs": runs})).await?["deletionPlan"].take();
    anyhow::ensure!(plan["runCount"] == size, "the plan has {} runs", plan["runCount"]);
    report.put(place, PLAN, column, [milliseconds(called)]);
    let called = Instant::now();
    let answer = server.ask(DELETE, json!({"i": {"runs": runs, "planId": plan["id"]}})).await?;
    report.put(place, CALL, column, [milliseconds(called)]);
    while server.ask(COUNT, json!({"filters": filters})).await?["project"]["runCount"] != 0 {
        client.ask(&server).await?;
    }
    report.put(place, UNLISTED, column, [milliseconds(called)]);
    report.put(place, HIDDEN, column, [milliseconds(called) / size as f64]);

    let called = Instant::now();
    purge(&server, &answer["deleteRuns"]["deletion"]["id"], &mut client).await?;
    report.put(place, PURGE, column, [size as f64 / called.elapsed().as_secs_f64()]);

    let pass = Passes::one(&server, async || client.ask(&server).await).await?;
    report.put(place, SWEEP, column, [size as f64 / pass.sweep_seconds]);
    report.put(place, GONE, column, [milliseconds(called) / size as f64]);
    report.put(place, LEFT, column, [count_files(&server.objects(), UNWANTED)? as f64]);
    client.put(report, place, column, (READ, WRITE));
    if *store == Store::Sqlite {
        let rate = unlink_all(setup, size).await?;
        report.put(place, SWEEP, Column::Bound, [rate]);
    }
    report.put(place, SLOW, column, [server.slow_statements()?]);
    server.report_memory(report, place, MEMORY, column);
    server.stop().await.map(drop)
}

/// A server with so many runs that are in the way, and a tenth as many that stay.
async fn start(
    setup: &Setup,
    store: &Store,
    size: usize,
    bucket: Option<Bucket>,
) -> anyhow::Result<Counterweight> {
    let at_once = [("GC__GRACE", "0s"), ("GC__MIN_AGE", "0s"), ("GC__INTERVAL", "1d")];
    let server = Counterweight::start_in(setup, store, &at_once, bucket).await?;
    let server = copies::make(server, PROJECT, UNWANTED, size).await?;
    copies::make(server, PROJECT, WANTED, size.div_ceil(10).max(2)).await
}

/// Purges a deletion at once, and waits until it is.
async fn purge(server: &Counterweight, deletion: &Value, client: &mut Foreground) -> anyhow::Result<()> {
    server.ask(PURGE_NOW, json!({"i": {"id": deletion}})).await?;
    while server.ask(STATE, json!({"id": deletion})).await?["deletion"]["state"] != "PURGED" {
        client.ask(server).await?;
    }
    Ok(())
}

/// The same runs with their files in a bucket, of which only the sweep differs.
async fn measure_bucket(setup: &Setup, s3: &str, size: usize, report: &mut Report) -> anyhow::Result<()> {
    let (place, column) = (place(size), Column::Sqlite);
    let bucket = Bucket::make(s3).await?;
    let server = start(setup, &Store::Sqlite, size, Some(bucket.clone())).await?;
    let mut client = Foreground::of(&server, PROJECT).await?;
    let runs = json!({"entityName": "admin", "projectName": PROJECT, "filters": copies::filter(UNWANTED)});
    let answer = server.ask(DELETE, json!({"i": {"runs": runs}})).await?;
    while server.ask(COUNT, json!({"filters": runs["filters"]})).await?["project"]["runCount"] != 0 {
        client.ask(&server).await?;
    }
    purge(&server, &answer["deleteRuns"]["deletion"]["id"], &mut client).await?;
    let pass = Passes::one(&server, async || client.ask(&server).await).await?;
    report.put(place, BUCKET, column, [size as f64 / pass.sweep_seconds]);
    server.stop().await?;

    report.put(place, LEFT_THERE, column, [bucket.count(UNWANTED).await? as f64]);
    bucket.fill(UNWANTED, size).await?;
    report.put(place, BUCKET, Column::Bound, [bucket.delete_all(UNWANTED, size).await?]);
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// How many of the same files are removed in a second for the same promise, that they are gone also after a loss of power.
async fn unlink_all(setup: &Setup, count: usize) -> anyhow::Result<f64> {
    let folder = setup.folder()?;
    tokio::task::spawn_blocking(move || {
        copies::write_files(folder.path(), UNWANTED, count)?;
        let started = Instant::now();
        for first in (0..count).step_by(SYNC_AFTER) {
            let files = (first..count.min(first + SYNC_AFTER))
                .map(|number| copies::file(folder.path(), UNWANTED, number))
                .collect::<Vec<_>>();
            for file in &files {
                std::fs::remove_file(file)?;
            }
            let folders: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
            for folder in folders {
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(count as f64 / started.elapsed().as_secs_f64())
    })
    .await?
}

/// Runs with a file each, deleted one by one, as there is no other way; then its collection, which is a command.
async fn measure_peer(
    peer: &Peer,
    deadline: Deadline,
    place: Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    let experiment = peer.make_experiment(PROJECT).await?;
    let mut runs = Vec::new();
    while runs.len() < place.size && !deadline.over() {
        let run = peer.make_run(&experiment, &Documents::new(runs.len() as u64)).await?;
        peer.write_artifact(&experiment, &run)?;
        runs.push(run);
    }
    let cell = |milliseconds: f64| {
        let cell = Cell::from([milliseconds / runs.len() as f64]);
        if runs.len() < place.size { cell.remarked(format!("of {} runs", runs.len())) } else { cell }
    };
    let called = Instant::now();
    for run in &runs {
        peer.delete_run(run).await?;
    }
    report.put(place, HIDDEN, peer.column, cell(milliseconds(called)));
    let called = Instant::now();
    peer.collect().await?;
    report.put(place, GONE, peer.column, cell(milliseconds(called)));
    report.put(place, LEFT, peer.column, [peer.count_artifacts()? as f64]);
    Ok(())
}
