//! What changed since a page last asked.

use async_graphql::{Context, ID, SimpleObject};

use counterweight_domain::filter::RunFilter;
use counterweight_domain::project::Project;
use counterweight_domain::run;

use super::Run;
use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};

/// What changed in a project.
#[derive(SimpleObject)]
pub(crate) struct RunChanges {
    /// Runs that the filter means and that are new, changed or restored, each once, as it is now.
    runs: Vec<Run>,
    /// Ids of other runs that changed: archived, deleted, moved, or no longer what the filter means. Some of them may
    /// never have been listed.
    gone_run_ids: Vec<ID>,
    /// The cursor to ask with next, whatever the filter.
    cursor: String,
    /// Whether there are more already.
    has_more: bool,
}

impl RunChanges {
    /// The first changes after a cursor.
    pub(crate) async fn page(
        ctx: &Context<'_>,
        project: &Project,
        filter: &RunFilter,
        first: Option<i32>,
        after: Option<&str>,
    ) -> Result<Self> {
        let wanted = connection::page_size(first)?;
        let db = &ctx.request()?.db;
        let changes = run::list_changes(db, project, filter, wanted, after).await.or_graphql()?;
        Ok(Self {
            runs: changes.runs.into_iter().map(Run).collect(),
            gone_run_ids: changes.gone.into_iter().map(|id| id.to_node_id().into()).collect(),
            cursor: changes.cursor,
            has_more: changes.has_more,
        })
    }
}
