//! Kinds of artifacts.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::artifact::{self, Collection, CollectionKind, Place};

use super::artifact::Artifact;
use super::artifact_collection::{ArtifactCollection, ArtifactSequence};
use super::artifact_list::{ArtifactCollectionConnection, Slice, of_place};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, JsonString};

/// A kind of artifact within a project.
pub(crate) struct ArtifactType(pub(crate) artifact::ArtifactType);

/// A page of types.
#[derive(SimpleObject)]
pub(crate) struct ArtifactTypeConnection {
    /// One for each type.
    edges: Vec<ArtifactTypeEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A type in a list.
#[derive(SimpleObject)]
struct ArtifactTypeEdge {
    /// The type.
    node: ArtifactType,
    /// Its place in the list.
    cursor: String,
}

impl ArtifactTypeConnection {
    /// A page of a project's types, by name.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        project: &domain::project::Project,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let list = format!("artifact types of project {}", project.id);
        let limit = connection::page_size(first)?;
        let after = connection::decode(&list, after)?;
        let rows = artifact::list_types(&ctx.request()?.db, project.id, after, limit + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, limit);
        let edge = |row: artifact::ArtifactType| {
            let cursor = connection::encode(&list, &row.name)?;
            Ok(ArtifactTypeEdge { node: ArtifactType(row), cursor })
        };
        let edges: Vec<ArtifactTypeEdge> = rows.into_iter().map(edge).collect::<Result<_>>()?;
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

impl ArtifactType {
    /// What a collection's versions are.
    pub(crate) async fn of(ctx: &Context<'_>, collection: &Collection) -> Result<Self> {
        let found = ctx.request()?.loader.load_one(collection.artifact_type_id).await.or_graphql()?;
        let lost = || domain::Error::internal("a collection without its type");
        found.map(Self).ok_or_else(lost).or_graphql()
    }
}

impl ArtifactType {
    async fn find(&self, ctx: &Context<'_>, name: &str) -> Result<Option<Collection>> {
        let found = artifact::find_collection(&ctx.request()?.db, self.0.project_id, name).await;
        Ok(found.or_graphql()?.filter(|found| found.artifact_type_id == self.0.id))
    }
}

#[Object]
impl ArtifactType {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Unique in its project.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// As its owner wrote it.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// A collection of this type by name.
    async fn artifact_collection(
        &self,
        ctx: &Context<'_>,
        name: String,
    ) -> Result<Option<ArtifactCollection>> {
        Ok(self.find(ctx, &name).await?.map(ArtifactCollection::from))
    }

    /// The same where it is a sequence; none for a portfolio.
    async fn artifact_sequence(&self, ctx: &Context<'_>, name: String) -> Result<Option<ArtifactSequence>> {
        let found = self.find(ctx, &name).await?;
        Ok(found.filter(|found| found.kind == CollectionKind::Sequence).map(ArtifactSequence::new))
    }

    /// A version of this type by name: `collection:version`.
    async fn artifact(&self, ctx: &Context<'_>, name: String) -> Result<Option<Artifact>> {
        let (collection, version) = artifact::split_name(&name);
        let Some(collection) = self.find(ctx, collection).await? else { return Ok(None) };
        let request = ctx.request()?;
        let place = artifact::find_membership(&request.db, collection.id, version).await.or_graphql()?;
        let Some(place) = place else { return Ok(None) };
        Ok(request.loader.load_one(place.artifact_id).await.or_graphql()?.map(Artifact))
    }

    /// Collections of this type.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn artifact_collections(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        filters: Option<JsonString>,
        order: Option<String>,
    ) -> Result<Option<ArtifactCollectionConnection>> {
        let slice = Slice { order: order.as_deref(), after: after.as_deref(), first };
        of_place(ctx, Place::Type(self.0.id), filters.as_ref(), slice).await.map(Some)
    }
}
