//! Making versions: begin, announce files and manifests, commit (protocol reference 5.9).

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::Role;
use counterweight_domain::artifact::{self, DigestAlgorithm, NewArtifact, NewManifest, RequestedAlias, Ttl};
use counterweight_domain::id::{ArtifactId, ManifestId};
use counterweight_domain::project;

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Artifact, ArtifactDigestAlgorithm, ArtifactManifest, ArtifactType};
use crate::scalars::{Int64, JsonString};

#[derive(Debug, Default)]
pub(super) struct ArtifactMutation;

/// An alias to set in a collection of the same project.
#[derive(InputObject)]
pub(super) struct ArtifactAliasInput {
    /// The collection.
    pub(super) artifact_collection_name: String,
    /// The alias.
    pub(super) alias: String,
}

/// A tag.
#[derive(InputObject)]
pub(super) struct TagInput {
    /// The word.
    pub(super) tag_name: String,
    /// A group of tags. There are none.
    #[graphql(name = "tagCategoryName")]
    _tag_category_name: Option<String>,
    /// More about it. Nothing is kept.
    #[graphql(name = "attributes")]
    _attributes: Option<JsonString>,
}

/// The words of tags.
pub(super) fn tag_names(tags: Option<Vec<TagInput>>) -> Vec<String> {
    tags.unwrap_or_default().into_iter().map(|tag| tag.tag_name).collect()
}

/// A version to begin.
#[derive(InputObject)]
struct CreateArtifactInput {
    /// The project's owner.
    entity_name: String,
    /// The project.
    project_name: String,
    /// The run that makes it.
    run_name: Option<String>,
    /// Its type, made where there is none.
    artifact_type_name: String,
    /// Its sequence, made where there is none.
    artifact_collection_name: Option<String>,
    /// The same, as other clients send it.
    artifact_collection_names: Option<Vec<String>>,
    /// Of its files, in hex.
    digest: String,
    /// How the digest was made.
    digest_algorithm: Option<ArtifactDigestAlgorithm>,
    /// Words about it.
    description: Option<String>,
    /// Older word for aliases. Nothing is kept.
    #[graphql(name = "labels")]
    _labels: Option<JsonString>,
    /// A JSON object.
    metadata: Option<JsonString>,
    /// Aliases that it gets once it is committed.
    aliases: Option<Vec<ArtifactAliasInput>>,
    /// Words that it is found by.
    tags: Option<Vec<TagInput>>,
    /// How long it is kept; -1: as its collection says, -2: for ever.
    ttl_duration_seconds: Option<Int64>,
    /// The run's step.
    history_step: Option<Int64>,
    /// Whether a version with the same digest will do.
    enable_digest_deduplication: Option<bool>,
    /// Shared by the writers that make it together.
    #[graphql(name = "distributedID")]
    distributed_id: Option<String>,
    /// What its writer calls it.
    #[graphql(name = "clientID")]
    client_id: Option<ID>,
    /// What its writer calls its sequence.
    #[graphql(name = "sequenceClientID")]
    sequence_client_id: Option<ID>,
    /// Where to store it: `default`.
    storage_region: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version begun, or one with the same content.
#[derive(SimpleObject)]
struct CreateArtifactPayload {
    /// The version; files are to be sent only while it is pending.
    artifact: Artifact,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A type to make.
#[derive(InputObject)]
struct CreateArtifactTypeInput {
    /// The project's owner.
    entity_name: String,
    /// The project.
    project_name: String,
    /// The type's name.
    name: String,
    /// Words about it.
    description: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A type made, or the one of that name.
#[derive(SimpleObject)]
struct CreateArtifactTypePayload {
    /// The type.
    artifact_type: ArtifactType,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// What a manifest is a list of.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "artifact::ManifestKind")]
enum ArtifactManifestType {
    /// All files.
    Full,
    /// Those of one of several writers.
    Patch,
    /// Those that are added to a base.
    Incremental,
}

/// A manifest to announce.
#[derive(InputObject)]
struct CreateArtifactManifestInput {
    /// Its version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// The version that it adds to.
    #[graphql(name = "baseArtifactID")]
    base_artifact_id: Option<ID>,
    /// The file's name.
    name: String,
    /// MD5 of its bytes in base64; empty where it is not known yet.
    digest: String,
    /// The project's owner.
    #[graphql(name = "entityName")]
    _entity_name: String,
    /// The project.
    #[graphql(name = "projectName")]
    _project_name: String,
    /// The run.
    #[graphql(name = "runName")]
    _run_name: String,
    /// What it is a list of.
    #[graphql(name = "type")]
    kind: Option<ArtifactManifestType>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A manifest to be sent.
#[derive(SimpleObject)]
struct CreateArtifactManifestPayload {
    /// The manifest.
    artifact_manifest: ArtifactManifest,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// The digest of a manifest that was announced.
#[derive(InputObject)]
struct UpdateArtifactManifestInput {
    /// The manifest.
    #[graphql(name = "artifactManifestID")]
    artifact_manifest_id: ID,
    /// MD5 of its bytes in base64.
    digest: Option<String>,
    /// The version that it adds to.
    #[graphql(name = "baseArtifactID")]
    base_artifact_id: Option<ID>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A manifest to be sent.
#[derive(SimpleObject)]
struct UpdateArtifactManifestPayload {
    /// The manifest.
    artifact_manifest: ArtifactManifest,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A version to commit.
#[derive(InputObject)]
struct CommitArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version committed.
#[derive(SimpleObject)]
struct CommitArtifactPayload {
    /// The version.
    artifact: Artifact,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Reads the global id of a version; a foreign one answers like a miss.
pub(super) fn artifact_id(id: &str) -> Result<ArtifactId> {
    ArtifactId::from_node_id(id).ok_or_else(|| domain::Error::not_found("artifact", id)).or_graphql()
}

/// The only region there is.
const REGION: &str = "default";

impl CreateArtifactInput {
    fn parse(self) -> domain::Result<NewArtifact> {
        if let Some(region) = self.storage_region.filter(|region| !region.is_empty() && region != REGION) {
            let reason = format!("there is no storage region {region:?}");
            return Err(domain::Error::invalid("STORAGE_REGION_UNKNOWN", "storageRegion", reason));
        }
        let names = self.artifact_collection_names.unwrap_or_default();
        let name = self.artifact_collection_name.into_iter().chain(names).find(|name| !name.is_empty());
        let collection_name = name.ok_or_else(|| {
            domain::Error::invalid("ARTIFACT_NAME_INVALID", "artifactCollectionName", "a name is missing")
        })?;
        let alias = |alias: ArtifactAliasInput| RequestedAlias {
            collection: alias.artifact_collection_name,
            alias: alias.alias,
        };
        Ok(NewArtifact {
            entity_name: self.entity_name,
            project_name: self.project_name,
            run_name: self.run_name,
            type_name: self.artifact_type_name,
            collection_name,
            digest: self.digest,
            digest_algorithm: self.digest_algorithm.map(DigestAlgorithm::from).unwrap_or_default(),
            description: self.description,
            metadata: self.metadata.map(|metadata| metadata.0),
            aliases: self.aliases.unwrap_or_default().into_iter().map(alias).collect(),
            tags: tag_names(self.tags),
            ttl: self.ttl_duration_seconds.map(|ttl| Ttl::parse(ttl.0)).transpose()?,
            history_step: self.history_step.map(|step| step.0),
            deduplicate: self.enable_digest_deduplication.unwrap_or_default(),
            distributed_id: self.distributed_id,
            client_id: self.client_id.map(|id| id.to_string()),
            sequence_client_id: self.sequence_client_id.map(|id| id.to_string()),
        })
    }
}

#[Object]
impl ArtifactMutation {
    /// Begins a version, or answers one that has the same content.
    async fn create_artifact(
        &self,
        ctx: &Context<'_>,
        mut input: CreateArtifactInput,
    ) -> Result<Option<CreateArtifactPayload>> {
        let request = ctx.request()?;
        let client_mutation_id = input.client_mutation_id.take();
        let new = input.parse().or_graphql()?;
        let made = request.write(async |tx| artifact::create(tx, &request.caller, new).await).await?;
        Ok(Some(CreateArtifactPayload { artifact: Artifact(made), client_mutation_id }))
    }

    /// Makes a type, or answers the one of that name.
    async fn create_artifact_type(
        &self,
        ctx: &Context<'_>,
        input: CreateArtifactTypeInput,
    ) -> Result<Option<CreateArtifactTypePayload>> {
        let request = ctx.request()?;
        let (owner, name) = (input.entity_name.as_str(), input.project_name.as_str());
        let caller = &request.caller;
        let ensure = async |tx: &WriteTx| {
            let found = project::find(tx, caller, Some(owner), Some(name)).await?;
            let found = found.ok_or_else(|| domain::Error::not_found("project", name))?;
            project::authorize(tx, caller, found.id, Role::Member).await?;
            artifact::ensure_type(tx, found.id, &input.name, input.description).await
        };
        let made = request.write(ensure).await?;
        Ok(Some(CreateArtifactTypePayload {
            artifact_type: ArtifactType(made),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Announces a manifest.
    async fn create_artifact_manifest(
        &self,
        ctx: &Context<'_>,
        input: CreateArtifactManifestInput,
    ) -> Result<Option<CreateArtifactManifestPayload>> {
        let request = ctx.request()?;
        let new = NewManifest {
            artifact: artifact_id(&input.artifact_id)?,
            kind: input.kind.unwrap_or(ArtifactManifestType::Full).into(),
            name: input.name,
            digest: input.digest,
            base: base_id(input.base_artifact_id)?,
        };
        let made =
            request.write(async |tx| artifact::create_manifest(tx, &request.caller, new).await).await?;
        Ok(Some(CreateArtifactManifestPayload {
            artifact_manifest: ArtifactManifest(made),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Tells the digest of a manifest that was announced, and hands out a URL for it.
    async fn update_artifact_manifest(
        &self,
        ctx: &Context<'_>,
        input: UpdateArtifactManifestInput,
    ) -> Result<Option<UpdateArtifactManifestPayload>> {
        let request = ctx.request()?;
        let missing = || domain::Error::not_found("artifact manifest", input.artifact_manifest_id.as_str());
        let id = ManifestId::from_node_id(&input.artifact_manifest_id).ok_or_else(missing).or_graphql()?;
        let base = base_id(input.base_artifact_id)?;
        let change =
            async |tx: &WriteTx| artifact::update_manifest(tx, &request.caller, id, input.digest, base).await;
        let changed = request.write(change).await?;
        Ok(Some(UpdateArtifactManifestPayload {
            artifact_manifest: ArtifactManifest(changed),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Makes a version whole: it gets its place and its aliases, and everybody finds it. Fails with the names of files
    /// that have not arrived.
    async fn commit_artifact(
        &self,
        ctx: &Context<'_>,
        input: CommitArtifactInput,
    ) -> Result<Option<CommitArtifactPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let done = artifact::commit(&request.db, &request.blobs, &request.caller, id).await.or_graphql()?;
        Ok(Some(CommitArtifactPayload {
            artifact: Artifact(done),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}

fn base_id(id: Option<ID>) -> Result<Option<ArtifactId>> {
    id.filter(|id| !id.is_empty()).map(|id| artifact_id(&id)).transpose()
}
