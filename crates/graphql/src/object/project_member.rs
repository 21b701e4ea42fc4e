//! Users and teams who were given a role in a project.

use async_graphql::{ID, Object, SimpleObject};

use counterweight_domain::account;

use crate::object::Entity;

/// A user with a role in a project.
pub(crate) struct ProjectMember {
    pub(crate) user: account::User,
    pub(crate) role: account::Role,
}

/// A team with a role in a project.
#[derive(SimpleObject)]
pub(crate) struct ProjectTeamMember {
    /// The team.
    pub(crate) team: Entity,
    /// What its members may do.
    pub(crate) role: Role,
}

/// What someone may do.
#[derive(SimpleObject)]
pub(crate) struct Role {
    /// `admin`, `member`, `viewer` or `restricted_viewer`.
    name: &'static str,
}

impl From<account::Role> for Role {
    fn from(role: account::Role) -> Self {
        Self { name: role.as_str() }
    }
}

#[Object]
impl ProjectMember {
    /// The user's global id.
    async fn id(&self) -> ID {
        self.user.id.to_node_id().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.user.full_name
    }

    /// The name they sign in with.
    async fn username(&self) -> &str {
        &self.user.username
    }

    /// Where to reach them.
    async fn email(&self) -> Option<&str> {
        self.user.email.as_ref().map(account::Email::as_str)
    }

    /// What they may do.
    async fn role(&self) -> Role {
        self.role.into()
    }
}
