//! What starts runs of a sweep on a machine.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::sweep::{self, AgentState};

use super::{Run, RunConnection, RunEdge};
use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::RunsOf;
use crate::scalars::DateTime;

/// What starts runs of a sweep on a machine.
pub(crate) struct Agent(pub(crate) sweep::Agent);

/// The agents of a sweep.
#[derive(SimpleObject)]
pub(crate) struct AgentConnection {
    /// One for each agent, in the order in which they came.
    pub(super) edges: Vec<AgentEdge>,
}

/// An agent in a list.
#[derive(SimpleObject)]
pub(crate) struct AgentEdge {
    /// The agent.
    pub(super) node: Agent,
}

#[Object]
impl Agent {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Its name within its sweep.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Its machine.
    async fn host(&self) -> &str {
        &self.0.host
    }

    /// `RUNNING`, `FINISHED` where there was nothing left for it, or `CRASHED` where it fell silent.
    async fn state(&self, ctx: &Context<'_>) -> Result<&str> {
        Ok(AgentState::of(&self.0, ctx.request()?.db.now()).as_str())
    }

    /// How many runs it began.
    async fn total_runs(&self, ctx: &Context<'_>) -> Result<i32> {
        let runs = ctx.request()?.loader.load_one(RunsOf(self.0.id)).await.or_graphql()?;
        Ok(i32::try_from(runs.unwrap_or_default()).unwrap_or(i32::MAX))
    }

    /// When it came.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last heard of.
    async fn heartbeat_at(&self) -> DateTime {
        DateTime(self.0.heartbeat_at)
    }

    /// The runs that it began, oldest first.
    #[graphql(complexity = "connection::cost(first.or(last), child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        #[graphql(name = "before")] _before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(name = "order")] _order: Option<String>,
    ) -> Result<RunConnection> {
        let wanted = connection::page_size(first.or(last))?;
        let of = format!("runs of agent {}", self.0.id);
        let after = connection::decode(&of, after.as_deref())?;
        let db = &ctx.request()?.db;
        let found = sweep::list_runs_of_agent(db, self.0.id, after, wanted + 1).await.or_graphql()?;
        let (found, has_next_page) = connection::cut(found, wanted);
        let edge = |run: counterweight_domain::run::Run| {
            Ok(RunEdge { cursor: connection::encode(&of, &run.id)?, node: Run(run) })
        };
        Ok(RunConnection::new(found.into_iter().map(edge).collect::<Result<_>>()?, has_next_page))
    }
}
