use std::collections::HashMap;

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, Func, Order, Query, WindowStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, QueryFilter as _,
    QueryTrait as _,
};

use super::Alert;
use crate::db::Source;
use crate::entity::alert::{self, Column};
use crate::error::Result;
use crate::id::{AlertId, RunId};

/// A page of the alerts of several runs, newest first, in one statement: up to `limit` of each, told before `before`.
pub async fn list_many(
    db: &impl Source,
    runs: &[RunId],
    before: Option<AlertId>,
    limit: u64,
) -> Result<HashMap<RunId, Vec<Alert>>> {
    // Plan: ix_alert_run_id, all alerts of these runs.
    let mut by_run = WindowStatement::partition_by((alert::Entity, Column::RunId));
    by_run.order_by((alert::Entity, Column::Id), Order::Desc);
    let mut alerts = alert::Entity::find().filter(Column::RunId.is_in(runs.iter().copied()));
    if let Some(before) = before {
        alerts = alerts.filter(Column::Id.lt(before));
    }
    let mut alerts = alerts.into_query();
    alerts.expr_window_as(Func::cust("ROW_NUMBER"), by_run, "place");
    let mut page = Query::select();
    page.column(Asterisk)
        .from_subquery(alerts, "alerts")
        .and_where(Expr::col("place").lte(i64::try_from(limit).unwrap_or(i64::MAX)))
        .order_by("id", Order::Desc);
    let mut found: HashMap<RunId, Vec<Alert>> = HashMap::new();
    for row in db.connection().query_all(&page).await? {
        let alert = Alert::from_query_result(&row, "")?;
        found.entry(alert.run_id).or_default().push(alert);
    }
    Ok(found)
}
