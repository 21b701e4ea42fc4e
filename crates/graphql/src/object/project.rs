//! Projects.

use async_graphql::{Context, ID, Object, SimpleObject};

use counterweight_domain::account::Role;
use counterweight_domain::artifact::{self, Place};
use counterweight_domain::filter::{RunFilter, RunOrder};
use counterweight_domain::hold::Subject;
use counterweight_domain::project::{self, Project as Row};
use counterweight_domain::retention;
use counterweight_domain::run::{self, Grouping};
use counterweight_domain::sweep;
use counterweight_domain::usage::Scope;

use super::artifact_list::{ArtifactCollectionConnection, Slice, of_place};
use super::{
    Artifact, ArtifactCollection, ArtifactCollectionMembership, ArtifactType, ArtifactTypeConnection,
};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{Owner, RoleIn};
use crate::object::{
    Entity, Hold, ProjectMember, ProjectTeamMember, Retention, Run, RunChanges, RunConnection, RunEdge,
    RunFieldConnection, RunFieldSource, RunGroupConnection, StorageUsage, Sweep, SweepConnection,
    TrashedArtifactConnection, run_groups, storage,
};
use crate::scalars::{DateTime, JsonString};

/// A project.
pub(crate) struct Project(pub(crate) Row);

/// A page of projects.
#[derive(SimpleObject)]
pub(crate) struct ProjectConnection {
    /// One for each project.
    pub(crate) edges: Vec<ProjectEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// A project in a list.
#[derive(SimpleObject)]
pub(crate) struct ProjectEdge {
    /// The project.
    pub(crate) node: Project,
    /// Its place in the list.
    pub(crate) cursor: String,
}

impl Project {
    /// The project of that name, if the viewer may see it.
    pub(crate) async fn find(
        ctx: &Context<'_>,
        owner: Option<&str>,
        name: Option<&str>,
    ) -> Result<Option<Self>> {
        let request = ctx.request()?;
        let found = project::find(&request.db, &request.caller, owner, name).await.or_graphql()?;
        Ok(found.map(Self))
    }

    async fn find_run(&self, ctx: &Context<'_>, name: &str) -> Result<Option<Run>> {
        let request = ctx.request()?;
        let found = run::find(&request.db, &request.caller, &self.0, name).await.or_graphql()?;
        Ok(found.map(Run))
    }

    async fn place(&self, ctx: &Context<'_>, name: &str) -> Result<Option<artifact::Membership>> {
        let db = &ctx.request()?.db;
        let (collection, version) = artifact::split_name(name);
        let Some(collection) = artifact::find_collection(db, self.0.id, collection).await.or_graphql()?
        else {
            return Ok(None);
        };
        artifact::find_membership(db, collection.id, version).await.or_graphql()
    }

    async fn page(
        &self,
        ctx: &Context<'_>,
        filters: Option<&JsonString>,
        order: Option<&str>,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<RunConnection> {
        let filter = parse_filter(filters)?;
        let order = RunOrder::parse(order.unwrap_or_default()).or_graphql()?;
        let wanted = connection::page_size(first)?;
        let db = &ctx.request()?.db;
        let page = run::list(db, &self.0, &filter, &order, wanted, after).await.or_graphql()?;
        let edges = page.items.into_iter().map(|(run, cursor)| RunEdge { node: Run(run), cursor }).collect();
        Ok(RunConnection::new(edges, page.has_next))
    }
}

fn parse_filter(filters: Option<&JsonString>) -> Result<RunFilter> {
    RunFilter::parse(filters.map_or("", |filters| &filters.0)).or_graphql()
}

#[Object]
impl Project {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// What keeps it from being deleted: a hold on it. One on something in it keeps it too.
    async fn hold(&self, ctx: &Context<'_>) -> Result<Option<Hold>> {
        Hold::on_first(ctx, &[Subject::Project(self.0.id)]).await
    }

    /// Versions of artifacts that were deleted and can be restored still, each until its `purgeAfter`.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn artifact_trash(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<TrashedArtifactConnection> {
        TrashedArtifactConnection::load(ctx, self.0.id, first, after.as_deref()).await
    }

    /// How long things are kept in it.
    async fn retention(&self, ctx: &Context<'_>) -> Result<Retention> {
        Retention::get(ctx, retention::Scope::Project(self.0.id)).await
    }

    /// The id from which the client takes the number.
    async fn internal_id(&self) -> ID {
        self.0.id.to_internal_id().into()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Its owner's name.
    async fn entity_name(&self) -> &str {
        &self.0.entity_name
    }

    /// Its owner.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Entity> {
        let owner = ctx.request()?.loader.load_one(self.0.entity_id).await.or_graphql()?;
        owner
            .map(Entity)
            .ok_or_else(|| counterweight_domain::Error::internal("a project without its owner"))
            .or_graphql()
    }

    /// The user who owns it, where its owner is a user.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<super::User>> {
        let owner = ctx.request()?.loader.load_one(Owner(self.0.entity_id)).await.or_graphql()?;
        Ok(owner.map(super::User))
    }

    /// Its bytes by what becomes of them.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn storage(&self, ctx: &Context<'_>) -> Result<StorageUsage> {
        StorageUsage::get(ctx, Scope::Project(self.0.id)).await
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// As its owner wrote it.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Who may see it: `PRIVATE` for all who belong to its entity, `RESTRICTED` for who was let into it.
    async fn access(&self) -> &str {
        self.0.access.as_str()
    }

    /// Of a registry: whether it takes artifacts of every type.
    async fn allow_all_artifact_types_in_registry(&self) -> bool {
        self.0.allows_all_artifact_types
    }

    /// Whether versions that are linked to it cannot be deleted.
    async fn keeps_linked_artifacts(&self) -> bool {
        self.0.keeps_linked
    }

    /// Users who were given a role in it, apart from the one that they have in its entity.
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<ProjectMember>> {
        let members = project::list_user_members(&ctx.request()?.db, &self.0).await.or_graphql()?;
        Ok(members.into_iter().map(|(user, role)| ProjectMember { user, role }).collect())
    }

    /// Teams that were given a role in it.
    async fn team_members(&self, ctx: &Context<'_>) -> Result<Vec<ProjectTeamMember>> {
        let members = project::list_team_members(&ctx.request()?.db, &self.0).await.or_graphql()?;
        let member = |(team, role): (_, Role)| ProjectTeamMember { team: Entity(team), role: role.into() };
        Ok(members.into_iter().map(member).collect())
    }

    /// Saved layouts of the page. There are none.
    async fn views(&self) -> Option<JsonString> {
        None
    }

    /// Whether it is a benchmark of the service. It is not.
    async fn is_benchmark(&self) -> bool {
        false
    }

    /// Whether the viewer may only read it.
    async fn read_only(&self, ctx: &Context<'_>) -> Result<bool> {
        let role = ctx.request()?.loader.load_one(RoleIn(self.0.id)).await.or_graphql()?;
        Ok(!role.is_some_and(Role::may_write))
    }

    /// Git remote.
    async fn repo(&self) -> Option<&str> {
        self.0.repo.as_deref()
    }

    /// A container image. It has none.
    async fn docker_image(&self) -> Option<&str> {
        None
    }

    /// A run by its run id; none when it was deleted.
    async fn run(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(name = "desc")] _desc: Option<String>,
    ) -> Result<Option<Run>> {
        self.find_run(ctx, &name).await
    }

    /// Older word for `run`.
    async fn bucket(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(name = "missingOk")] _missing_ok: Option<bool>,
        #[graphql(name = "desc")] _desc: Option<String>,
    ) -> Result<Option<Run>> {
        self.find_run(ctx, &name).await
    }

    /// A version by name: `collection:version`, where the version is `v3`, an alias or a digest.
    async fn artifact(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(name = "enableTracking")] _enable_tracking: Option<bool>,
    ) -> Result<Option<Artifact>> {
        let Some(place) = self.place(ctx, &name).await? else { return Ok(None) };
        Ok(ctx.request()?.loader.load_one(place.artifact_id).await.or_graphql()?.map(Artifact))
    }

    /// The place of a version by name.
    async fn artifact_collection_membership(
        &self,
        ctx: &Context<'_>,
        name: String,
    ) -> Result<Option<ArtifactCollectionMembership>> {
        Ok(self.place(ctx, &name).await?.map(ArtifactCollectionMembership))
    }

    /// A kind of artifact by name.
    async fn artifact_type(&self, ctx: &Context<'_>, name: String) -> Result<Option<ArtifactType>> {
        let found = artifact::find_type(&ctx.request()?.db, self.0.id, &name).await.or_graphql()?;
        Ok(found.map(ArtifactType))
    }

    /// Kinds of artifacts, by name.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn artifact_types(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        #[graphql(name = "includeAll")] _include_all: Option<bool>,
    ) -> Result<ArtifactTypeConnection> {
        ArtifactTypeConnection::page(ctx, &self.0, after.as_deref(), first).await
    }

    /// A collection of versions by name, whatever its kind.
    async fn artifact_collection(
        &self,
        ctx: &Context<'_>,
        name: String,
    ) -> Result<Option<ArtifactCollection>> {
        let found = artifact::find_collection(&ctx.request()?.db, self.0.id, &name).await.or_graphql()?;
        Ok(found.map(ArtifactCollection::from))
    }

    /// Collections of versions.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn artifact_collections(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        filters: Option<JsonString>,
        order: Option<String>,
    ) -> Result<Option<ArtifactCollectionConnection>> {
        let slice = Slice { order: order.as_deref(), after: after.as_deref(), first };
        of_place(ctx, Place::Project(self.0.id), filters.as_ref(), slice).await.map(Some)
    }

    /// Runs that match a filter (a Mongo-like JSON object). Archived ones only with `"archived": true`.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        filters: Option<JsonString>,
        after: Option<String>,
        first: Option<i32>,
        order: Option<String>,
    ) -> Result<Option<RunConnection>> {
        self.page(ctx, filters.as_ref(), order.as_deref(), after.as_deref(), first).await.map(Some)
    }

    /// Older word for `runs`.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn buckets(&self, ctx: &Context<'_>, first: Option<i32>) -> Result<Option<RunConnection>> {
        self.page(ctx, None, None, None, first).await.map(Some)
    }

    /// How many runs match a filter.
    async fn run_count(&self, ctx: &Context<'_>, filters: Option<JsonString>) -> Result<Option<i32>> {
        let filter = parse_filter(filters.as_ref())?;
        let count = run::count(&ctx.request()?.db, &self.0, &filter).await.or_graphql()?;
        Ok(Some(i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// Runs put together by the values of fields, such as `config.lr`, `group` or `tags`; runs without a value are a
    /// group too. Aggregates the numbers of other fields. The order is a list such as
    /// `-count,+config.lr,-mean(summary_metrics.loss)`; without one, groups come by their keys.
    #[graphql(complexity = "run_groups::cost(first, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "as many as the field has")]
    async fn run_groups(
        &self,
        ctx: &Context<'_>,
        group_by: Vec<String>,
        aggregations: Option<Vec<String>>,
        filters: Option<JsonString>,
        order: Option<String>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<RunGroupConnection> {
        let filter = parse_filter(filters.as_ref())?;
        let aggregations = aggregations.unwrap_or_default();
        let grouping = Grouping::parse(&group_by, &aggregations, &order.unwrap_or_default()).or_graphql()?;
        RunGroupConnection::page(ctx, &self.0, &filter, &grouping, first, after.as_deref()).await
    }

    /// The values of a field and how many runs have them, those of most runs first. With a prefix, strings that start
    /// with it.
    #[graphql(complexity = "run_groups::cost(first, child_complexity)")]
    async fn run_values(
        &self,
        ctx: &Context<'_>,
        field: String,
        prefix: Option<String>,
        filters: Option<JsonString>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<RunGroupConnection> {
        let filter = parse_filter(filters.as_ref())?;
        let values = Grouping::values_of(&field, &prefix.unwrap_or_default()).or_graphql()?;
        RunGroupConnection::page(ctx, &self.0, &filter, &values, first, after.as_deref()).await
    }

    /// The keys that runs have in a part of them, by name. With a prefix, those that start with it.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn run_fields(
        &self,
        ctx: &Context<'_>,
        source: RunFieldSource,
        prefix: Option<String>,
        filters: Option<JsonString>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<RunFieldConnection> {
        let filter = parse_filter(filters.as_ref())?;
        let wanted = (source.into(), prefix.as_deref().unwrap_or_default());
        RunFieldConnection::page(ctx, &self.0, &filter, wanted, first, after.as_deref()).await
    }

    /// How many sweeps it has.
    async fn total_sweeps(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = sweep::count(&ctx.request()?.db, self.0.id).await.or_graphql()?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// A sweep by its sweep id.
    async fn sweep(&self, ctx: &Context<'_>, sweep_name: String) -> Result<Option<Sweep>> {
        Sweep::find(ctx, self.0.id, &sweep_name).await
    }

    /// Sweeps that match a filter (a Mongo-like JSON object), the newest first.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn sweeps(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        first: Option<i32>,
        filters: Option<JsonString>,
    ) -> Result<Option<SweepConnection>> {
        SweepConnection::page(ctx, self.0.id, filters.as_ref(), after.as_deref(), first).await.map(Some)
    }

    /// What changed after a cursor; without one, nothing and the cursor of this moment. A page that wants to stay up to
    /// date takes the cursor first, lists its runs, and then asks every few seconds. Heartbeats, system metrics and
    /// lines of history are no changes.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn run_changes(
        &self,
        ctx: &Context<'_>,
        filters: Option<JsonString>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<RunChanges> {
        let filter = parse_filter(filters.as_ref())?;
        RunChanges::page(ctx, &self.0, &filter, first, after.as_deref()).await
    }
}
