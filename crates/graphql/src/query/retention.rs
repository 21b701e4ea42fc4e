//! Rules by which things go by themselves, and what they would do.

use async_graphql::{Context, ID, Object};

use counterweight_domain::id::RetentionRuleId;
use counterweight_domain::retention::{self, Scope};
use counterweight_domain::{Error, Result as DomainResult};

use crate::connection;
use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::mutation::retention::RetentionRuleInput;
use crate::object::{RetentionRule, RetentionSimulation, storage};
use crate::scalars::DateTime;

#[derive(Debug, Default)]
pub(super) struct RetentionQueries;

/// What there is, if the viewer may see it.
fn seen<T>(found: DomainResult<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).or_graphql(),
    }
}

async fn find_scope(
    request: &RequestContext,
    entity: Option<&str>,
    project: Option<&str>,
) -> Result<Option<Scope>> {
    seen(retention::find_scope(&request.db, &request.caller, entity, project).await)
}

#[Object]
impl RetentionQueries {
    /// The rules that hold in a project where one is named, else in an entity where one is named, else everywhere: its own
    /// and those of what is around it, oldest first.
    #[graphql(complexity = "connection::cost(None, child_complexity)")]
    async fn retention_rules(
        &self,
        ctx: &Context<'_>,
        entity_name: Option<String>,
        project_name: Option<String>,
    ) -> Result<Option<Vec<RetentionRule>>> {
        let request = ctx.request()?;
        let scope = find_scope(request, entity_name.as_deref(), project_name.as_deref()).await?;
        let Some(scope) = scope else { return Ok(None) };
        let rules = retention::list_rules(&request.db, scope).await.or_graphql()?;
        Ok(Some(rules.into_iter().map(RetentionRule).collect()))
    }

    /// What a rule would do now, or at another moment, as things stand: the one of that id, or one that is not made yet, in
    /// the project, the entity or the instance that is named. Writes nothing.
    #[graphql(complexity = "storage::COST + child_complexity")]
    async fn retention_simulation(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        rule: Option<RetentionRuleInput>,
        entity_name: Option<String>,
        project_name: Option<String>,
        at: Option<DateTime>,
    ) -> Result<Option<RetentionSimulation>> {
        let request = ctx.request()?;
        let (db, caller) = (&request.db, &request.caller);
        let at = at.map(|at| at.0);
        let simulation = match (id, rule) {
            (Some(id), None) => {
                let Some(id) = RetentionRuleId::from_node_id(&id) else { return Ok(None) };
                seen(retention::simulate_rule(db, caller, id, at).await)?
            }
            (None, Some(rule)) => {
                let definition = rule.read().or_graphql()?;
                let scope = find_scope(request, entity_name.as_deref(), project_name.as_deref()).await?;
                let Some(scope) = scope else { return Ok(None) };
                seen(retention::simulate(db, caller, scope, &definition, at).await)?
            }
            _ => {
                let reason = "give the id of a rule, or a rule";
                return Err(Error::invalid("RETENTION_RULE_INVALID", "rule", reason)).or_graphql();
            }
        };
        Ok(simulation.map(RetentionSimulation))
    }
}
