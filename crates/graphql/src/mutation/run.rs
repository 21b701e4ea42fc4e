//! Runs: what their writers and owners say of them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::id::RunId;
use counterweight_domain::run::{self, Document, RunState, Tags, Upsert};

use super::rewind::BranchPoint;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::Run;
use crate::scalars::JsonString;

#[derive(Debug, Default)]
pub(super) struct RunMutation;

/// A run to create or update. What is absent or null stays as it is.
#[derive(InputObject)]
struct UpsertBucketInput {
    /// Storage id.
    id: Option<String>,
    /// Run id; one is made where there is none.
    name: Option<String>,
    /// Project; `uncategorized` where none is named.
    model_name: Option<String>,
    /// Owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Group.
    group_name: Option<String>,
    /// Description.
    description: Option<String>,
    /// Pretty name.
    display_name: Option<String>,
    /// Notes.
    notes: Option<String>,
    /// Git commit.
    commit: Option<String>,
    /// The whole config.
    config: Option<JsonString>,
    /// Machine.
    host: Option<String>,
    /// Of no effect.
    debug: Option<bool>,
    /// Script.
    job_program: Option<String>,
    /// Git remote.
    job_repo: Option<String>,
    /// Job type.
    job_type: Option<String>,
    /// `running` or `pending`, from scripts that create runs.
    state: Option<String>,
    /// Sweep.
    sweep: Option<String>,
    /// All tags.
    tags: Option<Vec<String>>,
    /// The whole summary.
    summary_metrics: Option<JsonString>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What the server wants a user told. Older clients refuse to sync without it.
#[derive(Default, SimpleObject)]
struct ServerSettings {
    /// There are none.
    server_messages: Vec<ServerMessage>,
}

/// A message to print at the start of a run.
#[derive(SimpleObject)]
struct ServerMessage {
    /// With any characters.
    utf_text: String,
    /// In ASCII.
    plain_text: String,
    /// For notebooks.
    html_text: String,
    /// Where it belongs.
    message_type: String,
    /// How urgent it is.
    message_level: String,
}

/// A run created or updated.
#[derive(SimpleObject)]
struct UpsertBucketPayload {
    /// The run.
    bucket: Option<Run>,
    /// Whether it is new.
    inserted: Option<bool>,
    /// What the server wants its user told.
    server_settings: Option<ServerSettings>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A run to stop.
#[derive(InputObject)]
struct StopRunInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A run told to stop.
#[derive(SimpleObject)]
struct StopRunPayload {
    /// Always true; what fails is an error.
    success: bool,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A state to ask for.
#[derive(InputObject)]
struct UpdateRunStateInput {
    /// The run's global id.
    id: ID,
    /// `pending` or `failed`.
    state: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A state changed.
#[derive(SimpleObject)]
struct UpdateRunStatePayload {
    /// Always true; what fails is an error.
    success: bool,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Reads the global id of a run; a foreign one answers like a miss.
pub(super) fn run_id(id: &str) -> Result<RunId> {
    RunId::from_node_id(id).ok_or_else(|| domain::Error::not_found("run", id)).or_graphql()
}

impl UpsertBucketInput {
    fn into_upsert(self, branches: bool) -> Result<Upsert> {
        let id = self.id.filter(|id| !id.is_empty());
        Ok(Upsert {
            id: id.as_deref().map(run_id).transpose()?,
            entity: self.entity_name,
            project: self.model_name,
            name: self.name,
            display_name: self.display_name,
            config: self.config.map(|config| Document::config(config.0)).transpose().or_graphql()?,
            summary: self
                .summary_metrics
                .map(|summary| Document::summary(summary.0))
                .transpose()
                .or_graphql()?,
            branches,
            state: self.state.map(|state| state.parse::<RunState>()).transpose().or_graphql()?,
            tags: self.tags.map(Tags::new).transpose().or_graphql()?,
            group_name: self.group_name,
            job_type: self.job_type,
            host: self.host,
            commit_hash: self.commit,
            program: self.job_program,
            repo: self.job_repo,
            sweep_name: self.sweep,
            description: self.description,
            notes: self.notes,
        })
    }
}

/// The run that a fork begins with. A fork that is there already does without: its parent may be gone since.
async fn parent(request: &RequestContext, fork: &Upsert, parent: &str) -> domain::Result<Option<run::Run>> {
    let Some(name) = &fork.name else { return Ok(None) };
    let find = async |name: &str| {
        let (entity, project) = (fork.entity.as_deref(), fork.project.as_deref());
        run::find_by_path(&request.db, &request.caller, entity, project, name).await
    };
    match find(parent).await? {
        None if find(name).await?.is_none() => Err(domain::Error::not_found("run", parent)),
        found => Ok(found),
    }
}

#[Object]
impl RunMutation {
    /// Creates a run, or updates the one of that id.
    async fn upsert_bucket(
        &self,
        ctx: &Context<'_>,
        mut input: UpsertBucketInput,
    ) -> Result<Option<UpsertBucketPayload>> {
        let request = ctx.request()?;
        let client_mutation_id = input.client_mutation_id.take();
        let branch_point = BranchPoint::of(input.config.as_ref());
        let branches = branch_point.is_some();
        let branch_point = branch_point.filter(|point| input.name.as_ref() != Some(&point.run_id));
        let upsert = input.into_upsert(branches)?;
        let parent = match &branch_point {
            Some(point) => parent(request, &upsert, &point.run_id).await.or_graphql()?,
            None => None,
        };
        let tx = request.db.begin_write().await.or_graphql()?;
        let done = run::upsert(&tx, &request.caller, upsert).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        if let Some((point, parent)) = branch_point.zip(parent) {
            point.apply(request, done.run.id, parent.id).await.or_graphql()?;
        }
        Ok(Some(UpsertBucketPayload {
            bucket: Some(Run(done.run)),
            inserted: Some(done.inserted),
            server_settings: Some(ServerSettings::default()),
            client_mutation_id,
        }))
    }

    /// Tells a run's writer to stop.
    async fn stop_run(&self, ctx: &Context<'_>, input: StopRunInput) -> Result<Option<StopRunPayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let tx = request.db.begin_write().await.or_graphql()?;
        run::stop(&tx, &request.caller, id).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(StopRunPayload { success: true, client_mutation_id: input.client_mutation_id }))
    }

    /// Changes a run's state, where that is allowed.
    async fn update_run_state(
        &self,
        ctx: &Context<'_>,
        input: UpdateRunStateInput,
    ) -> Result<Option<UpdateRunStatePayload>> {
        let request = ctx.request()?;
        let id = run_id(&input.id)?;
        let state = input.state.parse::<RunState>().or_graphql()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        run::request_state(&tx, &request.caller, id, state).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(UpdateRunStatePayload { success: true, client_mutation_id: input.client_mutation_id }))
    }
}
