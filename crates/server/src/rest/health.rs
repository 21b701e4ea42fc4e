//! `/healthz` and `/ready`, for whoever starts and stops servers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::problem::chain;
use crate::state::AppState;

const PATIENCE: Duration = Duration::from_secs(5);

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can serve: database and object store answer. Otherwise 503 with the reasons.
pub async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let database = async { state.db.ping().await };
    let objects = async { state.blobs.list("ready").next().await.transpose() };
    let (database, objects) =
        tokio::join!(tokio::time::timeout(PATIENCE, database), tokio::time::timeout(PATIENCE, objects));
    let reasons: Vec<_> =
        [reason("database", database), reason("object store", objects)].into_iter().flatten().collect();
    if reasons.is_empty() {
        return (StatusCode::OK, Json(json!({ "status": "ready" })));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable", "reasons": reasons })))
}

/// What the caller may know; the cause is for the log.
fn reason<T, E, Elapsed>(part: &str, answer: Result<Result<T, E>, Elapsed>) -> Option<String>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => {
            tracing::warn!(part, error.cause = chain(&error), "not ready");
            Some(format!("{part}: {error}"))
        }
        Err(_) => Some(format!("{part}: no answer in {} seconds", PATIENCE.as_secs())),
    }
}
