//! Work whose process dies.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use counterweight_domain::Timestamp;
use counterweight_domain::clock::{Clock, ManualClock};
use futures_util::FutureExt as _;

/// A future that is dropped where it stands, as soon as it waits and `is_cut` says so.
pub(crate) struct Cut<F, C> {
    pub(crate) inner: Pin<Box<F>>,
    pub(crate) is_cut: C,
}

impl<F: Future, C: FnMut() -> bool + Unpin> Future for Cut<F, C> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.inner.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if (self.is_cut)() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

tokio::task_local! {
    /// How many more looks at the clock the process lives for; negative once it is dead.
    static LEFT: Arc<AtomicI64>;
}

/// Does `work` in a process that dies when it has looked at the clock so many times. As each transaction looks at it when
/// it begins, all places between two transactions are among these. None where it died.
pub(crate) async fn die_after<T>(looks: i64, work: impl Future<Output = T>) -> Option<T> {
    let left = Arc::new(AtomicI64::new(looks));
    let done = LEFT.scope(Arc::clone(&left), AssertUnwindSafe(work).catch_unwind()).await;
    match done {
        Err(panic) if left.load(Ordering::SeqCst) >= 0 => resume_unwind(panic),
        // Where only a request died, the server has answered for it.
        _ if left.load(Ordering::SeqCst) < 0 => None,
        done => done.ok(),
    }
}

/// A clock that moves when told to, at which processes die.
#[derive(Debug)]
pub(super) struct MortalClock(pub(super) ManualClock);

impl Clock for MortalClock {
    fn now(&self) -> Timestamp {
        // Whoever does not work for a mortal process has none left to count.
        let is_over = LEFT.try_with(|left| left.fetch_sub(1, Ordering::SeqCst) <= 0);
        if is_over == Ok(true) {
            resume_unwind(Box::new("the process died"));
        }
        self.0.now()
    }
}
