//! `GET /files/{entity}/{project}/{run}/{name}`: a run's file for those who sign in.

use axum::extract::State;
use axum::response::Response;
use counterweight_domain::{Error, file, run};

use super::download::{self, Asked};
use crate::auth::Requester;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::AppState;

/// Gives out a file.
pub async fn get(
    State(state): State<AppState>,
    Path((entity, project, run_name, name)): Path<(String, String, String, String)>,
    Requester(caller): Requester,
    asked: Asked,
) -> Result<Response, Problem> {
    let run = run::resolve(&state.db, &caller, &entity, &project, &run_name).await?;
    let found = file::find(&state.db, run.id, &name).await?;
    let found = found.ok_or_else(|| Error::not_found("file", name))?;
    download::respond(&state, &found.into(), &asked).await
}
