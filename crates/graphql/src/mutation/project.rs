//! Projects and registries: `upsertModel`, `renameProject`.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::Role;
use counterweight_domain::artifact;
use counterweight_domain::id::ProjectId;
use counterweight_domain::project::{self, Access, Description};

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
    /// Its name; a new one where an id is given.
    name: Option<String>,
    /// Its owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Replaces the description; none keeps it.
    description: Option<String>,
    /// Replaces the Git remote; none keeps it.
    repo: Option<String>,
    /// Who may see it: `PRIVATE` for all who belong to its entity, `RESTRICTED` for who was let into it; none keeps it.
    access: Option<String>,
    /// Of a registry: whether it takes artifacts of every type; none keeps it.
    allow_all_artifact_types_in_registry: Option<bool>,
    /// Whether versions that are linked to it cannot be deleted; none keeps it.
    keeps_linked_artifacts: Option<bool>,
    /// Of a registry: types of artifacts that it takes from now on; those that it takes already stay.
    artifact_types: Option<Vec<ArtifactTypeInput>>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A type of artifacts.
#[derive(InputObject)]
struct ArtifactTypeInput {
    /// Its name.
    name: String,
    /// Free text.
    description: Option<String>,
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

/// A project to rename.
#[derive(InputObject)]
struct RenameProjectInput {
    /// Its owner.
    entity_name: String,
    /// Its name so far.
    old_project_name: String,
    /// Its name from now on.
    new_project_name: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A project renamed.
#[derive(SimpleObject)]
struct RenameProjectPayload {
    /// The project.
    project: Option<Project>,
    /// Whether it is new. It never is; what is not there is not made.
    inserted: Option<bool>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// The existing project of that id, renamed where it is called otherwise.
async fn by_id(
    request: &RequestContext,
    tx: &WriteTx,
    id: &str,
    name: Option<&str>,
) -> domain::Result<project::Project> {
    let found = project::get(tx, &request.caller, project_id(id)?).await?;
    match name.filter(|name| !name.is_empty()) {
        Some(name) => project::rename(tx, &request.caller, &found, name).await,
        None => Ok(found),
    }
}

/// Reads the global id of a project; a foreign one answers like a miss.
pub(super) fn project_id(id: &str) -> domain::Result<ProjectId> {
    ProjectId::from_node_id(id).ok_or_else(|| domain::Error::not_found("project", id))
}

/// Checks the types that a registry is to take.
fn check_types(project: &project::Project, types: &[ArtifactTypeInput]) -> domain::Result<()> {
    const MOST: usize = 1000;
    let invalid =
        |reason: &str| Err(domain::Error::invalid("ARTIFACT_TYPE_INVALID", "artifactTypes", reason));
    if !types.is_empty() && !project.is_registry() {
        return invalid("only a registry says which types of artifacts it takes");
    }
    if types.len() > MOST { invalid("at most 1000 at once") } else { Ok(()) }
}

#[Object]
impl ProjectMutation {
    /// Makes a project, or describes the one of that name. With an id, describes that one, and renames it.
    async fn upsert_model(
        &self,
        ctx: &Context<'_>,
        input: UpsertModelInput,
    ) -> Result<Option<UpsertModelPayload>> {
        let request = ctx.request()?;
        let tx = request.db.begin_write().await.or_graphql()?;
        let (found, inserted) = if let Some(id) = input.id.as_deref().filter(|id| !id.is_empty()) {
            (by_id(request, &tx, id, input.name.as_deref()).await.or_graphql()?, false)
        } else {
            let owner = input.entity_name.as_deref();
            project::ensure(&tx, &request.caller, owner, input.name.as_deref()).await.or_graphql()?
        };
        let types = input.artifact_types.unwrap_or_default();
        check_types(&found, &types).or_graphql()?;
        let words = Description {
            description: input.description,
            repo: input.repo,
            access: input.access.as_deref().map(Access::parse).transpose().or_graphql()?,
            allows_all_artifact_types: input.allow_all_artifact_types_in_registry,
            keeps_linked: input.keeps_linked_artifacts,
        };
        let found = project::describe(&tx, &request.caller, found, words).await.or_graphql()?;
        if !types.is_empty() {
            project::authorize(&tx, &request.caller, found.id, Role::Admin).await.or_graphql()?;
        }
        for wanted in types {
            artifact::ensure_type(&tx, found.id, &wanted.name, wanted.description).await.or_graphql()?;
        }
        tx.commit().await.or_graphql()?;
        Ok(Some(UpsertModelPayload {
            project: Some(Project(found.clone())),
            model: Some(Project(found)),
            inserted: Some(inserted),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Gives a project another name. Its runs keep their old paths too, so that their writers go on; the old name leads
    /// to the project until another one takes it.
    async fn rename_project(
        &self,
        ctx: &Context<'_>,
        input: RenameProjectInput,
    ) -> Result<Option<RenameProjectPayload>> {
        let request = ctx.request()?;
        let (owner, name) = (input.entity_name.as_str(), input.old_project_name.as_str());
        let tx = request.db.begin_write().await.or_graphql()?;
        let found = project::find(&tx, &request.caller, Some(owner), Some(name)).await.or_graphql()?;
        let found = found.ok_or_else(|| domain::Error::not_found("project", name)).or_graphql()?;
        let renamed = project::rename(&tx, &request.caller, &found, &input.new_project_name).await;
        let renamed = renamed.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(RenameProjectPayload {
            project: Some(Project(renamed)),
            inserted: Some(false),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
