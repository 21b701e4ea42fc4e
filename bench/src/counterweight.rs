//! The server that is measured: started on an empty store, filled, and asked.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use reqwest::Client;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::body::Body;
use crate::bucket::Bucket;
use crate::documents::Documents;
use crate::load::{self, API_KEY, Writer};
use crate::service::Service;
use crate::setup::{Deadline, Setup, stored_bytes};
use crate::table::{Column, Figure, Place, Report};

/// What the server's own log says.
pub(crate) const SLOW: Figure = Figure("statements of more than a second", 0);

/// The memory of a whole row.
pub(crate) const MEMORY: Figure = Figure("memory of the server: now / peak, MiB", 0);

const PARQUET: &str =
    "query($project: String, $run: String!) { project(name: $project, entityName: \"admin\") {
    run(name: $run) { parquetHistory(liveKeys: [\"_step\"]) { parquetUrls liveData } } } }";

/// The database in a server's folder, and its log.
const SQLITE: &str = "counterweight.db";
const LOG: &str = "log";

/// Runs made by one request, and requests under way at once.
const RUNS_AT_ONCE: usize = 50;
const REQUESTS_AT_ONCE: usize = 4;
/// Lines of a request when a long run is written.
const LINES_AT_ONCE: usize = 2000;
/// How often is looked whether a run has settled.
const POLL: Duration = Duration::from_millis(250);

/// The database under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    /// A server, where each measurement has a database of its own.
    Postgres(String),
}

impl Store {
    pub(crate) fn column(&self) -> Column {
        match self {
            Self::Sqlite => Column::Sqlite,
            Self::Postgres(_) => Column::Postgres,
        }
    }
}

/// A database that is made for one measurement.
#[derive(Debug)]
struct PostgresDatabase {
    cluster: String,
    name: String,
}

impl PostgresDatabase {
    async fn make(cluster: &str) -> anyhow::Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let made =
            Self { cluster: cluster.to_owned(), name: format!("bench_{}_{number}", std::process::id()) };
        made.administer(&format!("CREATE DATABASE {}", made.name)).await?;
        Ok(made)
    }

    async fn administer(&self, statement: &str) -> anyhow::Result<()> {
        let connection = Database::connect(&self.cluster).await?;
        connection.execute_unprepared(statement).await?;
        Ok(connection.close().await?)
    }

    fn url(&self) -> String {
        let (server, _) = self.cluster.rsplit_once('/').unwrap_or((&self.cluster, ""));
        format!("{server}/{}", self.name)
    }

    async fn bytes(&self) -> anyhow::Result<f64> {
        let connection = Database::connect(self.url()).await?;
        let size = "SELECT pg_database_size(current_database())";
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, size)).await?;
        let bytes: i64 = row.context("PostgreSQL did not tell its size")?.try_get_by_index(0)?;
        connection.close().await?;
        Ok(bytes as f64)
    }
}

/// A running server with a store of its own.
#[derive(Debug)]
pub(crate) struct Counterweight {
    pub(crate) service: Service,
    client: Client,
    command: Command,
    folder: TempDir,
    bucket: Option<Bucket>,
    postgres: Option<PostgresDatabase>,
}

impl Counterweight {
    pub(crate) async fn start(setup: &Setup, store: &Store) -> anyhow::Result<Self> {
        Self::start_with(setup, store, &[]).await
    }

    /// The same with settings that a row needs.
    pub(crate) async fn start_with(
        setup: &Setup,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_in(setup, store, settings, None).await
    }

    /// The same with its objects in a bucket, where one is given.
    pub(crate) async fn start_in(
        setup: &Setup,
        store: &Store,
        settings: &[(&str, &str)],
        bucket: Option<Bucket>,
    ) -> anyhow::Result<Self> {
        let postgres = match store {
            Store::Sqlite => None,
            Store::Postgres(url) => Some(PostgresDatabase::make(url).await?),
        };
        let folder = setup.folder()?;
        let mut command = command(setup, &folder, postgres.as_ref(), settings)?;
        command.envs(bucket.iter().flat_map(Bucket::environment));
        let said = || std::fs::read_to_string(folder.path().join(LOG)).unwrap_or_default();
        let service = Service::start(&mut command).with_context(said)?;
        Ok(Self { service, client: load::client()?, command, folder, bucket, postgres })
    }

    /// Stops it, and starts it again on what it stored; how long it took from the start to the first answer.
    pub(crate) async fn restart(mut self) -> anyhow::Result<(Self, Duration)> {
        self.service.stop().await?;
        let started = Instant::now();
        self.service = Service::start(&mut self.command)?;
        self.client = load::client()?;
        self.ask("{ viewer { id } }", json!({})).await?;
        Ok((self, started.elapsed()))
    }

    /// Kills it, and starts it again. Nobody waits until the leases of the killed process are over: they are ended by
    /// hand. Nor does what was killed count as one of the five attempts of periodic work, which would come again later.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        const END_LEASES: &str = "UPDATE job SET lease_until = 0, attempt = 0 WHERE state = 'running'";
        self.service.kill()?;
        let database = self.database().await?;
        database.execute_unprepared(END_LEASES).await?;
        database.close().await?;
        self.service = Service::start(&mut self.command)?;
        self.client = load::client()?;
        Ok(())
    }

    /// How many of its statements took more than a second.
    pub(crate) fn slow_statements(&self) -> anyhow::Result<f64> {
        let log = std::fs::read_to_string(self.folder.path().join(LOG))?;
        Ok(log.lines().filter(|line| line.contains("slow statement")).count() as f64)
    }

    /// Where it keeps objects, unless in a folder.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    /// The folder in which it keeps them.
    pub(crate) fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// The bytes of its database.
    pub(crate) async fn database_bytes(&self) -> anyhow::Result<f64> {
        if let Some(database) = &self.postgres {
            return database.bytes().await;
        }
        let file = |end| std::fs::metadata(self.folder.path().join(format!("{SQLITE}{end}")));
        Ok(["", "-wal"].map(file).into_iter().flatten().map(|file| file.len() as f64).sum())
    }

    /// Stops it, and starts it again when `work` has been done on its database.
    pub(crate) async fn rest_while(
        mut self,
        work: impl AsyncFnOnce(DatabaseConnection) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        self.service.stop().await?;
        work(self.database().await?).await?;
        self.service = Service::start(&mut self.command)?;
        self.client = load::client()?;
        Ok(self)
    }

    /// Its database.
    pub(crate) async fn database(&self) -> anyhow::Result<DatabaseConnection> {
        let url = match &self.postgres {
            Some(database) => database.url(),
            None => format!("sqlite://{}", self.folder.path().join(SQLITE).display()),
        };
        Ok(Database::connect(url).await?)
    }

    /// Stops it and removes what it stored; its size until then, in bytes.
    pub(crate) async fn stop(mut self) -> anyhow::Result<f64> {
        self.service.stop().await?;
        std::fs::remove_file(self.folder.path().join(LOG))?;
        let mut bytes = stored_bytes(self.folder.path())?;
        if let Some(database) = self.postgres {
            bytes += database.bytes().await?;
            database.administer(&format!("DROP DATABASE {} WITH (FORCE)", database.name)).await?;
        }
        Ok(bytes)
    }

    /// What a GraphQL document answers, which must be without errors.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        ask(&self.client, &self.service.url, query, variables).await
    }

    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Bytes> {
        load::bytes(self.client.get(url)).await
    }

    /// Where a run's history goes.
    pub(crate) fn stream_url(&self, project: &str, run: &str) -> String {
        format!("{}/files/admin/{project}/{run}/file_stream", self.service.url)
    }

    /// Makes runs with their config and summary.
    pub(crate) async fn make_runs(
        &self,
        project: &str,
        runs: impl IntoIterator<Item = Documents>,
    ) -> anyhow::Result<()> {
        let mut waiting = JoinSet::new();
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let (mut names, mut fields, mut variables) = (String::new(), String::new(), json!({}));
            for (number, run) in runs.by_ref().take(RUNS_AT_ONCE).enumerate() {
                write!(names, "$i{number}: UpsertBucketInput!, ")?;
                write!(fields, "a{number}: upsertBucket(input: $i{number}) {{ inserted }} ")?;
                variables[format!("i{number}")] = json!({
                    "entityName": "admin", "modelName": project, "name": run.name,
                    "config": run.client_config().to_string(),
                    "summaryMetrics": run.summary_object().to_string(),
                });
            }
            if waiting.len() == REQUESTS_AT_ONCE {
                waiting.join_next().await.transpose()?.transpose()?;
            }
            let (client, url) = (self.client.clone(), self.service.url.clone());
            let query = format!("mutation({names}) {{ {fields} }}");
            waiting.spawn(async move { ask(&client, &url, &query, variables).await.map(drop) });
        }
        while let Some(made) = waiting.join_next().await {
            made??;
        }
        Ok(())
    }

    /// Makes a run for each of so many writers.
    pub(crate) async fn writers(
        &self,
        project: &str,
        count: usize,
        lines: usize,
    ) -> anyhow::Result<Vec<Writer>> {
        let names: Vec<String> = (0..count).map(|number| format!("run-{number}")).collect();
        self.make_empty_runs(project, &names).await?;
        let writer = |(seed, name): (u64, &String)| Writer {
            url: self.stream_url(project, name),
            body: Body::file_stream(seed, lines),
        };
        Ok((0..).zip(&names).map(writer).collect())
    }

    /// Makes runs of which nothing is known yet.
    pub(crate) async fn make_empty_runs(&self, project: &str, names: &[String]) -> anyhow::Result<()> {
        self.make_runs(project, names.iter().cloned().map(Documents::empty)).await
    }

    /// Writes so many lines of each run, from their start; a few runs at once.
    pub(crate) async fn write_history(
        &self,
        project: &str,
        runs: &[String],
        lines: usize,
    ) -> anyhow::Result<()> {
        let mut writing = JoinSet::new();
        for (seed, run) in (0..).zip(runs) {
            if writing.len() == REQUESTS_AT_ONCE {
                writing.join_next().await.transpose()?.transpose()?;
            }
            writing.spawn(write_lines(self.client.clone(), self.stream_url(project, run), seed, lines));
        }
        while let Some(written) = writing.join_next().await {
            written??;
        }
        Ok(())
    }

    /// Ends runs, and waits until all their history is in Parquet files; the URLs of these, none when that took too
    /// long.
    pub(crate) async fn settle(
        &self,
        setup: &Setup,
        project: &str,
        runs: &[String],
    ) -> anyhow::Result<Vec<String>> {
        let end = Bytes::from_static(br#"{"complete":true,"exitcode":0}"#);
        for run in runs {
            load::send(&self.client, &self.stream_url(project, run), end.clone()).await?;
        }
        let (deadline, mut all) = (Deadline::new(setup.settle_patience), Vec::new());
        for run in runs {
            let urls = loop {
                let urls = self.merged(project, run).await?;
                if !urls.is_empty() {
                    break urls;
                }
                if deadline.over() {
                    return Ok(Vec::new());
                }
                tokio::time::sleep(POLL).await;
            };
            all.extend(urls);
        }
        Ok(all)
    }

    /// The Parquet files of a run; none while not all its history is in them.
    async fn merged(&self, project: &str, run: &str) -> anyhow::Result<Vec<String>> {
        let answer = self.ask(PARQUET, json!({"project": project, "run": run})).await?;
        let history = &answer["project"]["run"]["parquetHistory"];
        let whole = history["liveData"].as_array().is_none_or(Vec::is_empty);
        Ok(if whole { serde_json::from_value(history["parquetUrls"].clone())? } else { Vec::new() })
    }

    /// Puts its memory into the report; the next peak begins now.
    pub(crate) fn report_memory(&self, report: &mut Report, place: Place, figure: Figure, column: Column) {
        report.put(place, figure, column, [self.service.resident_mib(), self.service.peak_mib()]);
        self.service.forget_peak();
    }
}

async fn ask(client: &Client, url: &str, query: &str, variables: Value) -> anyhow::Result<Value> {
    let request = client.post(format!("{url}/graphql")).basic_auth("api", Some(API_KEY));
    let mut answer = load::json(request.json(&json!({"query": query, "variables": variables}))).await?;
    anyhow::ensure!(answer.get("errors").is_none(), "{}", answer["errors"]);
    Ok(answer["data"].take())
}

async fn write_lines(client: Client, url: String, seed: u64, lines: usize) -> anyhow::Result<()> {
    let mut body = Body::file_stream(seed, LINES_AT_ONCE.min(lines));
    let mut next = 0;
    while next < lines {
        if lines - next < body.lines() {
            body = Body::file_stream(seed, lines - next);
        }
        load::send(&client, &url, body.starting_at(next)).await?;
        next += body.lines();
    }
    Ok(())
}

/// Settings of whoever runs this must not change what is measured.
fn command(
    setup: &Setup,
    folder: &TempDir,
    postgres: Option<&PostgresDatabase>,
    settings: &[(&str, &str)],
) -> anyhow::Result<Command> {
    let mut command = Command::new(setup.server()?);
    command.env_clear().current_dir(folder.path());
    // Runs that only lie there do not crash in the middle of a measurement.
    let fixed = [("ADMIN_API_KEY", API_KEY), ("LOG", "error,sqlx=warn"), ("RUNS__CRASH_AFTER", "1d")];
    for (setting, value) in fixed.into_iter().chain(settings.iter().copied()).chain(setup.settings()) {
        command.env(format!("COUNTERWEIGHT_{setting}"), value);
    }
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
    if let Some(database) = postgres {
        command.args(["--database-url", &database.url()]);
    }
    command.stderr(File::create(folder.path().join(LOG))?);
    Ok(command)
}

/// The one number that `SELECT …` gives; zero where that is null.
pub(crate) async fn number(database: &DatabaseConnection, what: &str) -> anyhow::Result<i64> {
    let sql = Statement::from_string(database.get_database_backend(), format!("SELECT {what}"));
    let row = database.query_one_raw(sql).await?.context("no row")?;
    Ok(row.try_get_by_index::<Option<i64>>(0)?.unwrap_or_default())
}
