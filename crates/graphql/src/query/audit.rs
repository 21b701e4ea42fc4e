//! What was done to things.

use async_graphql::{Context, ID, Object};

use counterweight_domain::audit::EntryQuery;
use counterweight_domain::id::UserId;
use counterweight_domain::{Error, receipt};

use crate::connection;
use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{AuditAction, AuditEntryConnection, Receipt, audit_subject};
use crate::scalars::DateTime;

#[derive(Debug, Default)]
pub(super) struct AuditQueries;

#[Object]
impl AuditQueries {
    /// What was done to things, last first: in an entity for who administers it, everywhere for administrators who use
    /// their rights. `subject` is the global id of a thing.
    #[graphql(complexity = "connection::cost(first, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is one of the field's")]
    async fn audit_entries(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        actor: Option<ID>,
        action: Option<AuditAction>,
        subject: Option<ID>,
        since: Option<DateTime>,
        until: Option<DateTime>,
    ) -> Result<AuditEntryConnection> {
        let missing = |id: &ID| Error::not_found("user", id.as_str());
        let actor = actor.map(|id| UserId::from_node_id(&id).ok_or_else(|| missing(&id)));
        let wanted = EntryQuery {
            actor: actor.transpose().or_graphql()?,
            action: action.map(Into::into),
            subject: subject.map(|id| audit_subject(&id)).transpose()?,
            since: since.map(|moment| moment.0),
            until: until.map(|moment| moment.0),
            after: None,
        };
        AuditEntryConnection::page(ctx, wanted, after, first).await
    }

    /// What a deletion took away for good, once its rows are gone.
    async fn receipt(&self, ctx: &Context<'_>, deletion_id: ID) -> Result<Option<Receipt>> {
        let request = ctx.request()?;
        let found = receipt::find(&request.db, &request.caller, &deletion_id).await.or_graphql()?;
        Ok(found.map(Receipt))
    }
}
