//! Searches for parameters.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::filter::{RunFilter, RunOrder};
use counterweight_domain::id::ProjectId;
use counterweight_domain::run;
use counterweight_domain::sweep::{self, Config, Totals};
use serde_json::json;

use super::agent::{AgentConnection, AgentEdge};
use super::{Agent, Project, Run, RunConnection, RunEdge, User};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::TotalsOf;
use crate::scalars::{DateTime, JsonString};

/// Runs that a sweep shows where nobody says how many: whoever asks so means all of them.
const ALL_RUNS: i32 = 1000;

/// A search for parameters.
pub(crate) struct Sweep(pub(crate) sweep::Sweep);

/// A page of sweeps.
#[derive(SimpleObject)]
pub(crate) struct SweepConnection {
    /// One for each sweep, the newest first.
    edges: Vec<SweepEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A sweep in a list.
#[derive(SimpleObject)]
struct SweepEdge {
    /// The sweep.
    node: Sweep,
    /// Its place in the list.
    cursor: String,
}

impl SweepConnection {
    /// The sweeps of a project that a filter means, after a cursor.
    pub(super) async fn page(
        ctx: &Context<'_>,
        project: ProjectId,
        filters: Option<&JsonString>,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let filters = filters.map_or("", |filters| &filters.0);
        let filter = sweep::parse_filter(filters).or_graphql()?;
        let wanted = connection::page_size(first)?;
        let list = format!("sweeps of project {project} by {filters}");
        let before = connection::decode(&list, after)?;
        let db = &ctx.request()?.db;
        let found = sweep::list(db, project, &filter, before, wanted + 1).await.or_graphql()?;
        let (found, has_next_page) = connection::cut(found, wanted);
        let mut edges = Vec::with_capacity(found.len());
        for row in found {
            edges.push(SweepEdge { cursor: connection::encode(&list, &row.id)?, node: Sweep(row) });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

impl Sweep {
    /// The sweep of that name.
    pub(super) async fn find(ctx: &Context<'_>, project: ProjectId, name: &str) -> Result<Option<Self>> {
        Ok(sweep::find_named(&ctx.request()?.db, project, name).await.or_graphql()?.map(Self))
    }

    async fn totals(&self, ctx: &Context<'_>) -> Result<Totals> {
        let totals = ctx.request()?.loader.load_one(TotalsOf(self.0.id)).await.or_graphql()?;
        Ok(totals.unwrap_or_default())
    }

    async fn project_row(&self, ctx: &Context<'_>) -> Result<domain::project::Project> {
        let found = ctx.request()?.loader.load_one(self.0.project_id).await.or_graphql()?;
        found.ok_or_else(|| domain::Error::internal("a sweep without its project")).or_graphql()
    }
}

#[Object]
impl Sweep {
    /// Global id, the storage id of the client.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// The sweep id that users see.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The pretty name, where it has one besides that in its config.
    async fn display_name(&self) -> Option<&str> {
        self.0.display_name.as_deref()
    }

    /// How parameters are chosen: `grid`, `random`, `bayes` or `custom`.
    async fn method(&self) -> &str {
        &self.0.method
    }

    /// `PENDING`, `RUNNING`, `PAUSED`, `FINISHED` or `CANCELED`.
    async fn state(&self) -> &str {
        self.0.state.as_str()
    }

    /// As its owner wrote it.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// YAML, as it was sent.
    async fn config(&self) -> &str {
        &self.0.config
    }

    /// What a controller outside keeps here.
    async fn controller(&self) -> Option<JsonString> {
        self.0.controller.clone().map(JsonString)
    }

    /// What a scheduler outside keeps here.
    async fn scheduler(&self) -> Option<JsonString> {
        self.0.scheduler.clone().map(JsonString)
    }

    /// The run of a controller outside. There is none.
    async fn controller_run_name(&self) -> Option<&str> {
        None
    }

    /// The best of the metric in the summaries of its runs.
    async fn best_loss(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
        Ok(self.totals(ctx).await?.best(&self.0))
    }

    /// Whether a job looks for runs to stop. Heartbeats of agents do.
    async fn early_stop_job_running(&self) -> bool {
        false
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When one of its agents was last heard of.
    async fn heartbeat_at(&self) -> Option<DateTime> {
        self.0.heartbeat_at.map(DateTime)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// How many runs it has.
    async fn run_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(i32::try_from(self.totals(ctx).await?.runs).unwrap_or(i32::MAX))
    }

    /// How many runs it will have; none: without end.
    async fn run_count_expected(&self) -> Result<Option<i32>> {
        let expected = Config::parse(&self.0.config).or_graphql()?.expected_runs();
        Ok(expected.map(|runs| i32::try_from(runs).unwrap_or(i32::MAX)))
    }

    /// Its project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Project> {
        self.project_row(ctx).await.map(Project)
    }

    /// Who created it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.user_id).await.or_graphql()?.map(User))
    }

    /// Its runs, oldest first.
    #[graphql(complexity = "connection::cost(first.or(Some(ALL_RUNS)), child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<RunConnection> {
        let wanted = connection::page_size(first.or(Some(ALL_RUNS)))?;
        let filter = RunFilter::parse(&json!({ "sweep": self.0.name }).to_string()).or_graphql()?;
        let order = RunOrder::parse("+created_at").or_graphql()?;
        let project = self.project_row(ctx).await?;
        let db = &ctx.request()?.db;
        let page = run::list(db, &project, &filter, &order, wanted, after.as_deref()).await.or_graphql()?;
        let edges = page.items.into_iter().map(|(run, cursor)| RunEdge { node: Run(run), cursor }).collect();
        Ok(RunConnection::new(edges, page.has_next))
    }

    /// One of its agents, by name or global id.
    async fn agent(&self, ctx: &Context<'_>, agent_name: String) -> Result<Option<Agent>> {
        let found = sweep::find_agent(&ctx.request()?.db, self.0.id, &agent_name).await.or_graphql()?;
        Ok(found.map(Agent))
    }

    /// Its agents, in the order in which they came.
    #[graphql(complexity = "connection::cost(Some(ALL_RUNS), child_complexity)")]
    async fn agents(&self, ctx: &Context<'_>) -> Result<Option<AgentConnection>> {
        let found = sweep::list_agents(&ctx.request()?.db, self.0.id).await.or_graphql()?;
        let edges = found.into_iter().map(|agent| AgentEdge { node: Agent(agent) }).collect();
        Ok(Some(AgentConnection { edges }))
    }
}
