//! How the runs that are underway compare to the others, band by band.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::config::Metric;
use super::search::Halving;
use super::{Agent, GivenState, Sweep};
use crate::db::{Db, Source as _, WriteTx};
use crate::entity::sweep_run::{self, Column, Entity};
use crate::error::{Error, Result};
use crate::history::{self, MOST_ROWS, Reader, RowBudget, Sample, SampleSpec, StepRange, Stream};
use crate::id::{RunId, SweepRunId};

/// Bytes of history that one look may hold.
const MOST_BYTES: usize = 64 << 20;

/// A run that came as far as its next bands, and its scores at these.
#[derive(Debug)]
pub(super) struct Reached {
    id: SweepRunId,
    before: Vec<f64>,
    scores: Vec<f64>,
}

fn scores_of(row: &sweep_run::Model) -> Vec<f64> {
    serde_json::from_str(&row.scores).unwrap_or_default()
}

/// The runs of an agent that came as far as a band since they were looked at.
pub(super) async fn look(
    db: &Db,
    reader: &Reader,
    agent: &Agent,
    halving: &Halving,
    metric: &Metric,
) -> Result<Vec<Reached>> {
    let open = Entity::find()
        .filter(Column::AgentId.eq(agent.id))
        .filter(Column::State.ne(GivenState::Ended))
        .filter(Column::RunId.is_not_null());
    let open = open.all(db.connection()).await?;
    let ids: Vec<RunId> = open.iter().filter_map(|row| row.run_id).collect();
    let streams = history::get_streams(db, &ids).await?;
    let mut reached = Vec::new();
    for row in open {
        let Some(run) = row.run_id else { continue };
        let before = scores_of(&row);
        let lines = streams.get(&(run, Stream::History)).map_or(0, |stream| stream.line_count);
        let lines = usize::try_from(lines).unwrap_or_default();
        if halving.next(before.len()).is_none_or(|band| lines < band) {
            continue;
        }
        let values = values(reader, run, metric).await?;
        let mut scores = Vec::new();
        while let Some(band) = halving.next(before.len() + scores.len()).filter(|band| values.len() >= *band)
        {
            let Some(score) = halving.score(&values[..band]) else { break };
            scores.push(score);
        }
        if !scores.is_empty() {
            reached.push(Reached { id: row.id, before, scores });
        }
    }
    Ok(reached)
}

/// The losses that a run has logged, in order.
async fn values(reader: &Reader, run: RunId, metric: &Metric) -> Result<Vec<f64>> {
    let keys = vec!["_step".to_owned(), metric.name.clone()];
    let spec = SampleSpec { keys, samples: MOST_ROWS, range: StepRange::default() };
    let found = reader.sampled(&[run], &spec, &RowBudget::new(MOST_BYTES)).await?;
    let rows = found.get(&run).into_iter().flat_map(Sample::rows);
    Ok(rows.filter_map(|row| row.value(1)?.as_f64()).map(|value| metric.loss(value)).collect())
}

/// Writes the scores down and answers whether each of these runs is worth going on; those that are not stop early.
pub(super) async fn compare(
    tx: &WriteTx,
    sweep: &Sweep,
    halving: &Halving,
    reached: Vec<Reached>,
) -> Result<Vec<SweepRunId>> {
    let mut stopped = Vec::new();
    for Reached { id, mut before, scores } in reached {
        for score in scores {
            let band = before.len();
            before.push(score);
            write(tx, id, &before).await?;
            if !halving.goes_on(score, at_band(tx, sweep, band).await?) {
                stopped.push(id);
            }
        }
    }
    if !stopped.is_empty() {
        Entity::update_many()
            .col_expr(Column::StopsEarly, Expr::value(true))
            .filter(Column::Id.is_in(stopped.iter().copied()))
            .exec(tx.connection())
            .await?;
    }
    Ok(stopped)
}

async fn write(tx: &WriteTx, id: SweepRunId, scores: &[f64]) -> Result<()> {
    let text = serde_json::to_string(scores).map_err(Error::internal)?;
    Entity::update_many()
        .col_expr(Column::Scores, Expr::value(text))
        .filter(Column::Id.eq(id))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// The scores of all runs of a sweep that came as far as this band.
async fn at_band(tx: &WriteTx, sweep: &Sweep, band: usize) -> Result<Vec<f64>> {
    let rows: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Scores)
        .filter(Column::SweepId.eq(sweep.id))
        .filter(Column::Scores.ne("[]"))
        .into_tuple()
        .all(tx.connection())
        .await?;
    let scores = rows.iter().map(|text| serde_json::from_str::<Vec<f64>>(text).unwrap_or_default());
    Ok(scores.filter_map(|scores| scores.get(band).copied()).collect())
}
