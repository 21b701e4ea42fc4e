//! Parts of uploads that nobody will put together: their writer is gone, or their server was killed.

use counterweight_storage::StorageError;
use futures_util::TryStreamExt as _;

use super::Pass;

impl Pass<'_> {
    /// Aborts uploads in parts that began before the upload window. What the store refuses now is tried again by the next
    /// pass.
    pub(super) async fn abandon(&self) {
        if self.dry_run {
            return;
        }
        if let Err(error) = self.abort_unfinished().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "unfinished uploads were not aborted");
        }
    }

    async fn abort_unfinished(&self) -> Result<(), StorageError> {
        let before = self.db.now().before(self.settings.upload_window);
        let mut unfinished = self.blobs.list_unfinished(before.0);
        while !self.stop.is_cancelled()
            && let Some(found) = unfinished.try_next().await?
        {
            self.blobs.abort_multipart(&found.key, &found.upload).await?;
        }
        Ok(())
    }
}
