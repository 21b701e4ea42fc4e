//! When the loads of a request are gathered into batches: once nothing else of the request can go on.
//!
//! A loader that waits for a moment instead splits its batch wherever the machine is slow, and is late where it is
//! fast.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_graphql::Response;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use futures_util::future::{BoxFuture, poll_fn};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::context::RequestContext;

/// The batches of one request that have not begun. They end with it.
#[derive(Clone, Default)]
pub(crate) struct Batches(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Batches {
    /// Takes a batch that begins when the request waits.
    pub(crate) fn add(&self, batch: BoxFuture<'static, ()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a request and its batches to the end of the request.
    async fn drive<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        let mut begun = FuturesUnordered::new();
        poll_fn(move |context| {
            loop {
                let signal =
                    Arc::new(Signal { woken: AtomicBool::new(false), task: context.waker().clone() });
                let waker = Waker::from(Arc::clone(&signal));
                if let Poll::Ready(answer) = request.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(answer);
                }
                // Woken already, so polled again: but through the runtime, which may have refused to let a long request
                // go on without a pause.
                if signal.woken.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
                begun.extend(self.take());
                if !matches!(begun.poll_next_unpin(context), Poll::Ready(Some(()))) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

/// Tells whether a request has more to do although it said that it waits.
struct Signal {
    woken: AtomicBool,
    task: Waker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// Runs the batches of each request.
pub(crate) struct RunBatches;

impl ExtensionFactory for RunBatches {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for RunBatches {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let execution = next.run(ctx, operation_name);
        match ctx.data_opt::<RequestContext>() {
            Some(request) => request.batches.drive(execution).await,
            None => execution.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_is_to_pause_is_not_held_up() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        (0..1000).for_each(|number| sender.send(number).unwrap());
        let all = async { while receiver.recv().await != Some(999) {} };
        Batches::default().drive(all).await;
    }

    #[tokio::test]
    async fn a_batch_begins_when_all_who_wait_for_it_have_said_so() {
        let batches = Batches::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let say = |word: String| order.lock().unwrap().push(word);
        let one = |number: usize| {
            let (batches, order) = (batches.clone(), Arc::clone(&order));
            async move {
                tokio::task::yield_now().await;
                let (answer, answered) = tokio::sync::oneshot::channel();
                batches.add(Box::pin(async move {
                    order.lock().unwrap().push("batch".to_owned());
                    answer.send(()).unwrap();
                }));
                say(format!("waits {number}"));
                answered.await.unwrap();
            }
        };
        batches.drive(futures_util::future::join_all((0..3).map(one))).await;
        assert_eq!(*order.lock().unwrap(), ["waits 0", "waits 1", "waits 2", "batch", "batch", "batch"]);
    }
}
