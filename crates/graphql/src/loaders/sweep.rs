//! What sweeps of an answer need.

use std::collections::HashMap;
use std::sync::Arc;

use counterweight_domain::Error;
use counterweight_domain::id::{AgentId, SweepId};
use counterweight_domain::sweep::{self, Totals};

use super::{Loaded, Loader};

/// What the runs of a sweep come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TotalsOf(pub(crate) SweepId);

/// How many runs an agent began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunsOf(pub(crate) AgentId);

impl async_graphql::dataloader::Loader<TotalsOf> for Loader {
    type Value = Totals;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[TotalsOf]) -> Loaded<TotalsOf, Totals> {
        let ids: Vec<SweepId> = keys.iter().map(|key| key.0).collect();
        let totals: HashMap<_, _> = sweep::get_totals(&self.db, &ids).await?;
        Ok(totals.into_iter().map(|(id, totals)| (TotalsOf(id), totals)).collect())
    }
}

impl async_graphql::dataloader::Loader<RunsOf> for Loader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RunsOf]) -> Loaded<RunsOf, i64> {
        let ids: Vec<AgentId> = keys.iter().map(|key| key.0).collect();
        let counts = sweep::count_runs_of_agents(&self.db, &ids).await?;
        Ok(counts.into_iter().map(|(id, runs)| (RunsOf(id), runs)).collect())
    }
}
