//! What a request carries to its resolvers.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;

use counterweight_domain::account::Caller;
use counterweight_domain::history::{Reader, RowBudget};
use counterweight_domain::retention::Retention;
use counterweight_domain::{Db, Error, WriteTx};
use counterweight_storage::BlobStore;

use crate::batches::Batches;
use crate::error::{OrGraphql, Result};
use crate::links::Links;
use crate::loaders::Loader;

/// Bytes of history that one answer may hold.
const MOST_ROW_BYTES: usize = 256 << 20;

/// Put into the data of each request.
#[expect(missing_debug_implementations, reason = "a data loader has none")]
pub struct RequestContext {
    pub(crate) db: Db,
    pub(crate) blobs: BlobStore,
    pub(crate) caller: Caller,
    pub(crate) links: Links,
    pub(crate) retention: Retention,
    /// Made per request, or answers for one caller would reach another.
    pub(crate) loader: DataLoader<Loader>,
    pub(crate) batches: Batches,
    pub(crate) reader: Reader,
    pub(crate) row_budget: Arc<RowBudget>,
}

impl RequestContext {
    /// The context of one request of `caller`.
    pub fn new(db: Db, blobs: BlobStore, caller: Caller, links: Links, retention: Retention) -> Self {
        let reader = Reader::new(db.clone(), blobs.clone());
        let row_budget = Arc::new(RowBudget::new(MOST_ROW_BYTES));
        let loader = Loader {
            db: db.clone(),
            caller: caller.clone(),
            reader: reader.clone(),
            row_budget: Arc::clone(&row_budget),
        };
        let batches = Batches::default();
        let begin = batches.clone();
        let loader = DataLoader::new(loader, move |batch| begin.add(batch)).delay(Duration::ZERO);
        Self { db, blobs, caller, links, retention, loader, batches, reader, row_budget }
    }

    /// Does in one transaction what `change` does with it, or nothing.
    pub(crate) async fn write<T>(
        &self,
        change: impl AsyncFnOnce(&WriteTx) -> counterweight_domain::Result<T>,
    ) -> Result<T> {
        let tx = self.db.begin_write().await.or_graphql()?;
        let done = change(&tx).await.or_graphql()?;
        tx.commit().await.or_graphql()?;
        Ok(done)
    }
}

/// Shortcut for resolvers.
pub(crate) trait ContextExt {
    /// The request's context.
    fn request(&self) -> Result<&RequestContext>;
}

impl ContextExt for Context<'_> {
    fn request(&self) -> Result<&RequestContext> {
        self.data_opt::<RequestContext>()
            .ok_or_else(|| Error::internal("a request without its context"))
            .or_graphql()
    }
}
