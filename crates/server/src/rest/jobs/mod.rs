//! `/api/v1`: runs as jobs, for schedulers that know only HTTP, and the audit chain. The verbs are those that GraphQL has; the shapes are
//! told by `openapi.json`. What goes wrong is answered as `{"detail": …}`.

mod audit;
mod job;
mod stream;
mod submission;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use counterweight_domain::account::Caller;
use counterweight_domain::deletion::{self, Wish};
use counterweight_domain::run::{self, Across, Run};
use counterweight_domain::{Db, Error};
use serde::{Deserialize, Serialize};

pub use self::audit::audit;
use self::job::{Job, JobId, Status};
pub use self::stream::stream;
use crate::auth::Requester;
use crate::middleware::body;
use crate::path::Path;
use crate::problem::{Problem, seconds};
use crate::state::AppState;

/// What every address of this API begins with.
pub const ROOT: &str = "/api/v1/";

const DESCRIPTION: &str = include_str!("openapi.json");

/// Under which deletion a job can be brought back until its deadline.
const DELETION_ID: HeaderName = HeaderName::from_static("deletion-id");

const PAGE_SIZE: u64 = 20;
const LARGEST_PAGE: u64 = 100;
const LAST_PAGE: u64 = 1_000_000_000;

/// Which jobs are asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    status: Option<String>,
    entity: Option<String>,
    project: Option<String>,
    page: Option<u64>,
    page_size: Option<u64>,
}

/// A page of jobs, the newest first.
#[derive(Debug, Serialize)]
pub struct Listing {
    jobs: Vec<Job>,
    total: u64,
    page: u64,
    page_size: u64,
}

/// `GET /api/v1/openapi.json`
pub async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

/// `GET /api/v1/runs`
pub async fn list(
    State(state): State<AppState>,
    Requester(caller): Requester,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Listing>, Problem> {
    let Query(asked) = asked.map_err(|rejection| invalid(rejection.body_text()))?;
    let page = within("page", asked.page.unwrap_or(1), LAST_PAGE)?;
    let page_size = within("page_size", asked.page_size.unwrap_or(PAGE_SIZE), LARGEST_PAGE)?;
    let states = asked.status.as_deref().map(Status::parse).transpose()?.map_or(Vec::new(), Status::states);
    let which = Across { entity: asked.entity, project: asked.project, states };
    let place = ((page - 1) * page_size, page_size);
    let (runs, total) = run::list_across(&state.db, &caller, &which, place).await?;
    let jobs = job::of(&state.db, &caller, runs).await?;
    Ok(Json(Listing { jobs, total, page, page_size }))
}

/// `POST /api/v1/runs`
pub async fn submit(
    State(state): State<AppState>,
    Requester(caller): Requester,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = state.body_memory.read(&parts.headers, body, body::GRAPHQL_LIMIT).await?;
    let (wish, once) = body.prepare(|bytes| submission::read(&parts.headers, bytes))?;
    let tx = state.db.begin_write().await?;
    let made = run::submit(&tx, &caller, wish, once).await.map_err(submission::refusal)?;
    tx.commit().await?;
    let job = one(&state.db, &caller, made).await?;
    let retry_after = seconds(job.wait());
    let headers = [(LOCATION, job.address().parse().map_err(Error::internal)?), (RETRY_AFTER, retry_after)];
    Ok((StatusCode::ACCEPTED, headers, Json(job)).into_response())
}

/// `GET /api/v1/runs/{id}`
pub async fn get(
    State(state): State<AppState>,
    Requester(caller): Requester,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let found = find(&state.db, &caller, &id).await?;
    Ok(Json(one(&state.db, &caller, found).await?))
}

/// `POST /api/v1/runs/{id}/cancel`
pub async fn cancel(
    State(state): State<AppState>,
    Requester(caller): Requester,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let found = find(&state.db, &caller, &id).await?;
    let tx = state.db.begin_write().await?;
    let stopped = run::stop(&tx, &caller, found.id).await.map_err(|error| missing(&id, error))?;
    if !stopped.was_active {
        let status = Status::from(stopped.run.state).as_str();
        let detail = format!("Job is already complete. Status: {status}");
        return Err(Problem::new(StatusCode::CONFLICT, "JOB_COMPLETE", detail));
    }
    tx.commit().await?;
    Ok(Json(one(&state.db, &caller, stopped.run).await?))
}

/// `DELETE /api/v1/runs/{id}`
pub async fn delete(
    State(state): State<AppState>,
    Requester(caller): Requester,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = find(&state.db, &caller, &id).await?;
    let tx = state.db.begin_write().await?;
    let deletion = deletion::delete(&tx, &caller, found.id, Wish::default(), state.retention).await;
    let deletion = deletion.map_err(|error| missing(&id, error))?;
    // As it is while this transaction holds it; without the commit, nothing was deleted.
    let held = run::find_including_deleted(&tx, &caller, found.id).await?;
    if held.is_none_or(|run| run.state.is_active()) {
        let detail = "Cannot delete running job. Cancel it first.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "RUN_ACTIVE", detail));
    }
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, [(DELETION_ID, deletion.id)]).into_response())
}

/// The run that an address names.
async fn find(db: &Db, caller: &Caller, id: &str) -> Result<Run, Problem> {
    let found = match JobId::parse(id) {
        Some(JobId::Run(run)) => run::find_by_id(db, caller, run).await?,
        Some(JobId::Path([entity, project, name])) => {
            run::find_by_path(db, caller, Some(entity), Some(project), name).await?
        }
        None => None,
    };
    found.ok_or_else(|| not_found(id))
}

async fn one(db: &Db, caller: &Caller, run: Run) -> Result<Job, Problem> {
    let id = run.id;
    job::of(db, caller, vec![run]).await?.pop().ok_or_else(|| not_found(&JobId::Run(id).to_string()))
}

/// Why a verb did not answer, for a job that was there a moment ago.
fn missing(id: &str, error: Error) -> Problem {
    match error {
        Error::NotFound { .. } | Error::RunDeleted { .. } => not_found(id),
        error => error.into(),
    }
}

fn not_found(id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("Job not found: {id}"))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "REQUEST_INVALID", detail.into())
}

fn within(name: &str, value: u64, most: u64) -> Result<u64, Problem> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("{name} must be between 1 and {most}")))
}
