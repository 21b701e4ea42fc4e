//! Unwanted becomes unreachable.

use counterweight_domain::Result;
use counterweight_domain::blob::{self, BlobState, Candidate, Cursor, Doom};
use metrics::counter;

use super::{BATCH, Pass};

impl Pass<'_> {
    /// Uploads that were announced and never came.
    pub(super) async fn expire(&mut self) -> Result<()> {
        let unused_since = self.db.now().before(self.settings.upload_window);
        self.doom("expire", Doom { state: BlobState::Pending, unused_since }).await
    }

    /// Bytes that nothing refers to.
    pub(super) async fn mark(&mut self) -> Result<()> {
        let unused_since = self.db.now().before(self.settings.min_age);
        self.doom("mark", Doom { state: BlobState::Live, unused_since }).await
    }

    /// What an administrator wanted gone at once does not wait for the grace.
    pub(super) async fn hurry(&self) -> Result<()> {
        let mut more = !self.dry_run;
        while more && self.goes_on().await? {
            let tx = self.db.begin_write().await?;
            more = blob::hurry(&tx, BATCH).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn doom(&mut self, phase: &'static str, which: Doom) -> Result<()> {
        let mut after = Cursor::START;
        while self.goes_on().await? {
            let batch = blob::candidates(self.db, which, after, BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = last.into();
            self.report.scanned += batch.len() as u64;
            let unwanted: Vec<Candidate> = batch.into_iter().filter(|blob| !blob.referenced).collect();
            if self.dry_run {
                self.report.doomed += unwanted.len() as u64;
                self.report.objects.extend(unwanted.into_iter().map(|blob| blob.key));
            } else if !unwanted.is_empty() {
                let ids: Vec<_> = unwanted.iter().map(|blob| blob.id).collect();
                let tx = self.db.begin_write().await?;
                let doomed =
                    blob::doom(&tx, which, &ids, tx.now().after(self.settings.grace)).await?.len() as u64;
                tx.commit().await?;
                self.report.doomed += doomed;
                counter!("counterweight_gc_doomed_total", "phase" => phase).increment(doomed);
            }
        }
        Ok(())
    }
}
