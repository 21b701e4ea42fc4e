//! How long things are kept, and by which rules they go by themselves.

use std::time::Duration;

use async_graphql::{Context, Enum, Object, SimpleObject};

use counterweight_domain::retention::{self, Origin, Periods, Scope, ScopeKind};

use super::RetentionRule;
use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::Int64;

/// How long things are kept in a project, or in an entity where its projects say nothing themselves.
pub(crate) struct Retention {
    periods: Periods,
    scope: Scope,
}

/// A period, and who says so.
#[derive(SimpleObject)]
struct RetentionPeriod {
    /// How long; none: for ever.
    seconds: Option<Int64>,
    /// Who says so.
    from: RetentionOrigin,
}

/// Who says how long things are kept.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum RetentionOrigin {
    /// The settings of the server.
    Settings,
    /// The instance.
    Instance,
    /// The entity.
    Entity,
    /// The project.
    Project,
}

impl RetentionPeriod {
    fn new(period: Option<Duration>, from: Origin) -> Self {
        let seconds = period.map(|period| Int64(i64::try_from(period.as_secs()).unwrap_or(i64::MAX)));
        let from = match from {
            Origin::Settings => RetentionOrigin::Settings,
            Origin::Set(ScopeKind::Instance) => RetentionOrigin::Instance,
            Origin::Set(ScopeKind::Entity) => RetentionOrigin::Entity,
            Origin::Set(ScopeKind::Project) => RetentionOrigin::Project,
        };
        Self { seconds, from }
    }
}

impl Retention {
    /// What rules in a scope, which was found through its door.
    pub(crate) async fn get(ctx: &Context<'_>, scope: Scope) -> Result<Self> {
        let request = ctx.request()?;
        let periods = retention::get_periods(&request.db, request.retention, scope).await.or_graphql()?;
        Ok(Self { periods, scope })
    }
}

#[Object]
impl Retention {
    /// From the deletion of a run or a project to its purge. What is in the trash already keeps its `purgeAfter`.
    async fn trash(&self) -> RetentionPeriod {
        RetentionPeriod::new(Some(self.periods.retention.trash), self.periods.trash_from)
    }

    /// From the archiving of a run to its deletion. What is archived already keeps its `archivedUntil`.
    async fn archive(&self) -> RetentionPeriod {
        RetentionPeriod::new(self.periods.retention.archive, self.periods.archive_from)
    }

    /// The rules that hold there: its own and those of what is around it, oldest first.
    #[graphql(complexity = "connection::cost(None, child_complexity)")]
    async fn rules(&self, ctx: &Context<'_>) -> Result<Vec<RetentionRule>> {
        let rules = retention::list_rules(&ctx.request()?.db, self.scope).await.or_graphql()?;
        Ok(rules.into_iter().map(RetentionRule).collect())
    }

    /// From the deletion of a version of an artifact to its purge. What is in the trash already keeps its `purgeAfter`.
    async fn artifacts(&self) -> RetentionPeriod {
        RetentionPeriod::new(Some(self.periods.retention.artifacts), self.periods.artifacts_from)
    }
}
