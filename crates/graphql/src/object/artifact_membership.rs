//! Places of versions in collections.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::artifact::{self, Membership};

use super::FileConnection;
use super::artifact::{Artifact, ArtifactAlias, load_collection, load_version};
use super::artifact_collection::ArtifactCollection;
use super::artifact_file::entry_page;
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::AliasesOf;
use crate::scalars::DateTime;

/// The place of a version in a collection.
pub(crate) struct ArtifactCollectionMembership(pub(crate) Membership);

/// Places of versions.
#[derive(SimpleObject)]
pub(crate) struct ArtifactCollectionMembershipConnection {
    /// One for each place.
    pub(crate) edges: Vec<ArtifactCollectionMembershipEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// A place in a list.
#[derive(SimpleObject)]
pub(crate) struct ArtifactCollectionMembershipEdge {
    /// The place.
    pub(crate) node: ArtifactCollectionMembership,
    /// Its place in the list.
    pub(crate) cursor: String,
}

impl ArtifactCollectionMembershipConnection {
    /// All places of a version that the viewer may see.
    pub(crate) async fn of(ctx: &Context<'_>, version: &artifact::Artifact) -> Result<Self> {
        let request = ctx.request()?;
        let mut edges = Vec::new();
        for (place, collection) in
            artifact::list_memberships_of(&request.db, version.id).await.or_graphql()?
        {
            if request.loader.load_one(collection.project_id).await.or_graphql()?.is_some() {
                let cursor = place.id.to_node_id();
                edges.push(ArtifactCollectionMembershipEdge {
                    node: ArtifactCollectionMembership(place),
                    cursor,
                });
            }
        }
        Ok(Self { edges, page_info: PageInfo { end_cursor: None, has_next_page: false } })
    }
}

#[Object]
impl ArtifactCollectionMembership {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Which version of the collection it is, from 0.
    async fn version_index(&self) -> Option<i32> {
        i32::try_from(self.0.version_index).ok()
    }

    /// Since when it is there.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Its aliases in this collection.
    async fn aliases(&self, ctx: &Context<'_>) -> Result<Vec<ArtifactAlias>> {
        let aliases = ctx.request()?.loader.load_one(AliasesOf(self.0.artifact_id)).await.or_graphql()?;
        let here = |alias: &artifact::Alias| alias.collection_id == self.0.collection_id;
        Ok(aliases.unwrap_or_default().into_iter().filter(here).map(ArtifactAlias::from).collect())
    }

    /// The collection.
    async fn artifact_collection(&self, ctx: &Context<'_>) -> Result<Option<ArtifactCollection>> {
        Ok(Some(load_collection(ctx, self.0.collection_id).await?.into()))
    }

    /// The version.
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        Ok(Some(Artifact(load_version(ctx, self.0.artifact_id).await?)))
    }

    /// Its files, by path.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn files(
        &self,
        ctx: &Context<'_>,
        names: Option<Vec<String>>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<FileConnection>> {
        let version = load_version(ctx, self.0.artifact_id).await?;
        entry_page(ctx, &version, names, after.as_deref(), first).await.map(Some)
    }
}
