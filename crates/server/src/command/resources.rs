use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use counterweight_domain::{Db, Env, Error};
use counterweight_storage::BlobStore;
use url::Url;

use crate::config::Config;

/// Opens the database and brings it up to date.
pub(super) async fn open_database(config: &Config) -> anyhow::Result<Db> {
    let db = connect(config).await?;
    let migrated = counterweight_migrations::migrate(db.migration_connection()).await;
    migrated.map_err(Error::from).context("cannot bring the database up to date")?;
    Ok(db)
}

/// Opens the database as it is.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Db> {
    make_data_folder(config)?;
    let db = Db::connect(&config.database_url(), config.database.connections, Env::system()).await;
    db.with_context(|| format!("cannot open the database {}", config.database_name()))
}

/// Opens the object store.
pub(super) fn open_objects(config: &Config) -> anyhow::Result<BlobStore> {
    make_data_folder(config)?;
    let url = match config.object_store() {
        Some(url) => url.to_owned(),
        None => folder_url(&config.objects_folder())?,
    };
    BlobStore::open(&url).with_context(|| format!("cannot open the object store {url}"))
}

fn folder_url(folder: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(folder)?;
    let url = Url::from_file_path(&absolute);
    Ok(url.map_err(|()| anyhow::anyhow!("{} is not a folder's name", absolute.display()))?.into())
}

/// For its owner alone: it holds everyone's runs, and the secret of the URLs.
fn make_data_folder(config: &Config) -> anyhow::Result<()> {
    if !config.uses_data_folder() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.data);
    made.with_context(|| format!("cannot make the data folder {}", config.data.display()))
}
