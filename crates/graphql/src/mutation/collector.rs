//! Switches of the whole instance, for its administrators.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain::switch::{self, Switch};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::Collector;

/// Changes of the collector.
#[derive(Debug, Default)]
pub(super) struct CollectorMutation;

/// Why the collector is to stand still.
#[derive(InputObject)]
struct PauseCollectorInput {
    /// In free text.
    reason: Option<String>,
    /// Comes back in the answer.
    client_mutation_id: Option<String>,
}

/// That the collector may go on.
#[derive(InputObject)]
struct ResumeCollectorInput {
    /// Comes back in the answer.
    client_mutation_id: Option<String>,
}

/// Whether anything may be changed.
#[derive(InputObject)]
struct SetReadOnlyInput {
    /// Whether nothing may.
    read_only: bool,
    /// Why, in free text.
    reason: Option<String>,
    /// Comes back in the answer.
    client_mutation_id: Option<String>,
}

/// How the instance stands now.
#[derive(SimpleObject)]
struct SwitchPayload {
    /// The collector.
    collector: Option<Collector>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

async fn set(
    ctx: &Context<'_>,
    which: Switch,
    on: bool,
    reason: Option<String>,
    client_mutation_id: Option<String>,
) -> Result<Option<SwitchPayload>> {
    let request = ctx.request()?;
    switch::set(&request.db, &request.caller, which, on, reason).await.or_graphql()?;
    let collector = Some(Collector::get(&request.db).await?);
    Ok(Some(SwitchPayload { collector, client_mutation_id }))
}

#[Object]
impl CollectorMutation {
    /// Stops purges, expirations and the collection of bytes within one batch, on every worker, until
    /// `resumeCollector`. Nothing is lost: what was due is done then.
    async fn pause_collector(
        &self,
        ctx: &Context<'_>,
        input: PauseCollectorInput,
    ) -> Result<Option<SwitchPayload>> {
        set(ctx, Switch::CollectorPaused, true, input.reason, input.client_mutation_id).await
    }

    /// Lets the collector go on.
    async fn resume_collector(
        &self,
        ctx: &Context<'_>,
        input: ResumeCollectorInput,
    ) -> Result<Option<SwitchPayload>> {
        set(ctx, Switch::CollectorPaused, false, None, input.client_mutation_id).await
    }

    /// Lets nothing be changed any more, or lets it again. Whoever tries to is told to come back (`READ_ONLY`, 503);
    /// reading goes on, the worker stops.
    async fn set_read_only(
        &self,
        ctx: &Context<'_>,
        input: SetReadOnlyInput,
    ) -> Result<Option<SwitchPayload>> {
        let SetReadOnlyInput { read_only, reason, client_mutation_id } = input;
        set(ctx, Switch::ReadOnly, read_only, reason, client_mutation_id).await
    }
}
