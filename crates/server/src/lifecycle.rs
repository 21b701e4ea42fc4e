//! From start to stop: the one place that spawns the process's tasks and ends them.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The long-lived tasks of a process. When one of them ends or a signal comes, all are asked to end.
#[derive(Debug, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Lifecycle {
    /// Cancelled when the process is to stop.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that runs until [`Lifecycle::stop`] is cancelled.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Runs until SIGINT or SIGTERM, then gives the tasks `grace` to end. A second signal ends the wait.
    pub async fn run(self, grace: Duration) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        self.run_until(&mut signals, grace).await
    }

    async fn run_until(mut self, signals: &mut Signals, grace: Duration) -> anyhow::Result<()> {
        let mut result = tokio::select! {
            () = signals.next() => {
                tracing::info!(grace_seconds = grace.as_secs(), "stopping");
                Ok(())
            }
            Some(ended) = self.tasks.join_next() => outcome(ended),
        };
        self.stop.cancel();
        let drained = async {
            while let Some(ended) = self.tasks.join_next().await {
                let ended = outcome(ended);
                if result.is_ok() {
                    result = ended;
                }
            }
        };
        tokio::select! {
            () = drained => {}
            () = tokio::time::sleep(grace) => tracing::warn!("not everything ended in time"),
            () = signals.next() => tracing::warn!("stopped at once"),
        }
        result
    }
}

fn outcome(ended: Result<(&'static str, anyhow::Result<()>), JoinError>) -> anyhow::Result<()> {
    match ended {
        Ok((name, result)) => result.with_context(|| format!("the {name} failed")),
        Err(error) => Err(anyhow!(error).context("a task died")),
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_failing_task_stops_the_others() {
        let mut lifecycle = Lifecycle::default();
        let stop = lifecycle.stop();
        lifecycle.spawn("patient", async move {
            stop.cancelled().await;
            Ok(())
        });
        lifecycle.spawn("broken", async { Err(anyhow!("no disk")) });
        let error = lifecycle.run(GRACE).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the broken failed: no disk");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.spawn("broken", async { panic!("as planned") });
        assert!(lifecycle.run(GRACE).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_left_behind() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.spawn("stubborn", std::future::pending());
        lifecycle.spawn("done", async { Ok(()) });
        lifecycle.run(GRACE).await.unwrap();
    }
}
