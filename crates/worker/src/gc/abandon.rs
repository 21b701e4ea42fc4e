//! Parts of uploads that nobody will put together: their writer is gone, or their server was killed.

use counterweight_domain::{Error, Result};
use futures_util::TryStreamExt as _;

use super::Pass;

impl Pass<'_> {
    /// Aborts uploads in parts that began before the upload window.
    pub(super) async fn abandon(&mut self) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let before = self.db.now().before(self.settings.upload_window);
        let mut unfinished = self.blobs.list_unfinished(before.0);
        while !self.stop.is_cancelled()
            && let Some(found) = unfinished.try_next().await.map_err(Error::unavailable)?
        {
            self.blobs.abort_multipart(&found.key, &found.upload).await.map_err(Error::unavailable)?;
        }
        Ok(())
    }
}
