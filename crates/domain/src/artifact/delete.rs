//! Deleting versions: gone from every lookup at once, rows by a job, bytes by collection.

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set};

use super::aliases::Named;
use super::links::remove_place;
use super::queries::{self, Located};
use super::{Artifact, ArtifactState, Collection, CollectionKind, CollectionState, aliases, collections};
use crate::account::Caller;
use crate::audit::{self, Act, Action, SubjectKind, Topic};
use crate::db::{Db, Source as _, WriteTx};
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

/// What belongs to a version. Nothing here refers to another table here.
const CHILDREN: &[&str] =
    &["artifact_upload", "artifact_entry", "artifact_manifest", "artifact_tag", "run_artifact"];

/// Deletes a version. One that has aliases only with `with_aliases`. Its place is never given to another.
pub async fn delete(tx: &WriteTx, caller: &Caller, id: ArtifactId, with_aliases: bool) -> Result<Artifact> {
    let located = queries::locate_to_write(tx, caller, id).await?;
    let aliases = alias::Entity::find().filter(alias::Column::ArtifactId.eq(id)).all(tx.connection()).await?;
    if !with_aliases && !aliases.is_empty() {
        let names: Vec<_> = aliases.iter().map(|row| row.alias.as_str()).collect();
        return Err(Error::Precondition {
            code: "ARTIFACT_HAS_ALIASES",
            reason: format!("this version has aliases ({}); delete them with it, or first", names.join(", ")),
        });
    }
    delete_all(tx, caller, &[id]).await?;
    let Located { artifact, .. } = located;
    Ok(Artifact { state: ArtifactState::Deleted, ..artifact })
}

/// Deletes versions that the caller may delete, or none where something keeps one of them.
async fn delete_all(tx: &WriteTx, caller: &Caller, ids: &[ArtifactId]) -> Result<()> {
    hold::check(tx, Target::Versions(ids)).await?;
    let mut places = Vec::with_capacity(ids.len());
    for id in ids {
        places.push(hold_places(tx, *id).await?);
    }
    // Only now no alias can be set any more.
    aliases::check_unprotected(tx, Named::Versions(ids)).await?;
    audit::record(tx, Act::by(caller.user_id, Action::Delete), Topic::Artifacts(ids)).await?;
    for (id, places) in ids.iter().zip(places) {
        bury_from(tx, *id, &places).await?;
    }
    Ok(())
}

/// Takes a version out of every collection and makes its rows go.
async fn bury(tx: &WriteTx, version: &Artifact) -> Result<()> {
    let places = hold_places(tx, version.id).await?;
    bury_from(tx, version.id, &places).await
}

/// The collections that have a version, locked until the transaction ends.
async fn hold_places(tx: &WriteTx, id: ArtifactId) -> Result<Vec<CollectionId>> {
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

async fn bury_from(tx: &WriteTx, id: ArtifactId, held: &[CollectionId]) -> Result<()> {
    for place in held {
        remove_place(tx, *place, id).await?;
    }
    mark_deleted(tx, &[id], &[ArtifactState::Pending, ArtifactState::Committed]).await?;
    // Whoever gave it another place meanwhile held its row, which is held here from now on.
    for place in hold_places(tx, id).await? {
        remove_place(tx, place, id).await?;
    }
    Ok(())
}

/// Deletes those of these versions that are in one of the states still. Answers which.
async fn mark_deleted(tx: &WriteTx, ids: &[ArtifactId], from: &[ArtifactState]) -> Result<Vec<ArtifactId>> {
    let deleted = Entity::update_many()
        .col_expr(Column::State, Expr::value(ArtifactState::Deleted))
        .col_expr(Column::DeletedAt, Expr::value(tx.now()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .col_expr(Column::ExpiresAt, Expr::cust("NULL"))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::State.is_in(from.iter().copied()))
        .exec_with_returning(tx.connection())
        .await?;
    for gone in &deleted {
        job::enqueue(tx, &JobKind::PurgeArtifact { artifact_id: gone.id }, tx.now()).await?;
    }
    Ok(deleted.into_iter().map(|gone| gone.id).collect())
}

/// Empties a held collection that is about to go: a portfolio of its links, a sequence of its versions, which then are
/// in no other collection either. None goes where a protected alias names one of them anywhere.
pub(super) async fn empty_collection(tx: &WriteTx, caller: &Caller, held: &Collection) -> Result<()> {
    if held.kind == CollectionKind::Sequence {
        // Plan: ix_artifact_digest.
        let versions: Vec<ArtifactId> = queries::of_collection(held.id)
            .select_only()
            .column(Column::Id)
            .filter(Column::State.ne(ArtifactState::Deleted))
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(tx.connection())
            .await?;
        delete_all(tx, caller, &versions).await?;
    }
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

/// One transaction of the removal of a deleted version's rows; whether there may be more. The row itself stays, so that
/// its id and its place are never given again.
pub async fn purge_step(db: &Db, id: ArtifactId) -> Result<bool> {
    let tx = db.begin_write().await?;
    let found = Entity::find_by_id(id).one(tx.connection()).await?;
    let Some(found) = found.filter(|found| found.state == ArtifactState::Deleted) else { return Ok(false) };
    let deletion_id = receipt::deletion_of(&tx, id).await?;
    let mut left = ROWS;
    for table in CHILDREN {
        let rows = Rows { table, key: "id", owner: "artifact_id", id: id.0 };
        left -= receipt::remove_rows(&tx, deletion_id.as_deref(), rows, left).await?;
        if left <= 0 {
            tx.commit().await?;
            return Ok(true);
        }
    }
    if let Some(deletion_id) = &deletion_id {
        receipt::purged(&tx, deletion_id, SubjectKind::Artifact, &[id.0]).await?;
    }
    if left < ROWS || found.metadata.is_some() || found.client_id.is_some() {
        audit::record(&tx, Act::of_itself(Action::Purge), Topic::Artifacts(&[id])).await?;
    }
    // What its owner wrote goes too.
    let emptied = artifact::ActiveModel {
        description: Set(None),
        metadata: Set(None),
        client_id: Set(None),
        sequence_client_id: Set(None),
        ..Default::default()
    };
    Entity::update_many().set(emptied).filter(Column::Id.eq(id)).exec(tx.connection()).await?;
    tx.commit().await?;
    Ok(false)
}

/// Gives up versions that were begun this long ago and never committed. Answers how many.
pub async fn expire_pending(db: &Db, window: Duration) -> Result<usize> {
    let tx = db.begin_write().await?;
    hold::freeze(&tx).await?;
    // Plan: ix_artifact_state_created_at.
    let ids: Vec<ArtifactId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(ArtifactState::Pending))
        .filter(Column::CreatedAt.lt(tx.now().before(window)))
        .filter(Expr::cust(hold::no_hold_on_version()))
        .order_by_asc(Column::CreatedAt)
        .limit(BATCH)
        .into_tuple()
        .all(tx.connection())
        .await?;
    let given_up = mark_deleted(&tx, &ids, &[ArtifactState::Pending]).await?;
    let act = Act::of_itself(Action::Expire).because(Some("never committed"));
    audit::record(&tx, act, Topic::Artifacts(&given_up)).await?;
    tx.commit().await?;
    Ok(given_up.len())
}

/// An SQL condition on a row of `artifact`: no registry has the version, and no protected alias names it anywhere.
const NOTHING_KEEPS: &str = "NOT EXISTS (SELECT 1 FROM artifact_membership m \
    JOIN artifact_collection c ON c.id = m.collection_id JOIN project p ON p.id = c.project_id \
    JOIN entity e ON e.id = p.entity_id WHERE m.artifact_id = artifact.id AND p.state = 'live' \
    AND (e.kind = 'organization' OR EXISTS (SELECT 1 FROM artifact_alias n \
    JOIN protected_alias k ON k.project_id = p.id AND k.alias = n.alias \
    WHERE n.collection_id = m.collection_id AND n.artifact_id = m.artifact_id)))";

/// Deletes versions whose time to live is over and that nothing keeps. Answers how many, at most a batch.
pub async fn expire_versions(db: &Db) -> Result<usize> {
    let tx = db.begin_write().await?;
    hold::freeze(&tx).await?;
    // Plan: ix_artifact_expires_at.
    let due: Vec<ArtifactId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ExpiresAt.lte(tx.now()))
        .filter(Column::State.eq(ArtifactState::Committed))
        .filter(Expr::cust(NOTHING_KEEPS))
        .filter(Expr::cust(hold::no_hold_on_version()))
        .order_by_asc(Column::ExpiresAt)
        .limit(BATCH)
        .into_tuple()
        .all(tx.connection())
        .await?;
    for id in &due {
        let places = hold_places(&tx, *id).await?;
        // Asked again, since only now no alias can be set any more.
        let still_due = Entity::find_by_id(*id).filter(Expr::cust(NOTHING_KEEPS));
        if still_due.one(tx.connection()).await?.is_some() {
            let act = Act::of_itself(Action::Expire).because(Some("time to live over"));
            audit::record(&tx, act, Topic::Artifacts(&[*id])).await?;
            bury_from(&tx, *id, &places).await?;
        }
    }
    tx.commit().await?;
    Ok(due.len())
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
    let versions = queries::of_collection(held.id)
        .filter(Column::State.ne(ArtifactState::Deleted))
        .order_by_asc(Column::Id)
        .limit(BATCH)
        .all(tx.connection())
        .await?;
    let ids: Vec<ArtifactId> = versions.iter().map(|version| version.id).collect();
    receipt::items(tx, deletion_id, HoldKind::Artifact, &ids).await?;
    for version in &versions {
        bury(tx, version).await?;
    }
    Ok(!versions.is_empty())
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
