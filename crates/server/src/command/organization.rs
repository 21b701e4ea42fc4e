use counterweight_domain::account::{self, Organization, Role, User};
use counterweight_domain::{Error, Result, WriteTx};

use super::{resources, say};
use crate::config::Config;

pub(super) async fn create(
    config: &Config,
    name: &str,
    entity: Option<&str>,
    admin: Option<&str>,
) -> anyhow::Result<()> {
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let (organization, entity) = account::create_organization(&tx, name, entity).await?;
    if let Some(admin) = admin {
        account::admit(&tx, &entity, &find_user(&tx, admin).await?, Role::Admin).await?;
    }
    tx.commit().await?;
    say(&format!("organization {:?}, entity {:?}", organization.name, entity.name))
}

pub(super) async fn add_member(config: &Config, name: &str, user: &str, role: &str) -> anyhow::Result<()> {
    let role = Role::parse("--role", role)?;
    let db = resources::open_database(config).await?;
    let tx = db.begin_write().await?;
    let organization = find(&tx, name).await?;
    let entity = account::get_entities(&tx, &[organization.entity_id]).await?.remove(&organization.entity_id);
    let entity = entity.ok_or_else(|| Error::internal("an organization without its entity"))?;
    account::admit(&tx, &entity, &find_user(&tx, user).await?, role).await?;
    tx.commit().await?;
    say(&format!("{user} is {} of organization {:?}", role.as_str(), organization.name))
}

/// The organization of that name, or whose entity has it.
pub(super) async fn find(tx: &WriteTx, name: &str) -> Result<Organization> {
    account::organization_named(tx, name).await?.ok_or_else(|| Error::not_found("organization", name))
}

pub(super) async fn find_user(tx: &WriteTx, name: &str) -> Result<User> {
    account::user_named(tx, name).await?.ok_or_else(|| Error::not_found("user", name))
}
