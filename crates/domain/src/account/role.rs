//! What a member may do. Pure.

use sea_orm::{DeriveActiveEnum, EnumIter, Iterable as _};

use crate::error::{Error, Result};

/// What a member may do, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Role {
    /// Reads. The client's word; here the same as a viewer.
    RestrictedViewer,
    /// Reads.
    Viewer,
    /// Reads and writes.
    Member,
    /// Also says who else may.
    Admin,
}

impl Role {
    /// Reads the client's word for it.
    pub fn parse(field: &'static str, text: &str) -> Result<Self> {
        let words = || Self::iter().map(Self::as_str);
        Self::iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let words = words().collect::<Vec<_>>().join(", ");
            Error::invalid("ROLE_INVALID", field, format!("a role is one of {words}"))
        })
    }

    /// The client's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestrictedViewer => "restricted_viewer",
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// Whether what is there may be changed.
    pub fn may_write(self) -> bool {
        self >= Self::Member
    }
}

/// What is known of someone's part in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Their role in the entity that owns the project.
    pub(crate) in_entity: Role,
    /// The role that they were given in the project itself.
    pub(crate) own: Option<Role>,
    /// The best role that one of their teams was given in it.
    pub(crate) by_team: Option<Role>,
    /// Whether only those may see the project who were given a role in it.
    pub(crate) restricted: bool,
}

impl Standing {
    /// The role that counts, if any: that of an administrator of the entity; else what was given in the project, to the
    /// user before their teams; else the role in the entity.
    pub(crate) fn role(self) -> Option<Role> {
        if self.in_entity == Role::Admin {
            return Some(Role::Admin);
        }
        self.own.or(self.by_team).or((!self.restricted).then_some(self.in_entity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_the_clients_words() {
        for role in Role::iter() {
            assert_eq!(Role::parse("role", role.as_str()).unwrap(), role);
        }
        assert_eq!(Role::parse("role", "owner").unwrap_err().code(), "ROLE_INVALID");
    }

    #[test]
    fn members_and_administrators_write() {
        let writers: Vec<_> = Role::iter().filter(|role| role.may_write()).collect();
        assert_eq!(writers, [Role::Member, Role::Admin]);
    }

    #[test]
    fn the_role_given_in_a_project_counts_before_that_in_its_entity() {
        use Role::{Admin, Member, Viewer};
        let standing =
            |in_entity, own, by_team, restricted| Standing { in_entity, own, by_team, restricted }.role();
        assert_eq!(standing(Member, None, None, false), Some(Member));
        assert_eq!(standing(Member, None, None, true), None);
        assert_eq!(standing(Viewer, Some(Member), None, true), Some(Member));
        assert_eq!(standing(Member, Some(Viewer), Some(Admin), false), Some(Viewer));
        assert_eq!(standing(Viewer, None, Some(Member), true), Some(Member));
        assert_eq!(standing(Admin, Some(Viewer), None, true), Some(Admin));
    }
}
