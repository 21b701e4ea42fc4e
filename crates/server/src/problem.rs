//! What a client is told when a request cannot be answered.
//!
//! A handler returns a [`Problem`]; [`render`] writes it, with the request's id, in the shape of the route.
//! The client gives up at once on most 4xx and tries again on 5xx (except 501), so trouble that passes is never a
//! 4xx and bad input never a 5xx.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use counterweight_domain::Error;
pub use counterweight_domain::chain;
use serde_json::json;

use crate::graphql_http::Media;
use crate::middleware::RequestId;
use crate::rest::jobs;

/// A request that failed as a whole.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    shape: Shape,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How the body is written.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// `{"error", "code", "request_id"}`
    Rest,
    /// `{"detail"}`, of the API for schedulers.
    Detail,
    /// `{"errors": [{"message", "extensions": {"code", "requestId"}}]}`
    GraphQl(Media),
}

impl Problem {
    /// A refusal with a status of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), shape: Shape::Rest, cause: None }
    }

    /// There is nothing at this address.
    pub fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here")
    }

    /// The body is larger than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {} MiB", limit >> 20);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With another value of a header, if it has that one.
    #[must_use]
    pub fn replace_header(mut self, name: &HeaderName, value: &HeaderValue) -> Self {
        self.headers.iter_mut().filter(|(own, _)| own == name).for_each(|(_, own)| own.clone_from(value));
        self
    }

    /// As a GraphQL response.
    #[must_use]
    pub fn as_graphql(mut self, media: Media) -> Self {
        self.shape = Shape::GraphQl(media);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The stable name.
    pub fn code(&self) -> &'static str {
        self.code
    }

    fn body(&self, id: &RequestId) -> Response {
        let (message, code, id) = (&self.message, self.code, id.as_str());
        match self.shape {
            Shape::Detail => Json(json!({ "detail": message })).into_response(),
            Shape::Rest => Json(json!({ "error": message, "code": code, "request_id": id })).into_response(),
            Shape::GraphQl(media) => {
                let extensions = json!({ "code": code, "requestId": id });
                let body = json!({ "errors": [{ "message": message, "extensions": extensions }] });
                ([(CONTENT_TYPE, media.content_type())], body.to_string()).into_response()
            }
        }
    }

    fn log(&self) {
        let cause = self.cause.as_deref().map(|cause| chain(cause));
        match (self.status.as_u16(), cause) {
            (500, cause) => tracing::error!(error.code = self.code, error.cause = cause, "request failed"),
            (501.., cause) => tracing::warn!(error.code = self.code, error.cause = cause, "request put off"),
            _ => tracing::debug!(error.code = self.code, error.message = %self.message, "request refused"),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::Precondition { .. } => StatusCode::CONFLICT,
            Error::RunDeleted { .. } => StatusCode::GONE,
            Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Error::Forbidden => StatusCode::FORBIDDEN,
            // The same request may succeed the next time, and a 409 would end the client's stream.
            Error::Conflict { .. } | Error::Unavailable { .. } | Error::ReadOnly => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        match error {
            Error::Conflict { .. } => problem = problem.header(RETRY_AFTER, seconds(Duration::from_secs(1))),
            Error::Unauthenticated { .. } => {
                problem = problem.header(WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
            }
            Error::Unavailable { retry_after, source } => {
                problem = problem.header(RETRY_AFTER, seconds(retry_after));
                problem.cause = Some(source.into());
            }
            Error::ReadOnly => problem = problem.header(RETRY_AFTER, seconds(READ_ONLY_RETRY)),
            Error::Internal { source } => problem.cause = Some(source.into()),
            _ => {}
        }
        problem
    }
}

/// It lasts for minutes rather than moments.
const READ_ONLY_RETRY: Duration = Duration::from_secs(10);
const BASIC_CHALLENGE: &str = r#"Basic realm="counterweight", charset="UTF-8""#;

/// Whole seconds for `Retry-After`, at least one.
pub fn seconds(span: Duration) -> HeaderValue {
    HeaderValue::from(span.as_secs().max(1))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Middleware that writes and logs the problems of the routes below it.
pub async fn render(id: RequestId, request: Request, next: Next) -> Response {
    let is_job = request.uri().path().starts_with(jobs::ROOT);
    let mut response = next.run(request).await;
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    if is_job {
        problem.shape = Shape::Detail;
    }
    problem.log();
    let mut response = problem.body(&id);
    *response.status_mut() = problem.status;
    response.headers_mut().extend(problem.headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> Box<dyn StdError + Send + Sync> {
        "the password is hunter2".into()
    }

    fn every_error() -> Vec<(Error, u16)> {
        vec![
            (Error::not_found("run", "x"), 404),
            (Error::invalid("OFFSET_INVALID", "offset", "is negative"), 400),
            (Error::Conflict { reason: "two writers".to_owned() }, 503),
            (
                Error::Precondition { code: "INVALID_STATE_TRANSITION", reason: "not archived".to_owned() },
                409,
            ),
            (Error::RunDeleted { path: "a/b/c".to_owned() }, 410),
            (Error::Unauthenticated { reason: "no key" }, 401),
            (Error::Forbidden, 403),
            (Error::Unavailable { retry_after: Duration::from_millis(2500), source: cause() }, 503),
            (Error::ReadOnly, 503),
            (Error::internal(cause()), 500),
        ]
    }

    #[test]
    fn every_error_has_its_status_and_its_code() {
        for (error, status) in every_error() {
            // A new variant has to be added to the list above.
            match &error {
                Error::NotFound { .. }
                | Error::Invalid { .. }
                | Error::Conflict { .. }
                | Error::Precondition { .. }
                | Error::RunDeleted { .. }
                | Error::Unauthenticated { .. }
                | Error::Forbidden
                | Error::Unavailable { .. }
                | Error::ReadOnly
                | Error::Internal { .. } => {}
            }
            let code = error.code();
            let problem = Problem::from(error);
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
        }
    }

    #[test]
    fn trouble_that_passes_says_when_to_come_back() {
        for (error, status) in every_error() {
            let problem = Problem::from(error);
            let retry_after = problem.headers.iter().find(|(name, _)| name == RETRY_AFTER);
            assert_eq!(retry_after.is_some(), status == 503, "{problem:?}");
        }
    }

    #[test]
    fn causes_are_for_the_log_alone() {
        for (error, _) in every_error() {
            assert!(!Problem::from(error).message.contains("hunter2"));
        }
    }
}
