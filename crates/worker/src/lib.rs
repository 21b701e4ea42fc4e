//! Does the jobs of the queue, and removes from the object store what nothing refers to.

pub mod fsck;
pub mod gc;
mod handlers;
mod runner;
#[cfg(test)]
mod runner_tests;
#[cfg(test)]
#[path = "../../domain/src/test_support.rs"]
mod test_support;

use std::time::Duration;

use counterweight_domain::retention::Retention;

pub use self::runner::Worker;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often the queue is asked when nothing woke the worker.
    pub poll: Duration,
    /// How long a job may go without a sign of life before another worker takes it. At least a minute, so
    /// that a few seconds between the clocks of two machines do not matter.
    pub lease: Duration,
    /// How many jobs run at once.
    pub concurrency: usize,
    /// The collection of bytes.
    pub gc: gc::Settings,
    /// How long a run may be silent before it counts as crashed.
    pub crash_after: Duration,
    /// How long a run may be silent after it announced that its machine is being taken away.
    pub preempt_grace: Duration,
    /// How long a run that has ended is left alone before its history becomes files to hand out.
    pub settle_after: Duration,
    /// How long what is deleted or archived by itself is kept, where nothing nearer says so.
    pub retention: Retention,
    /// Between two applications of the retention rules.
    pub retention_interval: Duration,
}
