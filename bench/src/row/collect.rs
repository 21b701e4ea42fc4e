//! A pass of the collection over many blobs, of which few are garbage, and what a client notices of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::json;

use super::ascending;
use crate::counterweight::{Counterweight, MEMORY, Store};
use crate::documents::Documents;
use crate::load::{self, Times, Writer};
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
const COLLECT: &str = "UPDATE schedule SET next_run_at = 0 WHERE name = 'collect'";
const PAGE: &str = "{ project(name: \"bench\", entityName: \"admin\") { runs(first: 50) { edges { node {
    id name config summaryMetrics } } } } }";

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
    let mut client = Client::of(&server).await?;
    for _ in 0..AT_REST {
        client.ask(&server).await?;
    }
    client.put(report, place, column, (READ, WRITE));

    server.service.forget_peak();
    let (before, database) = (Passes::of(&server).await?, server.database().await?);
    database.execute_unprepared(COLLECT).await?;
    let mark = loop {
        client.ask(&server).await?;
        let now = Passes::of(&server).await?;
        if now.count > before.count {
            break now.mark_seconds - before.mark_seconds;
        }
    };
    database.close().await?;
    report.put(place, MARK, column, [size as f64 / mark]);
    if *store == Store::Sqlite {
        report.put(place, MARK, Column::Bound, [size as f64 / by_hand.as_secs_f64()]);
    }
    client.put(report, place, column, (READ_BESIDE, WRITE_BESIDE));
    server.report_memory(report, place, MEMORY, column);
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

/// One that reads and writes, each request after the last answer.
struct Client {
    http: reqwest::Client,
    writer: Writer,
    written: usize,
    reads: Vec<Duration>,
    writes: Vec<Duration>,
}

impl Client {
    async fn of(server: &Counterweight) -> anyhow::Result<Self> {
        let writer = server.writers(PROJECT, 1, 1).await?.pop().context("no writer")?;
        Ok(Self { http: load::client()?, writer, written: 0, reads: Vec::new(), writes: Vec::new() })
    }

    async fn ask(&mut self, server: &Counterweight) -> anyhow::Result<()> {
        let sent = Instant::now();
        server.ask(PAGE, json!({})).await?;
        self.reads.push(sent.elapsed());
        let (sent, body) = (Instant::now(), self.writer.body.starting_at(self.written));
        load::send(&self.http, &self.writer.url, body).await?;
        self.writes.push(sent.elapsed());
        self.written += 1;
        Ok(())
    }

    /// What it noticed since the last time.
    fn put(&mut self, report: &mut Report, place: Place, column: Column, (read, write): (Figure, Figure)) {
        for (figure, times) in [(read, &mut self.reads), (write, &mut self.writes)] {
            let times: Times = times.drain(..).collect();
            report.put(place, figure, column, [50, 99, 100].map(|percent| times.percentile(percent)));
        }
    }
}

/// What the server tells of its passes.
struct Passes {
    count: f64,
    mark_seconds: f64,
}

impl Passes {
    async fn of(server: &Counterweight) -> anyhow::Result<Self> {
        let text = server.get(&format!("{}/metrics", server.service.url)).await?;
        let text = String::from_utf8_lossy(&text);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            line.unwrap_or(0.0)
        };
        Ok(Self {
            count: value("counterweight_gc_phase_seconds_count{phase=\"reclaim\"}"),
            mark_seconds: value("counterweight_gc_phase_seconds_sum{phase=\"mark\"}"),
        })
    }
}
