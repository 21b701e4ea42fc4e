use counterweight_domain::account::{ApiKey, Email, NewUser, create_user};

use super::{resources, say};
use crate::config::Config;

pub(super) async fn create(
    config: &Config,
    name: &str,
    email: Option<&str>,
    admin: bool,
    api_key: Option<&str>,
) -> anyhow::Result<()> {
    let api_key = api_key.map(ApiKey::parse).transpose()?;
    let email = email.map(Email::parse).transpose()?;
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let created = create_user(&tx, NewUser { name, email, admin, api_key }).await?;
    tx.commit().await?;
    // The key alone on stdout, so that a script can take it.
    say(created.api_key.reveal())
}
