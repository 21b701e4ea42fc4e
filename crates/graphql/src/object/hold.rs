//! Holds.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::hold::{self, HoldKind as Kind, Subject};

use super::User;
use crate::connection::PageInfo;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::PathOf;
use crate::scalars::DateTime;

/// That something must not be deleted: no verb and no deadline passes it until it is released.
pub(crate) struct Hold(pub(crate) hold::Hold);

/// What is held.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
enum HoldKind {
    /// A run, with its files and its history. What it logged only where that is held itself.
    Run,
    /// A version of an artifact, wherever it is linked to.
    Artifact,
    /// A project, with all that is in it or linked to it.
    Project,
}

/// A page of holds.
#[derive(SimpleObject)]
pub(crate) struct HoldConnection {
    /// One for each hold.
    pub(crate) edges: Vec<HoldEdge>,
    /// Where the page ends.
    pub(crate) page_info: PageInfo,
}

/// A hold in a list.
#[derive(SimpleObject)]
pub(crate) struct HoldEdge {
    /// The hold.
    pub(crate) node: Hold,
    /// Its place in the list.
    pub(crate) cursor: String,
}

impl Hold {
    /// The hold on the first of these things that is held.
    pub(crate) async fn on_first(ctx: &Context<'_>, things: &[Subject]) -> Result<Option<Self>> {
        let mut found = ctx.request()?.loader.load_many(things.iter().copied()).await.or_graphql()?;
        Ok(things.iter().find_map(|thing| found.remove(thing)).map(Self))
    }
}

#[Object]
impl Hold {
    /// Its global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// What is held.
    async fn kind(&self) -> HoldKind {
        self.0.kind.into()
    }

    /// The global id of what is held.
    async fn subject_id(&self) -> ID {
        self.0.subject().to_node_id().into()
    }

    /// What users call it: `entity/project`, `entity/project/run` or `entity/project/collection:v0`.
    async fn path(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        ctx.request()?.loader.load_one(PathOf(self.0.subject())).await.or_graphql()
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Who holds it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.user_id).await.or_graphql()?.map(User))
    }

    /// Since when.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Until when; none: it still is.
    async fn released_at(&self) -> Option<DateTime> {
        self.0.released_at.map(DateTime)
    }
}
