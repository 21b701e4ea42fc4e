//! Projects: `upsertModel`.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::id::ProjectId;
use counterweight_domain::project::{self, Description};

use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::Project;

#[derive(Debug, Default)]
pub(super) struct ProjectMutation;

/// A project to make or describe.
#[derive(InputObject)]
struct UpsertModelInput {
    /// The global id of an existing one.
    id: Option<String>,
    /// Its name.
    name: Option<String>,
    /// Its owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Replaces the description; none keeps it.
    description: Option<String>,
    /// Replaces the Git remote; none keeps it.
    repo: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A project made or described.
#[derive(SimpleObject)]
struct UpsertModelPayload {
    /// The project.
    project: Option<Project>,
    /// Older word for `project`.
    model: Option<Project>,
    /// Whether it is new.
    inserted: Option<bool>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

async fn by_id(request: &RequestContext, tx: &WriteTx, id: &str) -> domain::Result<project::Project> {
    let missing = || domain::Error::not_found("project", id);
    let id = ProjectId::from_node_id(id).ok_or_else(missing)?;
    let mut found = project::get_many(tx, &request.caller, &[id]).await?;
    found.remove(&id).ok_or_else(missing)
}

#[Object]
impl ProjectMutation {
    /// Makes a project, or describes the one of that name.
    async fn upsert_model(
        &self,
        ctx: &Context<'_>,
        input: UpsertModelInput,
    ) -> Result<Option<UpsertModelPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (found, inserted) = if let Some(id) = input.id.as_deref().filter(|id| !id.is_empty()) {
            (by_id(request, &tx, id).await.or_graphql()?, false)
        } else {
            let owner = input.entity_name.as_deref();
            project::ensure(&tx, &request.caller, owner, input.name.as_deref()).await.or_graphql()?
        };
        let words = Description { description: input.description, repo: input.repo };
        let found = project::describe(&tx, found, words).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(UpsertModelPayload {
            project: Some(Project(found.clone())),
            model: Some(Project(found)),
            inserted: Some(inserted),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
