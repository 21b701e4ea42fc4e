//! What is stored, and for whom.

use async_graphql::{Context, ID, Object};

use counterweight_domain::id::RunId;
use counterweight_domain::usage::Scope;
use counterweight_domain::{account, project, run};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Collector, StorageUsage, storage};

#[derive(Debug, Default)]
pub(super) struct StorageQueries;

#[Object]
impl StorageQueries {
    /// Bytes of a run, also of one in the trash; else of a project; else of an entity, the viewer's own where none is
    /// named. None for what the viewer may not see.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn storage_usage(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        project_name: Option<String>,
        #[graphql(name = "run")] run_id: Option<ID>,
    ) -> Result<Option<StorageUsage>> {
        let request = ctx.request()?;
        let (db, caller) = (&request.db, &request.caller);
        let scope = if let Some(id) = run_id {
            let Some(id) = RunId::from_node_id(&id) else { return Ok(None) };
            let found = run::find_including_deleted(db, caller, id).await.or_graphql()?;
            found.map(|run| Scope::Run(run.id))
        } else if project_name.is_some() {
            let found = project::find(db, caller, entity_name.as_deref(), project_name.as_deref()).await;
            found.or_graphql()?.map(|project| Scope::Project(project.id))
        } else {
            let found = account::find_entity(db, caller, entity_name.as_deref()).await.or_graphql()?;
            let Some(entity) = found else { return Ok(None) };
            return StorageUsage::of_entity(ctx, entity.id).await;
        };
        match scope {
            Some(scope) => StorageUsage::get(ctx, scope).await.map(Some),
            None => Ok(None),
        }
    }

    /// What the collector of bytes did and has yet to do, for administrators; none for others.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn collector(&self, ctx: &Context<'_>) -> Result<Option<Collector>> {
        let request = ctx.request()?;
        if request.caller.require_administrator().is_err() {
            return Ok(None);
        }
        Collector::get(&request.db).await.map(Some)
    }
}
