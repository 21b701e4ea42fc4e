//! Collections of versions: renaming, describing, tagging, moving, deleting them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::account::Caller;
use counterweight_domain::artifact::{self, Collection, CollectionEdit, CollectionKind, CollectionTag, Ttl};
use counterweight_domain::id::CollectionId;
use counterweight_domain::{WriteTx, deletion, project};

use super::SuccessPayload;
use super::artifact::{TagInput, tag_names};
use super::artifact_edit::collection_id;
use crate::context::ContextExt as _;
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
    /// Why, in free text.
    reason: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A portfolio to delete with its links.
#[derive(InputObject)]
struct DeleteArtifactPortfolioInput {
    /// The portfolio.
    #[graphql(name = "artifactPortfolioID")]
    artifact_portfolio_id: ID,
    /// Why, in free text.
    reason: Option<String>,
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

impl ArtifactCollectionPayload {
    /// Changes or deletes the collection of that id.
    async fn of(
        ctx: &Context<'_>,
        id: &ID,
        client_mutation_id: Option<String>,
        change: impl AsyncFnOnce(&WriteTx, &Caller, CollectionId) -> domain::Result<Collection>,
    ) -> Result<Option<Self>> {
        let request = ctx.request()?;
        let id = collection_id(id)?;
        let changed = request.write(async |tx| change(tx, &request.caller, id).await).await?;
        Ok(Some(Self { artifact_collection: changed.into(), client_mutation_id }))
    }
}

/// Adds tags to the collection at a path, or takes them away; all that it has then.
async fn change_tags(
    ctx: &Context<'_>,
    (entity, project, name): (&str, &str, &str),
    added: &[String],
    removed: &[String],
) -> Result<Vec<CollectionTag>> {
    let request = ctx.request()?;
    let caller = &request.caller;
    let missing = || domain::Error::not_found("artifact collection", format!("{entity}/{project}/{name}"));
    let change = async |tx: &WriteTx| {
        let place = project::find(tx, caller, Some(entity), Some(project)).await?.ok_or_else(missing)?;
        let found = artifact::find_collection(tx, place.id, name).await?.ok_or_else(missing)?;
        artifact::change_collection_tags(tx, caller, &found, added, removed).await
    };
    request.write(change).await
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
        let edit = CollectionEdit { name: input.name, description: input.description, ttl };
        let change = async |tx: &WriteTx, caller: &Caller, id| {
            artifact::edit_collection(tx, caller, id, CollectionKind::Sequence, edit).await
        };
        let id = &input.artifact_sequence_id;
        ArtifactCollectionPayload::of(ctx, id, input.client_mutation_id, change).await
    }

    /// Renames or describes a portfolio.
    async fn update_artifact_portfolio(
        &self,
        ctx: &Context<'_>,
        input: UpdateArtifactPortfolioInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let edit = CollectionEdit { name: input.name, description: input.description, ttl: None };
        let change = async |tx: &WriteTx, caller: &Caller, id| {
            artifact::edit_collection(tx, caller, id, CollectionKind::Portfolio, edit).await
        };
        let id = &input.artifact_portfolio_id;
        ArtifactCollectionPayload::of(ctx, id, input.client_mutation_id, change).await
    }

    /// Makes the versions of a sequence be of another type.
    async fn move_artifact_sequence(
        &self,
        ctx: &Context<'_>,
        input: MoveArtifactSequenceInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let to = &input.destination_artifact_type_name;
        let change =
            async |tx: &WriteTx, caller: &Caller, id| artifact::move_sequence(tx, caller, id, to).await;
        let id = &input.artifact_sequence_id;
        ArtifactCollectionPayload::of(ctx, id, input.client_mutation_id, change).await
    }

    /// Deletes a sequence and the versions that were made in it. It is back once one of these is restored.
    async fn delete_artifact_sequence(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactSequenceInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let retention = ctx.request()?.retention;
        let change = async |tx: &WriteTx, caller: &Caller, id| {
            let kind = CollectionKind::Sequence;
            Ok(deletion::delete_collection(tx, caller, id, kind, input.reason, retention).await?.0)
        };
        let id = &input.artifact_sequence_id;
        ArtifactCollectionPayload::of(ctx, id, input.client_mutation_id, change).await
    }

    /// Deletes a portfolio and the links to it; the versions stay where they were made.
    async fn delete_artifact_portfolio(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactPortfolioInput,
    ) -> Result<Option<ArtifactCollectionPayload>> {
        let retention = ctx.request()?.retention;
        let change = async |tx: &WriteTx, caller: &Caller, id| {
            let kind = CollectionKind::Portfolio;
            Ok(deletion::delete_collection(tx, caller, id, kind, input.reason, retention).await?.0)
        };
        let id = &input.artifact_portfolio_id;
        ArtifactCollectionPayload::of(ctx, id, input.client_mutation_id, change).await
    }

    /// Tags a collection.
    async fn create_artifact_collection_tag_assignments(
        &self,
        ctx: &Context<'_>,
        input: CreateArtifactCollectionTagAssignmentsInput,
    ) -> Result<Option<TagsPayload>> {
        let path = (&*input.entity_name, &*input.project_name, &*input.artifact_collection_name);
        let tags = change_tags(ctx, path, &tag_names(Some(input.tags)), &[]).await?;
        Ok(Some(TagsPayload { tags: tags.into_iter().map(Tag::from).collect() }))
    }

    /// Takes tags away from a collection.
    async fn delete_artifact_collection_tag_assignments(
        &self,
        ctx: &Context<'_>,
        input: DeleteArtifactCollectionTagAssignmentsInput,
    ) -> Result<Option<SuccessPayload>> {
        let path = (&*input.entity_name, &*input.project_name, &*input.artifact_collection_name);
        change_tags(ctx, path, &[], &tag_names(Some(input.tags))).await?;
        Ok(Some(SuccessPayload::done(None)))
    }
}
