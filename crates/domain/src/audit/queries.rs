//! Reading entries: those of an entity for who administers it, all of them for administrators who use their rights.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{Action, AuditEntry, SubjectKind};
use crate::account::Caller;
use crate::clock::Timestamp;
use crate::db::Source;
use crate::entity::audit_entry::{Column, Entity};
use crate::error::Result;
use crate::id::{AuditEntryId, UserId};

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct EntryQuery {
    /// By whom.
    pub actor: Option<UserId>,
    /// What was done.
    pub action: Option<Action>,
    /// To what.
    pub subject: Option<(SubjectKind, i64)>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// The last one seen.
    pub after: Option<AuditEntryId>,
}

/// A page of entries, last recorded first.
pub async fn list(
    db: &impl Source,
    caller: &Caller,
    wanted: &EntryQuery,
    limit: u64,
) -> Result<Vec<AuditEntry>> {
    // Plan: ix_audit_entry_subject, ix_audit_entry_actor_id or ix_audit_entry_entity_id, else the primary key; backwards.
    let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
    if !caller.reaches_all() {
        query = query.filter(Column::EntityId.in_subquery(caller.administered_entities()));
    }
    if let Some(actor) = wanted.actor {
        query = query.filter(Column::ActorId.eq(actor));
    }
    if let Some(action) = wanted.action {
        query = query.filter(Column::Action.eq(action));
    }
    if let Some((kind, id)) = wanted.subject {
        query = query.filter(Column::Kind.eq(kind)).filter(Column::SubjectId.eq(id));
    }
    if let Some(since) = wanted.since {
        query = query.filter(Column::RecordedAt.gte(since));
    }
    if let Some(until) = wanted.until {
        query = query.filter(Column::RecordedAt.lt(until));
    }
    if let Some(after) = wanted.after {
        query = query.filter(Column::Id.lt(after));
    }
    Ok(query.all(db.connection()).await?)
}
