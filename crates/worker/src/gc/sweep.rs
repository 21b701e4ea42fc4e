//! Unreachable becomes gone: first the bytes, then the row, so that a crash in between leaves a row to try
//! again by.

use std::collections::HashMap;
use std::time::Duration;

use counterweight_domain::blob::{self, Candidate, SweepCursor};
use counterweight_domain::{Result, Timestamp};
use counterweight_storage::ObjectKey;
use futures_util::future::OptionFuture;
use metrics::counter;

use super::{BATCH, Pass};

/// What the store said to a batch.
#[derive(Default)]
struct Answers {
    gone: Vec<Candidate>,
    failed: Vec<Candidate>,
}

impl Pass<'_> {
    pub(super) async fn sweep(&mut self) -> Result<()> {
        if self.dry_run {
            return self.name_due().await;
        }
        let (now, mut place) = (self.db.now(), SweepCursor::START);
        // Nothing at first, while the first batch is read.
        let (mut due, mut answers) = (Some(Vec::<Candidate>::new()), Answers::default());
        loop {
            // Whoever stops the pass is asked about before each batch.
            let batch = if self.goes_on().await? { due } else { None };
            let due_now = batch.as_deref().unwrap_or_default();
            let bytes = due_now.iter().map(|blob| blob.size_bytes).sum();
            let pause = self.settings.throttle.pause(due_now.len() as u64, bytes);
            // The store removes a batch while the rows of the one before are written and the one after is read.
            let (removed, written, next) = tokio::join!(
                self.remove(due_now),
                self.write_down(answers),
                OptionFuture::from(batch.is_some().then(|| self.next(now, &mut place, pause))),
            );
            self.count(written?);
            let Some(next) = next else { return Ok(()) };
            (due, answers) = (next?, removed);
        }
    }

    /// After a pause the next batch of what is due, less what is referred to after all; none where there is no more.
    async fn next(
        &self,
        now: Timestamp,
        place: &mut SweepCursor,
        pause: Duration,
    ) -> Result<Option<Vec<Candidate>>> {
        if !pause.is_zero() {
            self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        let batch = blob::due_for_sweep(self.db, now, *place, self.settings.throttle.batch(BATCH)).await?;
        let Some(last) = batch.last() else { return Ok(None) };
        *place = last.into();
        let (wanted, due): (Vec<_>, Vec<_>) = batch.into_iter().partition(|blob| blob.referenced);
        self.take_back(&wanted).await?;
        Ok(Some(due))
    }

    async fn name_due(&mut self) -> Result<()> {
        let due = blob::due_for_sweep(self.db, self.db.now(), SweepCursor::START, u64::MAX).await?;
        for blob in due.into_iter().filter(|blob| !blob.referenced) {
            self.report.swept += 1;
            self.report.bytes += blob.size_bytes;
            self.report.objects.push(blob.key);
        }
        Ok(())
    }

    async fn take_back(&self, wanted: &[Candidate]) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = wanted.iter().map(|blob| blob.id).collect();
        let tx = self.db.begin_write().await?;
        let revived = blob::revive(&tx, &ids).await?;
        tx.commit().await?;
        counter!("counterweight_gc_revived_total").increment(revived.len() as u64);
        tracing::error!(blobs = ?revived, "unreachable blobs were referred to; they are kept");
        Ok(())
    }

    async fn remove(&self, due: &[Candidate]) -> Answers {
        let keys: Vec<ObjectKey> = due.iter().map(|blob| blob.key.clone()).collect();
        let mut answers: HashMap<ObjectKey, _> = self.blobs.delete_many(&keys).await.into_iter().collect();
        let (gone, failed) = due.iter().cloned().partition(|blob| match answers.remove(&blob.key) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(object.key = %blob.key, error, "not removed");
                false
            }
            None => false,
        });
        Answers { gone, failed }
    }

    /// Answers what this pass has removed, and what it has not.
    async fn write_down(&self, Answers { mut gone, failed }: Answers) -> Result<Answers> {
        if !gone.is_empty() || !failed.is_empty() {
            let tx = self.db.begin_write().await?;
            let forgotten = blob::forget(&tx, &gone).await?;
            blob::sweep_failed(&tx, &failed).await?;
            tx.commit().await?;
            gone.retain(|blob| forgotten.contains(&blob.id));
        }
        Ok(Answers { gone, failed })
    }

    fn count(&mut self, Answers { gone, failed }: Answers) {
        let (objects, bytes) = (gone.len() as u64, gone.iter().map(|blob| blob.size_bytes).sum());
        let failed = failed.len() as u64;
        self.report.swept += objects;
        self.report.bytes += bytes;
        self.report.failed += failed;
        counter!("counterweight_gc_swept_total").increment(objects);
        counter!("counterweight_gc_swept_bytes_total").increment(bytes);
        counter!("counterweight_gc_failed_total").increment(failed);
    }
}
