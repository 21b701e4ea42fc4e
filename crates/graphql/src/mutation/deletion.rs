//! Archive, delete, restore.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain::deletion::{self, DeleteRun};

use super::project::project_id;
use super::run::run_id;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Deletion, Project, ProjectDeletion, Run};

#[derive(Debug, Default)]
pub(super) struct DeletionMutation;

/// A run to delete.
#[derive(InputObject)]
struct DeleteRunInput {
    /// Its global id.
    id: ID,
    /// Whether the artifacts that it logged go with it. Restoring the run does not bring them back.
    delete_artifacts: Option<bool>,
    /// Why, in free text.
    reason: Option<String>,
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
    deletion: Option<ProjectDeletion>,
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

#[Object]
impl DeletionMutation {
    /// Deletes a run. It can be restored until the deadline that the answer tells; then its bytes go.
    async fn delete_run(&self, ctx: &Context<'_>, input: DeleteRunInput) -> Result<Option<DeleteRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let wish =
            DeleteRun { with_artifacts: input.delete_artifacts.unwrap_or_default(), reason: input.reason };
        let tx = request.db.begin_write().await.or_graphql()?;
        let done = deletion::delete(&tx, &request.caller, id, wish, request.retention).await;
        let done = done.or_graphql()?;
        tx.commit().await.or_graphql()?;
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
        let trash = request.retention.trash;
        let tx = request.db.begin_write().await.or_graphql()?;
        let done = deletion::delete_project(&tx, &request.caller, id, input.reason, trash).await;
        let done = done.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(DeleteModelPayload {
            success: Some(true),
            deletion: Some(ProjectDeletion(done)),
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
}
