//! Which rules will take runs.

use std::sync::Arc;

use counterweight_domain::Error;
use counterweight_domain::id::RunId;
use counterweight_domain::retention::{self, Fate};

use super::{Loaded, Loader};

/// The rule that will be the first to take a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FateOf(pub(crate) RunId);

impl async_graphql::dataloader::Loader<FateOf> for Loader {
    type Value = Fate;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[FateOf]) -> Loaded<FateOf, Fate> {
        let ids: Vec<RunId> = keys.iter().map(|key| key.0).collect();
        let fates = retention::get_fates(&self.db, &ids).await?;
        Ok(fates.into_iter().map(|(run, fate)| (FateOf(run), fate)).collect())
    }
}
