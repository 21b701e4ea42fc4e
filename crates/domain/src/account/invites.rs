//! Asking people into a team: users at once, others as soon as they are users.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, NotSet, QueryFilter as _, QueryOrder as _, Set,
};

use super::commands::taken;
use super::{Caller, Email, Entity, Invite, Role, User, members, queries};
use crate::db::{Source, WriteTx};
use crate::entity::invite::{self, Column};
use crate::entity::{entity, member};
use crate::error::{Error, Result};
use crate::id::{InviteId, UserId};

/// Who is asked.
#[derive(Clone, Debug)]
pub enum Invitee {
    /// A user, by name.
    Username(String),
    /// Whoever has or will have this address.
    Email(Email),
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Invited {
    /// They are a member now.
    Joined(User),
    /// There is no such user yet.
    Waiting(Invite),
}

/// Asks someone into a team or an organization. `Conflict` where they are in it, or were asked before.
pub async fn invite(
    tx: &WriteTx,
    caller: &Caller,
    to: &Entity,
    whom: Invitee,
    role: Role,
) -> Result<Invited> {
    members::require(tx, caller, to.id, Role::Admin).await?;
    let found = match &whom {
        Invitee::Username(name) => {
            let found = queries::user_named(tx, name).await?;
            Some(found.ok_or_else(|| Error::not_found("user", name))?)
        }
        Invitee::Email(email) => queries::user_of(tx, email).await?,
    };
    if let Some(user) = found {
        if member::Entity::find_by_id((user.id, to.id)).one(tx.connection()).await?.is_some() {
            return Err(Error::Conflict { reason: format!("{} is a member already", user.username) });
        }
        members::admit(tx, to, &user, role).await?;
        return Ok(Invited::Joined(user));
    }
    let Invitee::Email(email) = whom else { return Err(Error::internal("a user without a name")) };
    let fresh = invite::ActiveModel {
        id: NotSet,
        entity_id: Set(to.id),
        email: Set(email),
        role: Set(role),
        created_at: Set(tx.now()),
    };
    let twice = |error| taken(error, "this address was invited before".to_owned());
    Ok(Invited::Waiting(fresh.insert(tx.connection()).await.map_err(twice)?))
}

/// Takes back an invitation, or shuts a member out again.
pub async fn uninvite(tx: &WriteTx, caller: &Caller, from: &Entity, id: &str) -> Result<()> {
    let missing = || Error::not_found("invite", id);
    if let Some(user) = UserId::from_node_id(id) {
        return members::remove_member_by_id(tx, caller, from, user).await;
    }
    members::require(tx, caller, from.id, Role::Admin).await?;
    let id = InviteId::from_node_id(id).ok_or_else(missing)?;
    let gone =
        invite::Entity::delete_by_id(id).filter(Column::EntityId.eq(from.id)).exec(tx.connection()).await?;
    if gone.rows_affected == 0 { Err(missing()) } else { Ok(()) }
}

/// Lets a new user in where their address was invited.
pub(super) async fn accept(tx: &WriteTx, user: UserId, email: &Email) -> Result<()> {
    // Plan: ix_invite_email.
    let waiting = invite::Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .order_by_asc(Column::EntityId)
        .all(tx.connection())
        .await?;
    for invite in waiting {
        let to = entity::Entity::find_by_id(invite.entity_id).one(tx.connection()).await?;
        let to = to.ok_or_else(|| Error::internal("an invitation to nothing"))?;
        members::join(tx, &to, user, invite.role).await?;
        invite::Entity::delete_by_id(invite.id).exec(tx.connection()).await?;
    }
    Ok(())
}
