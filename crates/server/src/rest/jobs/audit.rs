//! `GET /api/v1/audit`: the audit chain, as `counterweight audit export` prints it.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use counterweight_domain::audit::Export;
use futures_util::stream;
use serde::Deserialize;

use super::invalid;
use crate::auth::Requester;
use crate::problem::Problem;
use crate::state::AppState;

/// Which part of the chain is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    after: Option<i64>,
}

/// Lines of JSON, to administrators of the server: what is sealed by now, after the position `after`.
pub async fn audit(
    State(state): State<AppState>,
    Requester(caller): Requester,
    asked: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| invalid(rejection.body_text()))?;
    caller.require_administrator()?;
    let seat = state.seats.take(caller.user_id)?;
    let export = Export::begin(&state.db, asked.after.unwrap_or_default()).await?;
    let parts = stream::try_unfold((state.db, export, seat), |(db, mut export, seat)| async move {
        let lines = export.next(&db).await?;
        Ok::<_, counterweight_domain::Error>(lines.map(|lines| (lines, (db, export, seat))))
    });
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(parts)).into_response())
}
