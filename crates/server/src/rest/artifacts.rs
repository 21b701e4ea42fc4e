//! Files of artifacts by what they are, for those who sign in: what the client asks for where it has no URL from a
//! listing (protocol reference 4.5).

use axum::extract::State;
use axum::response::Response;
use counterweight_domain::artifact::{self, ContentPath};
use counterweight_domain::id::ArtifactId;
use serde::Deserialize;

use super::download::{self, Asked};
use crate::auth::Requester;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::AppState;

/// The parts of the address that say which file. There is one region, and the version that the bytes were uploaded for
/// does not matter: content is found by its digest.
#[derive(Debug, Deserialize)]
pub struct Address {
    entity: String,
    project: String,
    collection: String,
    /// Older clients leave it out.
    version: Option<String>,
    digest: String,
    name: String,
}

/// `/artifactsV2/{region}/{entity}/{project}/{collection}/[{version}/]{birth}/{digest}/{name}`: a file of a version in a
/// collection.
pub async fn get(
    State(state): State<AppState>,
    Path(address): Path<Address>,
    Requester(caller): Requester,
    asked: Asked,
) -> Result<Response, Problem> {
    let Address { entity, project, collection, version, digest, name } = address;
    let artifact = version.as_deref().and_then(ArtifactId::from_node_id);
    let path = ContentPath { entity, project, collection, artifact, hex_digest: digest, name };
    let found = artifact::content_by_digest(&state.db, &caller, &path).await?;
    download::respond(&state, &found.try_into()?, &asked).await
}

/// `/artifacts/{entity}/{digest}`: a file of any version of an entity, where the manifest says that it is laid out so.
pub async fn get_of_entity(
    State(state): State<AppState>,
    Path((entity, digest)): Path<(String, String)>,
    Requester(caller): Requester,
    asked: Asked,
) -> Result<Response, Problem> {
    let found = artifact::content_of_entity(&state.db, &caller, &entity, &digest).await?;
    download::respond(&state, &found.try_into()?, &asked).await
}
