//! The server and what its user expects of it, side by side.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Step, Trouble};
use crate::support::{Cut, GC, TestApp, TestArtifact, TestRun, die_after};

pub(super) const RUNS: usize = 2;
/// Where links go.
pub(super) const SHELF: &str = "shelf";

/// What a user knows of a run.
pub(super) struct Expected {
    pub(super) run: TestRun,
    pub(super) deleted: Option<Trash>,
}

pub(super) struct Trash {
    /// Hours until which it can be restored.
    pub(super) deadline: u64,
    pub(super) snapshot: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Committed,
    /// At this hour.
    Deleted(u64),
}

/// What a user knows of a version.
pub(super) struct Version {
    pub(super) artifact: TestArtifact,
    pub(super) collection: String,
    pub(super) files: Vec<(&'static str, &'static str)>,
    /// Where to put each file; none where the server has it.
    pub(super) urls: Vec<Option<String>>,
    /// Which files the server has acknowledged.
    pub(super) arrived: Vec<bool>,
    pub(super) has_manifest: bool,
    pub(super) state: State,
    pub(super) begun: u64,
    pub(super) makers: BTreeSet<usize>,
    pub(super) linked: bool,
}

impl Version {
    pub(super) fn is_open(&self, now: u64) -> bool {
        self.state == State::Pending && now < self.begun + hours(GC.upload_window)
    }

    pub(super) fn is_committed(&self) -> bool {
        self.state == State::Committed
    }

    /// All bytes that must be in the store for it.
    pub(super) fn bytes(&self) -> Vec<String> {
        let arrived = self.files.iter().zip(&self.arrived).filter(|(_, arrived)| **arrived);
        let files = arrived.map(|((_, content), _)| (*content).to_owned());
        files.chain(self.has_manifest.then(|| self.artifact.manifest())).collect()
    }
}

pub(super) fn hours(span: Duration) -> u64 {
    span.as_secs() / 3600
}

/// What a run's only file says.
pub(super) fn content_of_run(run: usize) -> String {
    format!("of {run}")
}

pub(super) struct World<'a> {
    pub(super) app: &'a TestApp,
    pub(super) project: String,
    pub(super) runs: Vec<Expected>,
    pub(super) versions: Vec<Version>,
    pub(super) hours: u64,
}

impl<'a> World<'a> {
    pub(super) async fn new(app: &'a TestApp, case: u64) -> Self {
        let project = format!("p{case}");
        let mut runs = Vec::new();
        for n in 0..RUNS {
            let run = app.ada.run(&project, &format!("r{n}")).await;
            run.upload("config.yaml", content_of_run(n)).await;
            runs.push(Expected { run, deleted: None });
        }
        Self { app, project, runs, versions: Vec::new(), hours: 0 }
    }

    /// Does a step.
    pub(super) async fn take(&mut self, step: &Step) {
        match *step {
            Step::Begin(new) => drop(self.begin(new).await),
            Step::Send { version, trouble } => {
                if let Some(at) = self.pick_open(version) {
                    self.send(at, trouble).await;
                }
            }
            Step::Commit { version, trouble } => {
                if let Some(at) = self.pick_open(version) {
                    self.commit(at, trouble).await;
                }
            }
            Step::Log(new) => {
                if let Some(at) = self.begin(new).await {
                    self.send(at, None).await;
                    self.commit(at, None).await;
                }
            }
            Step::Link { version } => self.link(version).await,
            Step::Unlink { version } => self.unlink(version).await,
            Step::Delete { version, with_aliases, trouble } => {
                self.delete(version, with_aliases, trouble).await;
            }
            Step::DeleteRun { run, with_artifacts, trouble } => {
                self.delete_run(run, with_artifacts, trouble).await;
            }
            Step::Restore { run } => self.restore(run).await,
            Step::Tick { hours } => {
                self.hours += hours;
                self.app.advance(Duration::from_hours(hours));
            }
            Step::Work { trouble } => self.work(trouble).await,
            Step::Pass { trouble } => self.pass(trouble).await,
            Step::Rehearse => self.rehearse().await,
            Step::Guess { version } => self.guess(version).await,
        }
    }

    /// The `n`-th of the versions that are wanted, counted round and round.
    pub(super) fn pick(&self, n: usize, wanted: impl Fn(&Version) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.versions.len()).filter(|at| wanted(&self.versions[*at])).collect();
        found.get(n.checked_rem(found.len())?).copied()
    }

    fn pick_open(&self, n: usize) -> Option<usize> {
        self.pick(n, |version| version.is_open(self.hours))
    }

    /// Does something during which there may be trouble; none where the process died of it.
    pub(super) async fn meet<T>(
        &self,
        trouble: Option<Trouble>,
        action: impl Future<Output = T>,
    ) -> Option<T> {
        let looks = match trouble {
            Some(Trouble::Death(looks)) => looks,
            Some(Trouble::Store(call, fault)) => {
                self.app.faults.fail_call(call, fault);
                i64::MAX
            }
            None => i64::MAX,
        };
        let action = Cut { inner: Box::pin(action), is_cut: || self.app.faults.is_silent() };
        let done = die_after(looks, action).await.flatten();
        self.app.faults.clear();
        done
    }

    /// What the server says of a version when its answer was lost.
    pub(super) async fn ask(&mut self, at: usize) {
        let query = "query($id: ID!) { artifact(id: $id) { state } }";
        let found = self.app.ada.graphql(query, json!({"id": self.versions[at].artifact.id})).await;
        let version = &mut self.versions[at];
        version.state = match found["artifact"]["state"].as_str() {
            Some("PENDING") => State::Pending,
            Some("COMMITTED") => State::Committed,
            _ => State::Deleted(self.hours),
        };
        if version.is_committed() {
            version.arrived.fill(true);
        }
    }
}
