//! Rules by which runs and versions go by themselves.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use counterweight_domain::retention::{
    Action, Best, Definition, Fate, Goal, KeepRuns, KeepVersions, Rule, ScopeKind, Since, Tagged,
};

use super::User;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::scalars::{DateTime, Int64, JsonString};

/// What a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum RetentionTarget {
    /// Runs.
    Runs,
    /// Versions of artifacts.
    ArtifactVersions,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Action")]
pub(crate) enum RetentionAction {
    /// It takes runs out of the listings; they are deleted when their archive period is over.
    Archive,
    /// It deletes: runs can be restored until their `purgeAfter`.
    Delete,
}

/// What the age of a thing counts from. A run that was brought back from the trash or the archive is as young as if that
/// were it.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum RetentionSince {
    /// Of a run: that it ended, and that its writer was last heard of.
    Ended,
    /// Of a run: that it was made.
    Created,
    /// Of a version: that it was committed.
    Committed,
}

/// Where a rule holds.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ScopeKind")]
enum RetentionScope {
    /// Everywhere.
    Instance,
    /// In all projects of an entity.
    Entity,
    /// In a project.
    Project,
}

/// Which values of a metric are good.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Goal")]
pub(crate) enum RetentionGoal {
    /// Low ones.
    Min,
    /// High ones.
    Max,
}

/// A rule by which runs or versions go by themselves, once they have reached an age. All rules that hold in a project are
/// applied; each takes what it means and does not keep.
pub(crate) struct RetentionRule(pub(crate) Rule);

/// What stays all the same. Running runs and held things always do, and versions in a registry or under a protected alias.
#[derive(SimpleObject)]
struct RetentionKeep {
    /// How many of the youngest: runs that the filter means, or versions of each collection.
    last: Option<u32>,
    /// How many of the youngest runs of each group.
    last_of_group: Option<u32>,
    /// The best runs.
    best: Option<RetentionBest>,
    /// Whether what has any tag stays.
    tagged: bool,
    /// What has one of these tags stays.
    tags: Option<Vec<String>>,
    /// Whether versions stay that have an alias, `latest` included.
    aliased: bool,
    /// Whether versions stay that are linked, and runs that logged one which is linked or has an alias other than `latest`.
    linked: bool,
}

/// The runs with the best values in their summary.
#[derive(SimpleObject)]
struct RetentionBest {
    /// The key in the summary.
    metric: String,
    /// Which values are good.
    goal: RetentionGoal,
    /// How many runs.
    count: u32,
}

fn tags(tagged: Option<&Tagged>) -> (bool, Option<Vec<String>>) {
    match tagged {
        None => (false, None),
        Some(Tagged::Any) => (true, None),
        Some(Tagged::OneOf(tags)) => (false, Some(tags.clone())),
    }
}

impl From<&KeepRuns> for RetentionKeep {
    fn from(keep: &KeepRuns) -> Self {
        let best = |best: &Best| {
            let Best { metric, goal, count } = best.clone();
            RetentionBest { metric, goal: goal.into(), count }
        };
        let (tagged, tags) = tags(keep.tagged.as_ref());
        Self {
            last: keep.last,
            last_of_group: keep.last_of_group,
            best: keep.best.as_ref().map(best),
            tagged,
            tags,
            aliased: false,
            linked: keep.linked,
        }
    }
}

impl From<&KeepVersions> for RetentionKeep {
    fn from(keep: &KeepVersions) -> Self {
        let (tagged, tags) = tags(keep.tagged.as_ref());
        let (aliased, linked) = (keep.aliased, keep.linked);
        Self { last: keep.last, last_of_group: None, best: None, tagged, tags, aliased, linked }
    }
}

#[Object]
impl RetentionRule {
    /// Its global id.
    async fn id(&self) -> ID {
        self.0.id.to_node_id().into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is applied.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Where it holds.
    async fn scope(&self) -> RetentionScope {
        self.0.scope.into()
    }

    /// What it is about.
    async fn target(&self) -> RetentionTarget {
        match &self.0.definition {
            Definition::Runs(_) => RetentionTarget::Runs,
            Definition::Versions(_) => RetentionTarget::ArtifactVersions,
        }
    }

    /// What it does.
    async fn action(&self) -> RetentionAction {
        self.0.definition.action().into()
    }

    /// What age counts from.
    async fn since(&self) -> RetentionSince {
        match &self.0.definition {
            Definition::Runs(rule) if rule.since == Since::Created => RetentionSince::Created,
            Definition::Runs(_) => RetentionSince::Ended,
            Definition::Versions(_) => RetentionSince::Committed,
        }
    }

    /// At which age.
    async fn age_seconds(&self) -> Int64 {
        Int64(i64::try_from(self.0.definition.age().as_secs()).unwrap_or(i64::MAX))
    }

    /// Among which runs, as `Project.runs` takes it.
    async fn filters(&self) -> Option<JsonString> {
        match &self.0.definition {
            Definition::Runs(rule) => Some(JsonString(rule.filter.clone())),
            Definition::Versions(_) => None,
        }
    }

    /// Among versions of this type.
    async fn artifact_type_name(&self) -> Option<&str> {
        match &self.0.definition {
            Definition::Runs(_) => None,
            Definition::Versions(rule) => rule.type_name.as_deref(),
        }
    }

    /// Among versions of this collection.
    async fn artifact_collection_name(&self) -> Option<&str> {
        match &self.0.definition {
            Definition::Runs(_) => None,
            Definition::Versions(rule) => rule.collection_name.as_deref(),
        }
    }

    /// What stays all the same.
    async fn keep(&self) -> RetentionKeep {
        match &self.0.definition {
            Definition::Runs(rule) => (&rule.keep).into(),
            Definition::Versions(rule) => (&rule.keep).into(),
        }
    }

    /// Who last said so; what it deletes is deleted on their behalf.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.request()?.loader.load_one(self.0.user_id).await.or_graphql()?.map(User))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

/// What a rule will do with a run, as things stand.
pub(crate) struct RunRetention(pub(crate) Fate);

#[Object]
impl RunRetention {
    /// The rule.
    async fn rule(&self) -> RetentionRule {
        RetentionRule(self.0.rule.clone())
    }

    /// What it does.
    async fn action(&self) -> RetentionAction {
        self.0.action.into()
    }

    /// When the run reaches the age; it is taken by the next pass after that.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }
}
