//! `/metrics`

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use counterweight_domain::collector::{self, Status};
use metrics::gauge;

use crate::problem::chain;
use crate::state::AppState;

/// The metrics of this process in Prometheus' text format, and what the database tells of the collector.
pub async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    match collector::status(&state.db).await {
        Ok(status) => set(&status),
        Err(error) => tracing::warn!(error.cause = chain(&error), "the state of the collector is not known"),
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn set(status: &Status) {
    let flag = |is_on: bool| if is_on { 1.0 } else { 0.0 };
    gauge!("counterweight_gc_paused").set(flag(status.paused.is_some()));
    gauge!("counterweight_read_only").set(flag(status.read_only.is_some()));
    gauge!("counterweight_gc_lag_seconds").set(status.lag);
    gauge!("counterweight_gc_unreachable_objects").set(status.unreachable as f64);
    gauge!("counterweight_gc_unreachable_bytes").set(status.unreachable_bytes as f64);
    gauge!("counterweight_gc_due_objects").set(status.due as f64);
    let oldest = status.oldest_at.map_or(0.0, |at| at.0 as f64 / 1e6);
    gauge!("counterweight_gc_oldest_unreclaimed_timestamp_seconds").set(oldest);
    if let Some(left) = status.time_left {
        gauge!("counterweight_gc_time_left_seconds").set(left);
    }
    for length in &status.queue {
        gauge!("counterweight_jobs", "kind" => length.kind.clone(), "state" => length.state.clone())
            .set(length.jobs as f64);
    }
}
