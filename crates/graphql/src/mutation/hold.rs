//! Holding and releasing, for administrators of the instance.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain::hold::{self, Subject};
use counterweight_domain::id::{ArtifactId, HoldId, ProjectId, RunId};
use counterweight_domain::{Error, WriteTx};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::Hold;

#[derive(Debug, Default)]
pub(super) struct HoldMutation;

/// A run to hold.
#[derive(InputObject)]
struct HoldRunInput {
    /// Its global id.
    id: ID,
    /// Why.
    reason: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A version to hold.
#[derive(InputObject)]
struct HoldArtifactInput {
    /// Its global id.
    id: ID,
    /// Why.
    reason: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A project to hold.
#[derive(InputObject)]
struct HoldProjectInput {
    /// Its global id.
    id: ID,
    /// Why.
    reason: String,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A hold to end.
#[derive(InputObject)]
struct ReleaseHoldInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A hold placed or released.
#[derive(SimpleObject)]
struct HoldPayload {
    /// The hold.
    hold: Option<Hold>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

#[Object]
impl HoldMutation {
    /// Keeps a run with its files and its history, also one that is in the trash: nothing deletes it until the hold is
    /// released. What the run logged is not covered; hold that itself.
    async fn hold_run(&self, ctx: &Context<'_>, input: HoldRunInput) -> Result<Option<HoldPayload>> {
        let missing = || Error::not_found("run", input.id.as_str());
        let id = RunId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        place(ctx, Subject::Run(id), &input.reason, input.client_mutation_id).await
    }

    /// Keeps a version of an artifact, and its links.
    async fn hold_artifact(
        &self,
        ctx: &Context<'_>,
        input: HoldArtifactInput,
    ) -> Result<Option<HoldPayload>> {
        let missing = || Error::not_found("artifact", input.id.as_str());
        let id = ArtifactId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        place(ctx, Subject::Artifact(id), &input.reason, input.client_mutation_id).await
    }

    /// Keeps a project and all that is in it, also one that is in the trash. No run moves out of it.
    async fn hold_project(&self, ctx: &Context<'_>, input: HoldProjectInput) -> Result<Option<HoldPayload>> {
        let missing = || Error::not_found("project", input.id.as_str());
        let id = ProjectId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        place(ctx, Subject::Project(id), &input.reason, input.client_mutation_id).await
    }

    /// Ends a hold. What it held up goes on: a deadline that has passed meanwhile is met now.
    async fn release_hold(&self, ctx: &Context<'_>, input: ReleaseHoldInput) -> Result<Option<HoldPayload>> {
        let request = ctx.request()?;
        let missing = || Error::not_found("hold", input.id.as_str());
        let id = HoldId::from_node_id(&input.id).ok_or_else(missing).or_graphql()?;
        let released = request.write(async |tx| hold::release(tx, &request.caller, id).await).await?;
        Ok(Some(HoldPayload { hold: Some(Hold(released)), client_mutation_id: input.client_mutation_id }))
    }
}

async fn place(
    ctx: &Context<'_>,
    subject: Subject,
    reason: &str,
    client_mutation_id: Option<String>,
) -> Result<Option<HoldPayload>> {
    let request = ctx.request()?;
    let change = async |tx: &WriteTx| hold::hold(tx, &request.caller, subject, reason).await;
    let held = request.write(change).await?;
    Ok(Some(HoldPayload { hold: Some(Hold(held)), client_mutation_id }))
}
