//! What a hold keeps from being deleted.
//!
//! On `PostgreSQL` a hold could be placed while a deletion is under way. So both go through one gate: who deletes,
//! together with others and before any row is locked; who holds or releases, alone. Either the deletion sees the hold, or
//! the hold finds what the deletion has left.

use std::collections::HashMap;
use std::hash::Hash;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, Set, TryGetable, Value};

use super::{Hold, get_paths};
use crate::db::dialect::{self, Listed, Passage};
use crate::db::{Source, WriteTx};
use crate::entity::held_job;
use crate::error::{Error, Result};
use crate::id::{ArtifactId, CollectionId, ProjectId, RunId};
use crate::job::{self, JobKind};

/// "cw holds" as a number.
const GATE: i64 = 0x6377_2068_6f6c_6473;
/// Ids per statement.
const BATCH: usize = 500;
/// Holds that an error names.
const MOST_NAMED: usize = 100;

/// What is about to go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// Runs, or something of theirs.
    Runs(&'a [RunId]),
    /// Versions of artifacts.
    Versions(&'a [ArtifactId]),
    /// The runs and versions that a deletion has in the trash.
    Deletion(&'a str),
    /// A collection with all its versions.
    Collection(CollectionId),
    /// A version's place in a portfolio.
    Link { version: ArtifactId, portfolio: CollectionId },
    /// A project with all that is in it.
    Project(ProjectId),
    /// Runs that leave a project, and with it what holds it.
    Leaving(ProjectId),
}

/// An SQL condition on a row of `artifact`: an active hold `h` covers it.
const OVER_VERSION: &str = "(h.kind = 'artifact' AND h.subject_id = artifact.id \
    OR h.kind = 'project' AND EXISTS (SELECT 1 FROM artifact_collection c \
    WHERE c.id = artifact.collection_id AND c.project_id = h.subject_id) \
    OR h.kind = 'project' AND EXISTS (SELECT 1 FROM artifact_membership m \
    JOIN artifact_collection c ON c.id = m.collection_id \
    WHERE m.artifact_id = artifact.id AND c.project_id = h.subject_id))";

/// An SQL condition on a row of `artifact`: there is something of it to hold.
const CAN_BE_HELD: &str = "(artifact.state <> 'deleted' OR artifact.purge_after IS NOT NULL)";

/// An SQL condition on a row of `artifact`: no hold covers it. Who goes by it has called [`freeze`].
pub(crate) fn no_hold_on_version() -> String {
    format!("NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND {OVER_VERSION})")
}

/// An SQL condition on a row of `run`: an active hold `h` covers it.
const OVER_RUN: &str =
    "(h.kind = 'run' AND h.subject_id = run.id OR h.kind = 'project' AND h.subject_id = run.project_id)";

/// An SQL condition on a row of `run`: no hold covers it. Who goes by it has called [`freeze`].
pub(crate) fn no_hold_on_run() -> String {
    format!("NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND {OVER_RUN})")
}

/// Those of these runs that are held, each with why.
pub(crate) async fn reasons_of_runs(db: &impl Source, ids: &[RunId]) -> Result<HashMap<RunId, String>> {
    reasons(db, "run", OVER_RUN, ids).await
}

/// Those of these versions that are held, each with why.
pub(crate) async fn reasons_of_versions(
    db: &impl Source,
    ids: &[ArtifactId],
) -> Result<HashMap<ArtifactId, String>> {
    reasons(db, "artifact", OVER_VERSION, ids).await
}

async fn reasons<Id>(db: &impl Source, table: &str, over: &str, ids: &[Id]) -> Result<HashMap<Id, String>>
where
    Id: Listed + TryGetable + Eq + Hash,
{
    let mut found = HashMap::new();
    // Plan: the primary key of the table, and for each the few holds that there are.
    let sql = format!(
        "SELECT {table}.id, h.reason FROM {table} JOIN hold h ON {over} \
         WHERE h.released_at IS NULL AND {table}.id = ANY($1)"
    );
    for ids in ids.chunks(BATCH) {
        let statement = dialect::statement(db.connection(), sql.as_str(), [dialect::list(ids)]);
        for row in db.connection().query_all_raw(statement).await? {
            found.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        }
    }
    Ok(found)
}

impl Target<'_> {
    /// Conditions on a hold `h`, each with its values: together, that it covers some of this. All of them begin at the
    /// few holds that there are.
    fn conditions(self) -> Vec<(String, Vec<Value>)> {
        match self {
            Self::Runs(ids) => {
                let runs = "SELECT 1 FROM run WHERE run.id = ANY($1) AND run.lifecycle <> 'purged'";
                batches(ids, &format!("EXISTS ({runs} AND {OVER_RUN})"))
            }
            Self::Versions(ids) => {
                let versions =
                    format!("SELECT 1 FROM artifact WHERE artifact.id = ANY($1) AND {CAN_BE_HELD}");
                batches(ids, &format!("EXISTS ({versions} AND {OVER_VERSION})"))
            }
            Self::Deletion(id) => vec![(in_deletion(), vec![id.into()])],
            Self::Collection(id) => {
                let condition = format!("{} OR {}", of_versions_in("k.id = $1"), of_place("$1"));
                vec![(condition, vec![id.into()])]
            }
            Self::Link { version, portfolio } => {
                let place = of_place("$2");
                let condition = format!("h.kind = 'artifact' AND h.subject_id = $1 OR {place}");
                vec![(condition, vec![version.into(), portfolio.into()])]
            }
            Self::Project(id) => {
                let versions = of_versions_in("k.project_id = $1");
                let condition = format!(
                    "h.kind = 'project' AND h.subject_id = $1 OR h.kind = 'run' AND EXISTS (SELECT 1 FROM run \
                     WHERE run.id = h.subject_id AND run.project_id = $1 AND run.lifecycle <> 'purged') OR {versions}"
                );
                vec![(condition, vec![id.into()])]
            }
            Self::Leaving(id) => {
                vec![("h.kind = 'project' AND h.subject_id = $1".to_owned(), vec![id.into()])]
            }
        }
    }
}

/// That the hold covers a run or a version that a deletion has in the trash. Nothing leaves its project from there.
fn in_deletion() -> String {
    let items = |table: &str| {
        format!(
            "deletion_item i JOIN {table} ON {table}.id = i.subject_id \
             WHERE i.deletion_id = $1 AND i.state = 'pending' AND i.kind = '{table}'"
        )
    };
    let runs = format!("{} AND run.lifecycle <> 'purged'", items("run"));
    let versions = format!("{} AND {CAN_BE_HELD}", items("artifact"));
    format!(
        "h.kind = 'run' AND EXISTS (SELECT 1 FROM {runs} AND i.subject_id = h.subject_id) \
         OR h.kind = 'project' AND EXISTS (SELECT 1 FROM deletion d WHERE d.id = $1 AND d.project_id = h.subject_id) \
         AND EXISTS (SELECT 1 FROM {runs}) \
         OR h.kind = 'artifact' AND EXISTS (SELECT 1 FROM {versions} AND i.subject_id = h.subject_id) \
         OR h.kind = 'project' AND EXISTS (SELECT 1 FROM {versions} AND {OVER_VERSION})"
    )
}

/// That the hold covers a version that was made in, or has a place in, a collection `k` of which this is true. Each way is asked
/// from where there is least to look at: from the held version, or from the places in those collections.
fn of_versions_in(which: &str) -> String {
    format!(
        "h.kind = 'artifact' AND EXISTS (SELECT 1 FROM artifact WHERE artifact.id = h.subject_id AND {CAN_BE_HELD} AND ( \
         EXISTS (SELECT 1 FROM artifact_collection k WHERE k.id = artifact.collection_id AND {which}) \
         OR EXISTS (SELECT 1 FROM artifact_membership l JOIN artifact_collection k ON k.id = l.collection_id \
         WHERE l.artifact_id = artifact.id AND {which}))) \
         OR h.kind = 'project' AND EXISTS (SELECT 1 FROM artifact_collection k \
         JOIN artifact_membership l ON l.collection_id = k.id \
         JOIN artifact_membership m ON m.artifact_id = l.artifact_id \
         JOIN artifact_collection c ON c.id = m.collection_id WHERE {which} AND c.project_id = h.subject_id)"
    )
}

/// That the hold is on the project of a collection.
fn of_place(collection: &str) -> String {
    format!(
        "h.kind = 'project' AND h.subject_id IN (SELECT project_id FROM artifact_collection WHERE id = {collection})"
    )
}

fn batches<Id: Listed>(ids: &[Id], condition: &str) -> Vec<(String, Vec<Value>)> {
    ids.chunks(BATCH).map(|ids| (condition.to_owned(), vec![dialect::list(ids)])).collect()
}

/// From here on nobody holds or releases anything, until the transaction ends. Who deletes calls it before any row is
/// locked, by [`check`] or [`parks`] or itself.
pub(crate) async fn freeze(tx: &WriteTx) -> Result<()> {
    pass(tx, Passage::Together).await
}

pub(super) async fn pass(tx: &WriteTx, how: Passage) -> Result<()> {
    if let Some(statement) = dialect::pass_gate(tx.connection(), GATE, how) {
        tx.connection().execute_raw(statement).await?;
    }
    Ok(())
}

/// Refuses what a hold covers, with each hold named. Every verb that deletes calls it, before it locks any row.
pub(crate) async fn check(tx: &WriteTx, target: Target<'_>) -> Result<()> {
    freeze(tx).await?;
    let holds = covering(tx, target).await?;
    if holds.is_empty() { Ok(()) } else { Err(refusal(tx, &holds).await?) }
}

/// Whether [`check`] would refuse.
pub(crate) async fn is_held(tx: &WriteTx, target: Target<'_>) -> Result<bool> {
    freeze(tx).await?;
    Ok(!covering(tx, target).await?.is_empty())
}

/// For a job: where a hold covers what it is about, it leaves the queue until that hold is released, with the
/// commit of this transaction. Answers whether it does.
pub(crate) async fn parks(tx: &WriteTx, target: Target<'_>, kind: &JobKind) -> Result<bool> {
    freeze(tx).await?;
    let holds = covering(tx, target).await?;
    let Some(first) = holds.first() else { return Ok(false) };
    let parked = held_job::ActiveModel {
        hold_id: Set(first.id),
        job: Set(serde_json::to_string(kind).map_err(Error::internal)?),
    };
    held_job::Entity::insert(parked)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    job::cancel(tx, kind).await?;
    Ok(true)
}

/// The active holds that cover some of it, in the order in which they were placed.
async fn covering(db: &impl Source, target: Target<'_>) -> Result<Vec<Hold>> {
    let mut found: Vec<Hold> = Vec::new();
    for (condition, values) in target.conditions() {
        // Plan: ux_hold_subject, which has few rows; each looks by keys for what it covers.
        let sql =
            format!("SELECT h.* FROM hold h WHERE h.released_at IS NULL AND ({condition}) ORDER BY h.id");
        let statement = dialect::statement(db.connection(), sql, values);
        found.extend(Hold::find_by_statement(statement).all(db.connection()).await?);
    }
    found.sort_unstable_by_key(|hold| hold.id);
    found.dedup_by_key(|hold| hold.id);
    Ok(found)
}

async fn refusal(db: &impl Source, holds: &[Hold]) -> Result<Error> {
    let named = &holds[..holds.len().min(MOST_NAMED)];
    let subjects: Vec<_> = named.iter().map(Hold::subject).collect();
    let paths = get_paths(db, &subjects).await?;
    let name = |hold: &Hold| {
        let path = paths.get(&hold.subject()).map_or("", String::as_str);
        format!("{} {path} ({})", hold.kind.word(), hold.reason)
    };
    let mut named: Vec<String> = named.iter().map(name).collect();
    if holds.len() > MOST_NAMED {
        named.push(format!("and {} more", holds.len() - MOST_NAMED));
    }
    Ok(Error::Precondition {
        code: "HELD",
        reason: format!("held by an administrator: {}", named.join(", ")),
    })
}
