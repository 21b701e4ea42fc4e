//! What administrators decide about artifacts: how long they are kept, and which aliases are protected.

use async_graphql::{Context, InputObject, Object};

use counterweight_domain::WriteTx;
use counterweight_domain::artifact::{self, Ttl};

use super::SuccessPayload;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::Int64;

#[derive(Debug, Default)]
pub(super) struct ArtifactPolicyMutation;

/// How long the artifacts of an entity are kept.
#[derive(InputObject)]
struct SetArtifactTtlInput {
    /// The entity.
    entity_name: String,
    /// Seconds from when a version was made; -2: for ever.
    ttl_duration_seconds: Int64,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// Aliases that only administrators move.
#[derive(InputObject)]
struct SetProtectedAliasesInput {
    /// The project's owner.
    entity_name: String,
    /// The project.
    project_name: String,
    /// All of them; those that are not named are no longer protected.
    aliases: Vec<String>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

#[Object]
impl ArtifactPolicyMutation {
    /// Sets how long the artifacts of an entity are kept that say nothing themselves, nor their collections.
    async fn set_artifact_ttl(
        &self,
        ctx: &Context<'_>,
        input: SetArtifactTtlInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let ttl = Ttl::parse(input.ttl_duration_seconds.0).or_graphql()?;
        let (caller, entity) = (&request.caller, &input.entity_name);
        request.write(async |tx| artifact::set_entity_ttl(tx, caller, entity, ttl).await).await?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }

    /// Sets the aliases of a project that only its administrators move, and whose versions nobody deletes.
    async fn set_protected_aliases(
        &self,
        ctx: &Context<'_>,
        input: SetProtectedAliasesInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let (entity, project) = (&input.entity_name, &input.project_name);
        let change = async |tx: &WriteTx| {
            artifact::protect_aliases(tx, &request.caller, entity, project, &input.aliases).await
        };
        request.write(change).await?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }
}
