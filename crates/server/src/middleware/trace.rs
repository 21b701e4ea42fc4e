use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::RequestId;

/// Middleware that logs, counts and times the request. Only the route is recorded, never the path: a path can carry
/// a signed token.
pub async fn trace(id: RequestId, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let span =
        tracing::info_span!("request", request.id = id.as_str(), http.method = method, http.route = route);
    async {
        let started = Instant::now();
        let response = next.run(request).await;
        let (status, elapsed) = (response.status(), started.elapsed());
        tracing::debug!(http.status = status.as_u16(), elapsed_ms = elapsed.as_millis(), "answered");
        let labels =
            [("route", route.clone()), ("method", method.to_owned()), ("status", status.as_str().to_owned())];
        metrics::counter!("counterweight_http_requests_total", &labels).increment(1);
        metrics::histogram!("counterweight_http_request_seconds", "route" => route.clone(), "method" => method)
            .record(elapsed);
        response
    }
    .instrument(span)
    .await
}

/// A method's name, from a fixed set: a client must not be able to make new metrics.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
