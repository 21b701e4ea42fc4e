//! Versions of artifacts in the trash.

use async_graphql::{Context, ID, SimpleObject};

use counterweight_domain::artifact;
use counterweight_domain::id::ProjectId;

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64};

/// A page of versions in the trash.
#[derive(SimpleObject)]
pub(crate) struct TrashedArtifactConnection {
    /// One for each version.
    edges: Vec<TrashedArtifactEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A version in a list.
#[derive(SimpleObject)]
struct TrashedArtifactEdge {
    /// The version.
    node: TrashedArtifact,
    /// Its place in the list.
    cursor: String,
}

/// A version in the trash.
#[derive(SimpleObject)]
struct TrashedArtifact {
    /// Its global id, as `restoreArtifact` takes it.
    id: ID,
    /// What it was called: `collection:v0`.
    name: String,
    /// Bytes of its files, references included.
    size: Int64,
    /// Its files.
    file_count: Int64,
    /// When it was deleted.
    deleted_at: Option<DateTime>,
    /// Until when it can be restored.
    purge_after: Option<DateTime>,
}

impl TrashedArtifactConnection {
    /// A page of what a project has in the trash, which was found through its door.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        project: ProjectId,
        first: Option<i32>,
        after: Option<&str>,
    ) -> Result<Self> {
        let db = &ctx.request()?.db;
        let size = connection::page_size(first)?;
        let list = format!("artifact trash of {project}");
        let after = connection::decode(&list, after)?;
        let rows = artifact::list_trash(db, db.now(), project, after, size + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, size);
        let mut edges = Vec::with_capacity(rows.len());
        for artifact::Trashed { artifact, name } in rows {
            let cursor = connection::encode(&list, &artifact.id)?;
            let node = TrashedArtifact {
                id: artifact.id.to_node_id().into(),
                name,
                size: Int64(artifact.size_bytes),
                file_count: Int64(artifact.file_count),
                deleted_at: artifact.deleted_at.map(DateTime),
                purge_after: artifact.purge_after.map(DateTime),
            };
            edges.push(TrashedArtifactEdge { node, cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}
