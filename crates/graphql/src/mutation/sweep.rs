//! Sweeps: what their owners and agents say.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::filter::RunFilter;
use counterweight_domain::id::{AgentId, SweepId};
use counterweight_domain::sweep::{self, SweepState, SweepUpsert};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Agent, Sweep};
use crate::scalars::JsonString;

#[derive(Debug, Default)]
pub(super) struct SweepMutation;

/// A sweep to create or change. What is absent or null stays as it is.
#[derive(InputObject)]
struct UpsertSweepInput {
    /// Its global id; a new sweep without one.
    id: Option<ID>,
    /// What to search for and how, in YAML.
    config: Option<String>,
    /// Description.
    description: Option<String>,
    /// Owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Project; `uncategorized` where none is named.
    project_name: Option<String>,
    /// What a controller outside keeps here.
    controller: Option<JsonString>,
    /// What a scheduler outside keeps here.
    scheduler: Option<JsonString>,
    /// Of no effect.
    launch_scheduler: Option<JsonString>,
    /// Of no effect.
    template_variable_values: Option<JsonString>,
    /// `RUNNING`, `PAUSED`, `FINISHED` or `CANCELED`.
    state: Option<String>,
    /// Runs of the project that are to belong to it.
    prior_runs_filters: Option<JsonString>,
    /// Pretty name.
    display_name: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A sweep created or changed.
#[derive(SimpleObject)]
struct UpsertSweepPayload {
    /// The sweep.
    sweep: Sweep,
    /// What its owner may want to look at again.
    config_validation_warnings: Vec<String>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// An agent that comes to a sweep.
#[derive(InputObject)]
struct CreateAgentInput {
    /// Its machine.
    host: String,
    /// The sweep's project.
    project_name: Option<String>,
    /// Owner of that.
    entity_name: Option<String>,
    /// The sweep id.
    sweep: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// An agent that came.
#[derive(SimpleObject)]
struct CreateAgentPayload {
    /// The agent.
    agent: Agent,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// What an agent has to say.
#[derive(InputObject)]
struct AgentHeartbeatInput {
    /// Its global id.
    id: ID,
    /// Of no effect.
    metrics: Option<JsonString>,
    /// The runs that it has: a JSON object in which their ids are true.
    run_state: Option<JsonString>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What an agent is to do.
#[derive(SimpleObject)]
struct AgentHeartbeatPayload {
    /// The agent.
    agent: Agent,
    /// A JSON list of commands.
    commands: JsonString,
    /// As it was given.
    client_mutation_id: Option<String>,
}

impl UpsertSweepInput {
    fn into_upsert(self) -> domain::Result<SweepUpsert> {
        let id = self.id.filter(|id| !id.is_empty());
        let sweep_id =
            |id: ID| SweepId::from_node_id(&id).ok_or_else(|| domain::Error::not_found("sweep", id.0));
        Ok(SweepUpsert {
            id: id.map(sweep_id).transpose()?,
            entity: self.entity_name,
            project: self.project_name,
            config: self.config,
            description: self.description,
            display_name: self.display_name,
            controller: self.controller.map(|controller| controller.0),
            scheduler: self.scheduler.map(|scheduler| scheduler.0),
            state: self.state.as_deref().map(SweepState::parse).transpose()?,
            prior_runs: self.prior_runs_filters.map(|filter| RunFilter::parse(&filter.0)).transpose()?,
        })
    }
}

/// Reads which runs an agent has.
fn reported(text: Option<JsonString>) -> domain::Result<impl Iterator<Item = String>> {
    let text = text.map_or_else(|| "{}".to_owned(), |text| text.0);
    let invalid =
        |error: serde_json::Error| domain::Error::invalid("RUN_STATE_INVALID", "runState", error.to_string());
    let runs: HashMap<String, bool> = serde_json::from_str(&text).map_err(invalid)?;
    Ok(runs.into_iter().filter_map(|(run, has_it)| has_it.then_some(run)))
}

#[Object]
impl SweepMutation {
    /// Creates a sweep, or changes the one of that id. Another config is taken until a run was given out.
    async fn upsert_sweep(
        &self,
        ctx: &Context<'_>,
        mut input: UpsertSweepInput,
    ) -> Result<Option<UpsertSweepPayload>> {
        let request = ctx.request()?;
        let client_mutation_id = input.client_mutation_id.take();
        let upsert = input.into_upsert().or_graphql()?;
        let done = request.write(async |tx| sweep::upsert(tx, &request.caller, upsert).await).await?;
        Ok(Some(UpsertSweepPayload {
            sweep: Sweep(done.sweep),
            config_validation_warnings: done.warnings,
            client_mutation_id,
        }))
    }

    /// Lets an agent come to a sweep.
    async fn create_agent(
        &self,
        ctx: &Context<'_>,
        input: CreateAgentInput,
    ) -> Result<Option<CreateAgentPayload>> {
        let request = ctx.request()?;
        let place = (input.entity_name.as_deref(), input.project_name.as_deref());
        let create = async |tx: &domain::WriteTx| {
            sweep::create_agent(tx, &request.caller, place, &input.sweep, &input.host).await
        };
        let agent = Agent(request.write(create).await?);
        Ok(Some(CreateAgentPayload { agent, client_mutation_id: input.client_mutation_id }))
    }

    /// Hears which runs an agent has, and tells it what to do.
    async fn agent_heartbeat(
        &self,
        ctx: &Context<'_>,
        input: AgentHeartbeatInput,
    ) -> Result<Option<AgentHeartbeatPayload>> {
        let request = ctx.request()?;
        let missing = || domain::Error::not_found("agent", input.id.to_string());
        let id = AgentId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        let reported = reported(input.run_state).or_graphql()?.collect();
        let heard = sweep::heartbeat(&request.db, &request.reader, &request.caller, id, reported).await;
        let (agent, commands) = heard.or_graphql()?;
        let commands = serde_json::to_string(&commands).map_err(domain::Error::internal).or_graphql()?;
        Ok(Some(AgentHeartbeatPayload {
            agent: Agent(agent),
            commands: JsonString(commands),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
