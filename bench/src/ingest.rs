//! How much history a server takes in, beside what a bare route takes in on the same machine at the same time.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::body::{LINES, METRICS};
use crate::load::{self, Load};
use crate::service::Service;
use crate::table::{self, Column, Row};

const API_KEY: &str = "benchbenchbenchbenchbenchbenchbenchbench";
const RUN: &str = "mutation($project: String, $name: String) {
    upsertBucket(input: {entityName: \"admin\", modelName: $project, name: $name}) { bucket { id } } }";

#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// The server; the one built beside this program, unless set.
    #[arg(long, env = "COUNTERWEIGHT_BENCH_SERVER")]
    server: Option<PathBuf>,
    #[arg(
        long,
        env = "COUNTERWEIGHT_BENCH_POSTGRES",
        value_name = "URL",
        help = "A PostgreSQL database to measure on too, beside SQLite. What is written to it stays there"
    )]
    postgres: Option<String>,
    /// Where everything is stored while it is measured; this decides how long a commit takes.
    #[arg(long, default_value_os_t = std::env::temp_dir(), value_name = "FOLDER")]
    data: PathBuf,
    /// Runs that stream side by side.
    #[arg(long, default_value_t = 32)]
    runs: usize,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of a turn that are measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
}

enum Kind {
    Bare,
    Sqlite,
    Postgres(String),
}

struct Round {
    load: Load,
    requests: f64,
    store_bytes: f64,
    resident_mib: f64,
    cpu_ms: f64,
}

const ROWS: [Row<Round>; 10] = [
    ("requests/s", 0, |round, _| round.requests),
    ("lines/s", 0, |round, _| round.requests * LINES as f64),
    ("points/s", 0, |round, _| round.requests * (LINES * METRICS) as f64),
    ("requests/s, % of the bare route", 0, |round, bare| 100.0 * round.requests / bare.requests),
    ("p50, ms", 1, |round, _| round.load.percentile(50)),
    ("p99, ms", 1, |round, _| round.load.percentile(99)),
    ("errors", 0, |round, _| round.load.errors as f64),
    ("CPU of the server, ms/request", 2, |round, _| round.cpu_ms / round.load.acknowledged as f64),
    ("bytes stored/point", 2, |round, _| {
        round.store_bytes / (round.load.acknowledged * LINES * METRICS) as f64
    }),
    ("memory of the server, MiB", 0, |round, _| round.resident_mib),
];

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut columns: Vec<(Kind, Column<Round>)> =
        vec![(Kind::Bare, ("bare route", Vec::new())), (Kind::Sqlite, ("SQLite", Vec::new()))];
    if let Some(url) = options.postgres.clone() {
        columns.push((Kind::Postgres(url), ("PostgreSQL", Vec::new())));
    }
    for number in 1..=options.rounds {
        for (kind, (name, rounds)) in &mut columns {
            let project = format!("bench-{}-{number}", std::process::id());
            let round =
                kind.measure(&options, &project).await.with_context(|| format!("{name}, round {number}"))?;
            say(&format!("round {number}, {name}: {:.0} requests/s\n", round.requests))?;
            if let Some(error) = &round.load.first_error {
                say(&format!("  first error: {error}\n"))?;
            }
            rounds.push(round);
        }
    }
    let columns: Vec<Column<Round>> = columns.into_iter().map(|(_, column)| column).collect();
    let Options { runs, rounds, seconds, .. } = options;
    say(&format!(
        "\n{runs} runs side by side, requests of {LINES} lines x {METRICS} metrics, {rounds} rounds of {seconds} s\n\n{}",
        table::render(&columns, &ROWS)
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

impl Kind {
    async fn measure(&self, options: &Options, project: &str) -> anyhow::Result<Round> {
        let folder = TempDir::with_prefix_in("counterweight-bench-", &options.data)?;
        let service = self.start(options, folder.path())?;
        let mut urls = Vec::with_capacity(options.runs);
        for number in 0..options.runs {
            let name = format!("run-{number}");
            if !matches!(self, Self::Bare) {
                make_run(&service.url, project, &name).await?;
            }
            urls.push(format!("{}/files/admin/{project}/{name}/file_stream", service.url));
        }
        let (empty, idle) = (self.stored(folder.path()).await?, service.cpu_ms());
        let (warm_up, duration) =
            (Duration::from_secs(options.warm_up), Duration::from_secs(options.seconds));
        let load = load::stream(urls, API_KEY, warm_up, duration).await?;
        let (cpu_ms, resident_mib) = (service.cpu_ms() - idle, service.resident_mib());
        service.stop().await?;
        Ok(Round {
            requests: load.latencies.len() as f64 / duration.as_secs_f64(),
            store_bytes: self.stored(folder.path()).await? - empty,
            resident_mib,
            cpu_ms,
            load,
        })
    }

    fn start(&self, options: &Options, folder: &Path) -> anyhow::Result<Service> {
        let this = std::env::current_exe()?;
        let mut command = match (self, &options.server) {
            (Self::Bare, _) => Command::new(&this),
            (_, Some(server)) => Command::new(server),
            (_, None) => Command::new(this.with_file_name("counterweight")),
        };
        // Settings of whoever runs this must not change what is measured.
        command.env_clear().env("COUNTERWEIGHT_ADMIN_API_KEY", API_KEY).env("COUNTERWEIGHT_LOG", "warn");
        command.current_dir(folder);
        match self {
            Self::Bare => command.arg("bare").arg(folder.join("bodies")),
            _ => command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder),
        };
        if let Self::Postgres(url) = self {
            command.args(["--database-url", url]);
        }
        Service::start(&mut command)
    }

    /// Bytes that the store takes on disk.
    async fn stored(&self, folder: &Path) -> anyhow::Result<f64> {
        let Self::Postgres(url) = self else {
            let mut bytes = 0;
            for file in std::fs::read_dir(folder)? {
                bytes += file?.metadata()?.len();
            }
            return Ok(bytes as f64);
        };
        let database = Database::connect(url).await?;
        let size = "SELECT pg_database_size(current_database())";
        let row = database.query_one_raw(Statement::from_string(DbBackend::Postgres, size)).await?;
        let bytes: i64 = row.context("PostgreSQL did not tell its size")?.try_get_by_index(0)?;
        database.close().await?;
        Ok(bytes as f64)
    }
}

async fn make_run(url: &str, project: &str, name: &str) -> anyhow::Result<()> {
    let request = json!({"query": RUN, "variables": {"project": project, "name": name}});
    let request =
        load::client()?.post(format!("{url}/graphql")).basic_auth("api", Some(API_KEY)).json(&request);
    let answer: Value = request.send().await?.json().await?;
    anyhow::ensure!(
        answer["data"]["upsertBucket"]["bucket"]["id"].is_string(),
        "cannot make a run: {answer}"
    );
    Ok(())
}
