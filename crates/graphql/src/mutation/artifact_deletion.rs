//! Versions of artifacts: deleting them, and bringing them back.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain::deletion;

use super::artifact::artifact_id;
use super::artifact_edit::collection_id;
use crate::context::ContextExt as _;
use crate::error::Result;
use crate::object::{Artifact, Deletion};

#[derive(Debug, Default)]
pub(super) struct ArtifactDeletionMutation;

/// A version to delete.
#[derive(InputObject)]
struct DeleteArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Whether it goes even if it has aliases.
    delete_aliases: Option<bool>,
    /// Why, in free text.
    reason: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version deleted.
#[derive(SimpleObject)]
struct DeleteArtifactPayload {
    /// The version, as it was.
    artifact: Artifact,
    /// Its record, with the deadline for undoing it.
    deletion: Deletion,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A sequence to rid of versions that nothing names.
#[derive(InputObject)]
struct DeleteUnaliasedArtifactsInput {
    /// The sequence.
    #[graphql(name = "artifactSequenceID")]
    artifact_sequence_id: ID,
    /// Why, in free text.
    reason: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Versions deleted.
#[derive(SimpleObject)]
struct DeleteUnaliasedArtifactsPayload {
    /// The record of it all, with the deadline for undoing it.
    deletion: Deletion,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A version to bring back.
#[derive(InputObject)]
struct RestoreArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version brought back.
#[derive(SimpleObject)]
struct RestoreArtifactPayload {
    /// The version.
    artifact: Artifact,
    /// Aliases that it does not have again, as `collection:alias`: another version has them by now, or they are protected.
    lost_aliases: Vec<String>,
    /// Portfolios that it is not linked to again, since they are gone.
    lost_links: Vec<String>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

#[Object]
impl ArtifactDeletionMutation {
    /// Deletes a version: gone from every lookup at once, with its aliases and links. It can be restored until the deadline that
    /// the answer tells; then its bytes go, where nothing else refers to them.
    async fn delete_artifact(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactInput,
    ) -> Result<Option<DeleteArtifactPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let named = input.delete_aliases.unwrap_or_default();
        let (caller, retention) = (&request.caller, request.retention);
        let done = request
            .write(async |tx| deletion::delete_version(tx, caller, id, named, input.reason, retention).await)
            .await?;
        Ok(Some(DeleteArtifactPayload {
            artifact: Artifact(done.0),
            deletion: Deletion(done.1),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Deletes all versions of a sequence that are whole, have no alias anywhere, and are linked to nothing.
    async fn delete_unaliased_artifacts(
        &self,
        ctx: &Context<'_>,
        input: DeleteUnaliasedArtifactsInput,
    ) -> Result<Option<DeleteUnaliasedArtifactsPayload>> {
        let request = ctx.request()?;
        let id = collection_id(&input.artifact_sequence_id)?;
        let (caller, retention) = (&request.caller, request.retention);
        let done = request
            .write(async |tx| deletion::delete_unnamed(tx, caller, id, input.reason, retention).await)
            .await?;
        Ok(Some(DeleteUnaliasedArtifactsPayload {
            deletion: Deletion(done),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Brings a deleted version back: with its place, its links, and the aliases that no other version has by now; also one that
    /// went with a run. Its sequence is back with it, if that was deleted.
    async fn restore_artifact(
        &self,
        ctx: &Context<'_>,
        input: RestoreArtifactInput,
    ) -> Result<Option<RestoreArtifactPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let done = request.write(async |tx| deletion::restore_version(tx, &request.caller, id).await).await?;
        Ok(Some(RestoreArtifactPayload {
            artifact: Artifact(done.artifact),
            lost_aliases: done.lost_aliases,
            lost_links: done.lost_links,
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
