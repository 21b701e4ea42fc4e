//! Files of artifacts by what they are, for those who sign in: what the client asks for where it has no URL from a
//! listing (protocol reference 4.5).

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use counterweight_domain::artifact::{self, ContentPath};
use counterweight_domain::id::ArtifactId;

use super::download;
use crate::auth::Requester;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::AppState;

/// `/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name}`: of any version of a collection.
pub async fn by_collection(
    State(state): State<AppState>,
    Path((_region, entity, project, collection, _birth, digest, name)): Path<Segments>,
    Requester(caller): Requester,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = ContentPath { entity, project, collection, artifact: None, hex_digest: digest, name };
    let found = artifact::content_by_digest(&state.db, &caller, &path).await?;
    download::respond(&state.blobs, &found.try_into()?, &headers).await
}

type Segments = (String, String, String, String, String, String, String);

/// The same with the version before the birth: of that version.
pub async fn by_version(
    State(state): State<AppState>,
    Path((_region, entity, project, collection, version, _birth, digest, name)): Path<(
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        String,
    )>,
    Requester(caller): Requester,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let artifact = ArtifactId::from_node_id(&version);
    let path = ContentPath { entity, project, collection, artifact, hex_digest: digest, name };
    let found = artifact::content_by_digest(&state.db, &caller, &path).await?;
    download::respond(&state.blobs, &found.try_into()?, &headers).await
}
