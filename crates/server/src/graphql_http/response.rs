use std::collections::BTreeMap;
use std::time::Duration;

use async_graphql::{ErrorExtensionValues, PathSegment, ServerError, Value};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use counterweight_domain::Error;
use serde::Serialize;

use super::{Media, protocol};
use crate::middleware::RequestId;
use crate::problem::{Problem, seconds};

/// The codes that decide over the status, strongest first.
///
/// For the client 200 with errors is a failure at once, so bad input needs no status of its own. These must be told
/// apart: a deleted run ends the writer, trouble that passes is tried again, and a 409 is what `upsertBucket` retries.
const DECIDING: [(&str, StatusCode); 6] = [
    ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
    ("RUN_DELETED", StatusCode::GONE),
    ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
    ("READ_ONLY", StatusCode::SERVICE_UNAVAILABLE),
    ("CONFLICT", StatusCode::CONFLICT),
];

/// Whose misses have a status of their own: an agent whose sweep is gone ends itself by it, and tries on for ever without.
const MISSED: &str = "agentHeartbeat";

const RETRY: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl<'a> Body<'a> {
    /// Without data where the request was not executed.
    fn new(response: &'a async_graphql::Response, failed_before: bool) -> Self {
        let data = (!failed_before).then_some(&response.data);
        Self { errors: &response.errors, data, extensions: &response.extensions }
    }
}

/// The message of a connection that tells a result of its operation `name`, and whether the operation was refused: then
/// nothing follows.
pub fn message(
    name: &str,
    id: &RequestId,
    mut response: async_graphql::Response,
) -> serde_json::Result<(String, bool)> {
    let failed_before = settle(&mut response, id);
    if failed_before {
        return Ok((protocol::refused(name, &response.errors), true));
    }
    let next = Next { id: name, kind: "next", payload: Body::new(&response, false) };
    Ok((serde_json::to_string(&next)?, false))
}

#[derive(Serialize)]
struct Next<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    payload: Body<'a>,
}

/// Words the errors; whether the request was not executed.
fn settle(response: &mut async_graphql::Response, id: &RequestId) -> bool {
    for error in &mut response.errors {
        reword(error, id);
    }
    // Errors before the execution have no path, and such a response has no data.
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Writes what the executor answered.
pub fn respond(media: Media, id: &RequestId, mut response: async_graphql::Response) -> Response {
    let failed_before = settle(&mut response, id);
    let bytes = match serde_json::to_vec(&Body::new(&response, failed_before)) {
        Ok(bytes) => bytes,
        Err(error) => return Problem::from(Error::internal(error)).as_graphql(media).into_response(),
    };
    let status = status(media, &response, failed_before);
    let mut http = (status, [(CONTENT_TYPE, media.content_type())], bytes).into_response();
    let headers = http.headers_mut();
    headers.extend(response.http_headers);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.entry(RETRY_AFTER).or_insert_with(|| seconds(RETRY));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    http
}

fn status(media: Media, response: &async_graphql::Response, failed_before: bool) -> StatusCode {
    // The specification's rule for its own media type: there is data, so it is a success.
    if media == Media::GraphQlResponse && response.data != Value::Null {
        return StatusCode::OK;
    }
    let has = |code: &str| response.errors.iter().any(|error| code_of(error) == Some(code));
    if let Some((_, status)) = DECIDING.iter().find(|(code, _)| has(code)) {
        return *status;
    }
    if response.errors.iter().any(|error| code_of(error) == Some("NOT_FOUND") && begins(error, MISSED)) {
        return StatusCode::NOT_FOUND;
    }
    match media {
        Media::GraphQlResponse if failed_before => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

fn begins(error: &ServerError, field: &str) -> bool {
    matches!(error.path.first(), Some(PathSegment::Field(first)) if first == field)
}

fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Names the request in an internal error, and says "unknown field" as the client expects to read it.
fn reword(error: &mut ServerError, id: &RequestId) {
    if code_of(error) == Some("INTERNAL") {
        error.message = format!("internal error (request {})", id.as_str());
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        extensions.set("requestId", id.as_str());
    }
    if let Some(rest) = error.message.strip_prefix("Unknown field \"") {
        error.message = format!("Cannot query field \"{rest}");
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;
    use axum::body::to_bytes;
    use axum::http::request::Parts;
    use serde_json::json;

    use super::*;

    const BOTH: [Media; 2] = [Media::Json, Media::GraphQlResponse];

    fn error(message: &str, code: Option<&str>) -> ServerError {
        let mut error = ServerError::new(message, None);
        if let Some(code) = code {
            error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
            error.path = vec![PathSegment::Field("upsertBucket".to_owned())];
        }
        error
    }

    async fn answer(media: Media, data: Value, errors: Vec<ServerError>) -> (u16, serde_json::Value) {
        let mut response = async_graphql::Response::from_errors(errors);
        response.data = data;
        let response = respond(media, &request_id().await, response);
        assert_eq!(response.headers()[CONTENT_TYPE], media.content_type());
        assert_eq!(response.headers().contains_key(RETRY_AFTER), response.status() == 503);
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn request_id() -> RequestId {
        use axum::extract::FromRequestParts as _;
        let (mut parts, ()): (Parts, ()) = axum::http::Request::new(()).into_parts();
        RequestId::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn a_code_decides_over_the_status() {
        for (code, status) in [
            ("RUN_DELETED", 410),
            ("UNAUTHENTICATED", 401),
            ("UNAVAILABLE", 503),
            ("READ_ONLY", 503),
            ("CONFLICT", 409),
            ("INTERNAL", 500),
            ("NOT_FOUND", 200),
            ("FORBIDDEN", 200),
            ("FILTER_INVALID", 200),
            ("INVALID_STATE_TRANSITION", 200),
        ] {
            for media in BOTH {
                let (got, body) = answer(media, Value::Null, vec![error("it failed", Some(code))]).await;
                assert_eq!(got, status, "{code} {media:?}");
                assert_eq!(body["errors"][0]["extensions"]["code"], code);
                assert_eq!(body["data"], json!(null));
            }
        }
    }

    #[tokio::test]
    async fn the_strongest_code_wins() {
        let errors = || vec![error("busy", Some("UNAVAILABLE")), error("gone", Some("RUN_DELETED"))];
        assert_eq!(answer(Media::Json, Value::Null, errors()).await.0, 410);
        assert_eq!(answer(Media::Json, value!({ "a": 1 }), errors()).await.0, 410);
        assert_eq!(answer(Media::GraphQlResponse, value!({ "a": 1 }), errors()).await.0, 200);
    }

    #[tokio::test]
    async fn a_request_that_was_not_executed_has_no_data() {
        for (media, status) in [(Media::Json, 200), (Media::GraphQlResponse, 400)] {
            let (got, body) = answer(media, Value::Null, vec![error("expected a name", None)]).await;
            assert_eq!(got, status);
            assert_eq!(body, json!({ "errors": [{ "message": "expected a name" }] }));
        }
    }

    #[tokio::test]
    async fn data_alone_is_a_success() {
        for media in BOTH {
            assert_eq!(
                answer(media, value!({ "a": null }), Vec::new()).await,
                (200, json!({ "data": { "a": null } }))
            );
        }
    }

    #[tokio::test]
    async fn an_internal_error_shows_only_the_request() {
        let (_, body) =
            answer(Media::Json, Value::Null, vec![error("password hunter2", Some("INTERNAL"))]).await;
        assert!(!body.to_string().contains("hunter2"), "{body}");
        assert_eq!(body["errors"][0]["extensions"]["requestId"], "-");
    }

    #[tokio::test]
    async fn an_unknown_field_is_told_in_the_words_that_the_client_matches() {
        let message = r#"Unknown field "features" on type "ServerInfo"."#;
        let (_, body) = answer(Media::Json, Value::Null, vec![error(message, None)]).await;
        assert_eq!(body["errors"][0]["message"], r#"Cannot query field "features" on type "ServerInfo"."#);
    }
}
