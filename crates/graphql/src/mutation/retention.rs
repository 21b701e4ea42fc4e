//! What administrators say about how long things are kept.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain::WriteTx;
use counterweight_domain::retention::{self, NewPeriods, PeriodSetting};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::Retention;
use crate::scalars::Int64;

#[derive(Debug, Default)]
pub(super) struct RetentionMutation;

/// How long things are kept: in a project where one is named, else in an entity where one is named, else in the instance.
#[derive(InputObject)]
struct SetRetentionPeriodsInput {
    /// The entity, or the project's owner.
    entity_name: Option<String>,
    /// The project.
    project_name: Option<String>,
    /// Seconds from deletion to purge; -1: as what is around it says. None leaves it as it is.
    trash_seconds: Option<Int64>,
    /// Seconds from archiving to deletion; -1: as what is around it says; -2: for ever. None leaves it as it is.
    archive_seconds: Option<Int64>,
    /// From the deletion of a version of an artifact to its purge, in seconds; -1: as what is around it says.
    artifact_seconds: Option<Int64>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What rules now.
#[derive(SimpleObject)]
struct SetRetentionPeriodsPayload {
    /// There.
    retention: Retention,
    /// As it was given.
    client_mutation_id: Option<String>,
}

fn setting(field: &'static str, seconds: Option<Int64>) -> Result<Option<PeriodSetting>> {
    seconds.map(|seconds| PeriodSetting::parse(field, seconds.0)).transpose().or_graphql()
}

#[Object]
impl RetentionMutation {
    /// Sets how long what is deleted from now on can be restored, and when what is archived from now on is deleted. Deadlines
    /// that there are stay where they are. For administrators of the server, of the entity or of the project.
    async fn set_retention_periods(
        &self,
        ctx: &Context<'_>,
        input: SetRetentionPeriodsInput,
    ) -> Result<Option<SetRetentionPeriodsPayload>> {
        let request = ctx.request()?;
        let periods = NewPeriods {
            trash: setting("trashSeconds", input.trash_seconds)?,
            archive: setting("archiveSeconds", input.archive_seconds)?,
            artifacts: setting("artifactSeconds", input.artifact_seconds)?,
        };
        let (entity, project) = (input.entity_name.as_deref(), input.project_name.as_deref());
        let change = async |tx: &WriteTx| {
            let scope = retention::find_scope(tx, &request.caller, entity, project).await?;
            retention::set_periods(tx, &request.caller, scope, periods).await.map(|()| scope)
        };
        let scope = request.write(change).await?;
        Ok(Some(SetRetentionPeriodsPayload {
            retention: Retention::get(ctx, scope).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
