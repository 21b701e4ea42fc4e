//! Deletions: what was deleted, by whom, and what became of it.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::bulk;
use counterweight_domain::deletion::{
    self, DeletionKind as Kind, DeletionState as State, ItemKind, ItemState, OnRegistryLink as Link,
};
use counterweight_domain::id::{ArtifactId, MembershipId, RunId};

use super::{BulkTask, User};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::NamesOf;
use crate::scalars::{DateTime, Int64};

/// A deletion: what was deleted, by whom and why, and what became of it.
pub(crate) struct Deletion(pub(crate) deletion::Deletion);

/// What a deletion is of.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
enum DeletionKind {
    /// Runs of one project, and perhaps what they logged.
    Runs,
    /// Versions of artifacts of one project.
    Artifacts,
    /// A project with all that is in it.
    Project,
}

/// Where a deletion stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
pub(crate) enum DeletionState {
    /// In the trash until the deadline, all or in part.
    Pending,
    /// Undone.
    Restored,
    /// The rows are gone; the bytes follow by collection.
    Purged,
    /// Nothing was deleted.
    Void,
}

/// What becomes of artifacts of a deleted run that are linked to a registry, or to another portfolio.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Link")]
pub(crate) enum OnRegistryLink {
    /// They go, and their links with them.
    Delete,
    /// Of a run with such an artifact only the run goes.
    KeepArtifacts,
    /// Nothing happens at all.
    Abort,
}

/// What an item of a deletion is.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ItemKind")]
enum DeletionItemKind {
    /// A run.
    Run,
    /// A version of an artifact.
    Artifact,
    /// The place of such a version in a registry, or in another portfolio.
    Link,
}

/// What became of an item of a deletion.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ItemState")]
enum DeletionItemState {
    /// In the trash until its deadline.
    Pending,
    /// Brought back.
    Restored,
    /// Gone; its bytes follow by collection.
    Purged,
    /// Left as it was.
    Kept,
}

/// A page of deletions.
#[derive(SimpleObject)]
pub(crate) struct DeletionConnection {
    /// One for each deletion.
    pub(crate) edges: Vec<DeletionEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// A deletion in a list.
#[derive(SimpleObject)]
pub(crate) struct DeletionEdge {
    /// The deletion.
    pub(crate) node: Deletion,
    /// Its place in the list.
    pub(crate) cursor: String,
}

impl DeletionConnection {
    /// A page of the deletions that are wanted, in the list of that name.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        list: &str,
        wanted: &deletion::DeletionQuery,
        first: Option<i32>,
        after: Option<&str>,
    ) -> Result<Self> {
        let request = ctx.request()?;
        let size = connection::page_size(first)?;
        let after = connection::decode(list, after)?;
        let rows =
            deletion::list(&request.db, &request.caller, wanted, after, size + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, size);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(list, &(row.requested_at, &row.id))?;
            edges.push(DeletionEdge { node: Deletion(row), cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

/// A page of the things that a deletion is about.
#[derive(SimpleObject)]
struct DeletionItemConnection {
    /// One for each thing.
    edges: Vec<DeletionItemEdge>,
    /// Where the page ends.
    page_info: PageInfo,
    /// How many there are in all.
    total_count: Int64,
}

/// A thing in a list.
#[derive(SimpleObject)]
struct DeletionItemEdge {
    /// The thing.
    node: DeletionItem,
    /// Its place in the list.
    cursor: String,
}

/// A thing that a deletion is about.
#[derive(SimpleObject)]
struct DeletionItem {
    /// What it is.
    kind: DeletionItemKind,
    /// Its global id.
    id: ID,
    /// What users called it: a run id, or the path of a version.
    name: String,
    /// What became of it.
    state: DeletionItemState,
    /// Why, where that needs saying.
    detail: Option<String>,
    /// Its files.
    file_count: Int64,
    /// Their bytes.
    file_bytes: Int64,
}

impl From<deletion::DeletionItem> for DeletionItem {
    fn from(item: deletion::DeletionItem) -> Self {
        let id = match item.kind {
            ItemKind::Run => RunId(item.subject_id).to_node_id(),
            ItemKind::Artifact => ArtifactId(item.subject_id).to_node_id(),
            ItemKind::Link => MembershipId(item.subject_id).to_node_id(),
        };
        Self {
            kind: item.kind.into(),
            id: id.into(),
            name: item.name,
            state: item.state.into(),
            detail: item.detail,
            file_count: Int64(item.file_count),
            file_bytes: Int64(item.file_bytes),
        }
    }
}

#[Object]
impl Deletion {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    /// What it is of.
    async fn kind(&self) -> DeletionKind {
        self.0.kind.into()
    }

    /// The project that was deleted, as `restoreProject` takes it, or the one that the rest was in.
    async fn project_id(&self) -> ID {
        self.0.project_id.to_node_id().into()
    }

    /// The project's name.
    async fn project_name(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.place(ctx).await?.1)
    }

    /// The name of the project's owner.
    async fn entity_name(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.place(ctx).await?.0)
    }

    /// The deleted run, where there is just one.
    async fn run_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        if self.0.kind != Kind::Runs || self.0.run_count != 1 {
            return Ok(None);
        }
        let found = deletion::only_run(&ctx.request()?.db, &self.0.id).await.or_graphql()?;
        Ok(found.map(|id| id.to_node_id().into()))
    }

    /// Who asked for it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.user_id).await.or_graphql()?.map(User))
    }

    /// Where it stands.
    async fn state(&self) -> DeletionState {
        self.0.state.into()
    }

    /// As the caller gave it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Whether artifacts that the runs logged go with them.
    async fn delete_artifacts(&self) -> bool {
        self.0.with_artifacts
    }

    /// What becomes of those that a registry has.
    async fn on_registry_link(&self) -> OnRegistryLink {
        self.0.on_registry_link.into()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime {
        DateTime(self.0.requested_at)
    }

    /// Until when it can be undone. Fixed when it was asked for; `extendDeletion` moves it.
    async fn purge_after(&self) -> DateTime {
        DateTime(self.0.purge_after)
    }

    /// When it was undone or completed.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// Runs that were deleted; of a project, those that went with it, live and archived.
    async fn run_count(&self) -> Int64 {
        Int64(self.0.run_count)
    }

    /// Versions of artifacts that were deleted.
    async fn artifact_count(&self) -> Int64 {
        Int64(self.0.artifact_count)
    }

    /// Files of the runs when they were deleted.
    async fn file_count(&self) -> Int64 {
        Int64(self.0.file_count)
    }

    /// Their bytes.
    async fn file_bytes(&self) -> Int64 {
        Int64(self.0.file_bytes)
    }

    /// How far it has come, where it is of many runs and the viewer asked for it.
    async fn task(&self, ctx: &Context<'_>) -> Result<Option<BulkTask>> {
        let request = ctx.request()?;
        let Some(id) = &self.0.task_id else { return Ok(None) };
        Ok(bulk::find_task(&request.db, &request.caller, id).await.or_graphql()?.map(BulkTask))
    }

    /// Each thing that it is about, and what became of it. What went with a project is not listed.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn items(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<DeletionItemConnection> {
        let request = ctx.request()?;
        let size = connection::page_size(first)?;
        let list = format!("items of deletion {}", self.0.id);
        let after = connection::decode(&list, after.as_deref())?;
        let rows = deletion::list_items(&request.db, &self.0.id, after, size + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, size);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(&list, &(row.kind, row.subject_id))?;
            edges.push(DeletionItemEdge { node: row.into(), cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        let total = deletion::count_items(&request.db, &self.0.id).await.or_graphql()?;
        let total_count = Int64(i64::try_from(total).unwrap_or(i64::MAX));
        Ok(DeletionItemConnection { edges, page_info: PageInfo { end_cursor, has_next_page }, total_count })
    }
}

impl Deletion {
    /// The names of the project's owner and of the project.
    async fn place(&self, ctx: &Context<'_>) -> Result<(String, String)> {
        let names = ctx.request()?.loader.load_one(NamesOf(self.0.project_id)).await.or_graphql()?;
        Ok(names.unwrap_or_default())
    }
}
