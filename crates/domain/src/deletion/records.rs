//! The records of deletions: what was asked for, by whom, why, and what became of each thing.

use std::collections::{BTreeMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveEnum as _, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, JoinType,
    PaginatorTrait as _, QueryFilter, QueryOrder, QuerySelect, RelationDef, Select, Set,
};

use super::{Deletion, DeletionItem, DeletionKind, DeletionState, ItemKind, ItemState, Wish};
use crate::account::Caller;
use crate::bulk::BulkState;
use crate::clock::Timestamp;
use crate::db::{Source, WriteTx, dialect};
use crate::entity::deletion::{self, Column};
use crate::entity::{bulk_task, deletion_item as item, entity, project as project_entity};
use crate::error::{Error, Result};
use crate::id::{ProjectId, RunId, UserId};
use crate::job::{self, JobKind};
use crate::project;
use crate::receipt::{self, Receipt};

/// Rows per statement.
const BATCH: usize = 1000;

/// Begins the record of a deletion, with nothing in it.
pub(super) async fn open(
    tx: &WriteTx,
    kind: DeletionKind,
    user_id: UserId,
    project_id: ProjectId,
    wish: &Wish,
    task_id: Option<String>,
    purge_after: Timestamp,
) -> Result<Deletion> {
    let record = deletion::ActiveModel {
        id: Set(tx.env().uuid().to_string()),
        kind: Set(kind),
        project_id: Set(project_id),
        user_id: Set(user_id),
        task_id: Set(task_id),
        with_artifacts: Set(wish.with.artifacts),
        on_registry_link: Set(wish.with.on_registry_link),
        state: Set(DeletionState::Pending),
        reason: Set(wish.reason.clone()),
        requested_at: Set(tx.now()),
        purge_after: Set(purge_after),
        urgent: Set(false),
        extended_to: Set(None),
        ended_at: Set(None),
        run_count: Set(0),
        artifact_count: Set(0),
        file_count: Set(0),
        file_bytes: Set(0),
    };
    Ok(record.insert(tx.connection()).await?)
}

/// What a deletion comes to have more of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    pub(super) runs: i64,
    pub(super) artifacts: i64,
    pub(super) files: i64,
    pub(super) bytes: i64,
}

/// Adds to the figures of a deletion, moves its deadline if the new one is later, and has it purged then. What comes into one that
/// is to go at once goes at once as well.
pub(super) async fn grow(tx: &WriteTx, id: &str, by: Growth, purge_after: Timestamp) -> Result<()> {
    // Primary key.
    let sql = "UPDATE deletion SET run_count = run_count + $1, artifact_count = artifact_count + $2, \
               file_count = file_count + $3, file_bytes = file_bytes + $4, \
               purge_after = CASE WHEN purge_after < $5 AND NOT urgent THEN $5 ELSE purge_after END WHERE id = $6";
    let values = [
        by.runs.into(),
        by.artifacts.into(),
        by.files.into(),
        by.bytes.into(),
        purge_after.into(),
        id.into(),
    ];
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, values)).await?;
    let due = if get(tx, id).await?.urgent { tx.now() } else { purge_after };
    job::hasten(tx, &JobKind::PurgeDeletion { deletion_id: id.to_owned() }, due).await
}

/// A thing that becomes part of a deletion.
#[derive(Debug)]
pub(super) struct NewItem {
    pub(super) kind: ItemKind,
    pub(super) subject_id: i64,
    pub(super) name: String,
    pub(super) state: ItemState,
    pub(super) detail: Option<String>,
    pub(super) file_count: i64,
    pub(super) file_bytes: i64,
}

impl NewItem {
    pub(super) fn new(kind: ItemKind, subject_id: i64, name: String, state: ItemState) -> Self {
        Self { kind, subject_id, name, state, detail: None, file_count: 0, file_bytes: 0 }
    }
}

/// Adds things to a deletion. What it has already stays as it is, unless that was kept or came back, and now goes.
pub(super) async fn add_items(tx: &WriteTx, id: &str, items: Vec<NewItem>) -> Result<()> {
    // Plan: the primary key of deletion_item. `WHERE TRUE`, since `SQLite` else takes ON for that of a join.
    let sql = format!(
        "INSERT INTO deletion_item (deletion_id, kind, subject_id, name, state, detail, file_count, file_bytes) \
         SELECT $1, v.value ->> 0, CAST(v.value ->> 1 AS BIGINT), v.value ->> 2, v.value ->> 3, v.value ->> 4, \
         CAST(v.value ->> 5 AS BIGINT), CAST(v.value ->> 6 AS BIGINT) FROM {} AS v WHERE TRUE \
         ON CONFLICT (deletion_id, kind, subject_id) DO UPDATE SET name = excluded.name, state = excluded.state, \
         detail = excluded.detail, file_count = excluded.file_count, file_bytes = excluded.file_bytes \
         WHERE deletion_item.state IN ('kept', 'restored') AND excluded.state = 'pending'",
        dialect::rows(tx.connection(), 2)
    );
    for items in items.chunks(BATCH) {
        let row = |item: &NewItem| {
            let (kind, state) = (item.kind.to_value(), item.state.to_value());
            (
                kind,
                item.subject_id,
                item.name.clone(),
                state,
                item.detail.clone(),
                item.file_count,
                item.file_bytes,
            )
        };
        let rows: Vec<_> = items.iter().map(row).collect();
        let values = [id.into(), dialect::document(&rows)?];
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql.as_str(), values)).await?;
    }
    Ok(())
}

/// How many of these things went with a deletion before, and came back.
pub(super) async fn count_restored(tx: &WriteTx, id: &str, kind: ItemKind, subjects: &[i64]) -> Result<i64> {
    let mut found = 0;
    for subjects in subjects.chunks(BATCH) {
        // Plan: the primary key of deletion_item.
        let query = item::Entity::find()
            .filter(item::Column::DeletionId.eq(id))
            .filter(item::Column::Kind.eq(kind))
            .filter(dialect::among(item::Column::SubjectId, subjects))
            .filter(item::Column::State.eq(ItemState::Restored));
        found += query.count(tx.connection()).await?;
    }
    i64::try_from(found).map_err(Error::internal)
}

/// Notes what became of things that were in the trash by a deletion.
pub(super) async fn note(
    tx: &WriteTx,
    id: &str,
    kind: ItemKind,
    subjects: &[i64],
    state: ItemState,
) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    // Plan: the primary key of deletion_item.
    item::Entity::update_many()
        .col_expr(item::Column::State, Expr::val(state))
        .filter(item::Column::DeletionId.eq(id))
        .filter(item::Column::Kind.eq(kind))
        .filter(dialect::among(item::Column::SubjectId, subjects))
        .filter(item::Column::State.eq(ItemState::Pending))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// Ends a deletion that has nothing left in the trash, unless more is to come. Links go and come with what they lead to.
pub(crate) async fn settle(tx: &WriteTx, id: &str) -> Result<()> {
    let record = deletion::Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let Some(record) = record.filter(|record| record.state == DeletionState::Pending) else { return Ok(()) };
    let in_state = |state| {
        item::Entity::find()
            .filter(item::Column::DeletionId.eq(id))
            .filter(item::Column::State.eq(state))
            .filter(item::Column::Kind.is_in([ItemKind::Run, ItemKind::Artifact]))
            .limit(1)
    };
    // Plan: ix_deletion_item_state.
    if in_state(ItemState::Pending).one(tx.connection()).await?.is_some() || is_underway(tx, &record).await? {
        return Ok(());
    }
    let state = if record.run_count == 0 && record.artifact_count == 0 {
        DeletionState::Void
    } else if in_state(ItemState::Purged).one(tx.connection()).await?.is_some() {
        DeletionState::Purged
    } else {
        DeletionState::Restored
    };
    job::cancel(tx, &JobKind::PurgeDeletion { deletion_id: id.to_owned() }).await?;
    end(tx, id, state).await
}

async fn is_underway(tx: &WriteTx, record: &Deletion) -> Result<bool> {
    let Some(task_id) = &record.task_id else { return Ok(false) };
    let task = bulk_task::Entity::find_by_id(task_id).one(tx.connection()).await?;
    Ok(task.is_some_and(|task| matches!(task.state, BulkState::Underway | BulkState::Paused)))
}

/// Notes that a deletion was undone or completed. From then on a completed one is to have its receipt.
pub(super) async fn end(tx: &WriteTx, id: &str, state: DeletionState) -> Result<()> {
    deletion::Entity::update_many()
        .col_expr(Column::State, Expr::val(state))
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id).and(Column::State.eq(DeletionState::Pending)))
        .exec(tx.connection())
        .await?;
    if state == DeletionState::Purged {
        let record = get(tx, id).await?;
        if record.urgent {
            job::hasten(tx, &JobKind::Collect, tx.now()).await?;
        }
        open_receipt(tx, record).await?;
    }
    Ok(())
}

async fn open_receipt(tx: &WriteTx, record: Deletion) -> Result<()> {
    let receipt = Receipt {
        deletion_id: record.id,
        project_id: record.project_id,
        actor_id: record.user_id,
        reason: record.reason,
        requested_at: record.requested_at,
        purge_after: record.purge_after,
        purged_at: tx.now(),
        issued_at: None,
        software: None,
        digest: None,
    };
    receipt::open(tx, receipt).await
}

/// A deletion that is known to be there.
pub(crate) async fn get(db: &impl Source, id: &str) -> Result<Deletion> {
    let found = deletion::Entity::find_by_id(id).one(db.connection()).await?;
    found.ok_or_else(|| Error::not_found("deletion", id))
}

/// The deletion that a run or a version is in the trash by.
pub(super) async fn pending_of(db: &impl Source, kind: ItemKind, subject: i64) -> Result<Option<Deletion>> {
    // Plan: ix_deletion_item_subject.
    let found = item::Entity::find()
        .filter(item::Column::SubjectId.eq(subject))
        .filter(item::Column::Kind.eq(kind))
        .filter(item::Column::State.eq(ItemState::Pending))
        .one(db.connection())
        .await?;
    match found {
        Some(found) => get(db, &found.deletion_id).await.map(Some),
        None => Ok(None),
    }
}

/// Those of these things of a kind that are to go at once, whatever their own deadline is.
pub(crate) async fn hurried(tx: &WriteTx, kind: ItemKind, subjects: Vec<i64>) -> Result<HashSet<i64>> {
    pending_where(tx, kind, subjects, Column::Urgent.eq(true)).await
}

/// Those of these things of a kind whose deletion has a later deadline, which they have yet to get.
pub(crate) async fn spared(tx: &WriteTx, kind: ItemKind, subjects: Vec<i64>) -> Result<HashSet<i64>> {
    pending_where(tx, kind, subjects, Column::ExtendedTo.gt(tx.now())).await
}

async fn pending_where(
    tx: &WriteTx,
    kind: ItemKind,
    subjects: Vec<i64>,
    deletion: Expr,
) -> Result<HashSet<i64>> {
    if subjects.is_empty() {
        return Ok(HashSet::new());
    }
    // Plan: ix_deletion_item_subject, then the primary key of deletion.
    let of = item::Entity::belongs_to(deletion::Entity).from(item::Column::DeletionId).to(Column::Id);
    let found = item::Entity::find()
        .select_only()
        .column(item::Column::SubjectId)
        .join(JoinType::InnerJoin, of.into())
        .filter(item::Column::SubjectId.is_in(subjects))
        .filter(item::Column::Kind.eq(kind))
        .filter(item::Column::State.eq(ItemState::Pending))
        .filter(deletion)
        .into_tuple()
        .all(tx.connection())
        .await?;
    Ok(found.into_iter().collect())
}

/// The deletions that these things of a kind are in the trash by, each with what it has of them.
pub(super) async fn pending_by_deletion(
    db: &impl Source,
    kind: ItemKind,
    subjects: Vec<i64>,
) -> Result<BTreeMap<String, Vec<i64>>> {
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    if subjects.is_empty() {
        return Ok(found);
    }
    // Plan: ix_deletion_item_subject.
    let rows = item::Entity::find()
        .select_only()
        .columns([item::Column::DeletionId, item::Column::SubjectId])
        .filter(item::Column::SubjectId.is_in(subjects))
        .filter(item::Column::Kind.eq(kind))
        .filter(item::Column::State.eq(ItemState::Pending))
        .into_tuple::<(String, i64)>()
        .all(db.connection())
        .await?;
    for (deletion, subject) in rows {
        found.entry(deletion).or_default().push(subject);
    }
    Ok(found)
}

/// What of a kind a deletion has in the trash, in the order of the ids, after this one.
pub(super) async fn pending(
    db: &impl Source,
    id: &str,
    (kind, after): (ItemKind, i64),
    limit: Option<u64>,
) -> Result<Vec<i64>> {
    // Plan: ix_deletion_item_state, in its order.
    Ok(item::Entity::find()
        .select_only()
        .column(item::Column::SubjectId)
        .filter(item::Column::DeletionId.eq(id))
        .filter(item::Column::State.eq(ItemState::Pending))
        .filter(item::Column::Kind.eq(kind))
        .filter(item::Column::SubjectId.gt(after))
        .order_by_asc(item::Column::SubjectId)
        .limit(limit)
        .into_tuple()
        .all(db.connection())
        .await?)
}

/// The deletion that a project is in the trash by.
pub(super) async fn pending_of_project(db: &impl Source, id: ProjectId) -> Result<Deletion> {
    // Plan: ix_deletion_project_id.
    let found = deletion::Entity::find()
        .filter(Column::ProjectId.eq(id))
        .filter(Column::Kind.eq(DeletionKind::Project))
        .filter(Column::State.eq(DeletionState::Pending))
        .one(db.connection())
        .await?;
    found.ok_or_else(|| Error::internal("a deleted project without its deletion"))
}

fn to_project() -> RelationDef {
    deletion::Entity::belongs_to(project_entity::Entity)
        .from(Column::ProjectId)
        .to(project_entity::Column::Id)
        .into()
}

fn to_entity() -> RelationDef {
    project_entity::Entity::belongs_to(entity::Entity)
        .from(project_entity::Column::EntityId)
        .to(entity::Column::Id)
        .into()
}

/// Deletions in projects that the caller may see, deleted ones too.
fn visible(caller: &Caller) -> Select<deletion::Entity> {
    deletion::Entity::find().join(JoinType::InnerJoin, to_project()).filter(project::visible_to(caller))
}

/// A deletion of something of the caller's.
pub async fn find(db: &impl Source, caller: &Caller, id: &str) -> Result<Option<Deletion>> {
    Ok(visible(caller).filter(Column::Id.eq(id)).one(db.connection()).await?)
}

/// Which deletions a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionQuery {
    /// Of this entity's projects.
    pub entity_name: Option<String>,
    /// Of this project.
    pub project_id: Option<ProjectId>,
    /// Of this kind.
    pub kind: Option<DeletionKind>,
    /// In this state.
    pub state: Option<DeletionState>,
}

/// A page of the deletions of the caller's things, last asked for first; `after` is the last one seen.
pub async fn list(
    db: &impl Source,
    caller: &Caller,
    wanted: &DeletionQuery,
    after: Option<(Timestamp, String)>,
    limit: u64,
) -> Result<Vec<Deletion>> {
    // Plan: ix_deletion_project_id, ix_deletion_trash or ix_deletion_requested_at, backwards.
    let mut query = visible(caller).order_by_desc(Column::RequestedAt).order_by_desc(Column::Id).limit(limit);
    if let Some(name) = &wanted.entity_name {
        query = query.join(JoinType::InnerJoin, to_entity()).filter(entity::Column::Name.eq(name));
    }
    if let Some(id) = wanted.project_id {
        query = query.filter(Column::ProjectId.eq(id));
    }
    if let Some(kind) = wanted.kind {
        query = query.filter(Column::Kind.eq(kind));
    }
    if let Some(state) = wanted.state {
        query = query.filter(Column::State.eq(state));
    }
    if let Some((requested_at, id)) = after {
        query = query.filter(
            Condition::any()
                .add(Column::RequestedAt.lt(requested_at))
                .add(Condition::all().add(Column::RequestedAt.eq(requested_at)).add(Column::Id.lt(id))),
        );
    }
    Ok(query.all(db.connection()).await?)
}

/// A page of the things that a deletion is about, which was found through its door; `after` is the last one seen.
pub async fn list_items(
    db: &impl Source,
    id: &str,
    after: Option<(ItemKind, i64)>,
    limit: u64,
) -> Result<Vec<DeletionItem>> {
    // Plan: the primary key of deletion_item.
    let mut query = item::Entity::find()
        .filter(item::Column::DeletionId.eq(id))
        .order_by_asc(item::Column::Kind)
        .order_by_asc(item::Column::SubjectId)
        .limit(limit);
    if let Some((kind, subject)) = after {
        query =
            query.filter(Condition::any().add(item::Column::Kind.gt(kind)).add(
                Condition::all().add(item::Column::Kind.eq(kind)).add(item::Column::SubjectId.gt(subject)),
            ));
    }
    Ok(query.all(db.connection()).await?)
}

/// The run that a deletion is about, where it is just one.
pub async fn only_run(db: &impl Source, id: &str) -> Result<Option<RunId>> {
    // Plan: the primary key of deletion_item.
    let query = item::Entity::find()
        .filter(item::Column::DeletionId.eq(id))
        .filter(item::Column::Kind.eq(ItemKind::Run));
    let found = query.limit(2).all(db.connection()).await?;
    Ok(match found.as_slice() {
        [only] => Some(RunId(only.subject_id)),
        _ => None,
    })
}

/// How many things a deletion is about.
pub async fn count_items(db: &impl Source, id: &str) -> Result<u64> {
    Ok(item::Entity::find().filter(item::Column::DeletionId.eq(id)).count(db.connection()).await?)
}
