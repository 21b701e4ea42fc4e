//! Work whose process dies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
