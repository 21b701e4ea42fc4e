use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition};

use super::{Role, User};
use crate::entity::member;
use crate::error::{Error, Result};
use crate::history::WriterId;
use crate::id::{EntityId, UserId};

/// Who is asking. Every lookup takes one and finds only what it may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The signed-in user.
    pub user_id: UserId,
    /// What "my" means where no entity is named: a person's own entity, a service account's team.
    pub entity_id: EntityId,
    /// The name that they sign in with.
    pub username: String,
    /// Whether they administer the instance.
    pub admin: bool,
    team_id: Option<EntityId>,
    uses_privileges: bool,
    speaks_for: Option<Identity>,
    writer: Option<WriterId>,
}

/// A user, by what others know of them. Either part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name of their personal entity.
    pub username: Option<String>,
    /// Where to reach them.
    pub email: Option<String>,
}

/// Who may be spoken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principals {
    /// Every user.
    Anyone,
    /// The members of a team.
    MembersOf(EntityId),
}

impl From<User> for Caller {
    fn from(user: User) -> Self {
        let entity_id = user.home_id();
        let User { id, username, admin, team_id, .. } = user;
        Self {
            user_id: id,
            entity_id,
            username,
            admin,
            team_id,
            uses_privileges: false,
            speaks_for: None,
            writer: None,
        }
    }
}

impl Caller {
    /// The same caller, who now reaches the projects of all entities, if they administer the instance.
    #[must_use]
    pub fn with_privileges(self) -> Self {
        Self { uses_privileges: true, ..self }
    }

    /// The same caller, whose new runs are that user's, if there is such a user and the caller may speak for them.
    #[must_use]
    pub fn speaking_for(self, identity: Identity) -> Self {
        Self { speaks_for: Some(identity), ..self }
    }

    /// The same caller, as one of several writers of a run.
    #[must_use]
    pub fn writing_as(self, writer: WriterId) -> Self {
        Self { writer: Some(writer), ..self }
    }

    /// Which of several writers of a run this is, in shared mode.
    pub(crate) fn writer(&self) -> Option<&WriterId> {
        self.writer.as_ref()
    }

    /// Whether this caller reaches the projects of all entities.
    pub fn reaches_all(&self) -> bool {
        self.admin && self.uses_privileges
    }

    /// Refuses who does not administer the instance.
    pub fn require_administrator(&self) -> Result<()> {
        if self.admin { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// Whom this caller wants to speak for, and among whom they may: an administrator for anyone, a service account for
    /// the members of its team.
    pub(super) fn speaks_for(&self) -> Option<(&Identity, Principals)> {
        let principals = match self.team_id {
            _ if self.admin => Principals::Anyone,
            Some(team) => Principals::MembersOf(team),
            None => return None,
        };
        Some((self.speaks_for.as_ref()?, principals))
    }

    /// That the entity in `column` is one that this caller belongs to: their own, a team, an organization.
    pub(crate) fn may_see(&self, column: impl ColumnTrait) -> Condition {
        let all = Condition::all();
        if self.reaches_all() { all } else { all.add(column.in_subquery(self.entities())) }
    }

    /// The entities that this caller belongs to. Looked up with every statement rather than remembered, so that who is
    /// shut out is out at once.
    pub(crate) fn entities(&self) -> SelectStatement {
        // Plan: the primary key of member.
        let mut entities = Query::select();
        entities
            .column(member::Column::EntityId)
            .from(member::Entity)
            .and_where(member::Column::UserId.eq(self.user_id));
        entities
    }

    /// Those of them in which they are administrators.
    pub(crate) fn administered_entities(&self) -> SelectStatement {
        self.entities().and_where(member::Column::Role.eq(Role::Admin)).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(admin: bool, team_id: Option<EntityId>) -> Caller {
        let username = "ada".to_owned();
        let user = User {
            id: UserId(1),
            entity_id: EntityId(1),
            full_name: username.clone(),
            username,
            email: None,
            admin,
            team_id,
            team_name: team_id.map(|_| "team".to_owned()),
        };
        Caller::from(user)
    }

    #[test]
    fn only_an_administrator_who_asks_for_it_reaches_everything() {
        assert!(caller(true, None).with_privileges().reaches_all());
        assert!(!caller(true, None).reaches_all());
        assert!(!caller(false, None).with_privileges().reaches_all());
    }

    #[test]
    fn only_administrators_and_service_accounts_speak_for_others() {
        let grace = Identity { username: Some("grace".to_owned()), email: None };
        let wanted = |caller: Caller| {
            caller.speaking_for(grace.clone()).speaks_for().map(|(_, principals)| principals)
        };
        assert_eq!(wanted(caller(true, None)), Some(Principals::Anyone));
        assert_eq!(wanted(caller(false, Some(EntityId(2)))), Some(Principals::MembersOf(EntityId(2))));
        assert_eq!(wanted(caller(false, None)), None);
        assert_eq!(caller(true, None).speaks_for(), None);
    }

    #[test]
    fn a_service_account_is_at_home_in_its_team() {
        assert_eq!(caller(false, None).entity_id, EntityId(1));
        assert_eq!(caller(false, Some(EntityId(2))).entity_id, EntityId(2));
    }
}
