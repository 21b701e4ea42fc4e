//! `/graphql`

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::Response;
use counterweight_domain::account::Caller;
use counterweight_graphql::{Links, RequestContext};

use crate::auth::Requester;
use crate::base_url::BaseUrl;
use crate::graphql_http::{GraphQlRequest, Media, respond};
use crate::middleware::RequestId;
use crate::problem::Problem;
use crate::state::AppState;

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

fn context(state: &AppState, caller: Caller, base_url: String) -> RequestContext {
    let links = Links::new(base_url, state.signer.clone(), state.db.now(), state.url_lifetime);
    RequestContext::new(state.db.clone(), state.blobs.clone(), caller, links, state.retention)
}
