//! Files on their way in: a large one and many small ones as an artifact of the released client, and the large one
//! without it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tempfile::TempDir;

use super::ascending;
use crate::counterweight::{Counterweight, MEMORY, Store};
use crate::load;
use crate::sdk;
use crate::setup::Setup;
use crate::table::{Column, Figure, Place, Report};

const COPY: &str = include_str!("../../python/copy.py");
const UPLOAD: &str = include_str!("../../python/upload.py");
const PROJECT: &str = "bench";
const RUN: &str = "run";

const UPLOAD_URL: &str = "mutation($project: String!, $run: String!) { createRunFiles(input: {
    entityName: \"admin\", projectName: $project, runName: $run, files: [\"large\"] }) { files { uploadUrl } } }";

const MIB: usize = 1 << 20;
const SMALL_BYTES: usize = 4096;

const LARGE: Figure = Figure("without the client: MiB/s", 0);
const LARGE_CPU: Figure = Figure("without the client, CPU of the server: ms / % of a core", 0);
const LARGE_CLIENT: Figure = Figure("as an artifact of the client: MiB/s", 0);
const LARGE_CLIENT_CPU: Figure =
    Figure("as an artifact of the client, CPU of the server: ms / % of a core", 0);
const SMALL_CLIENT: Figure = Figure("as an artifact of the client: files/s", 0);
const SMALL_CPU: Figure = Figure("CPU of the server: ms / % of a core", 0);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// MiB of the one file.
    #[arg(long, value_delimiter = ',', default_values_t = [1024])]
    pub(crate) sizes: Vec<usize>,
    /// How many small files there are.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000])]
    pub(crate) files: Vec<usize>,
}

fn large(mib: usize) -> Place {
    Place { work: "upload, one file", size: mib, of: "MiB" }
}

fn small(files: usize) -> Place {
    Place { work: "upload, files of 4 KiB", size: files, of: "files" }
}

pub(crate) async fn run(setup: &Setup, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for mib in ascending(&options.sizes) {
        let source = write_files(setup, 1, mib * MIB)?;
        for store in setup.stores() {
            measure_large(setup, &store, source.path(), mib, report).await?;
        }
        let rate = mib as f64 / copy(setup, source.path()).await?;
        for figure in [LARGE, LARGE_CLIENT] {
            report.put(large(mib), figure, Column::Bound, [rate]);
        }
    }
    for files in ascending(&options.files) {
        let source = write_files(setup, files, SMALL_BYTES)?;
        for store in setup.stores() {
            let server = Counterweight::start(setup, &store).await?;
            let uploaded = through_client(setup, &server, source.path()).await?;
            uploaded.put(report, small(files), store.column(), (SMALL_CLIENT, SMALL_CPU), files);
            server.report_memory(report, small(files), MEMORY, store.column());
            server.stop().await?;
        }
        let rate = files as f64 / copy(setup, source.path()).await?;
        report.put(small(files), SMALL_CLIENT, Column::Bound, [rate]);
    }
    Ok(())
}

/// How long it took, and how much of the server's processor.
struct Uploaded {
    seconds: f64,
    cpu_ms: f64,
}

impl Uploaded {
    fn put(
        &self,
        report: &mut Report,
        place: Place,
        column: Column,
        (rate, cpu): (Figure, Figure),
        size: usize,
    ) {
        report.put(place, rate, column, [size as f64 / self.seconds]);
        report.put(place, cpu, column, [self.cpu_ms, self.cpu_ms / self.seconds / 10.0]);
    }
}

async fn measure_large(
    setup: &Setup,
    store: &Store,
    source: &Path,
    mib: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (place, column) = (large(mib), store.column());
    let server = Counterweight::start(setup, store).await?;
    server.make_empty_runs(PROJECT, &[RUN.to_owned()]).await?;
    let answer = server.ask(UPLOAD_URL, json!({"project": PROJECT, "run": RUN})).await?;
    let url = answer["createRunFiles"]["files"][0]["uploadUrl"].as_str().context("no address")?;
    let client = load::client()?;
    server.service.forget_peak();
    let (started, cpu_ms) = (Instant::now(), server.service.cpu_ms());
    load::put_file(&client, url, &source.join("0")).await?;
    let seconds = started.elapsed().as_secs_f64();
    let alone = Uploaded { seconds, cpu_ms: server.service.cpu_ms() - cpu_ms };
    alone.put(report, place, column, (LARGE, LARGE_CPU), mib);
    let uploaded = through_client(setup, &server, source).await?;
    uploaded.put(report, place, column, (LARGE_CLIENT, LARGE_CLIENT_CPU), mib);
    server.report_memory(report, place, MEMORY, column);
    server.stop().await.map(drop)
}

async fn through_client(setup: &Setup, server: &Counterweight, source: &Path) -> anyhow::Result<Uploaded> {
    let cpu_ms = server.service.cpu_ms();
    let arguments = vec![PROJECT.to_owned(), source.display().to_string()];
    let answer = sdk::run(setup, server, UPLOAD, arguments).await?;
    let seconds = answer["seconds"].as_f64().context("the client told no time")?;
    Ok(Uploaded { seconds, cpu_ms: server.service.cpu_ms() - cpu_ms })
}

/// Seconds of a plain copy with the digests that the server has to check.
async fn copy(setup: &Setup, source: &Path) -> anyhow::Result<f64> {
    let target = setup.folder()?;
    let arguments = vec![source.display().to_string(), target.path().display().to_string()];
    setup.python(COPY, arguments, &[]).await?["seconds"].as_f64().context("the copy told no time")
}

/// Files named by their number, none of which repeats another or itself.
fn write_files(setup: &Setup, count: usize, bytes: usize) -> anyhow::Result<TempDir> {
    let folder = setup.folder()?;
    let mut random = StdRng::seed_from_u64(0);
    let mut block = vec![0; bytes.min(MIB)];
    for number in 0..count {
        let mut file = File::create(folder.path().join(number.to_string()))?;
        for _ in 0..bytes / block.len() {
            random.fill_bytes(&mut block);
            file.write_all(&block)?;
        }
    }
    Ok(folder)
}
