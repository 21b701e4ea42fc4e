//! Deletions, and what they would do.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::deletion::{self, DeletionQuery};
use counterweight_domain::{Error, file, project};

use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::mutation::deletion::with_runs;
use crate::mutation::runs::RunsInput;
use crate::object::{Deletion, DeletionConnection, DeletionPlan, DeletionState, OnRegistryLink};
use crate::scalars::Int64;

#[derive(Debug, Default)]
pub(super) struct DeletionQueries;

/// What the files of some runs come to.
#[derive(SimpleObject)]
struct FilesMatching {
    /// Runs that have such a file.
    run_count: Int64,
    /// Files.
    file_count: Int64,
    /// Their bytes.
    file_bytes: Int64,
}

#[Object]
impl DeletionQueries {
    /// What deleting these runs would do. Writes nothing; a deletion that carries the plan's id does this or nothing.
    async fn deletion_plan(
        &self,
        ctx: &Context<'_>,
        runs: RunsInput,
        delete_artifacts: Option<bool>,
        on_registry_link: Option<OnRegistryLink>,
    ) -> Result<DeletionPlan> {
        let request = ctx.request()?;
        let (place, which) = runs.resolve(request, &request.db).await?;
        let with = with_runs(delete_artifacts, on_registry_link);
        let plan = deletion::plan(&request.db, &request.caller, &place, &which, with).await;
        plan.or_graphql().map(DeletionPlan)
    }

    /// What `deleteRunFiles` would delete now. Writes nothing.
    async fn files_matching(
        &self,
        ctx: &Context<'_>,
        runs: RunsInput,
        pattern: String,
    ) -> Result<FilesMatching> {
        let request = ctx.request()?;
        let (place, which) = runs.resolve(request, &request.db).await?;
        let found = file::count_matching(&request.db, &request.caller, &place, &which, &pattern).await;
        let found = found.or_graphql()?;
        Ok(FilesMatching {
            run_count: Int64(found.run_count),
            file_count: Int64(found.file_count),
            file_bytes: Int64(found.file_bytes),
        })
    }

    /// A deletion of something that the viewer may see.
    async fn deletion(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Deletion>> {
        let request = ctx.request()?;
        Ok(deletion::find(&request.db, &request.caller, &id).await.or_graphql()?.map(Deletion))
    }

    /// Deletions of what the viewer may see, last asked for first; of one project where one is named.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn deletions(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        project_name: Option<String>,
        state: Option<DeletionState>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<DeletionConnection> {
        let request = ctx.request()?;
        let state = state.map(Into::into);
        let list = format!("deletions of {entity_name:?} {project_name:?} {state:?}");
        let project_id = match &project_name {
            None => None,
            Some(name) => {
                let found = project::find(&request.db, &request.caller, entity_name.as_deref(), Some(name));
                let missing = || Error::not_found("project", name.as_str());
                Some(found.await.or_graphql()?.ok_or_else(missing).or_graphql()?.id)
            }
        };
        let entity_name = entity_name.filter(|_| project_id.is_none());
        let wanted = DeletionQuery { entity_name, project_id, kind: None, state };
        DeletionConnection::load(ctx, &list, &wanted, first, after.as_deref()).await
    }
}
