//! Entries, as verbs make them.

use counterweight_storage::ObjectKey;
use sea_orm::{ActiveEnum as _, ConnectionTrait as _, Value};
use serde::Serialize;

use super::{Action, Counts, SubjectKind};
use crate::db::{Source as _, WriteTx, dialect};
use crate::error::Result;
use crate::hold::{self, HoldKind};
use crate::id::{ArtifactId, BlobId, CollectionId, ProjectId, RunId, UserId};

/// Rows per statement.
const BATCH: usize = 500;

/// What is done, by whom and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    /// What.
    pub(crate) action: Action,
    /// By whom; none: by a deadline.
    pub(crate) actor: Option<UserId>,
    /// Why.
    pub(crate) reason: Option<&'a str>,
    /// How many of what go with each thing.
    pub(crate) counts: &'a [(&'a str, i64)],
    /// SHA-256 of a document that belongs to it, in hex.
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Act<'a> {
    /// What somebody does.
    pub(crate) fn by(actor: UserId, action: Action) -> Self {
        Self { action, actor: Some(actor), reason: None, counts: &[], digest: None }
    }

    /// What a deadline does.
    pub(crate) fn of_itself(action: Action) -> Self {
        Self { action, actor: None, reason: None, counts: &[], digest: None }
    }

    /// The same for a reason.
    pub(crate) fn because(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// The same, with the digest of a document.
    pub(crate) fn proving(self, digest: &'a str) -> Self {
        Self { digest: Some(digest), ..self }
    }

    /// The same, with these.
    pub(crate) fn with(self, counts: &'a [(&'a str, i64)]) -> Self {
        Self { counts, ..self }
    }
}

/// What it is done to: an entry for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topic<'a> {
    /// Runs.
    Runs(&'a [RunId]),
    /// Runs, each with how many of what go with it.
    Weighed(&'a [(RunId, Counts)]),
    /// Versions.
    Artifacts(&'a [ArtifactId]),
    /// A collection.
    Collection(CollectionId),
    /// A project.
    Project(ProjectId),
    /// Objects of the store, with their sizes.
    Objects(&'a [(BlobId, &'a ObjectKey, u64)]),
}

/// Records that something is done, in the transaction that does it: before what users call the things is gone.
pub(crate) async fn record(tx: &WriteTx, act: Act<'_>, topic: Topic<'_>) -> Result<()> {
    const COLLECTION: (&str, &str) =
        ("'/' || r.name", "artifact_collection r JOIN project p ON p.id = r.project_id");
    let run = || (SubjectKind::Run, hold::source(HoldKind::Run));
    match topic {
        Topic::Runs(ids) => insert(tx, act, run(), &alike(act, ids)).await,
        Topic::Weighed(runs) => insert(tx, act, run(), runs).await,
        Topic::Artifacts(ids) => {
            insert(tx, act, (SubjectKind::Artifact, hold::source(HoldKind::Artifact)), &alike(act, ids)).await
        }
        Topic::Collection(id) => {
            insert(tx, act, (SubjectKind::Collection, COLLECTION), &alike(act, &[id])).await
        }
        Topic::Project(id) => {
            insert(tx, act, (SubjectKind::Project, hold::source(HoldKind::Project)), &alike(act, &[id])).await
        }
        Topic::Objects(objects) => insert_objects(tx, act, objects).await,
    }
}

/// Things with each of which the same goes.
fn alike<Id: Copy>(act: Act<'_>, ids: &[Id]) -> Vec<(Id, Counts)> {
    ids.iter().map(|id| (*id, Counts::of(act.counts))).collect()
}

async fn insert<Id: Serialize>(
    tx: &WriteTx,
    act: Act<'_>,
    (kind, (path, from)): (SubjectKind, (&str, &str)),
    things: &[(Id, Counts)],
) -> Result<()> {
    // Plan: primary keys.
    let sql = format!(
        "INSERT INTO audit_entry (recorded_at, actor_id, action, reason, digest, kind, subject_id, counts, entity_id, path) \
         SELECT $1, $2, $3, $4, $5, $6, r.id, v.value ->> 1, e.id, e.name || '/' || p.name || {path} \
         FROM {} AS v CROSS JOIN {from} JOIN entity e ON e.id = p.entity_id \
         WHERE r.id = CAST(v.value ->> 0 AS BIGINT) ORDER BY r.id",
        dialect::rows(tx.connection(), 7)
    );
    for things in things.chunks(BATCH) {
        let statement = dialect::statement(tx.connection(), sql.as_str(), values(tx, act, kind, things)?);
        tx.connection().execute_raw(statement).await?;
    }
    Ok(())
}

async fn insert_objects(tx: &WriteTx, act: Act<'_>, objects: &[(BlobId, &ObjectKey, u64)]) -> Result<()> {
    let sql = format!(
        "INSERT INTO audit_entry (recorded_at, actor_id, action, reason, digest, kind, subject_id, counts, path) \
         SELECT $1, $2, $3, $4, $5, $6, CAST(v.value ->> 0 AS BIGINT), v.value ->> 1, v.value ->> 2 FROM {} AS v",
        dialect::rows(tx.connection(), 7)
    );
    for objects in objects.chunks(BATCH) {
        let bytes = |bytes: u64| Counts::of(&[("bytes", i64::try_from(bytes).unwrap_or(i64::MAX))]);
        let rows: Vec<_> =
            objects.iter().map(|(id, key, size)| (id, bytes(*size), key.to_string())).collect();
        let values = values(tx, act, SubjectKind::Blob, &rows)?;
        tx.connection().execute_raw(dialect::statement(tx.connection(), sql.as_str(), values)).await?;
    }
    Ok(())
}

/// What both statements take: the act, what it is done to, and a row of each thing's own.
fn values(tx: &WriteTx, act: Act<'_>, kind: SubjectKind, rows: &[impl Serialize]) -> Result<[Value; 7]> {
    Ok([
        tx.now().into(),
        act.actor.into(),
        act.action.to_value().into(),
        act.reason.into(),
        act.digest.into(),
        kind.to_value().into(),
        dialect::document(rows)?,
    ])
}
