//! Parts of runs that are deleted for good: files, and lines.

use async_graphql::{Context, Enum, InputObject, Object};

use counterweight_domain::bulk;
use counterweight_domain::history::Stream;

use super::runs::{BulkTaskPayload, RunsInput};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};

#[derive(Debug, Default)]
pub(super) struct RunDataMutation;

/// What a run's writer sends line by line.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Stream")]
enum RunStream {
    /// What was logged, step by step.
    History,
    /// Metrics of the machine.
    #[graphql(name = "SYSTEM_METRICS")]
    Events,
    /// What was printed.
    Console,
}

/// Files of runs to delete.
#[derive(InputObject)]
struct DeleteRunFilesInput {
    /// Of which runs.
    runs: RunsInput,
    /// Which files, as the client's `run.files(pattern=...)` takes it: `%` is any text, `_` any character, `\\` escapes.
    pattern: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Lines of runs to delete.
#[derive(InputObject)]
struct DeleteRunHistoryInput {
    /// Of which runs.
    runs: RunsInput,
    /// Which lines.
    streams: Vec<RunStream>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

#[Object]
impl RunDataMutation {
    /// Deletes all files of runs whose names match a pattern, for good; `filesMatching` tells which these are. Many runs follow in
    /// the background: follow `task`.
    async fn delete_run_files(
        &self,
        ctx: &Context<'_>,
        input: DeleteRunFilesInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (place, which) = input.runs.resolve(request, &tx).await?;
        let task = bulk::delete_files(&tx, &request.caller, &place, &which, input.pattern).await;
        let task = task.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }

    /// Deletes all lines of these streams of runs, for good; config, summary and files stay. A run that is still written to is
    /// refused.
    async fn delete_run_history(
        &self,
        ctx: &Context<'_>,
        input: DeleteRunHistoryInput,
    ) -> Result<Option<BulkTaskPayload>> {
        let request = ctx.request()?;
        let streams = input.streams.into_iter().map(Stream::from).collect();
        let tx = request.db.begin_write().await.or_graphql()?;
        let (place, which) = input.runs.resolve(request, &tx).await?;
        let task = bulk::delete_history(&tx, &request.caller, &place, &which, streams).await;
        let task = task.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(BulkTaskPayload::of(task, input.client_mutation_id)))
    }
}
