//! Giving the space of deleted rows back to the disk.

use sea_orm::{ConnectionTrait as _, Statement};

use super::{Db, dialect};
use crate::error::{Error, Result};

impl Db {
    /// One step of it, short enough for writers to wait; answers whether there is more to give back.
    ///
    /// The log comes last: until it is emptied it has the rows as they were. A reader may hold that up; then the
    /// next time does it.
    pub async fn reclaim(&self) -> Result<bool> {
        let Some(reclaim) = dialect::reclaim(&self.writer) else { return Ok(false) };
        let unused = self.unused_pages(&reclaim.unused).await?;
        self.writer.query_all_raw(reclaim.step).await?;
        let left = self.unused_pages(&reclaim.unused).await?;
        if 0 < left && left < unused {
            return Ok(true);
        }
        self.writer.query_all_raw(reclaim.log).await?;
        Ok(false)
    }

    async fn unused_pages(&self, count: &Statement) -> Result<i64> {
        let row = self.writer.query_one_raw(count.clone()).await?;
        Ok(row.ok_or_else(|| Error::internal("a count without a row"))?.try_get_by_index(0)?)
    }
}
