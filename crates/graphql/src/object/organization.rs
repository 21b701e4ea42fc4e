//! Organizations.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::account;

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::loaders::MembersOf;
use crate::object::{Entity, Member};

/// Teams that share registries.
pub(crate) struct Organization(pub(crate) account::Organization);

/// How features are named when asked for an organization.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "RampIDType")]
enum RampIdType {
    /// By its name.
    #[graphql(name = "OrgName")]
    OrgName,
}

/// A switch of an organization.
#[derive(SimpleObject)]
struct FeatureFlag {
    /// Its name.
    ramp_key: String,
    /// Whether it is on.
    is_enabled: bool,
}

/// How registries can be searched.
#[derive(SimpleObject)]
struct AdvancedRegistryFeatures {
    /// Whether the client may send the other kind of filters. It may not.
    advanced_search: bool,
}

#[Object]
impl Organization {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// Its name, as shown.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The entity that owns its registries.
    async fn org_entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        Ok(ctx.request()?.loader.load_one(self.0.entity_id).await.or_graphql()?.map(Entity))
    }

    /// Who belongs to it, in the order in which they joined, after those who were asked to.
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<Member>> {
        let roster = ctx.request()?.loader.load_one(MembersOf(self.0.entity_id)).await.or_graphql()?;
        Ok(Member::all_of(roster.unwrap_or_default()))
    }

    /// Its teams that the viewer belongs to, by name; its administrators see all of them.
    async fn teams(&self, ctx: &Context<'_>) -> Result<Vec<Entity>> {
        let request = ctx.request()?;
        let teams = account::list_teams_of(&request.db, &request.caller, &self.0).await.or_graphql()?;
        Ok(teams.into_iter().map(Entity).collect())
    }

    /// An id of another product.
    async fn core_weave_organization_id(&self) -> Option<&str> {
        None
    }

    /// How its registries can be searched.
    async fn advanced_registry_features(&self) -> Option<AdvancedRegistryFeatures> {
        Some(AdvancedRegistryFeatures { advanced_search: false })
    }

    /// Its switches.
    async fn feature_flags(
        &self,
        #[graphql(name = "rampIDType")] _ramp_id_type: RampIdType,
    ) -> Vec<Option<FeatureFlag>> {
        Vec::new()
    }
}
