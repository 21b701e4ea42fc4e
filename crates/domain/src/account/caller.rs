use sea_orm::{ColumnTrait, Condition};

use super::User;
use crate::history::WriterId;
use crate::id::{EntityId, UserId};
use crate::project::Project;

/// Who is asking. Every lookup takes one and finds only what it may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The signed-in user.
    pub user_id: UserId,
    /// Their personal entity: what "my" means where no entity is named.
    pub entity_id: EntityId,
    /// Its name.
    pub username: String,
    /// Whether they administer the instance.
    pub admin: bool,
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

impl From<User> for Caller {
    fn from(user: User) -> Self {
        let User { id, entity_id, username, admin, full_name: _, email: _ } = user;
        Self {
            user_id: id,
            entity_id,
            username,
            admin,
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

    /// The same caller, whose new runs are that user's, if the caller administers the instance and there is such a user.
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

    /// Whom this caller speaks for, if they may.
    pub(super) fn speaks_for(&self) -> Option<&Identity> {
        self.speaks_for.as_ref().filter(|_| self.admin)
    }

    /// Whether this caller decides about what only a project's administrators may change.
    pub(crate) fn administers(&self, project: &Project) -> bool {
        self.reaches_all() || project.entity_id == self.entity_id
    }

    /// That the entity in `column` is one whose projects this caller reads and writes.
    pub(crate) fn may_see(&self, column: impl ColumnTrait) -> Condition {
        let all = Condition::all();
        if self.reaches_all() { all } else { all.add(column.eq(self.entity_id)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(admin: bool) -> Caller {
        let username = "ada".to_owned();
        let user = User {
            id: UserId(1),
            entity_id: EntityId(1),
            full_name: username.clone(),
            username,
            email: None,
            admin,
        };
        Caller::from(user)
    }

    #[test]
    fn only_an_administrator_who_asks_for_it_reaches_everything() {
        assert!(caller(true).with_privileges().reaches_all());
        assert!(!caller(true).reaches_all());
        assert!(!caller(false).with_privileges().reaches_all());
    }

    #[test]
    fn only_an_administrator_speaks_for_others() {
        let grace = Identity { username: Some("grace".to_owned()), email: None };
        assert_eq!(caller(true).speaking_for(grace.clone()).speaks_for(), Some(&grace));
        assert_eq!(caller(false).speaking_for(grace).speaks_for(), None);
        assert_eq!(caller(true).speaks_for(), None);
    }
}
