//! A page of a project's runs by a config value and a metric, in the order of another metric: the first one, the one
//! after it, one from the middle; and how many runs there are in all.

use std::time::Instant;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use serde_json::{Value, json};

use super::ascending;
use crate::bound::RunTable;
use crate::counterweight::{Counterweight, MEMORY, Store};
use crate::documents::{ACCURACY, BATCH_SIZE, Documents};
use crate::load::Times;
use crate::peer::Peer;
use crate::setup::{Deadline, Setup};
use crate::table::{Column, Figure, Place, Report, short};

const PROJECT: &str = "bench";
/// Runs of a page.
pub(crate) const PAGE: usize = 50;
/// Runs of a page on the way to the middle.
const STRIDE: usize = 1000;

const FIRST: Figure = Figure("first page: p50 / p99, ms", 1);
const NEXT: Figure = Figure("page after it: p50 / p99, ms", 1);
const MIDDLE: Figure = Figure("page in the middle: p50 / p99, ms", 1);
const COUNT: Figure = Figure("count of all that match: p50 / p99, ms", 1);
const FILL: Figure = Figure("runs written/s", 0);

const LIST: &str = "query($filters: JSONString, $order: String, $first: Int, $after: String) {
    project(name: \"bench\", entityName: \"admin\") {
        runs(filters: $filters, order: $order, first: $first, after: $after) {
            edges { cursor node { id name displayName state createdAt tags config summaryMetrics } }
            pageInfo { endCursor hasNextPage } } } }";
const SKIP: &str = "query($filters: JSONString, $order: String, $first: Int, $after: String) {
    project(name: \"bench\", entityName: \"admin\") {
        runs(filters: $filters, order: $order, first: $first, after: $after) {
            edges { cursor } pageInfo { endCursor hasNextPage } } } }";
const COUNT_RUNS: &str = "query($filters: JSONString) {
    project(name: \"bench\", entityName: \"admin\") { runCount(filters: $filters) } }";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs of the project, at least 1000: one in ten matches, and there must be a second page.
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = super::decades(1000),
        value_parser = RangedU64ValueParser::<usize>::new().range(1000..)
    )]
    pub(crate) sizes: Vec<usize>,
    /// Requests for each page.
    #[arg(long, default_value_t = 50)]
    requests: usize,
}

fn place(size: usize) -> Place {
    Place { work: "run list", size, of: "runs" }
}

/// Runs that a project of this size gains over one of that.
fn runs(from: usize, to: usize) -> impl Iterator<Item = Documents> {
    (from..to).map(|number| Documents::new(number as u64))
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = ascending(&options.sizes);
    for store in setup.stores() {
        measure(setup, &store, &sizes, options.requests, report).await?;
    }
    measure_bound(setup, &sizes, options.requests, report).await?;
    let first = place(sizes.first().copied().unwrap_or(0));
    setup
        .with_peers(report, first, async |peer, deadline, report| {
            measure_peer(peer, deadline, &sizes, options.requests, report).await
        })
        .await;
    Ok(())
}

async fn measure(
    setup: &Setup,
    store: &Store,
    sizes: &[usize],
    requests: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (server, column) = (Counterweight::start(setup, store).await?, store.column());
    let mut written = 0;
    for &size in sizes {
        let started = Instant::now();
        server.make_runs(PROJECT, runs(written, size)).await?;
        let rate = (size - written) as f64 / started.elapsed().as_secs_f64();
        written = size;
        let (first, end) = page(&server, None).await?;
        anyhow::ensure!(first == PAGE, "a page of only {first} runs");
        let after = end.context("no second page")?;
        let middle = middle(&server).await?;
        for (figure, after) in [(FIRST, None), (NEXT, Some(after)), (MIDDLE, Some(middle))] {
            let ask = async || page(&server, after.as_deref()).await.map(drop);
            report.put(place(size), figure, column, Times::measure(requests, ask).await?.cell());
        }
        let ask = async || count(&server).await.map(drop);
        report.put(place(size), COUNT, column, Times::measure(requests, ask).await?.cell());
        report.put(place(size), FILL, column, [rate]);
        server.report_memory(report, place(size), MEMORY, column);
    }
    server.stop().await.map(drop)
}

fn variables(rows: usize, after: Option<&str>) -> Value {
    let filters =
        json!({"config.batch_size.value": BATCH_SIZE, "summary_metrics.accuracy": {"$gt": ACCURACY}});
    json!({
        "filters": filters.to_string(), "order": "+summary_metrics.loss", "first": rows, "after": after,
    })
}

/// How many runs a page has, and where the next one begins, if there is one.
async fn page(server: &Counterweight, after: Option<&str>) -> anyhow::Result<(usize, Option<String>)> {
    let answer = server.ask(LIST, variables(PAGE, after)).await?;
    let runs = &answer["project"]["runs"];
    let end = runs["pageInfo"]["endCursor"].as_str().map(str::to_owned);
    Ok((runs["edges"].as_array().map_or(0, Vec::len), end))
}

async fn count(server: &Counterweight) -> anyhow::Result<usize> {
    let answer = server.ask(COUNT_RUNS, variables(0, None)).await?;
    let count = answer["project"]["runCount"].as_u64().context("no count")?;
    Ok(usize::try_from(count)?)
}

/// A cursor in the middle of all that match.
async fn middle(server: &Counterweight) -> anyhow::Result<String> {
    let mut left = count(server).await? / 2;
    let mut after: Option<String> = None;
    while left > 0 {
        let rows = left.min(STRIDE);
        let answer = server.ask(SKIP, variables(rows, after.as_deref())).await?;
        let end = answer["project"]["runs"]["pageInfo"]["endCursor"].as_str().context("no cursor")?;
        after = Some(end.to_owned());
        left -= rows;
    }
    after.context("no run matches")
}

/// The same pages from a table made for them.
async fn measure_bound(
    setup: &Setup,
    sizes: &[usize],
    requests: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let table = RunTable::make(setup).await?;
    let mut written = 0;
    for &size in sizes {
        table.insert(runs(written, size)).await?;
        written = size;
        let (_, next) = table.page(None).await?;
        let (count, middle) = table.middle().await?;
        anyhow::ensure!(count > 0, "no run matches");
        for (figure, after) in [(FIRST, None), (NEXT, next), (MIDDLE, middle)] {
            let ask = async || table.page(after).await.map(drop);
            report.put(place(size), figure, Column::Bound, Times::measure(requests, ask).await?.cell());
        }
        let ask = async || table.count().await.map(drop);
        report.put(place(size), COUNT, Column::Bound, Times::measure(requests, ask).await?.cell());
    }
    Ok(())
}

async fn measure_peer(
    peer: &Peer,
    mut deadline: Deadline,
    sizes: &[usize],
    requests: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let experiment = peer.make_experiment(PROJECT).await?;
    let (mut written, mut seconds) = (0, 0.0);
    for &size in sizes {
        if deadline.over() {
            report.put(place(size), FIRST, peer.column, "too slow to write".to_owned());
            continue;
        }
        let started = Instant::now();
        for run in runs(written, size) {
            if deadline.over() {
                break;
            }
            peer.make_run(&experiment, &run).await?;
            written += 1;
        }
        seconds += started.elapsed().as_secs_f64();
        let measuring = Instant::now();
        let remark = if written < size { format!("with {written} runs") } else { String::new() };
        let ask = async |token: Option<&str>| peer.search(&experiment, PAGE, token).await.map(drop);
        let first = Times::measure(requests, async || ask(None).await).await?;
        report.put(place(size), FIRST, peer.column, first.cell().remarked(remark.clone()));
        let (_, next) = peer.search(&experiment, PAGE, None).await?;
        let middle = peer_middle(peer, &experiment, written).await;
        for (figure, token) in [(NEXT, Ok(next)), (MIDDLE, middle)] {
            let times = match token {
                Ok(Some(token)) => Times::measure(requests, async || ask(Some(&token)).await).await,
                Ok(None) => Err(anyhow::anyhow!("no such page")),
                Err(error) => Err(error),
            };
            let cell = match times {
                Ok(times) => times.cell().remarked(remark.clone()),
                Err(error) => short(&format!("{error:#}")).into(),
            };
            report.put(place(size), figure, peer.column, cell);
        }
        report.put(place(size), COUNT, peer.column, "no such call".to_owned());
        report.put(place(size), FILL, peer.column, [written as f64 / seconds]);
        deadline = deadline.without(measuring);
    }
    Ok(())
}

/// A page token near the middle of all that match, which are one run in ten.
async fn peer_middle(peer: &Peer, experiment: &str, runs: usize) -> anyhow::Result<Option<String>> {
    let (mut token, mut left) = (None, runs / 20);
    while left > 0 {
        let (_, next) = peer.search(experiment, left.min(STRIDE), token.as_deref()).await?;
        if next.is_none() {
            return Ok(None);
        }
        (token, left) = (next, left.saturating_sub(STRIDE));
    }
    Ok(token)
}
