//! One client that goes on while the server does something large: it reads and writes, each request after the last
//! answer.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::body::Body;
use crate::counterweight::Counterweight;
use crate::load::{self, Times};
use crate::table::{Column, Figure, Place, Report};

const RUN: &str = "foreground";
const PAGE: &str = "query($project: String) { project(name: $project, entityName: \"admin\") {
    runs(first: 50) { edges { node { id name config summaryMetrics } } } } }";

#[derive(Debug)]
pub(crate) struct Foreground {
    http: reqwest::Client,
    project: &'static str,
    body: Body,
    written: usize,
    reads: Vec<Duration>,
    writes: Vec<Duration>,
}

impl Foreground {
    /// Makes the run that it writes to.
    pub(crate) async fn of(server: &Counterweight, project: &'static str) -> anyhow::Result<Self> {
        server.make_empty_runs(project, &[RUN.to_owned()]).await?;
        let (reads, writes) = (Vec::new(), Vec::new());
        let body = Body::file_stream(0, 1);
        Ok(Self { http: load::client()?, project, body, written: 0, reads, writes })
    }

    /// Asks for a page of 50 runs, and writes a line of history.
    pub(crate) async fn ask(&mut self, server: &Counterweight) -> anyhow::Result<()> {
        let sent = Instant::now();
        server.ask(PAGE, json!({"project": self.project})).await?;
        self.reads.push(sent.elapsed());
        let (url, body) = (server.stream_url(self.project, RUN), self.body.starting_at(self.written));
        let sent = Instant::now();
        load::send(&self.http, &url, body).await?;
        self.writes.push(sent.elapsed());
        self.written += 1;
        Ok(())
    }

    /// What it noticed since the last time: of its reads, and of its writes.
    pub(crate) fn put(
        &mut self,
        report: &mut Report,
        place: Place,
        column: Column,
        (read, write): (Figure, Figure),
    ) {
        for (figure, times) in [(read, &mut self.reads), (write, &mut self.writes)] {
            let times: Times = times.drain(..).collect();
            report.put(place, figure, column, [50, 99, 100].map(|percent| times.percentile(percent)));
        }
    }
}
