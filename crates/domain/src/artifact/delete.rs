//! Deleting versions: gone from every lookup at once, rows by a job, bytes by collection.

use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};

use super::aliases::Named;
use super::links::remove_place;
use super::{Artifact, ArtifactState, Collection, CollectionState, aliases, collections, queries, trash};
use crate::audit::{self, Act, Action, SubjectKind, Topic};
use crate::clock::Timestamp;
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::artifact::{self, Column, Entity};
use crate::entity::{
    artifact_alias as alias, artifact_collection as collection, artifact_membership as membership,
};
use crate::error::{Error, Result};
use crate::hold::{self, HoldKind, Target};
use crate::id::{ArtifactId, CollectionId, ProjectId};
use crate::job::{self, JobKind};
use crate::receipt::{self, Rows};

/// Rows that one transaction removes.
const ROWS: i64 = 1000;
/// Versions that one transaction deletes.
const BATCH: u64 = 1000;
/// Ids per statement.
const IDS: usize = 500;

/// What belongs to a version. Nothing here refers to another table here.
const CHILDREN: &[&str] =
    &["artifact_upload", "artifact_entry", "artifact_manifest", "artifact_tag", "run_artifact"];

/// What becomes of a deleted version.
#[derive(Clone, Copy, Debug)]
pub(super) enum Going {
    /// It goes with its deletion, and can be restored until then; what was never committed goes at once.
    Trash(Timestamp),
    /// Its rows go by a job of their own.
    AtOnce,
}

/// Those of these versions that nobody else has just deleted, locked until the transaction ends: what the caller may delete, or
/// none where something keeps one of them.
pub(crate) async fn hold_to_put_away(tx: &WriteTx, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
    hold::check(tx, Target::Versions(ids)).await?;
    for id in ids {
        hold_places(tx, *id).await?;
    }
    let mut there = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        // Plan: the primary key.
        let held = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Expr::cust(dialect::unindexed!("artifact.state")).ne(ArtifactState::Deleted))
            .order_by_asc(Column::Id)
            .lock_exclusive();
        there.extend(held.into_tuple::<ArtifactId>().all(tx.connection()).await?);
    }
    // Only now no alias can be set any more.
    aliases::check_unprotected(tx, Named::Versions(&there)).await?;
    Ok(there)
}

/// Puts versions that are held into the trash: gone from every lookup at once, restorable until `purge_after`, if they were
/// committed. Their places are never given to others. Answers them as they are now.
pub(crate) async fn put_away(
    tx: &WriteTx,
    act: Act<'_>,
    ids: &[ArtifactId],
    purge_after: Timestamp,
) -> Result<Vec<Artifact>> {
    audit::record(tx, act, Topic::Artifacts(ids)).await?;
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        gone.extend(bury(tx, *id, Going::Trash(purge_after)).await?);
    }
    Ok(gone)
}

/// Refuses a version that has aliases.
pub(crate) async fn check_unnamed(tx: &WriteTx, id: ArtifactId) -> Result<()> {
    let aliases = alias::Entity::find().filter(alias::Column::ArtifactId.eq(id)).all(tx.connection()).await?;
    if aliases.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = aliases.iter().map(|row| row.alias.as_str()).collect();
    Err(Error::Precondition {
        code: "ARTIFACT_HAS_ALIASES",
        reason: format!("this version has aliases ({}); delete them with it, or first", names.join(", ")),
    })
}

/// The collections that have a version, locked until the transaction ends.
pub(super) async fn hold_places(tx: &WriteTx, id: ArtifactId) -> Result<Vec<CollectionId>> {
    let places: Vec<CollectionId> = membership::Entity::find()
        .select_only()
        .column(membership::Column::CollectionId)
        .filter(membership::Column::ArtifactId.eq(id))
        .order_by_asc(membership::Column::CollectionId)
        .into_tuple()
        .all(tx.connection())
        .await?;
    for place in &places {
        collection::Entity::find_by_id(*place).lock_exclusive().one(tx.connection()).await?;
    }
    Ok(places)
}

/// Deletes a version and takes it out of every collection; those that had it are held. Answers it, if it was there.
pub(super) async fn bury(tx: &WriteTx, id: ArtifactId, going: Going) -> Result<Option<Artifact>> {
    let mut gone =
        mark_deleted(tx, &[id], &[ArtifactState::Pending, ArtifactState::Committed], going).await?;
    // Whoever gave it another place meanwhile held its row, which is held here from now on.
    let places = hold_places(tx, id).await?;
    if matches!(going, Going::Trash(_)) {
        trash::remember_places(tx, id).await?;
    }
    for place in places {
        remove_place(tx, place, id).await?;
    }
    Ok(gone.pop())
}

/// Deletes those of these versions that are in one of the states still. Answers which.
pub(super) async fn mark_deleted(
    tx: &WriteTx,
    ids: &[ArtifactId],
    from: &[ArtifactState],
    going: Going,
) -> Result<Vec<Artifact>> {
    let purge_after: SimpleExpr = match going {
        Going::Trash(until) => {
            let is_whole = Expr::col(Column::State).eq(ArtifactState::Committed.to_value());
            Expr::case(is_whole, Expr::val(until)).into()
        }
        Going::AtOnce => Expr::cust("NULL"),
    };
    let deleted = Entity::update_many()
        .col_expr(Column::State, Expr::value(ArtifactState::Deleted))
        .col_expr(Column::DeletedAt, Expr::value(tx.now()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .col_expr(Column::ExpiresAt, Expr::cust("NULL"))
        .col_expr(Column::PurgeAfter, purge_after)
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::State.is_in(from.iter().copied()))
        .exec_with_returning(tx.connection())
        .await?;
    if matches!(going, Going::AtOnce) {
        for gone in &deleted {
            job::enqueue(tx, &JobKind::PurgeArtifact { artifact_id: gone.id }, tx.now()).await?;
        }
    }
    Ok(deleted)
}

/// The versions that were made in a sequence and are not deleted, in the order of their ids; those without any alias, or all.
pub(crate) async fn of_sequence(tx: &WriteTx, id: CollectionId, which: Which) -> Result<Vec<ArtifactId>> {
    // Plan: ix_artifact_digest, then ix_artifact_alias_artifact_id.
    let mut query = queries::of_collection(id)
        .select_only()
        .column(Column::Id)
        .filter(Column::State.ne(ArtifactState::Deleted))
        .order_by_asc(Column::Id);
    if which == Which::Unnamed {
        let named = "EXISTS (SELECT 1 FROM artifact_alias n WHERE n.artifact_id = artifact.id)";
        let linked = "EXISTS (SELECT 1 FROM artifact_membership m WHERE m.artifact_id = artifact.id \
                      AND m.collection_id <> artifact.collection_id)";
        query = query
            .filter(Column::State.eq(ArtifactState::Committed))
            .filter(Expr::cust(format!("NOT {named} AND NOT {linked}")));
    }
    Ok(query.into_tuple().all(tx.connection()).await?)
}

/// Which versions of a sequence are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All.
    All,
    /// Those that are whole, have no alias anywhere, and are linked to nothing.
    Unnamed,
}

/// Takes what is left of a held collection out of it.
pub(super) async fn clear(tx: &WriteTx, held: &Collection) -> Result<()> {
    aliases::check_unprotected(tx, Named::In(held.id)).await?;
    alias::Entity::delete_many()
        .filter(alias::Column::CollectionId.eq(held.id))
        .exec(tx.connection())
        .await?;
    membership::Entity::delete_many()
        .filter(membership::Column::CollectionId.eq(held.id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// One transaction of the removal of the rows of a version that goes by itself; whether there may be more.
pub async fn purge_step(db: &Db, id: ArtifactId) -> Result<bool> {
    let tx = db.begin_write().await?;
    let found = Entity::find_by_id(id).one(tx.connection()).await?;
    let goes = |found: &Artifact| found.state == ArtifactState::Deleted && found.purge_after.is_none();
    if !found.is_some_and(|found| goes(&found)) {
        return Ok(false);
    }
    let deletion_id = receipt::deletion_of(&tx, id).await?;
    let left = purge(&tx, id, deletion_id.as_deref(), ROWS).await?;
    tx.commit().await?;
    Ok(left.is_none())
}

/// Removes up to `left` rows of a deleted version, which nobody can restore from here on. Once nothing is left of it but the row
/// itself, by which its id and its place are never given again, answers how many more there could have been.
pub(crate) async fn purge(
    tx: &WriteTx,
    id: ArtifactId,
    deletion_id: Option<&str>,
    mut left: i64,
) -> Result<Option<i64>> {
    let found = Entity::find_by_id(id).lock_exclusive().one(tx.connection()).await?;
    let found = found.ok_or_else(|| Error::internal("a deleted version without its row"))?;
    // What its owner wrote goes too.
    let emptied = artifact::ActiveModel {
        description: Set(None),
        metadata: Set(None),
        client_id: Set(None),
        sequence_client_id: Set(None),
        purge_after: Set(None),
        ..Default::default()
    };
    Entity::update_many().set(emptied).filter(Column::Id.eq(id)).exec(tx.connection()).await?;
    let before = left;
    for table in CHILDREN {
        let rows = Rows { table, key: "id", owner: "artifact_id", ids: &[id.0] };
        left -= receipt::remove_rows(tx, deletion_id, rows, left).await?;
        if left <= 0 {
            return Ok(None);
        }
    }
    if let Some(deletion_id) = deletion_id {
        receipt::purged(tx, deletion_id, SubjectKind::Artifact, &[id.0]).await?;
    }
    if left < before || found.metadata.is_some() || found.client_id.is_some() || found.purge_after.is_some() {
        audit::record(tx, Act::of_itself(Action::Purge), Topic::Artifacts(&[id])).await?;
    }
    Ok(Some(left))
}

/// Deletes a batch of what a purged project still has, for its deletion; whether there may be more.
pub(crate) async fn purge_of_project(tx: &WriteTx, deletion_id: &str, project: ProjectId) -> Result<bool> {
    // Plan: ix_artifact_collection_listing.
    let live = collection::Entity::find()
        .filter(collection::Column::ProjectId.eq(project))
        .filter(collection::Column::State.eq(CollectionState::Live))
        .order_by_asc(collection::Column::Id)
        .one(tx.connection())
        .await?;
    let Some(found) = live else { return Ok(false) };
    let held = collections::hold(tx, found.id).await?;
    if empty_some(tx, deletion_id, &held).await? {
        return Ok(true);
    }
    forget(tx, held.id).await?;
    Ok(true)
}

async fn empty_some(tx: &WriteTx, deletion_id: &str, held: &Collection) -> Result<bool> {
    let ids: Vec<ArtifactId> = queries::of_collection(held.id)
        .select_only()
        .column(Column::Id)
        .filter(Column::State.ne(ArtifactState::Deleted))
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .into_tuple()
        .all(tx.connection())
        .await?;
    receipt::items(tx, deletion_id, HoldKind::Artifact, &ids).await?;
    for id in &ids {
        hold_places(tx, *id).await?;
        bury(tx, *id, Going::AtOnce).await?;
    }
    Ok(!ids.is_empty())
}

/// Leaves nothing of a collection but its tombstone.
async fn forget(tx: &WriteTx, id: CollectionId) -> Result<()> {
    alias::Entity::delete_many().filter(alias::Column::CollectionId.eq(id)).exec(tx.connection()).await?;
    membership::Entity::delete_many()
        .filter(membership::Column::CollectionId.eq(id))
        .exec(tx.connection())
        .await?;
    let gone = collection::ActiveModel {
        state: Set(CollectionState::Deleted),
        description: Set(None),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    collection::Entity::update_many()
        .set(gone)
        .filter(collection::Column::Id.eq(id))
        .exec(tx.connection())
        .await?;
    Ok(())
}
