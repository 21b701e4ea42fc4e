//! What is told as it happens. Each subscription looks at one row again and again, and speaks when it has changed.

use std::time::Duration;

use async_graphql::{Context, ID, Subscription};
use counterweight_domain as domain;
use counterweight_domain::bulk::{self, BulkState};
use counterweight_domain::deletion::{self, DeletionState};
use futures_util::{Stream, StreamExt as _, stream};

use crate::context::ContextExt as _;
use crate::error::{OrGraphql as _, Result};
use crate::object::{BulkTask, Deletion};

/// How often a row is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// The root of all subscriptions.
#[derive(Debug, Default)]
pub struct Subscription;

#[Subscription]
impl Subscription {
    /// A change to many runs: as it stands, then whenever it has come further, until it has ended.
    async fn bulk_task_progress(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Result<BulkTask>>> {
        let request = ctx.request()?;
        let (db, caller) = (request.db.clone(), request.caller.clone());
        let look = move || {
            let (db, caller, id) = (db.clone(), caller.clone(), id.clone());
            async move {
                let found = bulk::find_task(&db, &caller, &id).await?;
                found.ok_or_else(|| domain::Error::not_found("bulk task", id.as_str()))
            }
        };
        let goes_on = |task: &bulk::BulkTask| matches!(task.state, BulkState::Underway | BulkState::Paused);
        Ok(follow(look, goes_on).await?.map(|task| task.map(BulkTask)))
    }

    /// A deletion: as it stands, then whenever it has come further, until what it is about is back or gone.
    async fn deletion_progress(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Result<Deletion>>> {
        let request = ctx.request()?;
        let (db, caller) = (request.db.clone(), request.caller.clone());
        let look = move || {
            let (db, caller, id) = (db.clone(), caller.clone(), id.clone());
            async move {
                let found = deletion::find(&db, &caller, &id).await?;
                found.ok_or_else(|| domain::Error::not_found("deletion", id.as_str()))
            }
        };
        let goes_on = |found: &deletion::Deletion| found.state == DeletionState::Pending;
        Ok(follow(look, goes_on).await?.map(|found| found.map(Deletion)))
    }
}

/// What `look` finds: at once, and whenever it has changed. Ends with what does not go on, or with an error.
async fn follow<T, F>(
    look: impl Fn() -> F + Send + 'static,
    goes_on: fn(&T) -> bool,
) -> Result<impl Stream<Item = Result<T>>>
where
    T: Clone + PartialEq + Send + 'static,
    F: Future<Output = domain::Result<T>> + Send,
{
    let first = look().await.or_graphql()?;
    let seen = Some(first.clone()).filter(goes_on);
    let later = stream::unfold((seen, look), move |(seen, look)| async move {
        let seen = seen?;
        loop {
            tokio::time::sleep(EVERY).await;
            match look().await.or_graphql() {
                Ok(found) if found == seen => {}
                Ok(found) => {
                    let seen = Some(found.clone()).filter(goes_on);
                    return Some((Ok(found), (seen, look)));
                }
                Err(error) => return Some((Err(error), (None, look))),
            }
        }
    });
    Ok(stream::once(async { Ok(first) }).chain(later))
}
