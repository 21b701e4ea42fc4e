//! What administrators say about how long things are kept, and about what goes by itself.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use counterweight_domain::id::RetentionRuleId;
use counterweight_domain::retention::{
    self, Best, Definition, KeepRuns, KeepVersions, NewPeriods, PeriodSetting, RunRule, Since, Tagged,
    VersionRule,
};
use counterweight_domain::{Error, Result as DomainResult, WriteTx};

use super::SuccessPayload;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{
    Retention, RetentionAction, RetentionGoal, RetentionRule, RetentionSince, RetentionTarget,
};
use crate::scalars::{Int64, JsonString};

#[derive(Debug, Default)]
pub(super) struct RetentionMutation;

/// How long things are kept: in a project where one is named, else in an entity where one is named, else in the instance.
#[derive(InputObject)]
struct SetRetentionPeriodsInput {
    /// The entity, or the project's owner.
    entity_name: Option<String>,
    /// The project.
    project_name: Option<String>,
    /// Seconds from deletion to purge; -1: as what is around it says. None leaves it as it is.
    trash_seconds: Option<Int64>,
    /// Seconds from archiving to deletion; -1: as what is around it says; -2: for ever. None leaves it as it is.
    archive_seconds: Option<Int64>,
    /// From the deletion of a version of an artifact to its purge, in seconds; -1: as what is around it says.
    artifact_seconds: Option<Int64>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// What rules now.
#[derive(SimpleObject)]
struct SetRetentionPeriodsPayload {
    /// There.
    retention: Retention,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Which things go by themselves.
#[derive(InputObject)]
pub(crate) struct RetentionRuleInput {
    /// What it is about.
    target: RetentionTarget,
    /// What it does. Versions are deleted.
    action: RetentionAction,
    /// What age counts from: of runs their end, where nothing is said; of versions their commit.
    since: Option<RetentionSince>,
    /// At which age.
    age_seconds: Int64,
    /// Among which runs, as `Project.runs` takes it: live ones, unless it asks for archived ones.
    filters: Option<JsonString>,
    /// Among versions of this type.
    artifact_type_name: Option<String>,
    /// Among versions of this collection.
    artifact_collection_name: Option<String>,
    /// What stays all the same.
    keep: Option<RetentionKeepInput>,
}

/// What stays all the same. Running runs and held things always do, and versions in a registry or under a protected alias.
#[derive(Default, InputObject)]
struct RetentionKeepInput {
    /// So many of the youngest: runs that the filter means, or versions of each collection.
    last: Option<u32>,
    /// So many of the youngest runs of each group.
    last_of_group: Option<u32>,
    /// The best runs.
    best: Option<RetentionBestInput>,
    /// What has any tag.
    tagged: Option<bool>,
    /// What has one of these tags.
    tags: Option<Vec<String>>,
    /// Versions that have an alias, `latest` included.
    aliased: Option<bool>,
    /// Versions that are linked, and runs that logged one which is linked or has an alias other than `latest`.
    linked: Option<bool>,
}

/// The runs with the best values in their summary.
#[derive(InputObject)]
struct RetentionBestInput {
    /// The key in the summary.
    metric: String,
    /// Which values are good.
    goal: RetentionGoal,
    /// How many runs.
    count: u32,
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::invalid("RETENTION_RULE_INVALID", field, reason)
}

/// Refuses what rules of this kind do not know.
fn none_of(unknown: &[(&str, bool)], kind: &str) -> DomainResult<()> {
    let given = unknown.iter().find(|(_, is_given)| *is_given);
    given.map_or(Ok(()), |(field, _)| Err(invalid(field, &format!("is not for rules about {kind}"))))
}

impl RetentionRuleInput {
    /// What it says, if it makes sense together.
    pub(crate) fn read(self) -> DomainResult<Definition> {
        let keep = self.keep.unwrap_or_default();
        let age = u64::try_from(self.age_seconds.0);
        let age_seconds = age.map_err(|_| invalid("ageSeconds", "must not be negative"))?;
        let tagged = match (keep.tagged.unwrap_or_default(), keep.tags) {
            (true, _) => Some(Tagged::Any),
            (false, Some(tags)) => Some(Tagged::OneOf(tags)),
            (false, None) => None,
        };
        let (aliased, linked) = (keep.aliased.unwrap_or_default(), keep.linked.unwrap_or_default());
        match self.target {
            RetentionTarget::Runs => {
                let unknown = [
                    ("artifactTypeName", self.artifact_type_name.is_some()),
                    ("artifactCollectionName", self.artifact_collection_name.is_some()),
                    ("keep.aliased", aliased),
                    ("since", self.since == Some(RetentionSince::Committed)),
                ];
                none_of(&unknown, "runs")?;
                let best = keep.best.map(|RetentionBestInput { metric, goal, count }| Best {
                    metric,
                    goal: goal.into(),
                    count,
                });
                let created = self.since == Some(RetentionSince::Created);
                Ok(Definition::Runs(RunRule {
                    action: self.action.into(),
                    since: if created { Since::Created } else { Since::Ended },
                    age_seconds,
                    filter: self.filters.map_or_else(String::new, |filters| filters.0),
                    keep: KeepRuns {
                        last: keep.last,
                        last_of_group: keep.last_of_group,
                        best,
                        tagged,
                        linked,
                    },
                }))
            }
            RetentionTarget::ArtifactVersions => {
                let unknown = [
                    ("action", self.action == RetentionAction::Archive),
                    ("since", self.since.is_some_and(|since| since != RetentionSince::Committed)),
                    ("filters", self.filters.is_some()),
                    ("keep.lastOfGroup", keep.last_of_group.is_some()),
                    ("keep.best", keep.best.is_some()),
                ];
                none_of(&unknown, "versions")?;
                Ok(Definition::Versions(VersionRule {
                    age_seconds,
                    type_name: self.artifact_type_name,
                    collection_name: self.artifact_collection_name,
                    keep: KeepVersions { last: keep.last, tagged, aliased, linked },
                }))
            }
        }
    }
}

/// A rule to make: in a project where one is named, else in an entity where one is named, else in the instance.
#[derive(InputObject)]
struct CreateRetentionRuleInput {
    /// The entity, or the project's owner.
    entity_name: Option<String>,
    /// The project.
    project_name: Option<String>,
    /// What people call it.
    name: String,
    /// What it says.
    rule: RetentionRuleInput,
    /// Whether it is applied; it is, where nothing is said.
    enabled: Option<bool>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A rule to change; what is not given stays.
#[derive(InputObject)]
struct UpdateRetentionRuleInput {
    /// Its global id.
    id: ID,
    /// What people call it.
    name: Option<String>,
    /// What it says, all of it.
    rule: Option<RetentionRuleInput>,
    /// Whether it is applied.
    enabled: Option<bool>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A rule to end.
#[derive(InputObject)]
struct DeleteRetentionRuleInput {
    /// Its global id.
    id: ID,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A rule that was made or changed.
#[derive(SimpleObject)]
struct RetentionRulePayload {
    /// As it is now.
    rule: RetentionRule,
    /// As it was given.
    client_mutation_id: Option<String>,
}

fn rule_id(id: &ID) -> Result<RetentionRuleId> {
    let missing = || Error::not_found("retention rule", id.as_str());
    RetentionRuleId::from_node_id(id).ok_or_else(missing).or_graphql()
}

fn setting(field: &'static str, seconds: Option<Int64>) -> Result<Option<PeriodSetting>> {
    seconds.map(|seconds| PeriodSetting::parse(field, seconds.0)).transpose().or_graphql()
}

#[Object]
impl RetentionMutation {
    /// Sets how long what is deleted from now on can be restored, and when what is archived from now on is deleted. Deadlines
    /// that there are stay where they are. For administrators of the server, of the entity or of the project.
    async fn set_retention_periods(
        &self,
        ctx: &Context<'_>,
        input: SetRetentionPeriodsInput,
    ) -> Result<Option<SetRetentionPeriodsPayload>> {
        let request = ctx.request()?;
        let periods = NewPeriods {
            trash: setting("trashSeconds", input.trash_seconds)?,
            archive: setting("archiveSeconds", input.archive_seconds)?,
            artifacts: setting("artifactSeconds", input.artifact_seconds)?,
        };
        let (entity, project) = (input.entity_name.as_deref(), input.project_name.as_deref());
        let change = async |tx: &WriteTx| {
            let scope = retention::find_scope(tx, &request.caller, entity, project).await?;
            retention::set_periods(tx, &request.caller, scope, periods).await.map(|()| scope)
        };
        let scope = request.write(change).await?;
        Ok(Some(SetRetentionPeriodsPayload {
            retention: Retention::get(ctx, scope).await?,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Makes a rule by which runs or versions go by themselves, applied from the next pass on. For administrators of the
    /// server, of the entity or of the project. `retentionSimulation` tells before what it would do.
    async fn create_retention_rule(
        &self,
        ctx: &Context<'_>,
        input: CreateRetentionRuleInput,
    ) -> Result<Option<RetentionRulePayload>> {
        let request = ctx.request()?;
        let definition = input.rule.read().or_graphql()?;
        let (entity, project) = (input.entity_name.as_deref(), input.project_name.as_deref());
        let enabled = input.enabled.unwrap_or(true);
        let change = async |tx: &WriteTx| {
            let scope = retention::find_scope(tx, &request.caller, entity, project).await?;
            retention::create_rule(tx, &request.caller, scope, &input.name, definition, enabled).await
        };
        let rule = RetentionRule(request.write(change).await?);
        Ok(Some(RetentionRulePayload { rule, client_mutation_id: input.client_mutation_id }))
    }

    /// Changes a rule. What it has archived or deleted stays so.
    async fn update_retention_rule(
        &self,
        ctx: &Context<'_>,
        input: UpdateRetentionRuleInput,
    ) -> Result<Option<RetentionRulePayload>> {
        let request = ctx.request()?;
        let id = rule_id(&input.id)?;
        let definition = input.rule.map(RetentionRuleInput::read).transpose().or_graphql()?;
        let (name, enabled) = (input.name.as_deref(), input.enabled);
        let change = async |tx: &WriteTx| {
            retention::update_rule(tx, &request.caller, id, name, definition, enabled).await
        };
        let rule = RetentionRule(request.write(change).await?);
        Ok(Some(RetentionRulePayload { rule, client_mutation_id: input.client_mutation_id }))
    }

    /// Ends a rule. What it has archived or deleted stays so.
    async fn delete_retention_rule(
        &self,
        ctx: &Context<'_>,
        input: DeleteRetentionRuleInput,
    ) -> Result<Option<SuccessPayload>> {
        let request = ctx.request()?;
        let id = rule_id(&input.id)?;
        request.write(async |tx| retention::delete_rule(tx, &request.caller, id).await).await?;
        Ok(Some(SuccessPayload::done(input.client_mutation_id)))
    }
}
