//! What the runs of a sweep told so far.

use sea_orm::FromQueryResult;
use serde_json::Value;

use super::Sweep;
use super::config::Metric;
use super::search::Observation;
use crate::db::{Source, dialect};
use crate::error::Result;
use crate::json;
use crate::run::RunState;

/// Runs that are looked at, the latest.
const MOST: i64 = 200;

#[derive(FromQueryResult)]
struct Row {
    config: Option<String>,
    state: Option<RunState>,
    value: Option<f64>,
}

/// Configs of the latest runs and what they came to, the latest last; also of those that are still to begin.
pub(super) async fn observe(db: &impl Source, sweep: &Sweep, metric: &Metric) -> Result<Vec<Observation>> {
    // Plan: ix_run_sweep backwards, then primary keys.
    let begun = "SELECT d.config, r.state, v.num AS value FROM run r JOIN run_document d ON d.run_id = r.id \
                 LEFT JOIN run_value v ON v.run_id = r.id AND v.scope = 2 AND v.path = $3 \
                 WHERE r.project_id = $1 AND r.sweep_name = $2 AND r.lifecycle IN ('live', 'archived') \
                 ORDER BY r.id DESC LIMIT $4";
    let values =
        [sweep.project_id.0.into(), sweep.name.clone().into(), metric.name.clone().into(), MOST.into()];
    let begun = Row::find_by_statement(dialect::statement(db.connection(), begun, values));
    let mut rows = begun.all(db.connection()).await?;
    rows.reverse();
    // Plan: ix_sweep_run_state.
    let given = "SELECT args AS config, NULL AS state, NULL AS value FROM sweep_run \
                 WHERE sweep_id = $1 AND state IN ('given', 'taken') AND run_id IS NULL ORDER BY id LIMIT $2";
    let given = dialect::statement(db.connection(), given, [sweep.id.0.into(), MOST.into()]);
    rows.extend(Row::find_by_statement(given).all(db.connection()).await?);
    let observed = rows.into_iter().filter_map(|row| {
        let Ok(Value::Object(config)) = json::parse(&row.config?) else { return None };
        let over = row.state.is_some_and(|state| !state.is_active());
        let value = row.value.filter(|value| over && value.is_finite());
        Some(Observation { config, loss: value.map(|value| metric.loss(value)) })
    });
    Ok(observed.collect())
}
