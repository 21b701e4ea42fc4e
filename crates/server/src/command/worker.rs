use counterweight_domain::Db;
use counterweight_storage::BlobStore;
use counterweight_worker::gc::Throttle;
use counterweight_worker::{Settings, Worker, gc};
use tokio_util::sync::CancellationToken;

use super::resources;
use crate::config::Config;
use crate::lifecycle::Lifecycle;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    let blobs = resources::open_objects(config)?;
    let mut lifecycle = Lifecycle::default();
    lifecycle.spawn("worker", work(config, db, blobs, lifecycle.stop()));
    lifecycle.run(config.server.shutdown_grace).await
}

/// Works until `stop`.
pub(super) fn work(
    config: &Config,
    db: Db,
    blobs: BlobStore,
    stop: CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let worker = Worker::new(db, blobs, settings(config));
    async move {
        worker.run(stop).await;
        Ok(())
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        poll: config.worker.poll,
        lease: config.worker.lease,
        concurrency: config.worker.concurrency,
        gc: gc_settings(config),
        crash_after: config.runs.crash_after,
        preempt_grace: config.runs.preempt_grace,
        settle_after: config.history.settle_after,
        retention: config.retention.periods(),
        retention_interval: config.retention.interval,
    }
}

pub(super) fn gc_settings(config: &Config) -> gc::Settings {
    gc::Settings {
        interval: config.gc.interval,
        grace: config.gc.grace,
        min_age: config.gc.min_age,
        upload_window: config.gc.upload_window,
        throttle: Throttle {
            objects_per_second: config.gc.objects_per_second,
            bytes_per_second: config.gc.bytes_per_second,
        },
    }
}
