use counterweight_domain::Error;
use counterweight_domain::account::{self, EntityKind, Role};

use super::organization::{self, find_user};
use super::{resources, say};
use crate::config::Config;

pub(super) async fn create(
    config: &Config,
    name: &str,
    organization: &str,
    admin: Option<&str>,
) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let organization = organization::find(&tx, organization).await?;
    let team = account::found_team(&tx, name, Some(&organization)).await?;
    if let Some(admin) = admin {
        account::admit(&tx, &team, &find_user(&tx, admin).await?, Role::Admin).await?;
    }
    tx.commit().await?;
    say(&format!("team {name:?} of organization {:?}", organization.name))
}

pub(super) async fn add_member(config: &Config, name: &str, user: &str, role: &str) -> anyhow::Result<()> {
    let role = Role::parse("--role", role)?;
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let team = account::entity_named(&tx, name).await?.filter(|entity| entity.kind == EntityKind::Team);
    let team = team.ok_or_else(|| Error::not_found("team", name))?;
    account::admit(&tx, &team, &find_user(&tx, user).await?, role).await?;
    tx.commit().await?;
    say(&format!("{user} is {} of team {name:?}", role.as_str()))
}
