//! Collections of versions: sequences and portfolios, which differ in their name alone.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::{Context, Enum, ID, Interface, Object, SimpleObject, TypeName};

use counterweight_domain::artifact::{self, Collection, CollectionKind, CollectionState, VersionName};

use super::artifact::{Artifact, ArtifactAliasConnection, ArtifactAliasEdge, ArtifactDigestAlgorithm, Tag};
use super::artifact_list::{Slice, VersionedArtifactConnection};
use super::{ArtifactCollectionMembership, ArtifactType, Project};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::TagsOfCollection;
use crate::scalars::{DateTime, JsonString};

/// Names a kind of collection. The client compares the names.
pub(crate) trait Kind: Send + Sync + 'static {
    /// Of the type in the schema.
    const NAME: &'static str;
}

/// Runs make versions in it.
pub(crate) struct Sequence;
/// Versions are linked to it.
pub(crate) struct Portfolio;

impl Kind for Sequence {
    const NAME: &'static str = "ArtifactSequence";
}

impl Kind for Portfolio {
    const NAME: &'static str = "ArtifactPortfolio";
}

/// A collection of a kind.
pub(crate) struct CollectionOf<K>(Collection, PhantomData<K>);

/// Where versions are made.
pub(crate) type ArtifactSequence = CollectionOf<Sequence>;
/// Where versions are linked to.
pub(crate) type ArtifactPortfolio = CollectionOf<Portfolio>;

impl<K> CollectionOf<K> {
    /// A collection that is of this kind.
    pub(crate) fn new(collection: Collection) -> Self {
        Self(collection, PhantomData)
    }

    /// Whether the viewer may see what is in it. Who sees only a registry learns from a version there where it was made,
    /// and nothing else of that place.
    async fn is_open(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.request()?.loader.load_one(self.0.project_id).await.or_graphql()?.is_some())
    }
}

impl<K: Kind> TypeName for CollectionOf<K> {
    fn type_name() -> Cow<'static, str> {
        K::NAME.into()
    }
}

/// Whether a collection is there.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ArtifactCollectionState {
    /// It is.
    Ready,
    /// It was deleted.
    Deleted,
}

/// Tags.
#[derive(SimpleObject)]
pub(crate) struct TagConnection {
    /// One for each tag.
    edges: Vec<TagEdge>,
}

/// One tag.
#[derive(SimpleObject)]
struct TagEdge {
    /// The tag.
    node: Tag,
}

/// A name under which versions are found.
#[expect(clippy::duplicated_attributes, reason = "fields have arguments of the same names")]
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Global id."),
    field(name = "name", ty = "String", desc = "Unique in its project."),
    field(name = "description", ty = "Option<String>", desc = "As its owner wrote it."),
    field(name = "state", ty = "ArtifactCollectionState", desc = "Whether it is there."),
    field(name = "created_at", ty = "DateTime", desc = "When it was made."),
    field(name = "updated_at", ty = "Option<DateTime>", desc = "When it last changed."),
    field(name = "project", ty = "Option<Project>", desc = "Its project."),
    field(name = "default_artifact_type", ty = "ArtifactType", desc = "What its versions are."),
    field(name = "tags", ty = "TagConnection", desc = "Words that it is found by."),
    field(
        name = "aliases",
        ty = "ArtifactAliasConnection",
        desc = "Names of its versions.",
        arg(name = "after", ty = "Option<String>"),
        arg(name = "first", ty = "Option<i32>")
    ),
    field(
        name = "artifacts",
        ty = "Option<VersionedArtifactConnection>",
        desc = "Its versions, newest first where no order is given.",
        arg(name = "after", ty = "Option<String>"),
        arg(name = "first", ty = "Option<i32>"),
        arg(name = "order", ty = "Option<String>"),
        arg(name = "filters", ty = "Option<JsonString>")
    ),
    field(
        name = "artifact_membership",
        ty = "Option<ArtifactCollectionMembership>",
        desc = "The version that a name means: `v3`, an alias, or a digest.",
        arg(name = "alias_name", ty = "String")
    )
)]
pub(crate) enum ArtifactCollection {
    /// Where versions are made.
    Sequence(ArtifactSequence),
    /// Where versions are linked to.
    Portfolio(ArtifactPortfolio),
}

impl From<Collection> for ArtifactCollection {
    fn from(collection: Collection) -> Self {
        match collection.kind {
            CollectionKind::Sequence => Self::Sequence(CollectionOf::new(collection)),
            CollectionKind::Portfolio => Self::Portfolio(CollectionOf::new(collection)),
        }
    }
}

#[Object(name_type)]
impl<K: Kind> CollectionOf<K> {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Unique in its project.
    pub(crate) async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// As its owner wrote it.
    pub(crate) async fn description(&self) -> Option<String> {
        self.0.description.clone()
    }

    /// Whether it is there.
    pub(crate) async fn state(&self) -> ArtifactCollectionState {
        match self.0.state {
            CollectionState::Live => ArtifactCollectionState::Ready,
            CollectionState::Deleted => ArtifactCollectionState::Deleted,
        }
    }

    /// When it was made.
    pub(crate) async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    pub(crate) async fn updated_at(&self) -> Option<DateTime> {
        Some(DateTime(self.0.updated_at))
    }

    /// Its project.
    pub(crate) async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        Ok(ctx.request()?.loader.load_one(self.0.project_id).await.or_graphql()?.map(Project))
    }

    /// What its versions are.
    pub(crate) async fn default_artifact_type(&self, ctx: &Context<'_>) -> Result<ArtifactType> {
        ArtifactType::of(ctx, &self.0).await
    }

    /// Words that it is found by.
    pub(crate) async fn tags(&self, ctx: &Context<'_>) -> Result<TagConnection> {
        let tags = ctx.request()?.loader.load_one(TagsOfCollection(self.0.id)).await.or_graphql()?;
        let edges = tags.unwrap_or_default().into_iter().map(|tag| TagEdge { node: tag.into() }).collect();
        Ok(TagConnection { edges })
    }

    /// Names of its versions.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    pub(crate) async fn aliases(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<ArtifactAliasConnection> {
        let list = format!("aliases of collection {}", self.0.id);
        let limit = connection::page_size(first)?;
        let after = connection::decode(&list, after.as_deref())?;
        if !self.is_open(ctx).await? {
            let page_info = PageInfo { end_cursor: None, has_next_page: false };
            return Ok(ArtifactAliasConnection { edges: Vec::new(), page_info });
        }
        let rows = artifact::list_aliases(&ctx.request()?.db, self.0.id, after, limit + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, limit);
        let edge = |row: artifact::Alias| {
            let cursor = connection::encode(&list, &row.alias)?;
            Ok(ArtifactAliasEdge { node: row.into(), cursor })
        };
        let edges: Vec<ArtifactAliasEdge> = rows.into_iter().map(edge).collect::<Result<_>>()?;
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(ArtifactAliasConnection { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }

    /// Its versions, newest first where no order is given.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    pub(crate) async fn artifacts(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        order: Option<String>,
        filters: Option<JsonString>,
    ) -> Result<Option<VersionedArtifactConnection>> {
        let slice = Slice { order: order.as_deref(), after: after.as_deref(), first };
        VersionedArtifactConnection::page(ctx, &self.0, filters.as_ref(), slice).await.map(Some)
    }

    /// The version that a name means: `v3`, an alias, or a digest.
    pub(crate) async fn artifact_membership(
        &self,
        ctx: &Context<'_>,
        alias_name: String,
    ) -> Result<Option<ArtifactCollectionMembership>> {
        if !self.is_open(ctx).await? {
            return Ok(None);
        }
        let name = VersionName::parse(&alias_name);
        let found = artifact::find_membership(&ctx.request()?.db, self.0.id, name).await.or_graphql()?;
        Ok(found.map(ArtifactCollectionMembership))
    }

    /// Its newest version.
    pub(crate) async fn latest_artifact(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        let request = ctx.request()?;
        if !self.is_open(ctx).await? {
            return Ok(None);
        }
        let latest = VersionName::parse("latest");
        let place = artifact::find_membership(&request.db, self.0.id, latest).await.or_graphql()?;
        let Some(place) = place else { return Ok(None) };
        Ok(request.loader.load_one(place.artifact_id).await.or_graphql()?.map(Artifact))
    }

    /// How the digests of its versions are made.
    pub(crate) async fn digest_algorithm(&self) -> Option<ArtifactDigestAlgorithm> {
        Some(self.0.digest_algorithm.into())
    }
}
