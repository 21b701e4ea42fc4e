//! The bound of reading: a direct read of the server's own Parquet files.

use std::time::Duration;

use anyhow::Context as _;

use crate::counterweight::Counterweight;
use crate::load::Times;
use crate::setup::Setup;

const SCRIPT: &str = include_str!("../python/parquet.py");

/// What a direct read found.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) rows: usize,
    pub(crate) times: Times,
}

/// Fetches files, then reads columns of them so many times; all columns where none is named. With `points`, only so
/// many rows of each file become values.
pub(crate) async fn read(
    setup: &Setup,
    server: &Counterweight,
    urls: &[String],
    turns: usize,
    points: usize,
    columns: &[&str],
) -> anyhow::Result<Read> {
    let folder = setup.folder()?;
    let mut arguments = vec![turns.to_string(), points.to_string(), columns.join(",")];
    for (number, url) in urls.iter().enumerate() {
        let file = folder.path().join(format!("{number}.parquet"));
        std::fs::write(&file, server.get(url).await?)?;
        arguments.push(file.display().to_string());
    }
    let answer = setup.python(SCRIPT, arguments, &[]).await?;
    let seconds = answer["seconds"].as_array().context("no times")?;
    Ok(Read {
        rows: usize::try_from(answer["rows"].as_u64().context("no rows")?)?,
        times: seconds
            .iter()
            .filter_map(|seconds| Some(Duration::from_secs_f64(seconds.as_f64()?)))
            .collect(),
    })
}
