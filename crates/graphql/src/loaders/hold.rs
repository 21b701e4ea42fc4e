//! Holds, and what users call what is held.

use std::sync::Arc;

use counterweight_domain::Error;
use counterweight_domain::hold::{self, Hold, Subject};

use super::{Loaded, Loader};

/// What users call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PathOf(pub(crate) Subject);

impl async_graphql::dataloader::Loader<Subject> for Loader {
    type Value = Hold;
    type Error = Arc<Error>;

    async fn load(&self, subjects: &[Subject]) -> Loaded<Subject, Hold> {
        Ok(hold::get_active(&self.db, subjects).await?)
    }
}

impl async_graphql::dataloader::Loader<PathOf> for Loader {
    type Value = String;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[PathOf]) -> Loaded<PathOf, String> {
        let subjects: Vec<Subject> = keys.iter().map(|key| key.0).collect();
        let paths = hold::get_paths(&self.db, &subjects).await?;
        Ok(paths.into_iter().map(|(subject, path)| (PathOf(subject), path)).collect())
    }
}
