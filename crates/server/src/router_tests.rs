//! What holds for every route.

use axum::body::{Body, to_bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, request};
use axum::routing::get;
use counterweight_domain::account::{ApiKey, ensure_administrator};
use counterweight_domain::{Db, Env, history};
use counterweight_storage::BlobStore;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::*;
use crate::config::{Flags, load};
use crate::graphql_http::GraphQlExecutor;

const KEY: &str = "0123456789012345678901234567890123456789";

/// The router over a fresh database; the folder goes with it.
async fn server() -> (Router, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let db = Db::connect(&url, 2, Env::system()).await.unwrap();
    counterweight_migrations::migrate(db.migration_connection()).await.unwrap();
    ensure_administrator(&db, Some(ApiKey::parse(KEY).unwrap())).await.unwrap();
    let config = load(Flags::default(), []).unwrap();
    let graphql =
        GraphQlExecutor::new(counterweight_graphql::build(), &counterweight_graphql::sdl()).unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let blobs = BlobStore::open("memory://").unwrap();
    let (history, _) = history::Writer::new(db.clone(), blobs.clone());
    let stop = CancellationToken::new();
    let state = AppState::new(&config, db, blobs, history, graphql, metrics, stop).await.unwrap();
    (router(state), folder)
}

fn graphql(key: Option<&str>, query: &str) -> Request<Body> {
    let request = Request::post("/graphql").header("content-type", "application/json").header("host", "h");
    let sign_in = |request: request::Builder, key| request.header(AUTHORIZATION, format!("Bearer {key}"));
    let request = key.into_iter().fold(request, sign_in);
    request.body(json!({ "query": query }).to_string().into()).unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_signed_in_user_is_answered() {
    let (server, _folder) = server().await;
    let response = server.oneshot(graphql(Some(KEY), "{ viewer { username } }")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response).await, json!({ "data": { "viewer": { "username": "admin" } } }));
}

#[tokio::test]
async fn pages_of_other_origins_may_fetch_files_and_nothing_else() {
    let (server, _folder) = server().await;
    let ask = async |path| {
        let request = Request::options(path).header("origin", "http://elsewhere.example");
        let request = request.header("access-control-request-method", "PUT").body(Body::empty()).unwrap();
        let response = server.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("access-control-allow-origin"))
    };
    for path in ["/objects/x", "/files/e/p/r/x.txt", "/artifactsV2/r/e/p/c/b/d/x"] {
        assert_eq!(ask(path).await, (200, true), "{path}");
    }
    assert_eq!(ask("/graphql").await, (405, false));
    let post = Request::post("/objects/x").body(Body::empty()).unwrap();
    assert_eq!(json_of(server.clone().oneshot(post).await.unwrap()).await["code"], "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn without_a_good_key_there_is_a_graphql_error() {
    let (server, _folder) = server().await;
    let wrong = "9".repeat(40);
    for key in [None, Some(wrong.as_str())] {
        let response = server.clone().oneshot(graphql(key, "{ viewer { username } }")).await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let body = json_of(response).await;
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        assert!(body["errors"][0]["message"].as_str().unwrap().contains("API key"), "{body}");
    }
}

#[tokio::test]
async fn a_problem_carries_the_id_of_the_request() {
    let (server, _folder) = server().await;
    let request = Request::get("/nothing.txt").header("x-request-id", "mine").body(Body::empty()).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-request-id"]),
        (404, &"mine".parse().unwrap())
    );
    assert_eq!(json_of(response).await["request_id"], "mine");

    let request = Request::delete("/graphql").body(Body::empty()).unwrap();
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 405);
    assert!(response.headers().contains_key("allow"));
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(json_of(response).await["request_id"], id);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_says_nothing() {
    async fn broken() {
        panic!("password hunter2");
    }
    let around =
        ServiceBuilder::new().layer(from_fn(problem::render)).layer(CatchPanicLayer::custom(panicked));
    let server: Router = Router::new().route("/", get(broken)).layer(around);
    let response = server.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(json_of(response).await["error"], "internal error");
}

#[tokio::test]
async fn health_needs_no_key() {
    let (server, _folder) = server().await;
    for path in ["/healthz", "/ready", "/metrics"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(server.clone().oneshot(request).await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn only_our_own_pages_run_as_pages() {
    let (server, _folder) = server().await;
    let request = Request::get("/healthz").body(Body::empty()).unwrap();
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-security-policy"], NOT_A_PAGE);
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
}
