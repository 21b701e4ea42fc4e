//! A run, told as a job.

use std::fmt;
use std::time::Duration;

use counterweight_domain::account::Caller;
use counterweight_domain::history::{self, Stream};
use counterweight_domain::id::RunId;
use counterweight_domain::project;
use counterweight_domain::run::{Run, RunState};
use counterweight_domain::{Db, Result, Timestamp};
use serde::Serialize;

use super::{ROOT, invalid};
use crate::problem::Problem;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It waits for its writer.
    Queued,
    /// Its writer is heard of.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly, or not heard of any more.
    Failed,
    /// Ended since it was to.
    Cancelled,
}

impl Status {
    const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let known = Self::ALL.map(Self::as_str);
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| invalid(format!("Invalid status: {text}. Valid values: {}", known.join(", "))))
    }

    /// The states of runs that it stands for.
    pub(super) fn states(self) -> Vec<RunState> {
        match self {
            Self::Queued => vec![RunState::Pending],
            Self::Running => vec![RunState::Running, RunState::Preempting],
            Self::Succeeded => vec![RunState::Finished],
            Self::Failed => vec![RunState::Failed, RunState::Crashed, RunState::Preempted],
            Self::Cancelled => vec![RunState::Killed],
        }
    }

    /// Whether nothing more is to come.
    pub(super) fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// When to ask again.
    fn wait(self) -> Option<Duration> {
        match self {
            Self::Queued => Some(Duration::from_secs(2)),
            Self::Running => Some(Duration::from_secs(5)),
            Self::Succeeded | Self::Failed | Self::Cancelled => None,
        }
    }
}

impl From<RunState> for Status {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Pending => Self::Queued,
            RunState::Running | RunState::Preempting => Self::Running,
            RunState::Finished => Self::Succeeded,
            RunState::Failed | RunState::Crashed | RunState::Preempted => Self::Failed,
            RunState::Killed => Self::Cancelled,
        }
    }
}

/// What an address names a job by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobId<'a> {
    /// `run_<number>`
    Run(RunId),
    /// `entity/project/run`
    Path([&'a str; 3]),
}

impl<'a> JobId<'a> {
    /// Reads it; what is neither form names nothing.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if let Ok(parts) = <[&str; 3]>::try_from(text.split('/').collect::<Vec<_>>()) {
            return Some(Self::Path(parts));
        }
        let digits = text.strip_prefix("run_")?;
        let number = digits.parse().ok().filter(|id: &i64| id.to_string() == digits && *id > 0)?;
        Some(Self::Run(RunId(number)))
    }
}

impl fmt::Display for JobId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(id) => write!(f, "run_{id}"),
            Self::Path(parts) => f.write_str(&parts.join("/")),
        }
    }
}

/// How far a job has come. Nobody knows how far it has to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Progress {
    /// Lines of history.
    steps_completed: i64,
    /// The highest step among them.
    current_step: Option<i64>,
}

/// A run, told as a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Job {
    #[serde(rename = "job_id")]
    pub(super) id: String,
    pub(super) status: Status,
    /// `entity/project/run`
    run: String,
    display_name: String,
    pub(super) progress: Progress,
    stop_requested: bool,
    created_at: String,
    updated_at: String,
    completed_at: Option<String>,
    pub(super) error: Option<String>,
    retry_after: Option<u64>,
    poll_url: String,
    stream_url: String,
}

impl Job {
    fn new(run: Run, place: &str, progress: Progress) -> Self {
        let status = Status::from(run.state);
        let id = JobId::Run(run.id).to_string();
        let poll_url = format!("{ROOT}runs/{id}");
        Self {
            stream_url: format!("{poll_url}/stream"),
            poll_url,
            id,
            status,
            run: format!("{place}/{}", run.name),
            progress,
            stop_requested: run.stop_requested && !status.is_terminal(),
            created_at: run.created_at.to_rfc3339(),
            updated_at: run.updated_at.to_rfc3339(),
            completed_at: run.finished_at.filter(|_| status.is_terminal()).map(Timestamp::to_rfc3339),
            error: error(&run),
            retry_after: status.wait().map(|wait| wait.as_secs()),
            display_name: run.display_name,
        }
    }

    /// Where it is asked for.
    pub(super) fn address(&self) -> &str {
        &self.poll_url
    }

    /// When to ask for it again.
    pub(super) fn wait(&self) -> Duration {
        self.status.wait().unwrap_or_default()
    }
}

fn error(run: &Run) -> Option<String> {
    match run.state {
        RunState::Failed => Some(match run.exit_code {
            Some(code) => format!("the process exited with code {code}"),
            None => "marked as failed".to_owned(),
        }),
        RunState::Crashed => Some("nothing was heard of the process for too long".to_owned()),
        RunState::Preempted => Some("the machine was taken away".to_owned()),
        _ => None,
    }
}

/// Tells runs as jobs. What vanished with its project meanwhile is left out.
pub(super) async fn of(db: &Db, caller: &Caller, runs: Vec<Run>) -> Result<Vec<Job>> {
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    let mut projects: Vec<_> = runs.iter().map(|run| run.project_id).collect();
    projects.dedup();
    let places = project::get_many(db, caller, &projects).await?;
    let streams = history::get_streams(db, &ids).await?;
    let tell = |run: Run| {
        let project = places.get(&run.project_id)?;
        let stream = streams.get(&(run.id, Stream::History));
        let progress = Progress {
            steps_completed: stream.map_or(0, |stream| stream.line_count),
            current_step: stream.and_then(|stream| stream.last_step),
        };
        Some(Job::new(run, &format!("{}/{}", project.entity_name, project.name), progress))
    };
    Ok(runs.into_iter().filter_map(tell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_under_the_status_that_it_is_told_as() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()).unwrap(), status);
            assert!(!status.states().is_empty());
            assert!(status.states().into_iter().all(|state| Status::from(state) == status));
        }
        assert_eq!(Status::parse("done").unwrap_err().status(), 400);
    }

    #[test]
    fn a_job_is_named_by_its_number_or_its_path() {
        assert_eq!(JobId::parse("run_7"), Some(JobId::Run(RunId(7))));
        assert_eq!(JobId::parse("a/b/run_7"), Some(JobId::Path(["a", "b", "run_7"])));
        for text in
            ["", "7", "run_", "run_0", "run_-1", "run_+7", "run_07", "run_99999999999999999999", "a/b"]
        {
            assert_eq!(JobId::parse(text), None, "{text}");
        }
    }
}
