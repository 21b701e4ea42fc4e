//! Collections of versions: renaming, describing, tagging, moving, deleting them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::artifact::{self, Collection, CollectionEdit, CollectionKind, Ttl};
use counterweight_domain::{WriteTx, project};

use super::SuccessPayload;
use super::artifact::{TagInput, tag_names};
use super::artifact_edit::collection_id;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::{ArtifactCollection, Tag};
use crate::scalars::Int64;

#[derive(Debug, Default)]
pub(super) struct ArtifactCollectionMutation;

/// What to change of a sequence; what is not given stays.
#[derive(InputObject)]
struct UpdateArtifactSequenceInput {
    /// The sequence.
    #[graphql(name = "artifactSequenceID")]
    artifact_sequence_id: ID,
    /// Another name.
    name: Option<String>,
    /// Words about it.
    description: Option<String>,
    /// How long its versions are kept that say nothing themselves; -1: as its team says, -2: for ever.
    ttl_duration_seconds: Option<Int64>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What to change of a portfolio; what is not given stays.
#[derive(InputObject)]
struct UpdateArtifactPortfolioInput {
    /// The portfolio.
    #[graphql(name = "artifactPortfolioID")]
    artifact_portfolio_id: ID,
    /// Another name.
    name: Option<String>,
    /// Words about it.
    description: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A sequence whose versions are to be of another type.
#[derive(InputObject)]
struct MoveArtifactSequenceInput {
    /// The sequence.
    #[graphql(name = "artifactSequenceID")]
    artifact_sequence_id: ID,
    /// The type, made where there is none.
    destination_artifact_type_name: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A sequence to delete with its versions.
#[derive(InputObject)]
struct DeleteArtifactSequenceInput {
    /// The sequence.
    #[graphql(name = "artifactSequenceID")]
    artifact_sequence_id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A portfolio to delete with its links.
#[derive(InputObject)]
struct DeleteArtifactPortfolioInput {
    /// The portfolio.
    #[graphql(name = "artifactPortfolioID")]
    artifact_portfolio_id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A collection changed or deleted.
#[derive(SimpleObject)]
struct ArtifactCollectionPayload {
    /// The collection.
    artifact_collection: ArtifactCollection,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Tags for a collection.
#[derive(InputObject)]
struct CreateArtifactCollectionTagAssignmentsInput {
    /// The collection's owner.
    entity_name: String,
    /// Its project.
    project_name: String,
    /// The collection.
    artifact_collection_name: String,
    /// The tags.
    tags: Vec<TagInput>,
    /// Of no effect.
    #[graphql(name = "clientMutationID")]
    _client_mutation_id: Option<String>,
}

/// Tags to take away from a collection.
#[derive(InputObject)]
struct DeleteArtifactCollectionTagAssignmentsInput {
    /// The collection's owner.
    entity_name: String,
    /// Its project.
    project_name: String,
    /// The collection.
    artifact_collection_name: String,
    /// The tags.
    tags: Vec<TagInput>,
    /// Of no effect.
    #[graphql(name = "clientMutationID")]
    _client_mutation_id: Option<String>,
}

/// Tags of a collection.
#[derive(SimpleObject)]
struct TagsPayload {
    /// All that it has.
    tags: Vec<Tag>,
}

async fn by_path(
    tx: &WriteTx,
    request: &RequestContext,
    entity: &str,
    project: &str,
    name: &str,
) -> domain::Result<Collection> {
    let missing = || domain::Error::not_found("artifact collection", format!("{entity}/{project}/{name}"));
    let place = project::find(tx, &request.caller, Some(entity), Some(project)).await?.ok_or_else(missing)?;
    artifact::find_collection(tx, place.id, name).await?.ok_or_else(missing)
}

async fn edit(
    request: &RequestContext,
    id: &ID,
    kind: CollectionKind,
    edit: CollectionEdit,
) -> Result<ArtifactCollection> {
    let id = collection_id(id)?;
    let tx = request.db.begin_write().await.or_graphql()?;
    let changed = artifact::edit_collection(&tx, &request.caller, id, kind, edit).await.or_graphql()?;
    tx.commit().await.or_graphql()?;
    Ok(changed.into())
}

async fn delete(request: &RequestContext, id: &ID, kind: CollectionKind) -> Result<ArtifactCollection> {
    let id = collection_id(id)?;
    let tx = request.db.begin_write().await.or_graphql()?;
    let gone = artifact::delete_collection(&tx, &request.caller, id, kind).await.or_graphql()?;
    tx.commit().await.or_graphql()?;
    Ok(gone.into())
}

#[Object]
impl ArtifactCollectionMutation {
    /// Renames or describes a sequence.
    async fn update_artifact_sequence(
        &self,
        ctx: &Context<'_>,
        input: UpdateArtifactSequenceInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let ttl = input.ttl_duration_seconds.map(|ttl| Ttl::parse(ttl.0)).transpose().or_graphql()?;
        let change = CollectionEdit { name: input.name, description: input.description, ttl };
        let kind = CollectionKind::Sequence;
        Ok(Some(ArtifactCollectionPayload {
            artifact_collection: edit(ctx.request()?, &input.artifact_sequence_id, kind, change).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Renames or describes a portfolio.
    async fn update_artifact_portfolio(
        &self,
        ctx: &Context<'_>,
        input: UpdateArtifactPortfolioInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let change = CollectionEdit { name: input.name, description: input.description, ttl: None };
        let kind = CollectionKind::Portfolio;
        Ok(Some(ArtifactCollectionPayload {
            artifact_collection: edit(ctx.request()?, &input.artifact_portfolio_id, kind, change).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Makes the versions of a sequence be of another type.
    async fn move_artifact_sequence(
        &self,
        ctx: &Context<'_>,
        input: MoveArtifactSequenceInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let request = ctx.request()?;
        let id = collection_id(&input.artifact_sequence_id)?;
        let to = &input.destination_artifact_type_name;
        let tx = request.db.begin_write().await.or_graphql()?;
        let moved = artifact::move_sequence(&tx, &request.caller, id, to).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(ArtifactCollectionPayload {
            artifact_collection: moved.into(),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Deletes a sequence and the versions that were made in it.
    async fn delete_artifact_sequence(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactSequenceInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let kind = CollectionKind::Sequence;
        Ok(Some(ArtifactCollectionPayload {
            artifact_collection: delete(ctx.request()?, &input.artifact_sequence_id, kind).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Deletes a portfolio and the links to it; the versions stay where they were made.
    async fn delete_artifact_portfolio(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactPortfolioInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let kind = CollectionKind::Portfolio;
        Ok(Some(ArtifactCollectionPayload {
            artifact_collection: delete(ctx.request()?, &input.artifact_portfolio_id, kind).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Tags a collection.
    async fn create_artifact_collection_tag_assignments(
        &self,
        ctx: &Context<'_>,
        input: CreateArtifactCollectionTagAssignmentsInput,
    ) -> Result<Option<TagsPayload>> {
        let request = ctx.request()?;
        let (entity, project, name) =
            (&input.entity_name, &input.project_name, &input.artifact_collection_name);
        let added = tag_names(Some(input.tags));
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = by_path(&tx, request, entity, project, name).await.or_graphql()?;
        let tags = artifact::change_collection_tags(&tx, &request.caller, &found, &added, &[]).await;
        let tags = tags.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(TagsPayload { tags: tags.into_iter().map(Tag::from).collect() }))
    }

    /// Takes tags away from a collection.
    async fn delete_artifact_collection_tag_assignments(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactCollectionTagAssignmentsInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let (entity, project, name) =
            (&input.entity_name, &input.project_name, &input.artifact_collection_name);
        let removed = tag_names(Some(input.tags));
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = by_path(&tx, request, entity, project, name).await.or_graphql()?;
        artifact::change_collection_tags(&tx, &request.caller, &found, &[], &removed).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(SuccessPayload::done(None)))
    }
}
