//! Versions of artifacts.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject, Union};

use counterweight_domain as domain;
use counterweight_domain::artifact::{self, ArtifactRole};
use counterweight_domain::hold::Subject;
use counterweight_domain::id::{ArtifactId, CollectionId, RunArtifactId};

use super::artifact_collection::{ArtifactCollection, ArtifactSequence};
use super::artifact_file::{MOST_ENTRIES, entries_by_name, entry_page};
use super::{
    ArtifactCollectionMembershipConnection, ArtifactManifest, ArtifactType, FileConnection, Hold, Run,
    RunConnection,
};
use super::{RunEdge, User};
use crate::connection::{self, PageInfo};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::{AliasesOf, CurrentManifest, LinksOf, SourcePlace, TagsOf};
use crate::scalars::{DateTime, Int64, JsonString};

/// One version of an artifact.
pub(crate) struct Artifact(pub(crate) artifact::Artifact);

/// Where a version stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "artifact::ArtifactState")]
enum ArtifactState {
    /// Its files are still arriving.
    Pending,
    /// Whole.
    Committed,
    /// Gone.
    Deleted,
}

/// How the digest of a version is made.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "artifact::DigestAlgorithm")]
pub(crate) enum ArtifactDigestAlgorithm {
    /// With MD5.
    #[graphql(name = "MANIFEST_MD5")]
    Md5,
    /// With XXH128.
    #[graphql(name = "MANIFEST_XXH128")]
    Xxh128,
}

/// A name for one version of a collection.
pub(crate) struct ArtifactAlias {
    id: String,
    alias: String,
    collection_id: CollectionId,
}

impl From<artifact::Alias> for ArtifactAlias {
    fn from(alias: artifact::Alias) -> Self {
        Self { id: alias.id.to_node_id(), alias: alias.alias, collection_id: alias.collection_id }
    }
}

/// The name that a place gives by itself.
impl From<artifact::Membership> for ArtifactAlias {
    fn from(place: artifact::Membership) -> Self {
        let alias = format!("v{}", place.version_index);
        Self { id: place.id.to_node_id(), alias, collection_id: place.collection_id }
    }
}

/// Aliases.
#[derive(SimpleObject)]
pub(crate) struct ArtifactAliasConnection {
    /// One for each alias.
    pub(crate) edges: Vec<ArtifactAliasEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// An alias in a list.
#[derive(SimpleObject)]
pub(crate) struct ArtifactAliasEdge {
    /// The alias.
    pub(crate) node: ArtifactAlias,
    /// Its place in the list.
    pub(crate) cursor: String,
}

/// A word that something is found by.
#[derive(SimpleObject)]
pub(crate) struct Tag {
    /// Global id.
    id: ID,
    /// The word.
    name: String,
    /// A group of tags. There are none.
    #[graphql(name = "tagCategoryName")]
    category: Option<String>,
}

impl From<artifact::ArtifactTag> for Tag {
    fn from(tag: artifact::ArtifactTag) -> Self {
        Self { id: tag.id.to_node_id().into(), name: tag.name, category: None }
    }
}

impl From<artifact::CollectionTag> for Tag {
    fn from(tag: artifact::CollectionTag) -> Self {
        Self { id: tag.id.to_node_id().into(), name: tag.name, category: None }
    }
}

/// Who made a version.
#[expect(clippy::large_enum_variant, reason = "there is one in an answer")]
#[derive(Union)]
pub(crate) enum ArtifactCreator {
    /// A run.
    Run(Run),
    /// A user, without a run.
    User(User),
}

/// A page of versions.
#[derive(SimpleObject)]
pub(crate) struct ArtifactConnection {
    /// How many there are.
    total_count: i32,
    /// One for each version.
    edges: Vec<ArtifactEdge>,
    /// Where the page ends.
    page_info: PageInfo,
}

/// A version in a list.
#[derive(SimpleObject)]
struct ArtifactEdge {
    /// The version.
    node: Artifact,
    /// Its place in the list.
    cursor: String,
}

/// An entry of a manifest.
#[derive(InputObject)]
pub(crate) struct ArtifactManifestEntryInput {
    /// Its path.
    name: String,
    /// Of its content.
    #[graphql(name = "digest")]
    _digest: String,
    /// Where it is, if not here.
    #[graphql(name = "ref")]
    _reference: Option<String>,
    /// How many bytes.
    #[graphql(name = "size")]
    _size: Option<Int64>,
    /// The version that it was uploaded for.
    #[graphql(name = "birthArtifactID")]
    _birth_artifact_id: Option<String>,
}

/// Runs that used a version, in one answer.
const MOST_USERS: u64 = 1000;

impl ArtifactConnection {
    /// A page of the versions that a run made or used.
    pub(crate) async fn of_run(
        ctx: &Context<'_>,
        run: &domain::run::Run,
        role: ArtifactRole,
        after: Option<&str>,
        first: Option<i32>,
    ) -> Result<Self> {
        let request = ctx.request()?;
        let list = format!("{role:?} artifacts of run {}", run.id);
        let limit = connection::page_size(first)?;
        let after: Option<RunArtifactId> = connection::decode(&list, after)?;
        let (db, caller) = (&request.db, &request.caller);
        let rows = artifact::list_of_run(db, caller, run.id, role, after, limit + 1).await.or_graphql()?;
        let (rows, has_next_page) = connection::cut(rows, limit);
        let total_count = if ctx.look_ahead().field("totalCount").exists() {
            let count = artifact::count_of_run(db, caller, run.id, role).await.or_graphql()?;
            i32::try_from(count).unwrap_or(i32::MAX)
        } else {
            0
        };
        let edge = |(at, version)| {
            Ok(ArtifactEdge { node: Artifact(version), cursor: connection::encode(&list, &at)? })
        };
        let edges: Vec<ArtifactEdge> = rows.into_iter().map(edge).collect::<Result<_>>()?;
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Ok(Self { total_count, edges, page_info: PageInfo { end_cursor, has_next_page } })
    }
}

impl Artifact {
    /// The collection of that id; one of a row that was read before.
    async fn collection(&self, ctx: &Context<'_>) -> Result<artifact::Collection> {
        load_collection(ctx, self.0.collection_id).await
    }
}

/// The collection that a row names.
pub(super) async fn load_collection(ctx: &Context<'_>, id: CollectionId) -> Result<artifact::Collection> {
    let found = ctx.request()?.loader.load_one(id).await.or_graphql()?;
    found.ok_or_else(|| domain::Error::internal("a version without its collection")).or_graphql()
}

/// The version that a row names.
pub(super) async fn load_version(ctx: &Context<'_>, id: ArtifactId) -> Result<artifact::Artifact> {
    let found = ctx.request()?.loader.load_one(id).await.or_graphql()?;
    found.ok_or_else(|| domain::Error::internal("a place without its version")).or_graphql()
}

#[Object]
impl ArtifactAlias {
    /// Global id.
    async fn id(&self) -> ID {
        self.id.clone().into()
    }

    /// The name.
    async fn alias(&self) -> &str {
        &self.alias
    }

    /// The collection that it is a name in.
    async fn artifact_collection(&self, ctx: &Context<'_>) -> Result<Option<ArtifactCollection>> {
        Ok(Some(load_collection(ctx, self.collection_id).await?.into()))
    }
}

#[Object]
impl Artifact {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// What keeps it from being deleted: a hold on it. One on a project that it is in is shown there.
    async fn hold(&self, ctx: &Context<'_>) -> Result<Option<Hold>> {
        Hold::on_first(ctx, &[Subject::Artifact(self.0.id)]).await
    }

    /// Where it stands.
    async fn state(&self) -> ArtifactState {
        self.0.state.into()
    }

    /// Of its files, in hex.
    async fn digest(&self) -> &str {
        &self.0.digest
    }

    /// How the digest is made.
    async fn digest_algorithm(&self) -> Option<ArtifactDigestAlgorithm> {
        Some(self.0.digest_algorithm.into())
    }

    /// Given when it was committed.
    async fn commit_hash(&self) -> Option<&str> {
        self.0.commit_hash.as_deref()
    }

    /// As its owner wrote it.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// A JSON object.
    async fn metadata(&self) -> Option<JsonString> {
        self.0.metadata.clone().map(JsonString)
    }

    /// Which version of its sequence it is, from 0; none while it is pending.
    async fn version_index(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        let place = ctx.request()?.loader.load_one(SourcePlace(self.0.id)).await.or_graphql()?;
        Ok(place.and_then(|place| i32::try_from(place.version_index).ok()))
    }

    /// The run's step when it was logged.
    async fn history_step(&self) -> Option<Int64> {
        self.0.history_step.map(Int64)
    }

    /// Bytes of all its files.
    async fn size(&self) -> Int64 {
        Int64(self.0.size_bytes)
    }

    /// How many files it has.
    async fn file_count(&self) -> Int64 {
        Int64(self.0.file_count)
    }

    /// When it was begun.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> Option<DateTime> {
        Some(DateTime(self.0.updated_at))
    }

    /// How long it is kept after it was made; -2: for ever, -1: as its collection or its team says, which is for ever.
    async fn ttl_duration_seconds(&self) -> Int64 {
        let kept = self.0.expires_at.map(|expires_at| (expires_at.0 - self.0.created_at.0) / 1_000_000);
        Int64(match (self.0.ttl_seconds, kept) {
            (Some(0), _) => -2,
            (Some(seconds), _) => seconds,
            (None, Some(inherited)) => inherited,
            (None, None) => -1,
        })
    }

    /// Whether that is what its collection or its team says.
    async fn ttl_is_inherited(&self) -> bool {
        self.0.ttl_seconds.is_none()
    }

    /// Words that it is found by.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Tag>> {
        let tags = ctx.request()?.loader.load_one(TagsOf(self.0.id)).await.or_graphql()?;
        Ok(tags.unwrap_or_default().into_iter().map(Tag::from).collect())
    }

    /// Its aliases in all collections of projects that the viewer may see. Where it is linked to, the version that it is
    /// there is one of them: the client that changes a link knows it from nothing else.
    async fn aliases(&self, ctx: &Context<'_>) -> Result<Vec<ArtifactAlias>> {
        let loader = &ctx.request()?.loader;
        let aliases = loader.load_one(AliasesOf(self.0.id)).await.or_graphql()?.unwrap_or_default();
        let links = loader.load_one(LinksOf(self.0.id)).await.or_graphql()?.unwrap_or_default();
        let aliases: Vec<ArtifactAlias> =
            aliases.into_iter().map(Into::into).chain(links.into_iter().map(Into::into)).collect();
        let collections = loader.load_many(aliases.iter().map(|alias| alias.collection_id)).await;
        let collections = collections.or_graphql()?;
        let projects = loader.load_many(collections.values().map(|collection| collection.project_id)).await;
        let projects = projects.or_graphql()?;
        let seen = |alias: &ArtifactAlias| {
            let collection = collections.get(&alias.collection_id);
            collection.is_some_and(|collection| projects.contains_key(&collection.project_id))
        };
        Ok(aliases.into_iter().filter(seen).collect())
    }

    /// What it is.
    async fn artifact_type(&self, ctx: &Context<'_>) -> Result<ArtifactType> {
        ArtifactType::of(ctx, &self.collection(ctx).await?).await
    }

    /// The sequence that it was made in.
    async fn artifact_sequence(&self, ctx: &Context<'_>) -> Result<ArtifactSequence> {
        Ok(ArtifactSequence::new(self.collection(ctx).await?))
    }

    /// Its places: in its sequence, and in each portfolio that it is linked to and that the viewer may see.
    async fn artifact_memberships(
        &self,
        ctx: &Context<'_>,
    ) -> Result<ArtifactCollectionMembershipConnection> {
        ArtifactCollectionMembershipConnection::of(ctx, &self.0).await
    }

    /// The list of all its files.
    async fn current_manifest(&self, ctx: &Context<'_>) -> Result<Option<ArtifactManifest>> {
        let found = ctx.request()?.loader.load_one(CurrentManifest(self.0.id)).await.or_graphql()?;
        Ok(found.map(ArtifactManifest))
    }

    /// The run that made it, or else the user; none where that run was deleted.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<ArtifactCreator>> {
        let request = ctx.request()?;
        if let Some(id) = self.0.run_id {
            let run = domain::run::find_by_id(&request.db, &request.caller, id).await.or_graphql()?;
            return Ok(run.map(|run| ArtifactCreator::Run(Run(run))));
        }
        let user = request.loader.load_one(self.0.user_id).await.or_graphql()?;
        Ok(user.map(|user| ArtifactCreator::User(User(user))))
    }

    /// The runs that used it and that the viewer may see.
    async fn used_by(&self, ctx: &Context<'_>) -> Result<RunConnection> {
        let request = ctx.request()?;
        let runs = artifact::list_users(&request.db, &request.caller, self.0.id, MOST_USERS + 1).await;
        let (runs, has_next_page) = connection::cut(runs.or_graphql()?, MOST_USERS);
        let edge = |run: domain::run::Run| RunEdge { cursor: run.id.to_node_id(), node: Run(run) };
        Ok(RunConnection::new(runs.into_iter().map(edge).collect(), has_next_page))
    }

    /// Its files, by path.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    async fn files(
        &self,
        ctx: &Context<'_>,
        names: Option<Vec<String>>,
        after: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<FileConnection>> {
        entry_page(ctx, &self.0, names, after.as_deref(), first).await.map(Some)
    }

    /// The files that these entries of its manifest mean.
    async fn files_by_manifest_entries(
        &self,
        ctx: &Context<'_>,
        entries: Option<Vec<ArtifactManifestEntryInput>>,
        #[graphql(name = "storageLayout")] _storage_layout: String,
        #[graphql(name = "manifestVersion")] _manifest_version: String,
        #[graphql(name = "storageRegion")] _storage_region: Option<String>,
    ) -> Result<Option<FileConnection>> {
        let names: Vec<String> = entries.unwrap_or_default().into_iter().map(|entry| entry.name).collect();
        connection::at_most(MOST_ENTRIES, names.len(), "entries")?;
        entries_by_name(ctx, &self.0, names).await.map(Some)
    }
}
