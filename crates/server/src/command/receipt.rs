use std::path::Path;

use anyhow::bail;
use counterweight_domain::{Error, audit, receipt};

use super::audit::read;
use super::{resources, say};
use crate::config::Config;

/// Prints the receipt of a deletion.
pub(super) async fn export(config: &Config, deletion_id: &str) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    while audit::seal(&db).await? {}
    let found = receipt::get(&db, deletion_id).await?;
    receipt::write(&db, &found, &mut |line| {
        let text = String::from_utf8_lossy(line);
        say(&text).map_err(|error| Error::unavailable(error.into_boxed_dyn_error()))
    })
    .await?;
    Ok(())
}

/// Checks a receipt, without a database.
pub(super) fn verify(file: &Path) -> anyhow::Result<()> {
    match receipt::verify(&read(file)?) {
        Ok(proven) => say(&format!(
            "the receipt of deletion {} is whole: {} objects removed, {} kept; its entry is at position {} of the chain \
             and has the hash {}",
            proven.deletion_id, proven.removed, proven.kept, proven.position, proven.hash
        )),
        Err(fault) => bail!("{}: {fault}", file.display()),
    }
}
