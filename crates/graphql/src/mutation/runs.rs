//! Many runs at once: `moveRuns`, `modifyRuns`.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::project::{self, Project};
use counterweight_domain::run::{self, GroupEdit, RunEdit};

use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::BulkTask;
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
    tx: &WriteTx,
    owner: Option<&str>,
    name: Option<&str>,
) -> Result<Project> {
    let found = project::find(tx, &request.caller, owner, name).await.or_graphql()?;
    let missing = || domain::Error::not_found("project", name.unwrap_or_default());
    found.ok_or_else(missing).or_graphql()
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
        let task = run::move_many(&tx, &request.caller, &source, &input.filters.0, &destination).await;
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
        let task = run::edit_many(&tx, &request.caller, &place, &input.filters.0, edit).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(ModifyRunsPayload { task: BulkTask(task), client_mutation_id: input.client_mutation_id }))
    }
}
