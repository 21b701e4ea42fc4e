//! Unreachable becomes gone: first the bytes, then the row, so that a crash in between leaves a row to try
//! again by.

use std::collections::HashMap;

use counterweight_domain::blob::{self, Candidate, SweepCursor};
use counterweight_domain::{Result, Timestamp};
use counterweight_storage::ObjectKey;
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
        let (now, throttle) = (self.db.now(), self.settings.throttle);
        let (mut place, mut answers) = (SweepCursor::START, Answers::default());
        loop {
            let due = self.next(now, &mut place).await?;
            // The store removes a batch while the rows of the one before are written.
            let remove = self.remove(due.as_deref().unwrap_or_default());
            let (removed, written) = tokio::join!(remove, self.write_down(answers));
            self.count(written?);
            let Some(due) = due else { return Ok(()) };
            answers = removed;
            let pause = throttle.pause(due.len() as u64, due.iter().map(|blob| blob.size_bytes).sum());
            if !pause.is_zero() {
                // Whoever stops the pass is asked about by the next batch.
                self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            }
        }
    }

    /// The next batch of what is due, less what is referred to after all; none where the pass comes to its end.
    async fn next(&self, now: Timestamp, place: &mut SweepCursor) -> Result<Option<Vec<Candidate>>> {
        if !self.goes_on().await? {
            return Ok(None);
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
