//! Many runs at once.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::Source;
use counterweight_domain::bulk::{self, Which};
use counterweight_domain::deletion::Wish;
use counterweight_domain::id::RunId;
use counterweight_domain::project::{self, Project};
use counterweight_domain::run::{self, GroupEdit, RunEdit};

use super::deletion::with_runs;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::{BulkTask, Deletion, OnRegistryLink};
use crate::scalars::JsonString;

#[derive(Debug, Default)]
pub(super) struct RunsMutation;

/// Runs to move to another project.
#[derive(InputObject)]
struct MoveRunsInput {
    /// Which runs, as `Project.runs` takes it.
    filters: JsonString,
    /// The owner of the project they are in.
    source_entity_name: String,
    /// The project they are in.
    source_project_name: String,
    /// The owner of the project they go to.
    destination_entity_name: String,
    /// The project they go to. It must exist.
    destination_project_name: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Runs on their way to another project.
#[derive(SimpleObject)]
struct MoveRunsPayload {
    /// How far it has come.
    task: BulkTask,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Runs to change.
#[derive(InputObject)]
struct ModifyRunsInput {
    /// Which runs, as `Project.runs` takes it.
    filters: JsonString,
    /// The owner of their project; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Their project; `uncategorized` where none is named.
    project_name: Option<String>,
    /// Tags that they get, after those that are removed are gone.
    add_tags: Option<Vec<String>>,
    /// Tags that they lose.
    remove_tags: Option<Vec<String>>,
    /// The group that they join.
    add_group: Option<String>,
    /// Whether they leave their groups.
    remove_group: Option<bool>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Runs being changed.
#[derive(SimpleObject)]
struct ModifyRunsPayload {
    /// How far it has come.
    task: BulkTask,
    /// As it was given.
    client_mutation_id: Option<String>,
}

impl ModifyRunsInput {
    fn edit(&mut self) -> domain::Result<RunEdit> {
        let leaves = self.remove_group == Some(true);
        let group = match self.add_group.take() {
            Some(_) if leaves => {
                let reason = "stands for another group or for none, not for both";
                return Err(domain::Error::invalid("EDIT_INVALID", "addGroup", reason));
            }
            Some(name) => GroupEdit::Join(name),
            None if leaves => GroupEdit::Leave,
            None => GroupEdit::Keep,
        };
        RunEdit::new(
            self.add_tags.take().unwrap_or_default(),
            self.remove_tags.take().unwrap_or_default(),
            group,
        )
    }
}

async fn find(
    request: &RequestContext,
    db: &impl Source,
    owner: Option<&str>,
    name: Option<&str>,
) -> Result<Project> {
    let found = project::find(db, &request.caller, owner, name).await.or_graphql()?;
    let missing = || domain::Error::not_found("project", name.unwrap_or_default());
    found.ok_or_else(missing).or_graphql()
}

/// Runs of one project: named one by one, or all that a filter means.
#[derive(InputObject)]
pub(crate) struct RunsInput {
    /// Global ids, at most 1 000.
    pub(crate) ids: Option<Vec<ID>>,
    /// Which runs, as `Project.runs` takes it, where they are not named.
    pub(crate) filters: Option<JsonString>,
    /// The owner of their project, for a filter; the viewer's own entity where none is named.
    pub(crate) entity_name: Option<String>,
    /// Their project, for a filter; `uncategorized` where none is named.
    pub(crate) project_name: Option<String>,
}

impl RunsInput {
    /// The project, and which of its runs. `RUNS_INVALID` when both ways are taken, or neither.
    pub(crate) async fn resolve(
        self,
        request: &RequestContext,
        db: &impl Source,
    ) -> Result<(Project, Which)> {
        match (self.ids, self.filters) {
            (None, Some(filter)) => {
                let place =
                    find(request, db, self.entity_name.as_deref(), self.project_name.as_deref()).await?;
                Ok((place, Which::Filter(filter.0)))
            }
            (Some(ids), None) if !ids.is_empty() => {
                let ids = ids.iter().map(|id| super::run::run_id(id)).collect::<Result<Vec<RunId>>>()?;
                let first = ids.first().copied().unwrap_or(RunId(0));
                let missing = || domain::Error::not_found("run", first.to_node_id());
                let found = run::find_including_deleted(db, &request.caller, first).await.or_graphql()?;
                let found = found.ok_or_else(missing).or_graphql()?;
                let place = project::get(db, &request.caller, found.project_id).await.or_graphql()?;
                Ok((place, Which::Ids(ids)))
            }
            _ => {
                let reason = "takes ids or filters, and not both";
                Err(domain::Error::invalid("RUNS_INVALID", "runs", reason)).or_graphql()
            }
        }
    }
}

/// Runs to delete.
#[derive(InputObject)]
struct DeleteRunsInput {
    /// Which.
    runs: RunsInput,
    /// Whether the artifacts that they logged go with them. Restoring the runs does not bring them back.
    delete_artifacts: Option<bool>,
    /// What becomes of those artifacts that are linked to a registry; they go where nothing is said.
    on_registry_link: Option<OnRegistryLink>,
    /// Why, in free text.
    reason: Option<String>,
    /// The plan that was agreed to; refused with `PLAN_STALE` when it is not true any more.
    plan_id: Option<ID>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Runs being deleted.
#[derive(SimpleObject)]
struct DeleteRunsPayload {
    /// The record of it all.
    deletion: Deletion,
    /// How far it has come.
    task: BulkTask,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Runs to archive.
#[derive(InputObject)]
struct ArchiveRunsInput {
    /// Which.
    runs: RunsInput,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Runs to bring back.
#[derive(InputObject)]
struct RestoreRunsInput {
    /// Which.
    runs: RunsInput,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A change to many runs that is to wait.
#[derive(InputObject)]
struct PauseBulkTaskInput {
    /// Its id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A change to many runs that is to go on.
#[derive(InputObject)]
struct ResumeBulkTaskInput {
    /// Its id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A change to many runs that is to end.
#[derive(InputObject)]
struct CancelBulkTaskInput {
    /// Its id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A change to many runs, under way.
#[derive(SimpleObject)]
pub(super) struct BulkTaskPayload {
    /// How far it has come.
    task: BulkTask,
    /// As it was given.
    client_mutation_id: Option<String>,
}

impl BulkTaskPayload {
    pub(super) fn of(task: bulk::BulkTask, client_mutation_id: Option<String>) -> Self {
        Self { task: BulkTask(task), client_mutation_id }
    }
}

#[Object]
impl RunsMutation {
    /// Moves runs to another project. Those whose run id is taken there stay, and are named; the others keep all they
    /// have, and can still be reached and written to by their old paths. Many are moved batch by batch, in the
    /// background: ask `bulkTask` how far that has come.
    async fn move_runs(&self, ctx: &Context<'_>, input: MoveRunsInput) -> Result<Option<MoveRunsPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let place = |owner, name| find(request, &tx, Some(owner), Some(name));
        let source = place(&input.source_entity_name, &input.source_project_name).await?;
        let destination = place(&input.destination_entity_name, &input.destination_project_name).await?;
        let which = Which::Filter(input.filters.0);
        let task = bulk::move_many(&tx, &request.caller, &source, &which, &destination).await;
        let task = task.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(MoveRunsPayload { task: BulkTask(task), client_mutation_id: input.client_mutation_id }))
    }

    /// Adds and removes tags, and changes the group, of all runs that a filter means. Many are changed batch by batch,
    /// in the background: ask `bulkTask` how far that has come.
    async fn modify_runs(
        &self,
        ctx: &Context<'_>,
        mut input: ModifyRunsInput,
    ) -> Result<Option<ModifyRunsPayload>> {
        let request = ctx.request()?;
        let edit = input.edit().or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let place = find(request, &tx, input.entity_name.as_deref(), input.project_name.as_deref()).await?;
        let which = Which::Filter(input.filters.0);
        let task = bulk::edit_many(&tx, &request.caller, &place, &which, edit).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(ModifyRunsPayload { task: BulkTask(task), client_mutation_id: input.client_mutation_id }))
    }

    /// Deletes runs, all by one deletion. They can be restored until the deadline that the answer tells; then their bytes go.
    /// Up to 400 are deleted at once, more batch by batch, in the background: follow `task`. A run that something keeps is
    /// refused and named there, and the others go; with `ABORT`, nothing happens to any.
    async fn delete_runs(
        &self,
        ctx: &Context<'_>,
        input: DeleteRunsInput,
    ) -> Result<Option<DeleteRunsPayload>> {
        let request = ctx.request()?;
        let wish = Wish {
            with: with_runs(input.delete_artifacts, input.on_registry_link),
            reason: input.reason,
            plan_id: input.plan_id.map(|id| id.0),
        };
        let tx = request.db.begin_write().await.or_graphql()?;
        let (place, which) = input.runs.resolve(request, &tx).await?;
        let done = bulk::delete_many(&tx, &request.caller, &place, &which, wish, request.retention).await;
        let (deletion, task) = done.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(DeleteRunsPayload {
            deletion: Deletion(deletion),
            task: BulkTask(task),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Takes runs out of the listings. They stay reachable by name, and are deleted when their archive period is over.
    async fn archive_runs(
        &self,
        ctx: &Context<'_>,
        input: ArchiveRunsInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (place, which) = input.runs.resolve(request, &tx).await?;
        let task = bulk::archive_many(&tx, &request.caller, &place, &which, request.retention).await;
        let task = task.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }

    /// Brings runs back, exactly as they were: named ones from the trash or the archive, of a filter those that it means among
    /// the project's runs in the trash.
    async fn restore_runs(
        &self,
        ctx: &Context<'_>,
        input: RestoreRunsInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (place, which) = input.runs.resolve(request, &tx).await?;
        let task = bulk::restore_many(&tx, &request.caller, &place, &which).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }

    /// Lets a change to many runs wait, once the batch that is being done is done.
    async fn pause_bulk_task(
        &self,
        ctx: &Context<'_>,
        input: PauseBulkTaskInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let task = request.write(async |tx| bulk::pause(tx, &request.caller, &input.id).await).await?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }

    /// Goes on with a change to many runs that waits.
    async fn resume_bulk_task(
        &self,
        ctx: &Context<'_>,
        input: ResumeBulkTaskInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let task = request.write(async |tx| bulk::resume(tx, &request.caller, &input.id).await).await?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }

    /// Ends a change to many runs. What was changed stays so, the rest stays as it is.
    async fn cancel_bulk_task(
        &self,
        ctx: &Context<'_>,
        input: CancelBulkTaskInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let task = request.write(async |tx| bulk::cancel(tx, &request.caller, &input.id).await).await?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }
}
