//! Projects: `upsertModel`.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain::project;

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::Project;

#[derive(Debug, Default)]
pub(super) struct ProjectMutation;

/// A project to make or describe.
#[derive(InputObject)]
struct UpsertModelInput {
    /// Its name.
    name: Option<String>,
    /// Its owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Replaces the description; none keeps it.
    description: Option<String>,
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
        let owner = input.entity_name.as_deref();
        let made = project::ensure(&tx, &request.caller, owner, input.name.as_deref()).await;
        let (mut found, inserted) = made.or_graphql()?;
        project::describe(&tx, &mut found, input.description).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(UpsertModelPayload {
            project: Some(Project(found.clone())),
            model: Some(Project(found)),
            inserted: Some(inserted),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
