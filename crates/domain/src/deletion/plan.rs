//! What a deletion would do, before it is done. Writes nothing.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait as _, FromQueryResult};
use sha2::{Digest as _, Sha256};

use super::WithRuns;
use super::scope::{Fate, Scope};
use crate::account::Caller;
use crate::blob;
use crate::bulk::Which;
use crate::db::{Source, dialect};
use crate::error::{Error, Result};
use crate::id::{ArtifactId, BlobId, RunId};
use crate::project::Project;

/// Runs that are looked at together.
pub(super) const BATCH: usize = 500;
/// Links and obstacles that a plan has by name; more are only counted.
const MOST_NAMED: usize = 100;

/// What deleting runs would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionPlan {
    /// Stands for the state that was seen: the runs, their artifacts and files, where these are linked, what keeps them.
    /// History that a writer adds meanwhile does not change it.
    pub id: String,
    /// Runs that would go.
    pub run_count: u64,
    /// Versions of artifacts that would go: no collection would have them any more.
    pub artifact_count: u64,
    /// Files of the runs.
    pub file_count: u64,
    /// Bytes in the object store that nothing else needs.
    pub bytes_freed: u64,
    /// Bytes that stay, since something else refers to them.
    pub bytes_kept: u64,
    /// Places in registries and other portfolios that would be lost.
    pub link_count: u64,
    /// The first of them.
    pub links: Vec<PlannedLink>,
    /// What keeps runs from being deleted.
    pub obstacle_count: u64,
    /// The first of that.
    pub obstacles: Vec<Obstacle>,
}

/// A place in a registry, or another portfolio, that a deletion is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLink {
    /// `entity/project/collection:v0`.
    pub path: String,
    /// What the version is called there.
    pub aliases: Vec<String>,
    /// Whether its artifact would stay, and the link with it.
    pub kept: bool,
}

/// What keeps a run from being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The code that the deletion would be refused with.
    pub code: &'static str,
    /// The run.
    pub run_id: RunId,
    /// What it is about.
    pub name: String,
    /// In words.
    pub reason: String,
}

/// What deleting these runs of a project would do.
pub async fn plan(
    db: &impl Source,
    caller: &Caller,
    project: &Project,
    which: &Which,
    with: WithRuns,
) -> Result<DeletionPlan> {
    let runs = select(db, caller, project, which).await?;
    let mut planner = Planner::new(with);
    for batch in runs.chunks(BATCH) {
        let artifacts = planner.look(db, caller, batch).await?;
        planner.weigh(db, batch, &[]).await?;
        for some in artifacts.chunks(BATCH) {
            planner.weigh(db, &[], some).await?;
        }
    }
    Ok(planner.finish())
}

/// The runs that are meant, in the order of their ids.
pub(super) async fn select(
    db: &impl Source,
    caller: &Caller,
    project: &Project,
    which: &Which,
) -> Result<Vec<RunId>> {
    let ids = which.select(db, caller, project, false).await?;
    let rows = db.connection().query_all(&ids).await?;
    let mut ids: Vec<RunId> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    ids.sort_unstable();
    Ok(ids)
}

/// Refuses what is not as the plan of that id says.
pub(super) async fn check(
    db: &impl Source,
    caller: &Caller,
    runs: &[RunId],
    with: WithRuns,
    plan_id: &str,
) -> Result<()> {
    let mut planner = Planner::new(with);
    for batch in runs.chunks(BATCH) {
        planner.look(db, caller, batch).await?;
    }
    if planner.finish().id == plan_id {
        return Ok(());
    }
    Err(Error::Precondition {
        code: "PLAN_STALE",
        reason: "this is no longer what was planned; make a new plan".to_owned(),
    })
}

struct Planner {
    with: WithRuns,
    plan: DeletionPlan,
    seen: Sha256,
    /// Blobs that something outside their batch refers to as well.
    shared: HashMap<BlobId, Shared>,
}

#[derive(Clone, Copy)]
struct Shared {
    size_bytes: u64,
    found: i64,
    all: i64,
}

#[derive(FromQueryResult)]
struct FileRow {
    run_id: RunId,
    file_count: i64,
    last_id: i64,
}

#[derive(FromQueryResult)]
struct BlobRow {
    id: BlobId,
    size_bytes: i64,
    found: i64,
    all_of_them: i64,
}

impl Planner {
    fn new(with: WithRuns) -> Self {
        let mut seen = Sha256::new();
        seen.update(format!("{with:?}\n"));
        Self { with, plan: DeletionPlan::default(), seen, shared: HashMap::new() }
    }

    fn note(&mut self, line: &str) {
        self.seen.update(line.as_bytes());
        self.seen.update(b"\n");
    }

    /// Counts what a batch of runs is about, and makes it part of the plan's id. Answers which versions would go.
    async fn look(&mut self, db: &impl Source, caller: &Caller, runs: &[RunId]) -> Result<Vec<ArtifactId>> {
        let scope = Scope::load(db, caller, runs, self.with).await?;
        let files = files_of(db, runs).await?;
        let mut going = Vec::new();
        for run in runs {
            let (count, last) = files.get(run).copied().unwrap_or_default();
            self.note(&format!("run {run} files {count} {last}"));
            self.plan.run_count += 1;
            self.plan.file_count += count.unsigned_abs();
            let kept = scope.fate(*run) == Fate::Stay;
            for made in scope.made(*run) {
                self.note(&format!("artifact {} {kept}", made.artifact_id));
                if !kept {
                    going.push(made.artifact_id);
                }
            }
            for place in scope.links(*run) {
                self.note(&format!("link {} {}", place.path, place.aliases.join(" ")));
                self.plan.link_count += u64::from(!kept);
                if self.plan.links.len() < MOST_NAMED {
                    let link = PlannedLink { path: place.path.clone(), aliases: place.aliases.clone(), kept };
                    self.plan.links.push(link);
                }
            }
            for obstacle in scope.obstacles(*run) {
                self.note(&format!("obstacle {} {}", obstacle.code, obstacle.name));
                self.plan.obstacle_count += 1;
                if self.plan.obstacles.len() < MOST_NAMED {
                    self.plan.obstacles.push(obstacle);
                }
            }
        }
        going.sort_unstable();
        going.dedup();
        self.plan.artifact_count += going.len() as u64;
        Ok(going)
    }

    /// Adds the bytes that a batch of runs and versions refers to.
    async fn weigh(&mut self, db: &impl Source, runs: &[RunId], artifacts: &[ArtifactId]) -> Result<()> {
        let statement = blob::references_of(runs, artifacts);
        let Some((sql, values)) = statement else { return Ok(()) };
        let rows = BlobRow::find_by_statement(dialect::statement(db.connection(), sql, values));
        for row in rows.all(db.connection()).await? {
            let size_bytes = row.size_bytes.unsigned_abs();
            if row.found == row.all_of_them {
                self.plan.bytes_freed += size_bytes;
                continue;
            }
            let shared = Shared { size_bytes, found: 0, all: row.all_of_them };
            self.shared.entry(row.id).or_insert(shared).found += row.found;
        }
        Ok(())
    }

    fn finish(mut self) -> DeletionPlan {
        for shared in self.shared.values() {
            let goes = shared.found >= shared.all;
            let sum = if goes { &mut self.plan.bytes_freed } else { &mut self.plan.bytes_kept };
            *sum += shared.size_bytes;
        }
        self.plan.id = hex::encode(self.seen.finalize());
        self.plan
    }
}

/// How many files each of these runs has, and the newest of them.
async fn files_of(db: &impl Source, runs: &[RunId]) -> Result<HashMap<RunId, (i64, i64)>> {
    // Plan: ux_run_file_run_id_name.
    let sql = "SELECT run_id, COUNT(*) AS file_count, MAX(id) AS last_id FROM run_file WHERE run_id = ANY($1) GROUP BY run_id";
    let statement = dialect::statement(db.connection(), sql, [dialect::list(runs)]);
    let rows = FileRow::find_by_statement(statement).all(db.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.run_id, (row.file_count, row.last_id))).collect())
}
