//! `GET /api/v1/runs/{id}/stream`: what becomes of a job, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use counterweight_domain::account::Caller;
use counterweight_domain::id::RunId;
use counterweight_domain::run::{self, Run};
use counterweight_domain::{Db, Error};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::job::{self, Job, JobId, Progress};
use crate::auth::Requester;
use crate::path::Path;
use crate::problem::Problem;
use crate::seats::Seat;
use crate::state::AppState;

/// How often the job is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long nothing is said.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Tells the job's status and progress whenever they change, and ends with its result. Whoever may no longer see it, or
/// whose job is deleted, is told so as [`super::get`] would.
pub async fn stream(
    State(state): State<AppState>,
    Requester(caller): Requester,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = super::find(&state.db, &caller, &id).await?;
    let seat = state.seats.take(caller.user_id)?;
    let watch = Watch { db: state.db, stop: state.stop, caller, id: found.id, seen: None, _seat: seat };
    let events = stream::unfold(Some(watch), |watch| async { watch?.next().await }).flat_map(stream::iter);
    let heartbeat =
        KeepAlive::new().interval(HEARTBEAT).event(Event::default().event("heartbeat").data("{}"));
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

/// One listener.
struct Watch {
    db: Db,
    stop: CancellationToken,
    caller: Caller,
    id: RunId,
    /// What was told last.
    seen: Option<(Run, Job)>,
    _seat: Seat,
}

type Events = Vec<Result<Event, Infallible>>;

/// How far a job has come.
#[derive(Serialize)]
struct Step<'a> {
    job_id: &'a str,
    #[serde(flatten)]
    progress: &'a Progress,
}

impl Watch {
    /// Waits for something to tell; nothing follows what comes without the watch.
    async fn next(mut self) -> Option<(Events, Option<Self>)> {
        loop {
            if self.seen.is_some() {
                self.stop.run_until_cancelled(tokio::time::sleep(EVERY)).await?;
            }
            match self.look().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    let goes_on = self.seen.as_ref().is_some_and(|(_, job)| !job.status.is_terminal());
                    return Some((events, goes_on.then_some(self)));
                }
                Err(problem) => {
                    let told = event("error", &json!({ "detail": problem.message() })).ok()?;
                    return Some((vec![Ok(told)], None));
                }
            }
        }
    }

    /// What has changed since.
    async fn look(&mut self) -> Result<Events, Problem> {
        let missing = || super::not_found(&JobId::Run(self.id).to_string());
        let run = run::find_by_id(&self.db, &self.caller, self.id).await?.ok_or_else(missing)?;
        // Every request of a writer changes its run.
        if self.seen.as_ref().is_some_and(|(seen, _)| *seen == run) {
            return Ok(Vec::new());
        }
        let told = job::of(&self.db, &self.caller, vec![run.clone()]).await?.pop();
        let job = told.ok_or_else(missing)?;
        let before = self.seen.as_ref().map(|(_, job)| job);
        let mut events = Vec::new();
        if before.is_none_or(|before| before.status != job.status) {
            events.push(Ok(event("status", &job)?));
        }
        if before.is_none_or(|before| before.progress != job.progress) {
            events.push(Ok(event("progress", &Step { job_id: &job.id, progress: &job.progress })?));
        }
        if job.status.is_terminal() {
            events.push(Ok(event("result", &self.result(&job).await?)?));
        }
        self.seen = Some((run, job));
        Ok(events)
    }

    async fn result(&self, job: &Job) -> Result<serde_json::Value, Problem> {
        let document = run::get_documents(&self.db, &[self.id]).await?.remove(&self.id);
        let summary = document.and_then(|document| document.summary);
        // A summary may hold NaN, which is no JSON: then it goes out as text.
        let result = summary.map(|text| match serde_json::from_str::<&RawValue>(&text) {
            Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
            Err(_) => serde_json::Value::String(text),
        });
        Ok(json!({ "job_id": job.id, "status": job.status, "result": result, "error": job.error }))
    }
}

fn event(name: &str, data: &impl Serialize) -> Result<Event, Error> {
    Event::default().event(name).json_data(data).map_err(Error::internal)
}
