//! A pass of the collection over many blobs, of which few are garbage, and what a client notices of it.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

use super::ascending;
use crate::counterweight::{Counterweight, MEMORY, SLOW, Store};
use crate::documents::Documents;
use crate::foreground::Foreground;
use crate::passes::Passes;
use crate::setup::Setup;
use crate::table::{Column, Figure, Place, Report};

const PROJECT: &str = "bench";
const RUNS: u64 = 1000;
/// What is asked before the pass, for comparison.
const AT_REST: usize = 200;

const MARK: Figure = Figure("mark: blobs/s", 0);
const READ: Figure = Figure("a page of runs at rest: p50 / p99 / longest, ms", 1);
const READ_BESIDE: Figure = Figure("a page of runs while marked: p50 / p99 / longest, ms", 1);
const WRITE: Figure = Figure("a line of history at rest: p50 / p99 / longest, ms", 1);
const WRITE_BESIDE: Figure = Figure("a line of history while marked: p50 / p99 / longest, ms", 1);

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 500_000;
const PREFIX: &str = "blobs/bench/";
/// One in a hundred is garbage: no file of a run refers to it.
const REFERENCES: &str = "INSERT INTO run_file (run_id, name, blob_id, created_at, updated_at)
    SELECT (SELECT min(id) FROM run), object_key, id, 0, 0 FROM blob
    WHERE id % 100 <> 0 AND object_key LIKE 'blobs/bench/%'";
const BY_HAND: &str = "SELECT count(*) FROM blob WHERE state = 'live' AND NOT EXISTS
    (SELECT 1 FROM run_file WHERE run_file.blob_id = blob.id)";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Blobs that are looked at.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(10_000))]
    pub(crate) sizes: Vec<usize>,
}

fn place(size: usize) -> Place {
    Place { work: "collect", size, of: "blobs" }
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for store in setup.stores() {
        for size in ascending(&options.sizes) {
            measure(setup, &store, size, report).await?;
        }
    }
    Ok(())
}

async fn measure(setup: &Setup, store: &Store, size: usize, report: &mut Report) -> anyhow::Result<()> {
    let (place, column) = (place(size), store.column());
    let server = Counterweight::start(setup, store).await?;
    server.make_runs(PROJECT, (0..RUNS).map(Documents::new)).await?;
    let mut by_hand = Duration::ZERO;
    let server = server
        .rest_while(async |database| {
            insert(&database, size).await?;
            let started = Instant::now();
            database.query_one_raw(statement(&database, BY_HAND)).await?;
            by_hand = started.elapsed();
            Ok(database.close().await?)
        })
        .await?;
    let mut client = Foreground::of(&server, PROJECT).await?;
    for _ in 0..AT_REST {
        client.ask(&server).await?;
    }
    client.put(report, place, column, (READ, WRITE));

    server.service.forget_peak();
    let pass = Passes::one(&server, async || client.ask(&server).await).await?;
    report.put(place, MARK, column, [size as f64 / pass.mark_seconds]);
    if *store == Store::Sqlite {
        report.put(place, MARK, Column::Bound, [size as f64 / by_hand.as_secs_f64()]);
    }
    client.put(report, place, column, (READ_BESIDE, WRITE_BESIDE));
    server.report_memory(report, place, MEMORY, column);
    report.put(place, SLOW, column, [server.slow_statements()?]);
    server.stop().await.map(drop)
}

/// Live blobs, and files that refer to nearly all of them. Nobody writes so many, and the pass asks for none of their
/// bytes.
async fn insert(database: &DatabaseConnection, size: usize) -> anyhow::Result<()> {
    for first in (0..size).step_by(ROWS_AT_ONCE) {
        let last = (first + ROWS_AT_ONCE).min(size) - 1;
        let blobs = format!(
            "INSERT INTO blob (object_key, state, size_bytes, md5, created_at, last_used_at, sweep_failures)
             WITH RECURSIVE number(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM number WHERE i < {last})
             SELECT '{PREFIX}' || i, 'live', 1, '', i, i, 0 FROM number"
        );
        database.execute_unprepared(&blobs).await?;
    }
    database.execute_unprepared(REFERENCES).await?;
    Ok(())
}

fn statement(database: &DatabaseConnection, sql: &str) -> Statement {
    Statement::from_string(database.get_database_backend(), sql)
}
