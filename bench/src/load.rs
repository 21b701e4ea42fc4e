//! The load: runs side by side, each on its own connection, each sending its next request after the last answer.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Client;
use tokio::task::JoinSet;

use crate::body::{Body, LINES};

/// What the load saw.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Requests that were acknowledged, from the start to the end.
    pub(crate) acknowledged: usize,
    /// How long each took that was acknowledged after the warm-up, ascending.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
}

impl Load {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The latency that `percent` of the requests stayed below, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// One connection of a client that never waits for a proxy.
pub(crate) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().no_proxy().pool_max_idle_per_host(1).build()?)
}

/// Streams one run to each of `urls`.
pub(crate) async fn stream(
    urls: Vec<String>,
    api_key: &'static str,
    warm_up: Duration,
    duration: Duration,
) -> anyhow::Result<Load> {
    let bodies: Vec<Body> = (0..).take(urls.len()).map(Body::new).collect();
    let start = Instant::now() + warm_up;
    let mut runs = JoinSet::new();
    for (url, body) in urls.into_iter().zip(bodies) {
        runs.spawn(stream_one(url, api_key, body, start..start + duration));
    }
    let mut load = Load::default();
    while let Some(run) = runs.join_next().await {
        load.add(run??);
    }
    load.latencies.sort_unstable();
    Ok(load)
}

async fn stream_one(
    url: String,
    api_key: &str,
    mut body: Body,
    measured: Range<Instant>,
) -> anyhow::Result<Load> {
    let client = client()?;
    let mut load = Load::default();
    while Instant::now() < measured.end {
        let request = client.post(&url).basic_auth("api", Some(api_key));
        let request = request.body(body.starting_at(load.acknowledged * LINES)).build()?;
        let sent = Instant::now();
        match answer(&client, request).await {
            Ok(()) => {
                load.acknowledged += 1;
                let answered = Instant::now();
                if measured.contains(&answered) {
                    load.latencies.push(answered - sent);
                }
            }
            Err(error) => {
                load.errors += 1;
                load.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    Ok(load)
}

async fn answer(client: &Client, request: reqwest::Request) -> anyhow::Result<()> {
    let response = client.execute(request).await?;
    let status = response.status();
    let text = response.text().await.context("the answer broke off")?;
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    Ok(())
}
