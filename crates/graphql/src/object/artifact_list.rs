//! Pages of collections and of the versions in them.

use async_graphql::{Context, Enum, SimpleObject};

use counterweight_domain::artifact::{self, CollectionKind, CollectionQuery, Place, PlacesIn};

use super::artifact::{Artifact, load_version};
use super::artifact_collection::ArtifactCollection;
use super::artifact_membership::{
    ArtifactCollectionMembership, ArtifactCollectionMembershipConnection, ArtifactCollectionMembershipEdge,
};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::JsonString;

/// Whether versions are made in a collection, or linked to it.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "CollectionKind")]
pub(crate) enum ArtifactCollectionType {
    /// Made.
    Sequence,
    /// Linked.
    Portfolio,
}

/// A page of collections.
#[derive(SimpleObject)]
pub(crate) struct ArtifactCollectionConnection {
    /// How many there are.
    total_count: i32,
    /// One for each collection.
    edges: Vec<ArtifactCollectionEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A collection in a list.
#[derive(SimpleObject)]
struct ArtifactCollectionEdge {
    /// The collection.
    node: ArtifactCollection,
    /// Its place in the list.
    cursor: String,
}

/// A page of the versions of a collection.
#[derive(SimpleObject)]
pub(crate) struct VersionedArtifactConnection {
    /// How many there are.
    total_count: i32,
    /// One for each version.
    edges: Vec<VersionedArtifactEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A version in a list.
#[derive(SimpleObject)]
struct VersionedArtifactEdge {
    /// Which version of the collection it is, such as `v3`.
    version: String,
    /// The version.
    node: Artifact,
    /// Its place in the list.
    cursor: String,
}

/// Which part of a list, in which order.
#[derive(Default)]
pub(crate) struct Slice<'a> {
    pub(crate) order: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
    pub(crate) first: Option<i32>,
}

fn text(filters: Option<&JsonString>) -> &str {
    filters.map_or("", |filters| &filters.0)
}

fn small(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Collections by filter.
pub(crate) fn collection_query(
    place: Place,
    kinds: Vec<ArtifactCollectionType>,
    projects: Option<&JsonString>,
    filters: Option<&JsonString>,
) -> Result<CollectionQuery> {
    Ok(CollectionQuery {
        place,
        kinds: kinds.into_iter().map(CollectionKind::from).collect(),
        projects: artifact::parse_projects(text(projects)).or_graphql()?,
        filter: artifact::parse_collections(text(filters)).or_graphql()?,
    })
}

impl ArtifactCollectionConnection {
    /// A page of collections, oldest first where no order is given.
    pub(crate) async fn page(ctx: &Context<'_>, wanted: &CollectionQuery, slice: Slice<'_>) -> Result<Self> {
        let request = ctx.request()?;
        let (db, caller) = (&request.db, &request.caller);
        let order = artifact::parse_collection_order(slice.order.unwrap_or_default()).or_graphql()?;
        let limit = connection::page_size(slice.first)?;
        let page = artifact::list_collections(db, caller, wanted, &order, slice.after, limit).await;
        let page = page.or_graphql()?;
        let total_count = if ctx.look_ahead().field("totalCount").exists() {
            small(artifact::count_collections(db, caller, wanted).await.or_graphql()?)
        } else {
            0
        };
        let end_cursor = page.items.last().map(|(_, cursor)| cursor.clone());
        let edge = |(row, cursor): (artifact::Collection, String)| ArtifactCollectionEdge {
            node: row.into(),
            cursor,
        };
        Ok(Self {
            total_count,
            edges: page.items.into_iter().map(edge).collect(),
            page_info: PageInfo { end_cursor, has_next_page: page.has_next },
        })
    }
}

impl VersionedArtifactConnection {
    /// A page of a collection's versions, newest first where no order is given.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        collection: &artifact::Collection,
        filters: Option<&JsonString>,
        slice: Slice<'_>,
    ) -> Result<Self> {
        let request = ctx.request()?;
        let (db, caller) = (&request.db, &request.caller);
        let within = PlacesIn::Collection(collection.id);
        let filter = artifact::parse_versions(text(filters)).or_graphql()?;
        let order = artifact::parse_version_order(slice.order.unwrap_or_default()).or_graphql()?;
        let limit = connection::page_size(slice.first)?;
        let page = artifact::list_places(db, caller, &within, &filter, &order, slice.after, limit).await;
        let page = page.or_graphql()?;
        let total_count = if ctx.look_ahead().field("totalCount").exists() {
            small(artifact::count_places(db, caller, &within, &filter).await.or_graphql()?)
        } else {
            0
        };
        let end_cursor = page.items.last().map(|(_, cursor)| cursor.clone());
        let loads = page.items.iter().map(|(place, _)| load_version(ctx, place.artifact_id));
        let versions = futures_util::future::try_join_all(loads).await?;
        let edges = page.items.iter().zip(versions).map(|((place, cursor), version)| VersionedArtifactEdge {
            version: format!("v{}", place.version_index),
            node: Artifact(version),
            cursor: cursor.clone(),
        });
        Ok(Self {
            total_count,
            edges: edges.collect(),
            page_info: PageInfo { end_cursor, has_next_page: page.has_next },
        })
    }
}

impl ArtifactCollectionMembershipConnection {
    /// A page of versions in many collections, those that came there last first where no order is given.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        collections: CollectionQuery,
        filters: Option<&JsonString>,
        slice: Slice<'_>,
    ) -> Result<Self> {
        let request = ctx.request()?;
        let within = PlacesIn::Collections(collections);
        let filter = artifact::parse_versions(text(filters)).or_graphql()?;
        let order = artifact::parse_version_order(slice.order.unwrap_or_default()).or_graphql()?;
        let limit = connection::page_size(slice.first)?;
        let (db, caller) = (&request.db, &request.caller);
        let page = artifact::list_places(db, caller, &within, &filter, &order, slice.after, limit).await;
        let page = page.or_graphql()?;
        let end_cursor = page.items.last().map(|(_, cursor)| cursor.clone());
        let edge = |(place, cursor)| ArtifactCollectionMembershipEdge {
            node: ArtifactCollectionMembership(place),
            cursor,
        };
        Ok(Self {
            edges: page.items.into_iter().map(edge).collect(),
            page_info: PageInfo { end_cursor, has_next_page: page.has_next },
        })
    }
}

/// All collections of a place, whatever their kind.
pub(crate) async fn of_place(
    ctx: &Context<'_>,
    place: Place,
    filters: Option<&JsonString>,
    slice: Slice<'_>,
) -> Result<ArtifactCollectionConnection> {
    let wanted = collection_query(place, Vec::new(), None, filters)?;
    ArtifactCollectionConnection::page(ctx, &wanted, slice).await
}
