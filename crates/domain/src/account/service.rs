//! Service accounts: users of a team who are nobody's.
//!
//! Whoever administers the team may see the key again, since the client shows it as an attribute of the member. So the
//! key is not random: it is made from the account's id and a secret of the instance, and like every key only its hash is
//! stored.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::commands::{self, Account};
use super::{ApiKey, Caller, Entity, EntityKind, Role, User, keys, members, queries};
use crate::db::{Source, WriteTx};
use crate::error::{Error, Result};
use crate::id::UserId;

const SECRET: &str = "service accounts";

const LONGEST_DESCRIPTION: usize = 256;

/// Makes a service account of a team. Its administrators do that.
pub async fn create_service_account(
    tx: &WriteTx,
    caller: &Caller,
    team: &Entity,
    description: &str,
) -> Result<User> {
    members::require(tx, caller, team.id, Role::Admin).await?;
    if team.kind != EntityKind::Team {
        return Err(Error::invalid("ENTITY_INVALID", "entityName", "only a team has service accounts"));
    }
    if description.trim().is_empty() || description.len() > LONGEST_DESCRIPTION || description.contains('\0')
    {
        let reason = format!("1 to {LONGEST_DESCRIPTION} bytes and no NUL");
        return Err(Error::invalid("TEXT_INVALID", "description", reason));
    }
    let name = format!("service-{}", hex::encode(tx.env().bytes::<6>()));
    let account =
        Account { name: &name, full_name: description, email: None, admin: false, team_id: Some(team.id) };
    let (user_id, _) = commands::insert_user(tx, account).await?;
    members::join(tx, team, user_id, Role::Member).await?;
    let secret = commands::ensure_secret(tx, SECRET).await?;
    keys::store(tx, user_id, &key(&secret, user_id)?, Some(description.to_owned())).await?;
    queries::get_user(tx, user_id).await
}

pub(super) async fn find_secret(db: &impl Source) -> Result<Option<Vec<u8>>> {
    commands::find_secret(db, SECRET).await
}

/// The key that a service account is made with.
pub(super) fn key(secret: &[u8], user: UserId) -> Result<ApiKey> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::internal)?;
    mac.update(&user.0.to_be_bytes());
    let digest = hex::encode(mac.finalize().into_bytes());
    ApiKey::parse(&digest[..40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_of_account_and_secret() {
        let made = |secret: &[u8], user| key(secret, UserId(user)).unwrap().reveal().to_owned();
        assert_eq!(made(b"secret", 1), made(b"secret", 1));
        assert_ne!(made(b"secret", 1), made(b"secret", 2));
        assert_ne!(made(b"secret", 1), made(b"other", 1));
    }
}
