use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use counterweight_domain::{Db, Env};
use url::Url;

use super::{resources, say};
use crate::config::Config;
use crate::problem::chain;

/// What leases of jobs allow for.
const MOST_SKEW: Duration = Duration::from_secs(5);

/// Checks one thing after the other and goes on after a failure, so that one run tells everything.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let checks = [
        ("database", config.database_name(), check_database(config).await),
        ("object store", config.object_store_name(), check_objects(config).await),
    ];
    let mut failed = Vec::new();
    for (part, place, outcome) in &checks {
        match outcome {
            Ok(found) => say(&line("ok", part, place, found))?,
            Err(error) => {
                say(&line("failed", part, place, &chain(error.as_ref())))?;
                failed.push(*part);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} failed", failed.join(" and "))
}

fn line(verdict: &str, part: &str, place: &str, found: &impl Display) -> String {
    format!("{verdict:<7} {part:<13} {place}: {found}")
}

async fn check_database(config: &Config) -> anyhow::Result<String> {
    let db = open_database(config).await?;
    let skew = db.clock_skew().await?;
    if skew > MOST_SKEW {
        bail!(
            "its clock and this machine's are {} s apart, more than {} s",
            skew.as_secs(),
            MOST_SKEW.as_secs()
        );
    }
    Ok(match counterweight_migrations::count_pending(db.migration_connection()).await? {
        0 => "answers, and is up to date".to_owned(),
        n => format!("answers; migrations to apply: {n}, which `migrate` and `serve` do"),
    })
}

/// Opens the database as it is, and makes none.
pub(super) async fn open_database(config: &Config) -> anyhow::Result<Db> {
    let (url, connections) = (config.database_url(), config.database.connections);
    let db = Db::connect_existing(&url, connections, Env::system()).await;
    db.with_context(|| format!("cannot open the database {}", config.database_name()))
}

async fn check_objects(config: &Config) -> anyhow::Result<String> {
    if let Some(folder) = objects_folder(config)
        && !folder.exists()
    {
        bail!("the folder is missing; `serve` makes it");
    }
    let blobs = resources::open_objects(config)?;
    blobs.probe().await.context("cannot write, read and delete an object")?;
    Ok("writes, reads and deletes".to_owned())
}

/// The folder of the objects, if that is where they are.
fn objects_folder(config: &Config) -> Option<PathBuf> {
    match config.object_store() {
        Some(url) => Url::parse(url).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok(),
        None => Some(config.objects_folder()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::gc;
    use crate::config::{Flags, load};

    #[tokio::test]
    async fn looking_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let variables = [("COUNTERWEIGHT_DATA".to_owned(), data.display().to_string())];
        let config = load(Flags::default(), variables).unwrap();
        assert_eq!(run(&config).await.unwrap_err().to_string(), "database and object store failed");
        let error = gc::run(&config, true).await.unwrap_err();
        assert!(chain(error.as_ref()).contains("counterweight.db is missing"), "{error:#}");
        assert!(!data.exists());
        gc::run(&config, false).await.unwrap();
        gc::run(&config, true).await.unwrap();
        run(&config).await.unwrap();
    }

    #[tokio::test]
    async fn a_dry_run_does_not_migrate() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("COUNTERWEIGHT_DATA".to_owned(), folder.path().display().to_string())];
        let config = load(Flags::default(), variables).unwrap();
        resources::connect(&config).await.unwrap();
        let error = gc::run(&config, true).await.unwrap_err();
        assert!(error.to_string().contains("migrations to apply"), "{error:#}");
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        run(&config).await.unwrap();
        let db = open_database(&config).await.unwrap();
        assert!(counterweight_migrations::count_pending(db.migration_connection()).await.unwrap() > 0);
    }
}
