//! What can be asked.

mod audit;
mod deletions;
mod retention;
mod server_info;
mod storage;

use async_graphql::{Context, ID, MergedObject, Object, SimpleObject};

use counterweight_domain::deletion::DeletionQuery;
use counterweight_domain::id::{ArtifactId, CollectionId};
use counterweight_domain::{Error, account, artifact, bulk, deletion, hold, project as domain_project, run};

use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{
    Artifact, ArtifactCollection, BulkTask, DeletionConnection, Entity, Hold, HoldConnection, HoldEdge,
    Organization, Project, ProjectConnection, ProjectEdge, Run, RunConnection, RunEdge, User, UserConnection,
};
use server_info::ServerInfo;

/// The root of queries, in groups.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    MainQuery,
    deletions::DeletionQueries,
    retention::RetentionQueries,
    storage::StorageQueries,
    audit::AuditQueries,
);

/// What the client asks for, and what does not stand apart.
#[derive(Debug, Default)]
struct MainQuery;

/// What the server calls a version.
#[derive(SimpleObject)]
#[graphql(name = "ClientIDMapping")]
struct ClientIdMapping {
    /// Its global id.
    #[graphql(name = "serverID")]
    server_id: ID,
}

#[Object]
impl MainQuery {
    /// The signed-in user.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let request = ctx.request()?;
        Ok(Some(User(account::get_user(&request.db, request.caller.user_id).await.or_graphql()?)))
    }

    /// Users whose name or email holds a text, for administrators who use their rights; nobody for others.
    #[graphql(complexity = "connection::cost(None, child_complexity)")]
    async fn users(&self, ctx: &Context<'_>, query: Option<String>) -> Result<Option<UserConnection>> {
        let request = ctx.request()?;
        let limit = connection::page_size(None)?;
        let text = query.unwrap_or_default();
        let found = account::search_users(&request.db, &request.caller, &text, limit).await.or_graphql()?;
        Ok(Some(UserConnection::new(found)))
    }

    /// What this server is and can do.
    async fn server_info(&self) -> ServerInfo {
        ServerInfo
    }

    /// An entity by name; the viewer's own where none is named.
    async fn entity(&self, ctx: &Context<'_>, name: Option<String>) -> Result<Option<Entity>> {
        let request = ctx.request()?;
        let found = account::find_entity(&request.db, &request.caller, name.as_deref()).await.or_graphql()?;
        Ok(found.map(Entity))
    }

    /// An organization by its name or that of its entity, if the viewer belongs to it.
    async fn organization(&self, ctx: &Context<'_>, name: Option<String>) -> Result<Option<Organization>> {
        let request = ctx.request()?;
        let Some(name) = name else { return Ok(None) };
        let found = account::find_organization(&request.db, &request.caller, &name).await.or_graphql()?;
        Ok(found.map(Organization))
    }

    /// A project by name.
    async fn project(
        &self,
        ctx: &Context<'_>,
        name: Option<String>,
        entity_name: Option<String>,
    ) -> Result<Option<Project>> {
        Project::find(ctx, entity_name.as_deref(), name.as_deref()).await
    }

    /// Older word for `project`.
    async fn model(
        &self,
        ctx: &Context<'_>,
        name: Option<String>,
        entity_name: Option<String>,
    ) -> Result<Option<Project>> {
        Project::find(ctx, entity_name.as_deref(), name.as_deref()).await
    }

    /// The projects of an entity, newest first; none for an entity that the viewer may not see.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn models(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<ProjectConnection>> {
        let request = ctx.request()?;
        let owner = account::find_entity(&request.db, &request.caller, entity_name.as_deref()).await;
        let Some(owner) = owner.or_graphql()? else { return Ok(None) };
        let wanted = connection::page_size(first)?;
        let list = format!("projects of entity {}", owner.id);
        let after = connection::decode(&list, after.as_deref())?;
        let rows = domain_project::list(&request.db, &request.caller, owner.id, after, wanted + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, wanted);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(&list, &(row.created_at, row.id))?;
            edges.push(ProjectEdge { node: Project(row), cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Some(ProjectConnection { edges, page_info: PageInfo { end_cursor, has_next_page } }))
    }

    /// Deleted runs that are not purged yet, last deleted first; each can be restored until its `purgeAfter`.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn trash(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<RunConnection> {
        let request = ctx.request()?;
        let wanted = connection::page_size(first)?;
        let name = entity_name.as_deref();
        let list = format!("trash of {}", name.unwrap_or("all entities"));
        let after = connection::decode(&list, after.as_deref())?;
        let rows =
            run::list_trash(&request.db, &request.caller, name, after, wanted + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, wanted);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode(&list, &(row.deleted_at.unwrap_or_default(), row.id))?;
            edges.push(RunEdge { node: Run(row), cursor });
        }
        Ok(RunConnection::new(edges, has_next_page))
    }

    /// Deleted projects that are not purged yet, last deleted first; each can be restored until its `purgeAfter`.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn project_trash(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<DeletionConnection> {
        let list = format!("deleted projects of {}", entity_name.as_deref().unwrap_or("all entities"));
        let (kind, state) = (Some(deletion::DeletionKind::Project), Some(deletion::DeletionState::Pending));
        let wanted = DeletionQuery { entity_name, project_id: None, kind, state };
        DeletionConnection::load(ctx, &list, &wanted, first, after.as_deref()).await
    }

    /// A version by its id, also while it is pending.
    async fn artifact(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Artifact>> {
        let request = ctx.request()?;
        let Some(id) = ArtifactId::from_node_id(&id) else { return Ok(None) };
        let found = artifact::find(&request.db, &request.caller, id).await.or_graphql()?;
        Ok(found.map(Artifact))
    }

    /// A collection of versions by its id.
    async fn artifact_collection(&self, ctx: &Context<'_>, id: ID) -> Result<Option<ArtifactCollection>> {
        let request = ctx.request()?;
        let Some(id) = CollectionId::from_node_id(&id) else { return Ok(None) };
        match artifact::get_collection(&request.db, &request.caller, id).await {
            Ok((found, _)) => Ok(Some(found.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).or_graphql(),
        }
    }

    /// The id of a version, by what its writer calls it; also while it is pending.
    #[graphql(name = "clientIDMapping")]
    async fn client_id_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "clientID")] client_id: ID,
    ) -> Result<Option<ClientIdMapping>> {
        let request = ctx.request()?;
        let found = artifact::find_by_client_id(&request.db, &request.caller, &client_id).await;
        Ok(found.or_graphql()?.map(|found| ClientIdMapping { server_id: found.id.to_node_id().into() }))
    }

    /// Holds on things that the viewer sees, last placed first; with `released` also those that have ended.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn holds(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        released: Option<bool>,
    ) -> Result<HoldConnection> {
        let request = ctx.request()?;
        let wanted = connection::page_size(first)?;
        let released = released.unwrap_or_default();
        let after = connection::decode("holds", after.as_deref())?;
        let rows = hold::list(&request.db, &request.caller, released, after, wanted + 1).await;
        let (rows, has_next_page) = connection::cut(rows.or_graphql()?, wanted);
        let mut edges = Vec::with_capacity(rows.len());
        for row in rows {
            let cursor = connection::encode("holds", &row.id)?;
            edges.push(HoldEdge { node: Hold(row), cursor });
        }
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(HoldConnection { edges, page_info: PageInfo { end_cursor, has_next_page } })
    }

    /// A change to many runs that the viewer asked for.
    async fn bulk_task(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BulkTask>> {
        let request = ctx.request()?;
        let found = bulk::find_task(&request.db, &request.caller, &id).await.or_graphql()?;
        Ok(found.map(BulkTask))
    }
}
