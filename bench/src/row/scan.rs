//! Every row of a run that has ended: through the released client's `scan_history`, and page by page without it.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::ascending;
use crate::body::{self, KEY, METRICS};
use crate::counterweight::{Counterweight, MEMORY, Store};
use crate::parquet;
use crate::peer::Peer;
use crate::sdk;
use crate::setup::{Deadline, Setup};
use crate::table::{Cell, Column, Figure, Place, Report};

const SCRIPT: &str = include_str!("../../python/scan.py");
const PROJECT: &str = "bench";

const CLIENT_ALL: Figure = Figure("scan_history, all keys: rows/s", 0);
const CLIENT_ONE: Figure = Figure("scan_history, one key: rows/s / time, % of all keys", 0);
const PAGES_ALL: Figure = Figure("without the client, all keys: rows/s", 0);
const PAGES_ONE: Figure = Figure("without the client, one key: rows/s / time, % of all keys", 0);

const ALL: &str = "query($run: String!, $from: Int64, $to: Int64, $rows: Int) {
    project(name: \"bench\", entityName: \"admin\") { run(name: $run) {
        rows: history(minStep: $from, maxStep: $to, samples: $rows) } } }";
const ONE: &str = "query($run: String!, $specs: [JSONString!]!) {
    project(name: \"bench\", entityName: \"admin\") { run(name: $run) { rows: sampledHistory(specs: $specs) } } }";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Lines of the run.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(10_000))]
    pub(crate) sizes: Vec<usize>,
    /// Rows that are asked for at once.
    #[arg(long, default_value_t = 10_000)]
    page_size: usize,
}

fn place(size: usize) -> Place {
    Place { work: "scan", size, of: "lines" }
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = ascending(&options.sizes);
    for store in setup.stores() {
        let server = Counterweight::start(setup, &store).await?;
        for &size in &sizes {
            measure(setup, &server, &store, (size, options.page_size), report).await?;
        }
        server.stop().await?;
    }
    let first = place(sizes.first().copied().unwrap_or(0));
    setup
        .with_peers(report, first, async |peer, deadline, report| {
            measure_peer(peer, deadline, &sizes, report).await
        })
        .await;
    Ok(())
}

async fn measure(
    setup: &Setup,
    server: &Counterweight,
    store: &Store,
    (size, page_size): (usize, usize),
    report: &mut Report,
) -> anyhow::Result<()> {
    let (run, column) = (format!("run-{size}"), store.column());
    let runs = [run.clone()];
    server.make_empty_runs(PROJECT, &runs).await?;
    server.write_history(PROJECT, &runs, size).await?;
    let urls = server.settle(setup, PROJECT, &runs).await?;
    let remark = if urls.is_empty() { "not merged" } else { "" };
    server.service.forget_peak();

    let all = page_all(server, &run, size, page_size).await?;
    let one = page_one(server, &run, size, page_size).await?;
    put(report, size, column, (PAGES_ALL, all), (PAGES_ONE, one), remark);
    let path = format!("admin/{PROJECT}/{run}");
    let all = through_client(setup, server, &path, size, page_size, None).await?;
    let one = through_client(setup, server, &path, size, page_size, Some(KEY)).await?;
    put(report, size, column, (CLIENT_ALL, all), (CLIENT_ONE, one), remark);
    server.report_memory(report, place(size), MEMORY, column);

    if !urls.is_empty() && *store == Store::Sqlite {
        let mut seconds = [0.0; 2];
        for (seconds, columns) in seconds.iter_mut().zip([&[][..], &["_step", KEY]]) {
            let read = parquet::read(setup, server, &urls, 3, 0, columns).await?;
            anyhow::ensure!(read.rows == size, "the files have {} rows", read.rows);
            *seconds = read.times.percentile(50) / 1000.0;
        }
        let [all, one] = seconds;
        put(report, size, Column::Bound, (PAGES_ALL, all), (PAGES_ONE, one), "");
    }
    Ok(())
}

/// Rows a second from how many seconds it took.
fn put(
    report: &mut Report,
    rows: usize,
    column: Column,
    (all_keys, all): (Figure, f64),
    (one_key, one): (Figure, f64),
    remark: &str,
) {
    let cells: [Cell; 2] = [[rows as f64 / all].into(), [rows as f64 / one, 100.0 * one / all].into()];
    for (figure, cell) in [all_keys, one_key].into_iter().zip(cells) {
        report.put(place(rows), figure, column, cell.remarked(remark.to_owned()));
    }
}

/// Seconds to read every row page by page.
async fn page_all(server: &Counterweight, run: &str, size: usize, page_size: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    for from in (0..size).step_by(page_size) {
        let to = (from + page_size).min(size);
        let variables = json!({"run": run, "from": from, "to": to, "rows": page_size});
        let answer = server.ask(ALL, variables).await?;
        expect_rows(&answer["project"]["run"]["rows"], to - from)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds to read one key of every row page by page.
async fn page_one(server: &Counterweight, run: &str, size: usize, page_size: usize) -> anyhow::Result<f64> {
    let started = Instant::now();
    for from in (0..size).step_by(page_size) {
        let to = (from + page_size).min(size);
        let spec = json!({"keys": ["_step", KEY], "minStep": from, "maxStep": to, "samples": page_size});
        let answer = server.ask(ONE, json!({"run": run, "specs": [spec.to_string()]})).await?;
        expect_rows(&answer["project"]["run"]["rows"][0], to - from)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn expect_rows(rows: &Value, expected: usize) -> anyhow::Result<()> {
    let rows = rows.as_array().map_or(0, Vec::len);
    anyhow::ensure!(rows == expected, "{rows} rows of {expected}");
    Ok(())
}

/// Seconds that the released client takes.
async fn through_client(
    setup: &Setup,
    server: &Counterweight,
    path: &str,
    size: usize,
    page_size: usize,
    key: Option<&str>,
) -> anyhow::Result<f64> {
    let arguments = [path.to_owned(), page_size.to_string()].into_iter().chain(key.map(str::to_owned));
    let answer = sdk::run(setup, server, SCRIPT, arguments.collect()).await?;
    anyhow::ensure!(answer["rows"] == size, "the client saw {} rows of {size}", answer["rows"]);
    answer["seconds"].as_f64().context("the client told no time")
}

async fn measure_peer(
    peer: &Peer,
    mut deadline: Deadline,
    sizes: &[usize],
    report: &mut Report,
) -> anyhow::Result<()> {
    for &size in sizes {
        let experiment = peer.make_experiment(&format!("bench-{size}")).await?;
        let (run, lines) = peer.write_run(&experiment, "run", size, METRICS, deadline).await?;
        if lines < size {
            let text = format!("only {lines} lines written in time");
            report.put(place(size), PAGES_ALL, peer.column, text);
            continue;
        }
        let measuring = Instant::now();
        let mut seconds = Vec::with_capacity(METRICS);
        for key in body::metrics() {
            let started = Instant::now();
            let points = peer.read_metric(&run, &key).await?;
            anyhow::ensure!(points == size, "{points} points of {size}");
            seconds.push(started.elapsed().as_secs_f64());
        }
        let all = seconds.iter().sum();
        put(report, size, peer.column, (PAGES_ALL, all), (PAGES_ONE, seconds[0]), "");
        deadline = deadline.without(measuring);
    }
    Ok(())
}
