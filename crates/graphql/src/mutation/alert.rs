//! Alerts: `notifyScriptableRunAlert`.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use counterweight_domain::alert::{self, Message};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::AlertSeverity;
use crate::scalars::Duration;

#[derive(Debug, Default)]
pub(super) struct AlertMutation;

/// What a run tells its owner.
#[derive(InputObject)]
struct NotifyScriptableRunAlertInput {
    /// Owner of the run's project.
    entity_name: String,
    /// The run's project.
    project_name: String,
    /// The run's id.
    run_name: String,
    /// What it is about.
    title: String,
    /// What there is to say.
    text: String,
    /// How urgent it is.
    #[graphql(default_with = "AlertSeverity::Info")]
    severity: AlertSeverity,
    /// How long alerts of one title wait for each other, in milliseconds; a minute where none is named.
    wait_duration: Option<Duration>,
    /// Returned as it is.
    client_mutation_id: Option<String>,
}

/// An alert heard.
#[derive(SimpleObject)]
struct NotifyScriptableRunAlertPayload {
    /// Whether it was kept; not where its title was told a moment ago.
    success: bool,
    /// As it was given.
    client_mutation_id: Option<String>,
}

#[Object]
impl AlertMutation {
    /// Keeps what a run tells its owner.
    async fn notify_scriptable_run_alert(
        &self,
        ctx: &Context<'_>,
        input: NotifyScriptableRunAlertInput,
    ) -> Result<Option<NotifyScriptableRunAlertPayload>> {
        let request = ctx.request()?;
        let message = Message::new(input.title, input.text, input.severity.into()).or_graphql()?;
        let wait = input.wait_duration.map_or(alert::DEFAULT_WAIT, |wait| wait.0);
        let run = (input.entity_name.as_str(), input.project_name.as_str(), input.run_name.as_str());
        let tx = request.db.begin_write().await.or_graphql()?;
        let success = alert::notify(&tx, &request.caller, run, message, wait).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(Some(NotifyScriptableRunAlertPayload { success, client_mutation_id: input.client_mutation_id }))
    }
}
