//! 500 points of one key: of one run, or of fifty in one request; while the runs are being written, and when they have
//! ended and lie in Parquet files.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::ascending;
use crate::body::KEY;
use crate::counterweight::{Counterweight, Store};
use crate::load::Times;
use crate::parquet;
use crate::peer::Peer;
use crate::setup::{Deadline, Setup};
use crate::table::{Cell, Column, Figure, Place, Report};

const POINTS: usize = 500;

const LIVE: Figure = Figure("while written: p50 / p99, ms", 1);
const SETTLED: Figure = Figure("ended: p50 / p99, ms", 1);
const WRITTEN: Figure = Figure("lines written/s", 0);
const MERGED: Figure = Figure("merged after, s", 1);
const MEMORY_WRITING: Figure = Figure("memory while written: now / peak, MiB", 0);
const MEMORY_MERGING: Figure = Figure("memory while merged and read: now / peak, MiB", 0);

const ONE: &str = "query($project: String, $run: String!, $specs: [JSONString!]!) {
    project(name: $project, entityName: \"admin\") { run(name: $run) { sampledHistory(specs: $specs) } } }";
const MANY: &str = "query($project: String, $runs: Int, $specs: [JSONString!]!) {
    project(name: $project, entityName: \"admin\") {
        runs(first: $runs) { edges { node { sampledHistory(specs: $specs) } } } } }";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Lines of the run.
    #[arg(long, value_delimiter = ',', default_values_t = vec![1000, 100_000, 10_000_000])]
    pub(crate) sizes: Vec<usize>,
    /// Requests that are measured.
    #[arg(long, default_value_t = 50)]
    requests: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MultiOptions {
    /// Lines of each run.
    #[arg(long, value_delimiter = ',', default_values_t = super::decades(100))]
    pub(crate) sizes: Vec<usize>,
    /// Runs of a request.
    #[arg(long, default_value_t = 50)]
    runs: usize,
    /// Requests that are measured.
    #[arg(long, default_value_t = 50)]
    requests: usize,
}

/// What is charted.
#[derive(Debug, Clone)]
struct Chart {
    work: &'static str,
    of: &'static str,
    runs: Vec<String>,
    requests: usize,
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let runs = vec!["run-0".to_owned()];
    let chart = Chart { work: "chart", of: "lines", runs, requests: options.requests };
    chart.run(setup, &ascending(&options.sizes), report).await
}

pub(crate) async fn run_multi(
    setup: &Setup,
    options: &MultiOptions,
    report: &mut Report,
) -> anyhow::Result<()> {
    let runs = (0..options.runs).map(|number| format!("run-{number}")).collect();
    let chart = Chart { work: "multi-chart", of: "lines of each run", runs, requests: options.requests };
    chart.run(setup, &ascending(&options.sizes), report).await
}

impl Chart {
    fn place(&self, size: usize) -> Place {
        Place { work: self.work, size, of: self.of }
    }

    async fn run(&self, setup: &Setup, sizes: &[usize], report: &mut Report) -> anyhow::Result<()> {
        for store in setup.stores() {
            self.measure(setup, &store, sizes, report).await?;
        }
        let first = self.place(sizes.first().copied().unwrap_or(0));
        setup
            .with_peers(report, first, async |peer, deadline, report| {
                self.measure_peer(peer, deadline, sizes, report).await
            })
            .await;
        Ok(())
    }

    async fn measure(
        &self,
        setup: &Setup,
        store: &Store,
        sizes: &[usize],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (server, column) = (Counterweight::start(setup, store).await?, store.column());
        for &size in sizes {
            let (place, project) = (self.place(size), format!("bench-{size}"));
            server.make_empty_runs(&project, &self.runs).await?;
            server.service.forget_peak();
            let started = Instant::now();
            server.write_history(&project, &self.runs, size).await?;
            let rate = (size * self.runs.len()) as f64 / started.elapsed().as_secs_f64();
            let ask = async || self.ask(&server, &project, size).await;
            report.put(place, LIVE, column, Times::measure(self.requests, ask).await?.cell());
            server.report_memory(report, place, MEMORY_WRITING, column);

            let started = Instant::now();
            let urls = server.settle(setup, &project, &self.runs).await?;
            let merged = started.elapsed().as_secs_f64();
            let whole = !urls.is_empty();
            let times = Times::measure(self.requests, ask).await?.cell();
            let (times, merged): (Cell, Cell) = if whole {
                (times, [merged].into())
            } else {
                (times.remarked("not merged".to_owned()), format!("not after {merged:.0} s").into())
            };
            report.put(place, SETTLED, column, times);
            server.report_memory(report, place, MEMORY_MERGING, column);
            report.put(place, MERGED, column, merged);
            report.put(place, WRITTEN, column, [rate]);
            if whole && *store == Store::Sqlite {
                let read = parquet::read(setup, &server, &urls, 5, POINTS, &["_step", KEY]).await?;
                report.put(place, SETTLED, Column::Bound, read.times.cell());
            }
        }
        server.stop().await.map(drop)
    }

    async fn ask(&self, server: &Counterweight, project: &str, size: usize) -> anyhow::Result<()> {
        let spec = json!({"keys": ["_step", KEY], "samples": POINTS}).to_string();
        let charts: Vec<Value> = if let [run] = &self.runs[..] {
            let answer = server.ask(ONE, json!({"project": project, "run": run, "specs": [spec]})).await?;
            vec![answer["project"]["run"]["sampledHistory"][0].clone()]
        } else {
            let variables = json!({"project": project, "runs": self.runs.len(), "specs": [spec]});
            let answer = server.ask(MANY, variables).await?;
            let edges = answer["project"]["runs"]["edges"].as_array().context("no runs")?;
            edges.iter().map(|edge| edge["node"]["sampledHistory"][0].clone()).collect()
        };
        anyhow::ensure!(charts.len() == self.runs.len(), "charts of only {} runs", charts.len());
        for chart in charts {
            let points = chart.as_array().map_or(0, Vec::len);
            anyhow::ensure!(points >= size.min(POINTS) / 2, "a chart of only {points} points");
        }
        Ok(())
    }

    async fn measure_peer(
        &self,
        peer: &Peer,
        mut deadline: Deadline,
        sizes: &[usize],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        for &size in sizes {
            let place = self.place(size);
            let name = format!("bench-{size}");
            let experiment = peer.make_experiment(&name).await?;
            let started = Instant::now();
            let (mut ids, mut lines) = (Vec::new(), 0);
            for run in &self.runs {
                let (id, written) = peer.write_run(&experiment, run, size, 1, deadline).await?;
                lines += written;
                if written == 0 {
                    break;
                }
                ids.push(id);
            }
            let whole = lines == size * self.runs.len();
            if ids.is_empty() {
                report.put(place, LIVE, peer.column, "too slow to write".to_owned());
                continue;
            }
            let written = lines as f64 / started.elapsed().as_secs_f64();
            let measuring = Instant::now();
            let ask = async || peer.chart(&name, &ids).await;
            let mut cell = Times::measure(self.requests, ask).await?.cell();
            if !whole {
                cell = cell.remarked(format!(
                    "{} runs, {} lines in all",
                    ids.len(),
                    crate::table::show_count(lines)
                ));
            }
            report.put(place, LIVE, peer.column, cell);
            report.put(place, WRITTEN, peer.column, [written]);
            deadline = deadline.without(measuring);
        }
        Ok(())
    }
}
