//! The load: writers side by side, each on its own connection; and single requests, timed.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Client;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;
use tokio::fs::File;
use tokio::task::JoinSet;
use tokio_util::io::ReaderStream;

use crate::body::Body;
use crate::table::Cell;

pub(crate) const API_KEY: &str = "benchbenchbenchbenchbenchbenchbenchbench";

/// How long the requests of a measurement may take together; after that, fewer must do.
const LONG_ENOUGH: Duration = Duration::from_secs(5);
/// Servers close connections that nobody uses, the earliest after five seconds; before that, we do.
const IDLE: Duration = Duration::from_secs(2);

/// What of a file is read at once.
const READ_BYTES: usize = 1 << 18;

/// How long requests took.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Sends one request after the other: one that does not count, then `requests`, or as many as there is time for.
    pub(crate) async fn measure(
        requests: usize,
        mut request: impl AsyncFnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        request().await?;
        let mut times = Vec::with_capacity(requests);
        while times.len() < requests && (times.is_empty() || started.elapsed() < LONG_ENOUGH) {
            let sent = Instant::now();
            request().await?;
            times.push(sent.elapsed());
        }
        Ok(Self(times))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that `percent` of the requests stayed below, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(rank).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }

    /// Its 50th and 99th percentile.
    pub(crate) fn cell(&self) -> Cell {
        [self.percentile(50), self.percentile(99)].into()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

/// What the load saw.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Requests that were acknowledged, from the start to the end.
    pub(crate) acknowledged: usize,
    /// How long each took that was acknowledged after the warm-up.
    pub(crate) times: Times,
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
}

impl Load {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.times.0.extend(other.times.0);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Where a run's history goes, and what is sent there.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) url: String,
    pub(crate) body: Body,
}

/// One connection of a client that never waits for a proxy.
pub(crate) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().no_proxy().pool_max_idle_per_host(1).pool_idle_timeout(IDLE).build()?)
}

/// The answer to a request, which must be a success, as JSON.
pub(crate) async fn json(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&bytes(request).await?)?)
}

/// The answer to a request, which must be a success.
pub(crate) async fn bytes(request: reqwest::RequestBuilder) -> anyhow::Result<bytes::Bytes> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.bytes().await.context("the answer broke off")?;
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// Puts a file where a server told to.
pub(crate) async fn put_file(client: &Client, url: &str, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, READ_BYTES));
    bytes(client.put(url).header(CONTENT_LENGTH, length).body(body)).await.map(drop)
}

/// All writers at once. Each sends its next request after the last answer, but not before `pace` has gone by.
pub(crate) async fn stream(
    writers: Vec<Writer>,
    pace: Duration,
    warm_up: Duration,
    duration: Duration,
) -> anyhow::Result<Load> {
    let start = Instant::now() + warm_up;
    let count = u32::try_from(writers.len())?;
    let mut running = JoinSet::new();
    for (number, writer) in (0..).zip(writers) {
        // Spread over the pace, so that they do not come all at once.
        running.spawn(stream_one(writer, pace, pace * number / count, start..start + duration));
    }
    let mut load = Load::default();
    while let Some(one) = running.join_next().await {
        load.add(one??);
    }
    Ok(load)
}

async fn stream_one(
    mut writer: Writer,
    pace: Duration,
    delay: Duration,
    measured: Range<Instant>,
) -> anyhow::Result<Load> {
    let client = client()?;
    let mut load = Load::default();
    tokio::time::sleep(delay).await;
    while Instant::now() < measured.end {
        let body = writer.body.starting_at(load.acknowledged * writer.body.lines());
        let sent = Instant::now();
        match send(&client, &writer.url, body).await {
            Ok(()) => {
                load.acknowledged += 1;
                let answered = Instant::now();
                if measured.contains(&answered) {
                    load.times.0.push(answered - sent);
                }
            }
            Err(error) => {
                load.errors += 1;
                load.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
        tokio::time::sleep_until((sent + pace).into()).await;
    }
    Ok(load)
}

/// Posts a body of history.
pub(crate) async fn send(client: &Client, url: &str, body: bytes::Bytes) -> anyhow::Result<()> {
    let request = client.post(url).basic_auth("api", Some(API_KEY));
    bytes(request.header(CONTENT_TYPE, "application/json").body(body)).await.map(drop)
}
