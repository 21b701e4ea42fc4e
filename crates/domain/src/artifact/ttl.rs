//! How long versions are kept.

use sea_orm::{ActiveModelTrait as _, ConnectionTrait as _, IntoActiveModel as _, Set, Value};

use crate::account::{self, Caller, Role};
use crate::db::{Source as _, WriteTx, dialect};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, CollectionId, EntityId};

/// How long a version is kept after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// As its collection says, or else its entity.
    Inherit,
    /// For ever.
    Disabled,
    /// This many seconds.
    Seconds(i64),
}

impl Ttl {
    /// As the client writes it (protocol reference 5.9).
    pub fn parse(seconds: i64) -> Result<Self> {
        /// A thousand years: what is later is out of reach of a clock.
        const MOST: i64 = 1000 * 366 * 24 * 3600;
        match seconds {
            -1 => Ok(Self::Inherit),
            -2 => Ok(Self::Disabled),
            1..=MOST => Ok(Self::Seconds(seconds)),
            _ => Err(Error::invalid(
                "TTL_INVALID",
                "ttlDurationSeconds",
                "is a number of seconds, -1 to inherit, or -2 for none",
            )),
        }
    }

    /// As the database has it.
    pub(super) fn stored(self) -> Option<i64> {
        match self {
            Self::Inherit => None,
            Self::Disabled => Some(0),
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// What a row of `artifact` says, or else its collection, or else its entity.
const EFFECTIVE: &str = "COALESCE(artifact.ttl_seconds, c.ttl_seconds, e.artifact_ttl_seconds, 0)";

/// Fixes anew when versions are deleted by themselves; `which` ends the condition on them.
async fn refresh(tx: &WriteTx, which: &str, id: Value) -> Result<()> {
    let sql = format!(
        "UPDATE artifact SET expires_at = (SELECT CASE WHEN {EFFECTIVE} > 0 \
         THEN artifact.created_at + 1000000 * {EFFECTIVE} END FROM artifact_collection c \
         JOIN project p ON p.id = c.project_id JOIN entity e ON e.id = p.entity_id \
         WHERE c.id = artifact.collection_id) WHERE artifact.state = 'committed' AND {which}"
    );
    tx.connection().execute_raw(dialect::statement(tx.connection(), sql, [id])).await?;
    Ok(())
}

/// After a change to a version, or its commit.
pub(super) async fn refresh_version(tx: &WriteTx, id: ArtifactId) -> Result<()> {
    refresh(tx, "artifact.id = $1", id.into()).await
}

/// After a change to a collection.
pub(super) async fn refresh_collection(tx: &WriteTx, id: CollectionId) -> Result<()> {
    // Plan: ix_artifact_digest.
    refresh(tx, "artifact.collection_id = $1", id.into()).await
}

/// How long the artifacts of an entity are kept that say nothing themselves, nor their collections. Its administrators
/// decide.
pub async fn set_entity_ttl(tx: &WriteTx, caller: &Caller, name: &str, ttl: Ttl) -> Result<()> {
    let found = account::find_entity(tx, caller, Some(name)).await?;
    let found = found.ok_or_else(|| Error::not_found("entity", name))?;
    account::require(tx, caller, found.id, Role::Admin).await?;
    let mut row = found.into_active_model();
    row.artifact_ttl_seconds = Set(ttl.stored());
    let changed = row.update(tx.connection()).await?;
    refresh_entity(tx, changed.id).await
}

async fn refresh_entity(tx: &WriteTx, id: EntityId) -> Result<()> {
    // Plan: project by owner, collection by project, ix_artifact_digest.
    let which = "artifact.collection_id IN (SELECT c.id FROM artifact_collection c \
                 JOIN project p ON p.id = c.project_id WHERE p.entity_id = $1)";
    refresh(tx, which, id.into()).await
}
