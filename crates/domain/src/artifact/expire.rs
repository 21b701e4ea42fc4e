//! Versions that end by themselves: those never committed, and those whose time to live is over. Nothing brings them back.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::delete::Going;
use super::{ArtifactState, delete};
use crate::audit::{self, Act, Action, Topic};
use crate::db::{Db, Source as _, WriteTx, dialect};
use crate::entity::artifact::{Column, Entity};
use crate::error::Result;
use crate::hold;
use crate::id::ArtifactId;

/// Versions that one transaction ends.
const BATCH: u64 = 1000;

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
    let given_up = delete::mark_deleted(&tx, &ids, &[ArtifactState::Pending], Going::AtOnce).await?;
    let act = Act::of_itself(Action::Expire).because(Some("never committed"));
    let given_up: Vec<ArtifactId> = given_up.into_iter().map(|version| version.id).collect();
    audit::record(&tx, act, Topic::Artifacts(&given_up)).await?;
    tx.commit().await?;
    Ok(given_up.len())
}

/// An SQL condition on a row of `artifact`: no registry has the version, and no protected alias names it anywhere.
pub(super) const NOTHING_KEEPS: &str = "NOT EXISTS (SELECT 1 FROM artifact_membership m \
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
    for id in &hold_unkept(&tx, &due).await? {
        let act = Act::of_itself(Action::Expire).because(Some("time to live over"));
        audit::record(&tx, act, Topic::Artifacts(&[*id])).await?;
        delete::bury(&tx, *id, Going::AtOnce).await?;
    }
    tx.commit().await?;
    Ok(due.len())
}

/// Those of these versions that are not deleted and that no registry and no protected alias keeps, held with all their places:
/// from here on nothing can.
pub(crate) async fn hold_unkept(tx: &WriteTx, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
    let mut unkept = Vec::with_capacity(ids.len());
    for id in ids {
        delete::hold_places(tx, *id).await?;
        let found = Entity::find_by_id(*id)
            .filter(Expr::cust(dialect::unindexed!("artifact.state")).ne(ArtifactState::Deleted))
            .filter(Expr::cust(NOTHING_KEEPS))
            .lock_exclusive();
        if found.one(tx.connection()).await?.is_some() {
            unkept.push(*id);
        }
    }
    Ok(unkept)
}
