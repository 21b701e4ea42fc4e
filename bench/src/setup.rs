//! What all rows share: which programs are measured, where they store, and this machine in words.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::counterweight::Store;
use crate::peer::Peer;
use crate::table::{Column, Figure, Place, Report, short};

const FAILED: Figure = Figure("what ended it", 0);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Setup {
    /// The server; the one built beside this program, unless set.
    #[arg(long, global = true, env = "COUNTERWEIGHT_BENCH_SERVER")]
    server: Option<PathBuf>,
    /// A database server (`PostgreSQL`) to measure on too, beside `SQLite`, in databases that are made and dropped.
    #[arg(long, global = true, env = "COUNTERWEIGHT_BENCH_POSTGRES", value_name = "URL")]
    postgres: Option<String>,
    /// An S3 that checks no signature, in which objects are kept too, beside the folder.
    #[arg(long, global = true, env = "COUNTERWEIGHT_BENCH_S3", value_name = "URL")]
    pub(crate) s3: Option<String>,
    /// Where everything is stored while it is measured; this decides how long a commit takes.
    #[arg(long, global = true, default_value_os_t = std::env::temp_dir(), value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Where the programs of the peers are, and a Python that has the wandb client and pyarrow.
    #[arg(long, global = true, default_value = "bench/.venv", value_name = "FOLDER")]
    venv: PathBuf,
    /// Leaves `FastTrackML` and `MLflow` out.
    #[arg(long, global = true)]
    no_peers: bool,
    /// Seconds that a peer may take to write the data of a row; it is measured with what it has by then.
    #[arg(long, global = true, default_value_t = 10, value_name = "SECONDS")]
    pub(crate) peer_patience: u64,
    /// Settings of the server, as its environment has them. By default a run that has ended is merged at once.
    #[arg(
        long = "set",
        global = true,
        default_value = "HISTORY__SETTLE_AFTER=0s",
        value_name = "NAME=VALUE"
    )]
    settings: Vec<String>,
    /// Seconds that runs may take, once they have ended, to be merged into Parquet files.
    #[arg(long, global = true, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) settle_patience: u64,
}

impl Setup {
    /// The built server.
    pub(crate) fn server(&self) -> anyhow::Result<PathBuf> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => std::env::current_exe()?.with_file_name("counterweight"),
        };
        server.canonicalize().with_context(|| format!("there is no server at {}", server.display()))
    }

    /// Settings of the server: names without their prefix, and values.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().filter_map(|setting| setting.split_once('='))
    }

    /// A program of the benchmark's virtual environment.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        // Not followed through links: Python finds its environment by where it was called.
        let program = std::path::absolute(self.venv.join("bin").join(name))?;
        let missing = || format!("there is no {}; bench/setup.sh installs it", program.display());
        program.exists().then_some(()).with_context(missing)?;
        Ok(program)
    }

    /// Runs a script beside this program's sources, which prints JSON.
    pub(crate) async fn python(
        &self,
        script: &str,
        arguments: Vec<String>,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        let mut python = Command::new(self.program("python")?);
        python.arg("-c").arg(script).args(arguments).envs(environment.iter().cloned());
        let output = tokio::task::spawn_blocking(move || python.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{}", said.trim().lines().next_back().unwrap_or_default());
        let printed = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(printed.lines().next_back().unwrap_or_default())?)
    }

    /// A folder that goes with what is returned.
    pub(crate) fn folder(&self) -> anyhow::Result<TempDir> {
        Ok(TempDir::with_prefix_in("counterweight-bench-", &self.data)?)
    }

    /// The databases that the server is measured on.
    pub(crate) fn stores(&self) -> Vec<Store> {
        let postgres = self.postgres.clone().map(Store::Postgres);
        [Store::Sqlite].into_iter().chain(postgres).collect()
    }

    /// Who is measured beside it.
    pub(crate) fn peers(&self) -> &'static [Column] {
        if self.no_peers { &[] } else { &[Column::FastTrackMl, Column::MlFlow] }
    }

    /// Lets each peer do its part of a row. What it cannot do is said in its cell, and ends nothing else.
    pub(crate) async fn with_peers(
        &self,
        report: &mut Report,
        place: Place,
        mut measure: impl AsyncFnMut(&Peer, Deadline, &mut Report) -> anyhow::Result<()>,
    ) {
        for &column in self.peers() {
            let result = match Peer::start(self, column).await {
                Ok(peer) => measure(&peer, Deadline::new(self.peer_patience), report).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                report.put(place, FAILED, column, short(&format!("{error:#}")));
            }
        }
    }

    /// The machine and the versions, in Markdown.
    pub(crate) fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = read_field("/proc/cpuinfo", "model name").unwrap_or_default();
        let memory = read_field("/proc/meminfo", "MemTotal").and_then(|text| {
            let kib: f64 = text.strip_suffix(" kB")?.parse().ok()?;
            Some(format!("{:.0} GiB", kib / 1024.0 / 1024.0))
        });
        let disk = said(Command::new("findmnt").args(["-no", "FSTYPE,SOURCE", "--target"]).arg(&self.data));
        let server = self.server().map(|server| said(Command::new(server).arg("--version")));
        let mut lines = vec![
            format!("- {}", said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))),
            format!("- {cores} cores of {cpu}, {} of memory", memory.unwrap_or_default()),
            format!(
                "- stored in {}: {disk}; {}",
                self.data.display(),
                said(Command::new("uname").arg("-sr"))
            ),
            format!("- {}", server.unwrap_or_default()),
        ];
        if !self.no_peers
            && let Ok(python) = self.program("python")
        {
            let versions = "from importlib.metadata import version as of\n\
                print(', '.join(f'{name} {of(name)}' for name in ('fasttrackml', 'mlflow', 'wandb', 'pyarrow')))";
            lines.push(format!("- beside it: {}", said(Command::new(python).args(["-c", versions]))));
        }
        lines.join("\n") + "\n"
    }
}

fn read_field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(file)).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// What a program prints; nothing when it is not there.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes of all files in a folder.
pub(crate) fn stored_bytes(folder: &Path) -> anyhow::Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { stored_bytes(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(bytes)
}

/// Files below a folder whose names begin so.
pub(crate) fn count_files(folder: &Path, prefix: &str) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_one = || entry.file_name().to_string_lossy().starts_with(prefix);
        count += if entry.file_type()?.is_dir() {
            count_files(&entry.path(), prefix)?
        } else {
            usize::from(is_one())
        };
    }
    Ok(count)
}

/// A moment at which patience ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn new(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    /// What was done since this moment takes none of the patience.
    pub(crate) fn without(self, since: Instant) -> Self {
        Self(self.0 + since.elapsed())
    }

    pub(crate) fn over(self) -> bool {
        Instant::now() >= self.0
    }
}
