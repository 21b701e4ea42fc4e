//! `FastTrackML` and `MLflow`, on `SQLite`, through the API that both have.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::body::{Body, KEY};
use crate::copies::FILE_BYTES;
use crate::documents::{ACCURACY, BATCH_SIZE, Documents};
use crate::load;
use crate::service::{Service, free_port};
use crate::setup::{Deadline, Setup, count_files, stored_bytes};
use crate::table::Column;

const HEALTH: &str = "/health";
const LOG: &str = "log";
const DATABASE: &str = "peer.db";
const ARTIFACTS: &str = "artifacts";
const ARTIFACT: &str = "output.log";
/// What both take at once.
const POINTS_AT_ONCE: usize = 1000;
/// What `MLflow` gives at once of one metric.
const POINTS_OF_A_PAGE: usize = 25_000;
/// Points of a chart.
const POINTS_OF_A_CHART: usize = 500;

/// A running peer with a store of its own.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) column: Column,
    pub(crate) service: Service,
    client: Client,
    folder: TempDir,
    command: Command,
    port: u16,
}

impl Peer {
    pub(crate) async fn start(setup: &Setup, column: Column) -> anyhow::Result<Self> {
        let folder = setup.folder()?;
        let port = free_port()?;
        let path = folder.path().display();
        let (database, artifacts) = (format!("sqlite:///{path}/{DATABASE}"), format!("{path}/{ARTIFACTS}"));
        let mut command;
        if column == Column::FastTrackMl {
            // Its path is absolute with two slashes, that of SQLAlchemy with four.
            let database = database.replacen(":///", "://", 1);
            command = Command::new(setup.program("fml")?);
            command.args(["server", "--database-uri", &database, "--default-artifact-root", &artifacts]);
            command.args(["--log-level", "error", "--listen-address", &format!("127.0.0.1:{port}")]);
        } else {
            let workers = std::thread::available_parallelism().map_or(1, usize::from).to_string();
            command = Command::new(setup.program("mlflow")?);
            command.args(["server", "--backend-store-uri", &database.replacen(":///", ":////", 1)]);
            command.args(["--default-artifact-root", &artifacts, "--no-serve-artifacts"]);
            command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--workers", &workers]);
        }
        command.current_dir(folder.path()).env("PYTHONWARNINGS", "ignore");
        let log = folder.path().join(LOG);
        let service = Service::start_at(&mut command, port, HEALTH, &log).await?;
        Ok(Self { column, service, client: load::client()?, folder, command, port })
    }

    /// Stops it, and starts it again on what it stored; how long it took from the start to the first answer.
    pub(crate) async fn restart(mut self, experiment: &str) -> anyhow::Result<(Self, Duration)> {
        self.service.stop().await?;
        let started = Instant::now();
        let log = self.folder.path().join(LOG);
        self.service = Service::start_at(&mut self.command, self.port, HEALTH, &log).await?;
        self.client = load::client()?;
        self.search(experiment, 1, None).await?;
        Ok((self, started.elapsed()))
    }

    /// Stops it and removes what it stored; the size of that, in bytes.
    pub(crate) async fn stop(mut self) -> anyhow::Result<f64> {
        self.service.stop().await?;
        std::fs::remove_file(self.folder.path().join(LOG))?;
        stored_bytes(self.folder.path())
    }

    async fn post(&self, method: &str, body: Value) -> anyhow::Result<Value> {
        load::json(self.client.post(self.method(method)).json(&body)).await
    }

    fn method(&self, method: &str) -> String {
        format!("{}/api/2.0/mlflow/{method}", self.service.url)
    }

    /// Where a batch of points goes.
    pub(crate) fn log_batch_url(&self) -> String {
        self.method("runs/log-batch")
    }

    pub(crate) async fn make_experiment(&self, name: &str) -> anyhow::Result<String> {
        let answer = self.post("experiments/create", json!({"name": name})).await?;
        Ok(answer["experiment_id"].as_str().context("no experiment")?.to_owned())
    }

    /// Makes a run with its config and summary; its id.
    pub(crate) async fn make_run(&self, experiment: &str, run: &Documents) -> anyhow::Result<String> {
        let start = 1_790_000_000_000_u64;
        let new = json!({"experiment_id": experiment, "start_time": start, "run_name": run.name});
        let answer = self.post("runs/create", new).await?;
        let id = answer["run"]["info"]["run_id"].as_str().context("no run")?.to_owned();
        if !run.config.is_empty() {
            let point = |(key, value): &(String, f64)| json!({"key": key, "value": value, "timestamp": start, "step": 0});
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parameter = |(key, value): (&String, &Value)| json!({"key": key, "value": text(value)});
            let metrics: Vec<Value> = run.summary.iter().map(point).collect();
            let params: Vec<Value> = run.config.iter().map(parameter).collect();
            self.post("runs/log-batch", json!({"run_id": id, "metrics": metrics, "params": params})).await?;
        }
        Ok(id)
    }

    /// Gives a run a small artifact, where a client of a local store puts it.
    pub(crate) fn write_artifact(&self, experiment: &str, run: &str) -> anyhow::Result<()> {
        let folder = self.folder.path().join(format!("{ARTIFACTS}/{experiment}/{run}/artifacts"));
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(ARTIFACT), [b'.'; FILE_BYTES])?)
    }

    /// How many of these there are.
    pub(crate) fn count_artifacts(&self) -> anyhow::Result<usize> {
        count_files(&self.folder.path().join(ARTIFACTS), ARTIFACT)
    }

    /// Deletes a run, so that no list has it.
    pub(crate) async fn delete_run(&self, run: &str) -> anyhow::Result<()> {
        self.post("runs/delete", json!({"run_id": run})).await.map(drop)
    }

    /// Removes what was deleted, for good: `mlflow gc`.
    pub(crate) async fn collect(&self) -> anyhow::Result<()> {
        let mut command = Command::new(self.command.get_program());
        let database = format!("sqlite:///{}", self.folder.path().join(DATABASE).display());
        command.args(["gc", "--backend-store-uri", &database, "--tracking-uri", &database]);
        command.current_dir(self.folder.path()).env("PYTHONWARNINGS", "ignore");
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{}", said.trim().lines().next_back().unwrap_or_default());
        Ok(())
    }

    /// Makes a run and writes points of its first metrics, one line of them after the other; its id and its lines,
    /// which are fewer when time ran out.
    pub(crate) async fn write_run(
        &self,
        experiment: &str,
        name: &str,
        lines: usize,
        metrics: usize,
        deadline: Deadline,
    ) -> anyhow::Result<(String, usize)> {
        let id = self.make_run(experiment, &Documents::empty(name.to_owned())).await?;
        let mut body = Body::log_batch(0, &id, (POINTS_AT_ONCE / metrics).min(lines), metrics);
        let mut written = 0;
        while written < lines && !deadline.over() {
            load::send(&self.client, &self.log_batch_url(), body.starting_at(written)).await?;
            written += body.lines();
        }
        Ok((id, written))
    }

    /// A page of the runs that listings ask for: how many, and where the next one begins.
    pub(crate) async fn search(
        &self,
        experiment: &str,
        rows: usize,
        page_token: Option<&str>,
    ) -> anyhow::Result<(usize, Option<String>)> {
        let filter = format!("params.batch_size = '{BATCH_SIZE}' and metrics.accuracy > {ACCURACY}");
        let mut query = json!({
            "experiment_ids": [experiment], "filter": filter, "order_by": ["metrics.loss ASC"], "max_results": rows,
        });
        if let Some(token) = page_token {
            query["page_token"] = token.into();
        }
        let answer = self.post("runs/search", query).await?;
        let token = answer["next_page_token"].as_str().filter(|token| !token.is_empty());
        Ok((answer["runs"].as_array().map_or(0, Vec::len), token.map(str::to_owned)))
    }

    /// What its page asks for to draw one metric of runs: some 500 points of each. `FastTrackML` takes the experiment
    /// that they are, `MLflow` their ids.
    pub(crate) async fn chart(&self, experiment: &str, runs: &[String]) -> anyhow::Result<()> {
        let answer = if self.column == Column::FastTrackMl {
            let query = json!({
                "metrics": [{"key": KEY, "context": {}}], "query": format!("run.experiment == '{experiment}'"),
                "steps": POINTS_OF_A_CHART,
            });
            // It heeds the steps of the body only when the address has them too.
            let url = format!("{}/aim/api/runs/search/metric?p={POINTS_OF_A_CHART}", self.service.url);
            load::bytes(self.client.post(url).json(&query)).await?
        } else {
            let ids: Vec<String> = runs.iter().map(|id| format!("run_ids={id}&")).collect();
            let url = format!(
                "{}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{}metric_key={KEY}&max_results={POINTS_OF_A_CHART}",
                self.service.url,
                ids.concat()
            );
            load::bytes(self.client.get(url)).await?
        };
        // A point takes more than this in either's format.
        anyhow::ensure!(answer.len() > 8 * 100 * runs.len(), "a chart of only {} bytes", answer.len());
        Ok(())
    }

    /// Reads all points of a metric; how many.
    pub(crate) async fn read_metric(&self, run: &str, key: &str) -> anyhow::Result<usize> {
        let (mut points, mut token) = (0, String::new());
        loop {
            let url = format!(
                "{}?run_id={run}&metric_key={key}&max_results={POINTS_OF_A_PAGE}&page_token={token}",
                self.method("metrics/get-history")
            );
            let url = if token.is_empty() { url.trim_end_matches("&page_token=") } else { &url };
            let answer = load::json(self.client.get(url)).await?;
            points += answer["metrics"].as_array().map_or(0, Vec::len);
            match answer["next_page_token"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut token),
                _ => return Ok(points),
            }
        }
    }
}
