//! `/graphql`

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::{UPGRADE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use counterweight_domain::account::Caller;
use counterweight_graphql::{Links, RequestContext};

use super::socket;
use crate::auth::Requester;
use crate::base_url::BaseUrl;
use crate::graphql_http::protocol::PROTOCOL;
use crate::graphql_http::{GraphQlRequest, Media, respond};
use crate::middleware::RequestId;
use crate::problem::Problem;
use crate::state::AppState;

/// A connection that stays open where the request asks for one; else one request.
pub async fn get(
    state: State<AppState>,
    id: RequestId,
    media: Media,
    requester: Result<Requester, Problem>,
    base_url: Result<BaseUrl, Problem>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    if !asks_to_stay(request.headers()) {
        return graphql(state, id, media, requester, base_url, request).await;
    }
    let BaseUrl(base_url) = base_url?;
    let upgrade = upgrade.map_err(|rejection| {
        let status = rejection.into_response().status();
        Problem::new(status, "UPGRADE_INVALID", "the request is no handshake of a WebSocket")
    })?;
    if !upgrade.requested_protocols().any(|protocol| protocol == PROTOCOL) {
        let message = "the connection speaks graphql-transport-ws alone";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "PROTOCOL_UNKNOWN", message));
    }
    let State(state) = state;
    Ok(socket::open(state, upgrade, request.headers().clone(), id, base_url))
}

fn asks_to_stay(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|wanted| wanted.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers one GraphQL request of a signed-in user. Resolvers find the [`RequestContext`] in its data.
pub async fn graphql(
    State(state): State<AppState>,
    id: RequestId,
    media: Media,
    requester: Result<Requester, Problem>,
    base_url: Result<BaseUrl, Problem>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    // Not the Basic challenge: for that a browser asks in a window of its own.
    let bearer = HeaderValue::from_static("Bearer");
    let Requester(caller) =
        requester.map_err(|problem| problem.as_graphql(media).replace_header(&WWW_AUTHENTICATE, &bearer))?;
    let BaseUrl(base_url) = base_url.map_err(|problem| problem.as_graphql(media))?;
    let GraphQlRequest(request) = GraphQlRequest::receive(request, media, &state.body_memory).await?;
    let response = state.graphql.execute(request.data(context(&state, caller, base_url))).await;
    Ok(respond(media, &id, response))
}

/// What a request carries to its resolvers.
pub(super) fn context(state: &AppState, caller: Caller, base_url: String) -> RequestContext {
    let links = Links::new(base_url, state.signer.clone(), state.db.now(), state.url_lifetime);
    RequestContext::new(state.db.clone(), state.blobs.clone(), caller, links, state.retention)
}
