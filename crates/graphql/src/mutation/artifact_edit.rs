//! Versions that are there: using, describing, naming, linking them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::WriteTx;
use counterweight_domain::account::Caller;
use counterweight_domain::artifact::{self, AliasChange, Edit, Link, Portfolio, Ttl, Use};
use counterweight_domain::id::{ArtifactId, CollectionId};

use super::SuccessPayload;
use super::artifact::{ArtifactAliasInput, TagInput, artifact_id, tag_names};
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{Artifact, ArtifactCollectionMembership};
use crate::scalars::{Int64, JsonString};

#[derive(Debug, Default)]
pub(super) struct ArtifactEditMutation;

/// A run that uses a version.
#[derive(InputObject)]
struct UseArtifactInput {
    /// The run's owner.
    entity_name: String,
    /// The run's project.
    project_name: String,
    /// The run id.
    run_name: String,
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// What it is used as.
    used_as: Option<String>,
    /// The owner of the collection by whose name it is used.
    #[graphql(name = "artifactEntityName")]
    _artifact_entity_name: Option<String>,
    /// The project of the collection by whose name it is used.
    #[graphql(name = "artifactProjectName")]
    _artifact_project_name: Option<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version that is used.
#[derive(SimpleObject)]
struct UseArtifactPayload {
    /// The version.
    artifact: Artifact,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// What to change of a version; what is not given stays.
#[derive(InputObject)]
struct UpdateArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Words about it.
    description: Option<String>,
    /// Older word for aliases. Nothing is kept.
    #[graphql(name = "labels")]
    _labels: Option<JsonString>,
    /// A JSON object.
    metadata: Option<JsonString>,
    /// All aliases that it has from now on in its own sequence.
    aliases: Option<Vec<ArtifactAliasInput>>,
    /// Words that it is found by from now on.
    tags_to_add: Option<Vec<TagInput>>,
    /// Words that it is no longer found by.
    tags_to_delete: Option<Vec<TagInput>>,
    /// How long it is kept; -1: as its collection says, -2: for ever.
    ttl_duration_seconds: Option<Int64>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version changed.
#[derive(SimpleObject)]
struct UpdateArtifactPayload {
    /// The version.
    artifact: Artifact,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// An alias in a collection.
#[derive(InputObject)]
struct ArtifactCollectionAliasInput {
    /// The collection's owner.
    entity_name: String,
    /// Its project.
    project_name: String,
    /// The collection.
    artifact_collection_name: String,
    /// The alias.
    alias: String,
}

/// Aliases to set.
#[derive(InputObject)]
struct AddAliasesInput {
    /// The version that they are to mean.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// The aliases.
    aliases: Vec<ArtifactCollectionAliasInput>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Aliases to take away.
#[derive(InputObject)]
struct DeleteAliasesInput {
    /// The version that they mean.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// The aliases.
    aliases: Vec<ArtifactCollectionAliasInput>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version to link to a portfolio.
#[derive(InputObject)]
struct LinkArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: Option<ID>,
    /// The version, as its writer calls it.
    #[graphql(name = "clientID")]
    client_id: Option<ID>,
    /// The portfolio.
    #[graphql(name = "artifactPortfolioID")]
    artifact_portfolio_id: Option<ID>,
    /// The portfolio's name; made where there is none.
    artifact_portfolio_name: Option<String>,
    /// Its project's owner.
    entity_name: Option<String>,
    /// Its project.
    project_name: Option<String>,
    /// Aliases that the version gets there.
    aliases: Option<Vec<ArtifactAliasInput>>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version linked.
#[derive(SimpleObject)]
struct LinkArtifactPayload {
    /// Which version of the portfolio it is, from 0.
    version_index: Option<i32>,
    /// Its place there.
    artifact_membership: Option<ArtifactCollectionMembership>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A link to take away.
#[expect(clippy::struct_field_names, reason = "the client's names")]
#[derive(InputObject)]
struct UnlinkArtifactInput {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// The portfolio.
    #[graphql(name = "artifactPortfolioID")]
    artifact_portfolio_id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A link taken away.
#[derive(SimpleObject)]
struct UnlinkArtifactPayload {
    /// The version.
    #[graphql(name = "artifactID")]
    artifact_id: ID,
    /// Always true; what fails is an error.
    success: bool,
    /// As it was given.
    client_mutation_id: Option<String>,
}

fn changes(aliases: Vec<ArtifactCollectionAliasInput>) -> Vec<AliasChange> {
    let change = |alias: ArtifactCollectionAliasInput| AliasChange {
        entity_name: alias.entity_name,
        project_name: alias.project_name,
        collection_name: alias.artifact_collection_name,
        alias: alias.alias,
    };
    aliases.into_iter().map(change).collect()
}

/// Reads the global id of a collection; a foreign one answers like a miss.
pub(super) fn collection_id(id: &str) -> Result<CollectionId> {
    let missing = || domain::Error::not_found("artifact collection", id);
    CollectionId::from_node_id(id).ok_or_else(missing).or_graphql()
}

impl LinkArtifactInput {
    fn portfolio(&self) -> Result<Portfolio> {
        if let Some(id) = self.artifact_portfolio_id.as_ref().filter(|id| !id.is_empty()) {
            return collection_id(id).map(Portfolio::Id);
        }
        let given = |value: &Option<String>, field: &str| {
            let missing = || domain::Error::invalid("LINK_INVALID", field, "a name is missing");
            value.clone().filter(|value| !value.is_empty()).ok_or_else(missing).or_graphql()
        };
        Ok(Portfolio::Named {
            entity_name: given(&self.entity_name, "entityName")?,
            project_name: given(&self.project_name, "projectName")?,
            name: given(&self.artifact_portfolio_name, "artifactPortfolioName")?,
        })
    }
}

/// The version of that id, or that its writer calls so.
async fn named(
    tx: &WriteTx,
    caller: &Caller,
    id: Option<&ID>,
    client_id: Option<&ID>,
) -> domain::Result<ArtifactId> {
    let missing = |id: &ID| domain::Error::not_found("artifact", id.as_str());
    match (id, client_id) {
        (Some(id), _) => ArtifactId::from_node_id(id).ok_or_else(|| missing(id)),
        (None, Some(id)) => {
            let found = artifact::find_by_client_id(tx, caller, id).await?;
            Ok(found.ok_or_else(|| missing(id))?.id)
        }
        (None, None) => {
            let reason = "a version is named by its id, or as its writer calls it";
            Err(domain::Error::invalid("LINK_INVALID", "artifactID", reason))
        }
    }
}

#[Object]
impl ArtifactEditMutation {
    /// Notes that a run uses a version.
    async fn use_artifact(
        &self,
        ctx: &Context<'_>,
        input: UseArtifactInput,
    ) -> Result<Option<UseArtifactPayload>> {
        let request = ctx.request()?;
        let wanted = Use {
            entity_name: input.entity_name,
            project_name: input.project_name,
            run_name: input.run_name,
            artifact: artifact_id(&input.artifact_id)?,
            used_as: input.used_as,
        };
        let used =
            request.write(async |tx| artifact::use_artifact(tx, &request.caller, wanted).await).await?;
        Ok(Some(UseArtifactPayload {
            artifact: Artifact(used),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Changes what is said of a version.
    async fn update_artifact(
        &self,
        ctx: &Context<'_>,
        input: UpdateArtifactInput,
    ) -> Result<Option<UpdateArtifactPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let ttl = input.ttl_duration_seconds.map(|ttl| Ttl::parse(ttl.0)).transpose().or_graphql()?;
        let edit = Edit {
            description: input.description,
            metadata: input.metadata.map(|metadata| metadata.0),
            aliases: input.aliases.map(|aliases| aliases.into_iter().map(|alias| alias.alias).collect()),
            tags_added: tag_names(input.tags_to_add),
            tags_removed: tag_names(input.tags_to_delete),
            ttl,
        };
        let changed = request.write(async |tx| artifact::update(tx, &request.caller, id, edit).await).await?;
        Ok(Some(UpdateArtifactPayload {
            artifact: Artifact(changed),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Makes aliases mean this version, each in its collection.
    async fn add_aliases(&self, ctx: &Context<'_>, input: AddAliasesInput) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let changes = changes(input.aliases);
        request.write(async |tx| artifact::add_aliases(tx, &request.caller, id, &changes).await).await?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Takes aliases away from this version.
    async fn delete_aliases(
        &self,
        ctx: &Context<'_>,
        input: DeleteAliasesInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let changes = changes(input.aliases);
        request.write(async |tx| artifact::delete_aliases(tx, &request.caller, id, &changes).await).await?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Links a version to a portfolio, which is made where there is none.
    async fn link_artifact(
        &self,
        ctx: &Context<'_>,
        input: LinkArtifactInput,
    ) -> Result<Option<LinkArtifactPayload>> {
        let request = ctx.request()?;
        let to = input.portfolio()?;
        let aliases = input.aliases.unwrap_or_default().into_iter().map(|alias| alias.alias).collect();
        let caller = &request.caller;
        let link = async |tx: &WriteTx| {
            let artifact = named(tx, caller, input.artifact_id.as_ref(), input.client_id.as_ref()).await?;
            artifact::link(tx, caller, Link { artifact, to, aliases }).await
        };
        let place = request.write(link).await?;
        Ok(Some(LinkArtifactPayload {
            version_index: i32::try_from(place.version_index).ok(),
            artifact_membership: Some(ArtifactCollectionMembership(place)),
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Takes a version out of a portfolio.
    async fn unlink_artifact(
        &self,
        ctx: &Context<'_>,
        input: UnlinkArtifactInput,
    ) -> Result<Option<UnlinkArtifactPayload>> {
        let request = ctx.request()?;
        let id = artifact_id(&input.artifact_id)?;
        let portfolio = collection_id(&input.artifact_portfolio_id)?;
        request.write(async |tx| artifact::unlink(tx, &request.caller, id, portfolio).await).await?;
        Ok(Some(UnlinkArtifactPayload {
            artifact_id: input.artifact_id,
            success: true,
            client_mutation_id: input.client_mutation_id,
        }))
    }
}
