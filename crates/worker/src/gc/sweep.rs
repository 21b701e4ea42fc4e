//! Unreachable becomes gone: first the bytes, then the row, so that a crash in between leaves a row to try
//! again by.

use std::collections::HashMap;

use counterweight_domain::Result;
use counterweight_domain::blob::{self, Candidate};
use counterweight_storage::ObjectKey;
use metrics::counter;

use super::{BATCH, Pass};

impl Pass<'_> {
    pub(super) async fn sweep(&mut self) -> Result<()> {
        if self.dry_run {
            return self.name_due().await;
        }
        // Every blob of a batch leaves the list: swept, taken back, or put off. So no blob is met twice in a
        // pass.
        let now = self.db.now();
        let throttle = self.settings.throttle;
        while self.goes_on().await? {
            let batch = blob::due_for_sweep(self.db, now, throttle.batch(BATCH)).await?;
            if batch.is_empty() {
                break;
            }
            let (wanted, due): (Vec<_>, Vec<_>) = batch.into_iter().partition(|blob| blob.referenced);
            self.take_back(&wanted).await?;
            self.remove(&due).await?;
            let pause = throttle.pause(due.len() as u64, due.iter().map(|blob| blob.size_bytes).sum());
            if !pause.is_zero() && self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn name_due(&mut self) -> Result<()> {
        let due = blob::due_for_sweep(self.db, self.db.now(), u64::MAX).await?;
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

    async fn remove(&mut self, due: &[Candidate]) -> Result<()> {
        if due.is_empty() {
            return Ok(());
        }
        let keys: Vec<ObjectKey> = due.iter().map(|blob| blob.key.clone()).collect();
        let mut answers: HashMap<ObjectKey, _> = self.blobs.delete_many(&keys).await.into_iter().collect();
        let (mut gone, mut failed) = (Vec::new(), Vec::new());
        for blob in due {
            match answers.remove(&blob.key) {
                Some(Ok(())) => gone.push(blob),
                Some(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(object.key = %blob.key, error, "not removed");
                    failed.push(blob);
                }
                None => failed.push(blob),
            }
        }
        let tx = self.db.begin_write().await?;
        let forgotten = blob::forget(&tx, &gone).await?;
        blob::sweep_failed(&tx, &failed).await?;
        tx.commit().await?;
        self.count(due.iter().filter(|blob| forgotten.contains(&blob.id)), failed.len() as u64);
        Ok(())
    }

    fn count<'b>(&mut self, swept: impl Iterator<Item = &'b Candidate>, failed: u64) {
        let (objects, bytes) =
            swept.fold((0, 0), |(objects, bytes), blob| (objects + 1, bytes + blob.size_bytes));
        self.report.swept += objects;
        self.report.bytes += bytes;
        self.report.failed += failed;
        counter!("counterweight_gc_swept_total").increment(objects);
        counter!("counterweight_gc_swept_bytes_total").increment(bytes);
        counter!("counterweight_gc_failed_total").increment(failed);
    }
}
