use counterweight_domain::account::{ApiKey, NewUser, create_user};

use super::{resources, say};
use crate::config::Config;

pub(super) async fn create(
    config: &Config,
    name: &str,
    admin: bool,
    api_key: Option<&str>,
) -> anyhow::Result<()> {
    let api_key = api_key.map(ApiKey::parse).transpose()?;
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let created = create_user(&tx, NewUser { name, admin, api_key }).await?;
    tx.commit().await?;
    // The key alone on stdout, so that a script can take it.
    say(created.api_key.reveal())
}
