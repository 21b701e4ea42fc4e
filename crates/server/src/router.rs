//! Every route, and what happens around each.

use std::any::Any;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use counterweight_domain::Error;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{self, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::middleware::{assign_request_id, trace};
use crate::problem::{self, Problem};
use crate::rest::{artifacts, file_stream, files, graphql, health, jobs, objects, prometheus};
use crate::state::AppState;
use crate::ui;

/// What is not our page is never run as one, even a run's file that is HTML.
const NOT_A_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// The whole server.
pub fn router(state: AppState) -> Router {
    let env = state.db.env().clone();
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(env, assign_request_id))
        .layer(from_fn(trace))
        .layer(SetResponseHeaderLayer::if_not_present(CONTENT_SECURITY_POLICY, NOT_A_PAGE))
        .layer(SetResponseHeaderLayer::if_not_present(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn(problem::render))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new()
        .route("/graphql", get(graphql::get).post(graphql::graphql))
        .route("/files/{entity}/{project}/{run}/file_stream", post(file_stream::file_stream))
        .merge(bytes_routes())
        .route("/api/v1/audit", get(jobs::audit))
        .route("/api/v1/openapi.json", get(jobs::openapi))
        .route("/api/v1/runs", get(jobs::list).post(jobs::submit))
        .route("/api/v1/runs/{id}", get(jobs::get).delete(jobs::delete))
        .route("/api/v1/runs/{id}/cancel", post(jobs::cancel))
        .route("/api/v1/runs/{id}/stream", get(jobs::stream))
        .route("/healthz", get(health::healthz))
        .route("/ready", get(health::ready))
        .route("/metrics", get(prometheus::metrics))
        .fallback(ui::page)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(around)
        .with_state(state)
}

/// Files, which pages of other origins may fetch too: what they may see stands in the URL or in the API key, never in
/// a cookie. `wandb verify` asks for it.
fn bytes_routes() -> Router<AppState> {
    let cors =
        CorsLayer::new().allow_origin(cors::Any).allow_methods([Method::GET, Method::HEAD, Method::PUT]);
    Router::new()
        .route("/files/{entity}/{project}/{run}/{*name}", get(files::get))
        .route(
            "/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name}",
            get(artifacts::get),
        )
        .route(
            "/artifactsV2/{region}/{entity}/{project}/{collection}/{version}/{birth}/{digest}/{name}",
            get(artifacts::get),
        )
        .route("/artifacts/{entity}/{digest}", get(artifacts::get_of_entity))
        .route("/objects/{token}", get(objects::get).put(objects::put))
        // One that is added after the layer would answer in its place when a page asks what it may do.
        .method_not_allowed_fallback(method_not_allowed)
        .layer(cors)
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "this address does not take this method",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of an unknown kind");
    Problem::from(Error::internal(format!("panic: {message}"))).into_response()
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
