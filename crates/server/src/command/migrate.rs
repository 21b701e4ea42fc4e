use super::{resources, say};
use crate::config::Config;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    resources::open_database(config).await?;
    say("The database is up to date.")
}
