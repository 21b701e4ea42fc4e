//! How many bytes something has.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::id::EntityId;
use counterweight_domain::usage::{self, Consumer, ConsumerKind, Scope, Usage};

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64};

/// What one figure costs: as much as a page of a list.
pub(crate) const COST: usize = 20;

/// Bytes of an entity, a project or a run.
pub(crate) struct StorageUsage {
    scope: Scope,
    usage: Usage,
}

impl StorageUsage {
    /// The bytes of an entity, for who belongs to it.
    pub(crate) async fn of_entity(ctx: &Context<'_>, id: EntityId) -> Result<Option<Self>> {
        let request = ctx.request()?;
        let usage = usage::of_entity(&request.db, &request.caller, id).await.or_graphql()?;
        Ok(usage.map(|usage| Self { scope: Scope::Entity(id), usage }))
    }

    /// The bytes of what the viewer was found to see.
    pub(crate) async fn get(ctx: &Context<'_>, scope: Scope) -> Result<Self> {
        let usage = usage::get(&ctx.request()?.db, scope).await.or_graphql()?;
        Ok(Self { scope, usage })
    }
}

/// What has bytes.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ConsumerKind")]
pub(crate) enum StorageConsumerKind {
    /// Projects, by all that they have.
    Project,
    /// Runs, by their files and history.
    Run,
    /// Versions of artifacts, by the sizes of their files, each counted in full.
    Artifact,
}

/// Something, and its bytes.
#[derive(SimpleObject)]
struct StorageConsumer {
    /// Its global id.
    id: ID,
    /// The name of a project or run, or `collection:version`.
    name: String,
    /// How many.
    bytes: Int64,
}

/// Something in a list.
#[derive(SimpleObject)]
struct StorageConsumerEdge {
    /// What it is.
    node: StorageConsumer,
    /// Its place in the list.
    cursor: String,
}

/// A page of what has the most bytes.
#[derive(SimpleObject)]
struct StorageConsumerConnection {
    /// The largest first.
    edges: Vec<StorageConsumerEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// Bytes as they are now, also right after a deletion. Each is counted once, however many things refer to it: as live if
/// anything live does, else as archived, in the trash, or reclaimable. So they can be added up.
#[Object]
impl StorageUsage {
    /// All of them.
    async fn total_bytes(&self) -> Int64 {
        Int64(self.usage.total())
    }

    /// Of live runs and artifacts.
    async fn live_bytes(&self) -> Int64 {
        Int64(self.usage.live)
    }

    /// Of archived runs.
    async fn archived_bytes(&self) -> Int64 {
        Int64(self.usage.archived)
    }

    /// Of what is deleted and can be restored.
    async fn trash_bytes(&self) -> Int64 {
        Int64(self.usage.trash)
    }

    /// Of what is deleted for good; the worker has not yet come to removing it.
    async fn reclaimable_bytes(&self) -> Int64 {
        Int64(self.usage.reclaimable)
    }

    /// Those of the total that more than one run or version of an artifact refers to.
    async fn shared_bytes(&self) -> Int64 {
        Int64(self.usage.shared)
    }

    /// Those of the total that are lines of history and console in the database, as they were sent, and not yet objects in
    /// the bucket.
    async fn database_bytes(&self) -> Int64 {
        Int64(self.usage.database)
    }

    /// When the first of the trash is purged.
    async fn purges_from(&self) -> Option<DateTime> {
        self.usage.purges_from.map(DateTime)
    }

    /// When the last of the trash is purged.
    async fn purges_until(&self) -> Option<DateTime> {
        self.usage.purges_until.map(DateTime)
    }

    /// What has the most of them, the largest first.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn consumers(
        &self,
        ctx: &Context<'_>,
        kind: StorageConsumerKind,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<StorageConsumerConnection> {
        let request = ctx.request()?;
        let kind = ConsumerKind::from(kind);
        let wanted = connection::page_size(first)?;
        let list = format!("{kind:?}s of {:?} by bytes", self.scope);
        let from = connection::decode(&list, after.as_deref())?.unwrap_or(0);
        let page = usage::list_consumers(&request.db, &request.caller, self.scope, kind, from, wanted);
        let page = page.await.or_graphql()?;
        let edge = |(place, consumer): (u64, Consumer)| {
            let id = consumer.node_id(kind).into();
            let node = StorageConsumer { id, name: consumer.name, bytes: Int64(consumer.bytes) };
            Ok(StorageConsumerEdge { node, cursor: connection::encode(&list, &place)? })
        };
        let edges = page.found.into_iter().map(edge).collect::<Result<Vec<_>>>()?;
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        let page_info = PageInfo { end_cursor, has_next_page: page.has_more };
        Ok(StorageConsumerConnection { edges, page_info })
    }
}
