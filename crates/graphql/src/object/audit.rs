//! What was done to things.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::Error;
use counterweight_domain::audit::{self, Action, EntryQuery, SealedEntry, SubjectKind};

use super::User;
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64, JsonString};

/// Something that was done to something.
pub(crate) struct AuditEntry(pub(crate) audit::AuditEntry);

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Action")]
pub(crate) enum AuditAction {
    /// Taken out of the listings.
    Archive,
    /// Listed again.
    Unarchive,
    /// Deleted by somebody.
    Delete,
    /// Brought back from the trash.
    Restore,
    /// Held.
    Hold,
    /// Released.
    Release,
    /// Its rows were removed.
    Purge,
    /// Deleted by a deadline.
    Expire,
    /// A version was taken out of a portfolio.
    Unlink,
    /// Aliases were taken away from a version.
    Unalias,
    /// Rows of a history were cut off.
    Rewind,
    /// Bytes were removed from the store.
    Remove,
    /// All of a deletion is gone.
    Receipt,
}

/// What something was done to.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "SubjectKind")]
enum AuditSubjectKind {
    /// A run.
    Run,
    /// A version of an artifact.
    Artifact,
    /// A collection of versions.
    Collection,
    /// A project.
    Project,
    /// An object in the store.
    Blob,
}

/// A page of entries.
#[derive(SimpleObject)]
pub(crate) struct AuditEntryConnection {
    /// One for each entry.
    edges: Vec<AuditEntryEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// An entry in a list.
#[derive(SimpleObject)]
struct AuditEntryEdge {
    /// The entry.
    node: AuditEntry,
    /// Its place in the list.
    cursor: String,
}

impl AuditEntryConnection {
    /// A page of the entries that the viewer may see.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        wanted: EntryQuery,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Self> {
        const LIST: &str = "audit entries";
        let request = ctx.request()?;
        let size = connection::page_size(first)?;
        let wanted = EntryQuery { after: connection::decode(LIST, after.as_deref())?, ..wanted };
        let rows = audit::list(&request.db, &request.caller, &wanted, size + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, size);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(LIST, &row.id)?;
            edges.push(AuditEntryEdge { node: AuditEntry(row), cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

/// What the global id of a thing means, for the list of what was done to it.
pub(crate) fn audit_subject(id: &str) -> Result<(SubjectKind, i64)> {
    let invalid = || Error::invalid("SUBJECT_INVALID", "subject", "is not the id of a thing");
    SubjectKind::of_node_id(id).ok_or_else(invalid).or_graphql()
}

#[Object]
impl AuditEntry {
    /// Its global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// When it was recorded.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// The global id of who did it; none: a deadline.
    async fn actor_id(&self) -> Option<ID> {
        self.0.actor_id.map(|id| id.to_node_id().into())
    }

    /// Who did it.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let Some(id) = self.0.actor_id else { return Ok(None) };
        Ok(ctx.request()?.loader.load_one(id).await.or_graphql()?.map(User))
    }

    /// What was done.
    async fn action(&self) -> AuditAction {
        self.0.action.into()
    }

    /// What it was done to.
    async fn kind(&self) -> AuditSubjectKind {
        self.0.kind.into()
    }

    /// Its global id.
    async fn subject_id(&self) -> ID {
        self.0.kind.node_id(self.0.subject_id).into()
    }

    /// What users called it then; of an object its key.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// As the actor gave it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// How many of what went with it, as a JSON object.
    async fn counts(&self) -> JsonString {
        JsonString(self.0.counts.to_string())
    }

    /// Its place in the chain, given within a minute or so.
    async fn position(&self) -> Option<Int64> {
        self.0.position.map(Int64)
    }

    /// The entry as a line of an export, once it has its place in the chain.
    async fn line(&self) -> Result<Option<String>> {
        let sealed = SealedEntry::of(&self.0).or_graphql()?;
        sealed.map(|sealed| sealed.line()).transpose().or_graphql()
    }
}
