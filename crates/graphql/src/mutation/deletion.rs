//! Archive, delete, restore.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain::deletion::{self, Wish, WithRuns};

use super::project::project_id;
use super::run::run_id;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Deletion, OnRegistryLink, Project, Run};
use crate::scalars::DateTime;

#[derive(Debug, Default)]
pub(super) struct DeletionMutation;

/// A run to delete.
#[derive(InputObject)]
struct DeleteRunInput {
    /// Its global id.
    id: ID,
    /// Whether the artifacts that it logged go with it. Restoring the run does not bring them back.
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

/// A run deleted.
#[derive(SimpleObject)]
struct DeleteRunPayload {
    /// Its record, with the deadline for undoing it.
    deletion: Option<Deletion>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A run to archive.
#[derive(InputObject)]
struct ArchiveRunInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A run archived.
#[derive(SimpleObject)]
struct ArchiveRunPayload {
    /// The run.
    run: Option<Run>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A run to list again.
#[derive(InputObject)]
struct UnarchiveRunInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A run listed again.
#[derive(SimpleObject)]
struct UnarchiveRunPayload {
    /// The run.
    run: Option<Run>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A run to bring back.
#[derive(InputObject)]
struct RestoreRunInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A run brought back.
#[derive(SimpleObject)]
struct RestoreRunPayload {
    /// The run.
    run: Option<Run>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A project to delete.
#[derive(InputObject)]
struct DeleteModelInput {
    /// Its global id.
    id: String,
    /// Why, in free text.
    reason: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A project deleted.
#[derive(SimpleObject)]
struct DeleteModelPayload {
    /// Always true; what fails is an error.
    success: Option<bool>,
    /// Its record, with the deadline for undoing it.
    deletion: Option<Deletion>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A project to bring back.
#[derive(InputObject)]
struct RestoreProjectInput {
    /// Its global id.
    id: ID,
    /// The name it shall have; the one it had where none is given.
    name: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A project brought back.
#[derive(SimpleObject)]
struct RestoreProjectPayload {
    /// The project.
    project: Option<Project>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A deletion to give more time.
#[derive(InputObject)]
struct ExtendDeletionInput {
    /// Its id.
    id: ID,
    /// Until when it can be undone; later than now.
    purge_after: DateTime,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A deletion to undo.
#[derive(InputObject)]
struct RestoreDeletionInput {
    /// Its id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A deletion to complete.
#[derive(InputObject)]
struct PurgeNowInput {
    /// Its id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A deletion changed.
#[derive(SimpleObject)]
struct DeletionPayload {
    /// The deletion.
    deletion: Option<Deletion>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

impl DeletionPayload {
    fn of(deletion: deletion::Deletion, client_mutation_id: Option<String>) -> Self {
        Self { deletion: Some(Deletion(deletion)), client_mutation_id }
    }
}

/// What goes with runs, by what was asked for.
pub(crate) fn with_runs(artifacts: Option<bool>, link: Option<OnRegistryLink>) -> WithRuns {
    WithRuns {
        artifacts: artifacts.unwrap_or_default(),
        on_registry_link: link.map(Into::into).unwrap_or_default(),
    }
}

#[Object]
impl DeletionMutation {
    /// Deletes a run. It can be restored until the deadline that the answer tells; then its bytes go.
    async fn delete_run(&self, ctx: &Context<'_>, input: DeleteRunInput) -> Result<Option<DeleteRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let wish = Wish {
            with: with_runs(input.delete_artifacts, input.on_registry_link),
            reason: input.reason,
            plan_id: input.plan_id.map(|id| id.0),
        };
        let retention = request.retention;
        let done = request.write(async |tx| deletion::delete(tx, &request.caller, id, wish, retention).await);
        let done = done.await?;
        Ok(Some(DeleteRunPayload {
            deletion: Some(Deletion(done)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Takes a run out of the listings. It stays reachable by name, and is deleted when its archive period is over.
    async fn archive_run(
        &self,
        ctx: &Context<'_>,
        input: ArchiveRunInput,
    ) -> Result<Option<ArchiveRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let run = deletion::archive(&tx, &request.caller, id, request.retention).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(ArchiveRunPayload { run: Some(Run(run)), client_mutation_id: input.client_mutation_id }))
    }

    /// Lists an archived run again.
    async fn unarchive_run(
        &self,
        ctx: &Context<'_>,
        input: UnarchiveRunInput,
    ) -> Result<Option<UnarchiveRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let run = deletion::unarchive(&tx, &request.caller, id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(UnarchiveRunPayload { run: Some(Run(run)), client_mutation_id: input.client_mutation_id }))
    }

    /// Brings a deleted or archived run back, exactly as it was.
    async fn restore_run(
        &self,
        ctx: &Context<'_>,
        input: RestoreRunInput,
    ) -> Result<Option<RestoreRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let run = deletion::restore(&tx, &request.caller, id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(RestoreRunPayload { run: Some(Run(run)), client_mutation_id: input.client_mutation_id }))
    }

    /// Deletes a project with all its runs. It can be restored until the deadline that the answer tells; then their
    /// bytes go. Its name is free at once, its run ids stay taken.
    async fn delete_model(
        &self,
        ctx: &Context<'_>,
        input: DeleteModelInput,
    ) -> Result<Option<DeleteModelPayload>> {
        let request = ctx.request()?;
        let id = project_id(&input.id).or_graphql()?;
        let retention = request.retention;
        let tx = request.db.begin_write().await.or_graphql()?;
        let done = deletion::delete_project(&tx, &request.caller, id, input.reason, retention).await;
        let done = done.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(DeleteModelPayload {
            success: Some(true),
            deletion: Some(Deletion(done)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Brings a deleted project back with all that went with it. Where its name is taken by now, give it another one.
    async fn restore_project(
        &self,
        ctx: &Context<'_>,
        input: RestoreProjectInput,
    ) -> Result<Option<RestoreProjectPayload>> {
        let request = ctx.request()?;
        let id = project_id(&input.id).or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let project = deletion::restore_project(&tx, &request.caller, id, input.name.as_deref()).await;
        let project = project.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(RestoreProjectPayload {
            project: Some(Project(project)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Undoes a deletion: brings back everything of it that is in the trash. More than 200 runs are brought back by
    /// `restoreRuns`.
    async fn restore_deletion(
        &self,
        ctx: &Context<'_>,
        input: RestoreDeletionInput,
    ) -> Result<Option<DeletionPayload>> {
        let request = ctx.request()?;
        let done = request.write(async |tx| deletion::restore_all(tx, &request.caller, &input.id).await);
        Ok(Some(DeletionPayload::of(done.await?, input.client_mutation_id)))
    }

    /// Gives what is in the trash by a deletion more time.
    async fn extend_deletion(
        &self,
        ctx: &Context<'_>,
        input: ExtendDeletionInput,
    ) -> Result<Option<DeletionPayload>> {
        let request = ctx.request()?;
        let until = input.purge_after.0;
        let done = request.write(async |tx| deletion::extend(tx, &request.caller, &input.id, until).await);
        Ok(Some(DeletionPayload::of(done.await?, input.client_mutation_id)))
    }

    /// Ends the time in which a deletion can be undone, for administrators.
    async fn purge_now(&self, ctx: &Context<'_>, input: PurgeNowInput) -> Result<Option<DeletionPayload>> {
        let request = ctx.request()?;
        let done = request.write(async |tx| deletion::purge_now(tx, &request.caller, &input.id).await);
        Ok(Some(DeletionPayload::of(done.await?, input.client_mutation_id)))
    }
}
