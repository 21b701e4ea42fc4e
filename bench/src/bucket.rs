//! A bucket in which a server keeps its objects, and how fast the bucket deletes without it. Nothing is signed: it is one of an S3
//! that checks no signature, as `scripts/s3.sh` starts it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use reqwest::Client;
use tokio::task::JoinSet;

use crate::copies::{self, FILE, SHARDS};
use crate::load;

/// Objects that one request deletes.
const DELETED_AT_ONCE: usize = 1000;
/// Objects that are put side by side.
const PUT_AT_ONCE: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    client: Client,
    endpoint: String,
    name: String,
}

impl Bucket {
    /// Makes one. What is not signed may put new objects, but none that are there.
    pub(crate) async fn make(endpoint: &str) -> anyhow::Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("counterweight-bench-{}-{number}", std::process::id());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let bucket = Self { client: load::client()?, endpoint, name };
        bucket.client.put(bucket.url("")).send().await?.error_for_status()?;
        Ok(bucket)
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.name)
    }

    /// What a server that keeps its objects here has in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("COUNTERWEIGHT_OBJECT_STORE", format!("s3://{}", self.name)),
            ("AWS_ENDPOINT", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ]
    }

    /// Puts the files of `count` runs where the server has its objects.
    pub(crate) async fn fill(&self, tag: &str, count: usize) -> anyhow::Result<()> {
        let mut putting = JoinSet::new();
        for number in 0..count {
            if putting.len() == PUT_AT_ONCE {
                putting.join_next().await.transpose()?.transpose()?;
            }
            let request = self.client.put(self.url(&copies::key(tag, number))).body(&FILE[..]);
            putting.spawn(async move { request.send().await?.error_for_status().map(drop) });
        }
        while let Some(put) = putting.join_next().await {
            put??;
        }
        Ok(())
    }

    /// How many of them are there.
    pub(crate) async fn count(&self, tag: &str) -> anyhow::Result<usize> {
        let mut count = 0;
        for shard in 0..SHARDS {
            let folder = copies::key(tag, shard);
            let prefix = folder.strip_suffix(&shard.to_string()).unwrap_or(&folder);
            let url = self.url(&format!("?list-type=2&prefix={prefix}"));
            let listed = self.client.get(url).send().await?.error_for_status()?.text().await?;
            count += listed.matches("<Key>").count();
        }
        Ok(count)
    }

    /// How many of them it deletes in a second, one full request after the other.
    pub(crate) async fn delete_all(&self, tag: &str, count: usize) -> anyhow::Result<f64> {
        let started = Instant::now();
        for first in (0..count).step_by(DELETED_AT_ONCE) {
            let mut body = "<Delete>".to_owned();
            for number in first..count.min(first + DELETED_AT_ONCE) {
                write!(body, "<Object><Key>{}</Key></Object>", copies::key(tag, number))?;
            }
            body.push_str("</Delete>");
            let answer = self.client.post(self.url("?delete")).body(body).send().await?;
            let said = answer.error_for_status()?.text().await?;
            let deleted = said.matches("<Deleted>").count();
            (deleted > 0).then_some(()).with_context(|| format!("nothing was deleted: {said:.200}"))?;
        }
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }
}
