//! How a run was started, from the `wandb-metadata.json` that its client saved.

use async_graphql::SimpleObject;
use futures_util::TryStreamExt as _;
use serde::Deserialize;

use counterweight_domain as domain;
use counterweight_domain::{Db, file};
use counterweight_storage::{BlobStore, ObjectKey};

/// How a run was started.
#[derive(Default, Deserialize, SimpleObject)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RunInfo {
    /// The script.
    program: Option<String>,
    /// Its arguments.
    args: Option<Vec<String>>,
    /// The operating system.
    os: Option<String>,
    /// The Python version.
    python: Option<String>,
    /// The notebook, when it ran in one of Colab's.
    colab: Option<String>,
    /// The interpreter.
    executable: Option<String>,
    /// Whether its code was saved.
    code_saved: Option<bool>,
    /// Processors.
    #[serde(rename = "cpu_count")]
    cpu_count: Option<i32>,
    /// Graphics processors.
    #[serde(rename = "gpu_count")]
    gpu_count: Option<i32>,
    /// Their name.
    gpu: Option<String>,
    /// The state of the code.
    git: Option<GitInfo>,
}

/// The state of a run's code.
#[derive(Default, Deserialize, SimpleObject)]
#[serde(default)]
struct GitInfo {
    /// Remote.
    remote: Option<String>,
    /// Commit.
    commit: Option<String>,
}

const FILE: &str = "wandb-metadata.json";
const LARGEST: i64 = 1024 * 1024;

impl RunInfo {
    /// Reads the file; none where the client saved none, or something else under its name.
    pub(crate) async fn read(
        db: &Db,
        blobs: &BlobStore,
        run: domain::id::RunId,
    ) -> domain::Result<Option<Self>> {
        let found = file::find(db, run, FILE).await?.filter(|found| found.size_bytes <= LARGEST);
        let Some(found) = found else { return Ok(None) };
        let key = ObjectKey::parse(found.object_key).map_err(domain::Error::internal)?;
        let body = blobs.get(&key, None).await.map_err(domain::Error::unavailable)?;
        let parts: Vec<_> = body.stream.try_collect().await.map_err(domain::Error::unavailable)?;
        Ok(serde_json::from_slice(&parts.concat()).ok())
    }
}
