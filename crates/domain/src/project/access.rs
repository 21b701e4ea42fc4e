//! Who may see a project, and who may change it.

use std::collections::HashMap;

use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait as _, Condition, DeriveActiveEnum, EnumIter, FromQueryResult};

use crate::account::{Caller, EntityKind, Role, Standing};
use crate::db::{Source, dialect};
use crate::entity::project::Column;
use crate::entity::{project_member, project_team_member};
use crate::error::{Error, Result};
use crate::id::ProjectId;

/// Who may see a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Access {
    /// All who belong to its entity.
    Private,
    /// The administrators of its entity, and who was let into the project itself.
    Restricted,
}

impl Access {
    /// Reads the client's word for it.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Private, Self::Restricted]
            .into_iter()
            .find(|access| access.as_str() == text)
            .ok_or_else(|| Error::invalid("ACCESS_INVALID", "access", "a project is PRIVATE or RESTRICTED"))
    }

    /// The client's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE",
            Self::Restricted => "RESTRICTED",
        }
    }
}

/// That a row of `project` is one that the caller may see.
pub(crate) fn visible_to(caller: &Caller) -> Condition {
    let seen = caller.may_see(Column::EntityId);
    if caller.reaches_all() {
        return seen;
    }
    let open = Condition::any()
        .add(Column::Access.ne(Access::Restricted))
        .add(Column::EntityId.in_subquery(caller.administered_entities()))
        .add(Column::Id.in_subquery(let_in(caller)))
        .add(Column::Id.in_subquery(let_in_by_team(caller)));
    seen.add(open)
}

fn let_in(caller: &Caller) -> SelectStatement {
    // Plan: ix_project_member_user_id.
    let mut projects = Query::select();
    projects
        .column(project_member::Column::ProjectId)
        .from(project_member::Entity)
        .and_where(project_member::Column::UserId.eq(caller.user_id));
    projects
}

fn let_in_by_team(caller: &Caller) -> SelectStatement {
    // Plan: the primary key of member, then ix_project_team_member_team_id.
    let mut projects = Query::select();
    projects
        .column(project_team_member::Column::ProjectId)
        .from(project_team_member::Entity)
        .and_where(project_team_member::Column::TeamId.in_subquery(caller.entities()));
    projects
}

#[derive(FromQueryResult)]
struct Row {
    project_id: ProjectId,
    access: Access,
    in_entity: Role,
    own: Option<Role>,
    by_team: Option<Role>,
}

/// What the caller may do in each of these projects; where they may do nothing, the project is left out.
pub async fn get_roles(
    db: &impl Source,
    caller: &Caller,
    ids: &[ProjectId],
) -> Result<HashMap<ProjectId, Role>> {
    if caller.reaches_all() {
        return Ok(ids.iter().map(|id| (*id, Role::Admin)).collect());
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // Plan: primary keys throughout. A project has a row for each of the caller's teams that was let in.
    let sql = "SELECT p.id AS project_id, p.access, m.role AS in_entity, u.role AS own, t.role AS by_team
        FROM project p JOIN member m ON m.entity_id = p.entity_id AND m.user_id = $1
        LEFT JOIN project_member u ON u.project_id = p.id AND u.user_id = $1
        LEFT JOIN project_team_member t ON t.project_id = p.id
            AND t.team_id IN (SELECT entity_id FROM member WHERE user_id = $1)
        WHERE p.id = ANY($2)";
    let values = [caller.user_id.0.into(), dialect::list(ids)];
    let statement = dialect::statement(db.connection(), sql, values);
    let mut standings: HashMap<ProjectId, Standing> = HashMap::new();
    for Row { project_id, access, in_entity, own, by_team } in
        Row::find_by_statement(statement).all(db.connection()).await?
    {
        let restricted = access == Access::Restricted;
        let standing =
            standings.entry(project_id).or_insert(Standing { in_entity, own, by_team, restricted });
        standing.by_team = standing.by_team.max(by_team);
    }
    Ok(standings.into_iter().filter_map(|(id, standing)| Some((id, standing.role()?))).collect())
}

/// Refuses who may do less than `least` in a project that they may see. Every verb that changes what is in a project
/// asks it.
pub async fn authorize(db: &impl Source, caller: &Caller, project: ProjectId, least: Role) -> Result<()> {
    let role = get_roles(db, caller, &[project]).await?.remove(&project);
    if role.is_some_and(|role| role >= least) { Ok(()) } else { Err(Error::Forbidden) }
}

/// What it takes to describe, rename, delete or restore a project: in a registry more than to write to it.
pub(crate) fn manager(owner: EntityKind) -> Role {
    match owner {
        EntityKind::Organization => Role::Admin,
        EntityKind::User | EntityKind::Team => Role::Member,
    }
}

/// What names of registries begin with, and names of other projects do not (protocol reference 5.10).
const REGISTRY_PREFIX: &str = "wandb-registry-";

/// An organization owns registries, and nobody else does.
pub(super) fn check_kind(owner: EntityKind, field: &'static str, name: &str) -> Result<()> {
    let registry = name.strip_prefix(REGISTRY_PREFIX).is_some_and(|rest| !rest.is_empty());
    let reason = match owner {
        EntityKind::Organization if !registry => {
            format!("an organization owns registries only, whose names begin with {REGISTRY_PREFIX}")
        }
        EntityKind::User | EntityKind::Team if name.starts_with(REGISTRY_PREFIX) => {
            format!("names that begin with {REGISTRY_PREFIX} are for the registries of organizations")
        }
        _ => return Ok(()),
    };
    Err(Error::invalid("REGISTRY_INVALID", field, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_belong_to_organizations_and_nothing_else_does() {
        let check = |owner, name| check_kind(owner, "name", name).is_ok();
        assert!(check(EntityKind::Organization, "wandb-registry-model"));
        assert!(!check(EntityKind::Organization, "wandb-registry-"));
        assert!(!check(EntityKind::Organization, "demo"));
        assert!(check(EntityKind::Team, "demo"));
        assert!(!check(EntityKind::Team, "wandb-registry-model"));
        assert!(!check(EntityKind::User, "wandb-registry-"));
    }

    #[test]
    fn access_is_one_of_the_clients_words() {
        for access in [Access::Private, Access::Restricted] {
            assert_eq!(Access::parse(access.as_str()).unwrap(), access);
        }
        assert_eq!(Access::parse("USER_READ").unwrap_err().code(), "ACCESS_INVALID");
    }
}
