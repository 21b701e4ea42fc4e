//! `upsertBucket`: create or update a run (protocol reference 5.2).

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, NotSet, Set};

use super::queries::by_path;
use super::{Document, Lifecycle, Run, RunState, Tags, display_name, documents};
use crate::account::{self, Caller, Role};
use crate::db::{Source, WriteTx};
use crate::entity::run::{self, Column};
use crate::error::{Error, Result};
use crate::history;
use crate::id::RunId;
use crate::project::{self, Project};
use crate::sweep;

/// What a client says of a run. `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct Upsert {
    /// Storage id, when the client knows it.
    pub id: Option<RunId>,
    /// Owner; the caller's own when absent.
    pub entity: Option<String>,
    /// Project; made on demand.
    pub project: Option<String>,
    /// Run id. Present when the run's own writer speaks, which sets it running again.
    pub name: Option<String>,
    /// Pretty name; invented for a new run.
    pub display_name: Option<String>,
    /// Whole config, replaces the old one.
    pub config: Option<Document>,
    /// Whole summary, replaces the old one.
    pub summary: Option<Document>,
    /// Whether the writer begins at a step of a run, of which it is told neither rows nor summary.
    pub branches: bool,
    /// Only from public `create_run` and the like.
    pub state: Option<RunState>,
    /// All tags; an empty list clears them.
    pub tags: Option<Tags>,
    /// Group.
    pub group_name: Option<String>,
    /// Job type.
    pub job_type: Option<String>,
    /// Machine.
    pub host: Option<String>,
    /// Git commit.
    pub commit_hash: Option<String>,
    /// Script.
    pub program: Option<String>,
    /// Git remote.
    pub repo: Option<String>,
    /// Sweep.
    pub sweep_name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Notes.
    pub notes: Option<String>,
}

/// The run after an upsert.
#[derive(Clone, Debug)]
pub struct Upserted {
    /// As it is now.
    pub run: Run,
    /// Whether it is new.
    pub inserted: bool,
}

/// Creates or updates a run. `RunDeleted` when its id is used up.
pub async fn upsert(tx: &WriteTx, caller: &Caller, upsert: Upsert) -> Result<Upserted> {
    let (found, inserted) = match upsert.id {
        Some(id) => {
            let found = super::queries::find_including_purged(tx, caller, id).await?;
            (found.ok_or_else(|| Error::not_found("run", id.to_node_id()))?, false)
        }
        None => by_name(tx, caller, &upsert).await?,
    };
    project::authorize(tx, caller, found.project_id, Role::Member).await?;
    let found = super::hold(tx, found.id).await?;
    if !found.lifecycle.is_reachable() {
        return Err(Error::RunDeleted { path: super::path_of(tx, &found).await? });
    }
    let run = apply(tx, caller, found, upsert, inserted).await?;
    Ok(Upserted { run, inserted })
}

async fn by_name(tx: &WriteTx, caller: &Caller, upsert: &Upsert) -> Result<(Run, bool)> {
    let owner = upsert.entity.as_deref();
    let given = upsert.name.as_deref().filter(|name| !name.is_empty());
    let name = given.map_or_else(|| display_name::run_id(tx.env()), ToOwned::to_owned);
    account::check_name("name", &name)?;
    if let Some(found) = by_path(tx, caller, owner, upsert.project.as_deref(), &name).await? {
        return Ok((found, false));
    }
    let project = project::ensure_for_run(tx, caller, owner, upsert.project.as_deref()).await?;
    let inserted = insert(tx, caller, &project, &name).await?;
    let found = by_path(tx, caller, Some(&project.entity_name), Some(&project.name), &name).await?;
    let found = found.ok_or_else(|| Error::internal("a run vanished while it was made"))?;
    if inserted {
        documents::create(tx, found.id).await?;
        history::create_streams(tx, found.id).await?;
    }
    Ok((found, inserted))
}

async fn insert(tx: &WriteTx, caller: &Caller, project: &Project, name: &str) -> Result<bool> {
    let number = project::next_run_number(tx, project).await?;
    let fresh = run::ActiveModel {
        id: NotSet,
        project_id: Set(project.id),
        user_id: Set(account::find_author(tx, caller).await?),
        name: Set(name.to_owned()),
        display_name: Set(display_name::invent(tx.env(), number)),
        state: Set(RunState::Running),
        lifecycle: Set(Lifecycle::Live),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        heartbeat_at: Set(tx.now()),
        stop_requested: Set(false),
        tags: Set(Tags::default()),
        ..Default::default()
    };
    let rows = run::Entity::insert(fresh)
        .on_conflict(OnConflict::columns([Column::ProjectId, Column::Name]).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    Ok(rows == 1)
}

async fn apply(tx: &WriteTx, caller: &Caller, before: Run, upsert: Upsert, inserted: bool) -> Result<Run> {
    let by_writer = upsert.name.as_ref().is_some_and(|name| !name.is_empty());
    let attached = upsert.sweep_name.clone();
    let mut row = before.clone().into_active_model();
    if let Some(text) = upsert.display_name {
        row.display_name = Set(limited("displayName", text)?);
    }
    for (field, column, text) in [
        ("groupName", &mut row.group_name, upsert.group_name),
        ("jobType", &mut row.job_type, upsert.job_type),
        ("host", &mut row.host, upsert.host),
        ("commit", &mut row.commit_hash, upsert.commit_hash),
        ("jobProgram", &mut row.program, upsert.program),
        ("jobRepo", &mut row.repo, upsert.repo),
        ("sweep", &mut row.sweep_name, upsert.sweep_name),
        ("description", &mut row.description, upsert.description),
        ("notes", &mut row.notes, upsert.notes),
    ] {
        if let Some(text) = text {
            *column = Set(Some(limited(field, text)?));
        }
    }
    if let Some(tags) = upsert.tags {
        documents::index_tags(tx, &before, &tags).await?;
        row.tags = Set(tags);
    }
    match upsert.state {
        Some(state) => row.state = Set(state),
        None if by_writer && !inserted && revives(tx, caller, &before).await? => {
            row.state = Set(RunState::Running);
            row.stop_requested = Set(false);
            row.exit_code = Set(None);
            row.finished_at = Set(None);
        }
        None => {}
    }
    if by_writer {
        row.heartbeat_at = Set(tx.now());
    }
    row.updated_at = Set(tx.now());
    let run = row.update(tx.connection()).await?;
    if let Some(sweep) = &attached {
        sweep::attach(tx, &run, sweep).await?;
    }
    if let Some(config) = upsert.config {
        match caller.writer() {
            Some(_) => documents::merge_config(tx, &run, config).await?,
            None => documents::set_config(tx, &run, config).await?,
        }
    }
    if by_writer && !inserted && !upsert.branches {
        // It was told the summary, and sends all of it from now on.
        documents::forget_inherited(tx, &run).await?;
    }
    if let Some(summary) = upsert.summary {
        documents::set_summary(tx, &run, summary).await?;
    }
    Ok(run)
}

/// Whether the run goes on. In shared mode, not by what a writer says after another of them ended it.
async fn revives(tx: &WriteTx, caller: &Caller, run: &Run) -> Result<bool> {
    match caller.writer() {
        Some(writer) if run.state.has_ended() => Ok(!history::has_lines_of(tx, run.id, writer).await?),
        _ => Ok(run.state != RunState::Running),
    }
}

/// Column texts are short words or notes; a document that lands here by mistake is refused.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<()> {
    const LONGEST: usize = 64 * 1024;
    if text.len() <= LONGEST && !text.contains('\0') {
        return Ok(());
    }
    Err(Error::invalid("TEXT_INVALID", field, format!("at most {LONGEST} bytes and no NUL")))
}

fn limited(field: &'static str, text: String) -> Result<String> {
    check_text(field, &text).map(|()| text)
}
