//! Going back to a step of a run, and beginning another run there.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain as domain;
use counterweight_domain::account::Role;
use counterweight_domain::history;
use counterweight_domain::id::RunId;
use counterweight_domain::{project, run};
use serde::Deserialize;

use crate::context::{ContextExt as _, RequestContext};
use crate::error::{OrGraphql as _, Result};
use crate::object::Run;
use crate::scalars::JsonString;

#[derive(Debug, Default)]
pub(super) struct RewindMutation;

/// A run, and the step to which it goes back.
#[derive(InputObject)]
struct RewindRunInput {
    /// Run id.
    run_name: String,
    /// Its owner; the viewer's own entity where none is named.
    entity_name: Option<String>,
    /// Its project; `uncategorized` where none is named.
    project_name: Option<String>,
    /// What is counted: `_step`.
    metric_name: String,
    /// The last step that stays.
    metric_value: f64,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// A run that went back.
#[derive(SimpleObject)]
struct RewindRunPayload {
    /// The run.
    rewound_run: Option<Run>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

#[Object]
impl RewindMutation {
    /// Forgets what a run logged after a step; its summary is what it was then.
    async fn rewind_run(&self, ctx: &Context<'_>, input: RewindRunInput) -> Result<Option<RewindRunPayload>> {
        let RequestContext { db, blobs, caller, .. } = ctx.request()?;
        if input.metric_name != "_step" {
            let reason = "a run goes back by its _step only";
            return Err(domain::Error::invalid("METRIC_INVALID", "metricName", reason)).or_graphql();
        }
        let step = whole(input.metric_value).or_graphql()?;
        let (entity, project) = (input.entity_name.as_deref(), input.project_name.as_deref());
        let found = run::find_by_path(db, caller, entity, project, &input.run_name).await.or_graphql()?;
        let missing = || domain::Error::not_found("run", &input.run_name);
        let found = found.ok_or_else(missing).or_graphql()?;
        project::authorize(db, caller, found.project_id, Role::Member).await.or_graphql()?;
        let rewound = history::rewind(db, blobs, caller, found.id, step).await.or_graphql()?;
        Ok(Some(RewindRunPayload {
            rewound_run: Some(Run(rewound)),
            client_mutation_id: input.client_mutation_id,
        }))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within 53 bits")]
fn whole(step: f64) -> domain::Result<i64> {
    let exact = step.is_finite() && step.abs() <= 9_007_199_254_740_992.0;
    let invalid = || domain::Error::invalid("STEP_INVALID", "metricValue", "is not a step");
    if exact { Ok(step.floor() as i64) } else { Err(invalid()) }
}

/// Where a run begins that is a fork (protocol reference 5.4).
#[derive(Debug, Deserialize)]
pub(super) struct BranchPoint {
    /// Run id of the run it is a fork of, in the same project.
    pub(super) run_id: String,
    step: f64,
}

impl BranchPoint {
    /// Reads it from the client's own entry in a config.
    pub(super) fn of(config: Option<&JsonString>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Own {
            branch_point: Option<BranchPoint>,
        }
        #[derive(Deserialize)]
        struct Entry {
            value: Own,
        }
        let config = config.filter(|config| config.0.contains("branch_point"))?;
        let own = domain::json::members(&config.0).into_iter().rfind(|(key, _)| key == "_wandb")?.1;
        serde_json::from_str::<Entry>(own).ok()?.value.branch_point
    }

    /// Gives the fork what its parent had logged up to there.
    pub(super) async fn apply(
        &self,
        request: &RequestContext,
        fork: RunId,
        parent: RunId,
    ) -> domain::Result<()> {
        history::inherit(&request.db, &request.blobs, fork, parent, whole(self.step)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_point_is_read_from_the_clients_own_entry() {
        let of = |text: &str| {
            BranchPoint::of(Some(&JsonString(text.to_owned()))).map(|point| (point.run_id, point.step))
        };
        let config =
            r#"{"lr":{"value":NaN},"_wandb":{"value":{"t":{},"branch_point":{"run_id":"a","step":3}}}}"#;
        assert_eq!(of(config), Some(("a".to_owned(), 3.0)));
        assert_eq!(of(r#"{"branch_point":{"value":{"run_id":"a","step":3}}}"#), None);
        assert!(whole(f64::NAN).is_err());
        assert_eq!(whole(2.5).unwrap(), 2);
    }
}
