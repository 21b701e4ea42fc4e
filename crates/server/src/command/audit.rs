use std::path::Path;

use anyhow::{Context as _, bail};
use counterweight_domain::Error;
use counterweight_domain::audit::{self, Checked, Export};

use super::{resources, say};
use crate::config::Config;

/// Prints the chain after a position, up to now.
pub(super) async fn export(config: &Config, after: i64) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    while audit::seal(&db).await? {}
    let mut export = Export::begin(&db, after).await?;
    while let Some(lines) = export.next(&db).await? {
        say(&lines)?;
    }
    Ok(())
}

/// Checks an export, without a database.
pub(super) fn verify(file: &Path) -> anyhow::Result<()> {
    match audit::verify(&read(file)?) {
        Ok(Checked { entries, head }) => {
            say(&format!("{entries} entries fit together; the last has the hash {head}"))
        }
        Err(fault) => bail!("{}: {fault}", file.display()),
    }
}

/// What a file holds that was named on the command line.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let wrong = |error: std::io::Error| Error::invalid("FILE_INVALID", "FILE", error.to_string());
    std::fs::read(file).map_err(wrong).with_context(|| format!("cannot read {}", file.display()))
}
