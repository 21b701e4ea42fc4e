//! Users and teams who were given a role in a project itself.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set,
    sea_query::Expr,
};

use super::{Project, authorize};
use crate::account::{self, Caller, Entity, EntityKind, Role, User};
use crate::db::{Source, WriteTx};
use crate::entity::{entity, member, project_member, project_team_member};
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId, UserId};

/// Users and teams; each may be nobody.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// Users.
    pub users: Vec<UserId>,
    /// Teams.
    pub teams: Vec<EntityId>,
}

/// Lets users and teams of the project's organization in. A team may write, a user too if they may in the organization;
/// who has a role already keeps it.
pub async fn add_members(tx: &WriteTx, caller: &Caller, project: &Project, party: &Party) -> Result<()> {
    authorize(tx, caller, project.id, Role::Admin).await?;
    for user in &party.users {
        let in_entity = member::Entity::find_by_id((*user, project.entity_id)).one(tx.connection()).await?;
        let in_entity = in_entity.ok_or_else(|| Error::not_found("user", user.to_node_id()))?;
        let fresh = project_member::ActiveModel {
            project_id: Set(project.id),
            user_id: Set(*user),
            role: Set(in_entity.role.min(Role::Member)),
            created_at: Set(tx.now()),
        };
        insert_user(tx, fresh).await?;
    }
    let owner = entity::Entity::find_by_id(project.entity_id).one(tx.connection()).await?;
    let organization = owner.and_then(|owner| owner.organization_id);
    for team in &party.teams {
        let missing = || Error::not_found("team", team.to_node_id());
        let found = entity::Entity::find_by_id(*team)
            .filter(entity::Column::Kind.eq(EntityKind::Team))
            .filter(entity::Column::OrganizationId.eq(organization.ok_or_else(missing)?));
        found.one(tx.connection()).await?.ok_or_else(missing)?;
        let fresh = project_team_member::ActiveModel {
            project_id: Set(project.id),
            team_id: Set(*team),
            role: Set(Role::Member),
            created_at: Set(tx.now()),
        };
        let key = [project_team_member::Column::ProjectId, project_team_member::Column::TeamId];
        project_team_member::Entity::insert(fresh)
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(tx.connection())
            .await?;
    }
    Ok(())
}

/// Who makes a registry administers it.
pub(super) async fn add_creator(tx: &WriteTx, caller: &Caller, project: ProjectId) -> Result<()> {
    let fresh = project_member::ActiveModel {
        project_id: Set(project),
        user_id: Set(caller.user_id),
        role: Set(Role::Admin),
        created_at: Set(tx.now()),
    };
    insert_user(tx, fresh).await
}

async fn insert_user(tx: &WriteTx, fresh: project_member::ActiveModel) -> Result<()> {
    let key = [project_member::Column::ProjectId, project_member::Column::UserId];
    project_member::Entity::insert(fresh)
        .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
        .exec_without_returning(tx.connection())
        .await?;
    Ok(())
}

/// Takes their roles in the project away. Of no effect on who has none.
pub async fn remove_members(tx: &WriteTx, caller: &Caller, project: &Project, party: &Party) -> Result<()> {
    authorize(tx, caller, project.id, Role::Admin).await?;
    project_member::Entity::delete_many()
        .filter(project_member::Column::ProjectId.eq(project.id))
        .filter(project_member::Column::UserId.is_in(party.users.iter().copied()))
        .exec(tx.connection())
        .await?;
    project_team_member::Entity::delete_many()
        .filter(project_team_member::Column::ProjectId.eq(project.id))
        .filter(project_team_member::Column::TeamId.is_in(party.teams.iter().copied()))
        .exec(tx.connection())
        .await?;
    Ok(())
}

/// Changes the role of a user who has one in the project.
pub async fn set_user_role(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    user: UserId,
    role: Role,
) -> Result<()> {
    use project_member::Column;
    authorize(tx, caller, project.id, Role::Admin).await?;
    let changed = project_member::Entity::update_many()
        .col_expr(Column::Role, Expr::val(role.to_value()))
        .filter(Column::ProjectId.eq(project.id))
        .filter(Column::UserId.eq(user))
        .exec(tx.connection())
        .await?;
    if changed.rows_affected == 1 { Ok(()) } else { Err(Error::not_found("member", user.to_node_id())) }
}

/// Changes the role of a team that has one in the project.
pub async fn set_team_role(
    tx: &WriteTx,
    caller: &Caller,
    project: &Project,
    team: EntityId,
    role: Role,
) -> Result<()> {
    use project_team_member::Column;
    authorize(tx, caller, project.id, Role::Admin).await?;
    let changed = project_team_member::Entity::update_many()
        .col_expr(Column::Role, Expr::val(role.to_value()))
        .filter(Column::ProjectId.eq(project.id))
        .filter(Column::TeamId.eq(team))
        .exec(tx.connection())
        .await?;
    if changed.rows_affected == 1 { Ok(()) } else { Err(Error::not_found("member", team.to_node_id())) }
}

/// The users who were given a role in a project that the caller sees, in the order in which they were.
pub async fn list_user_members(db: &impl Source, project: &Project) -> Result<Vec<(User, Role)>> {
    let rows = project_member::Entity::find()
        .filter(project_member::Column::ProjectId.eq(project.id))
        .order_by_asc(project_member::Column::CreatedAt)
        .order_by_asc(project_member::Column::UserId);
    let rows = rows.all(db.connection()).await?;
    let ids: Vec<UserId> = rows.iter().map(|row| row.user_id).collect();
    let mut users = account::get_users(db, &ids).await?;
    Ok(rows.into_iter().filter_map(|row| Some((users.remove(&row.user_id)?, row.role))).collect())
}

/// The teams that were given a role in it, likewise.
pub async fn list_team_members(db: &impl Source, project: &Project) -> Result<Vec<(Entity, Role)>> {
    let rows = project_team_member::Entity::find()
        .filter(project_team_member::Column::ProjectId.eq(project.id))
        .order_by_asc(project_team_member::Column::CreatedAt)
        .order_by_asc(project_team_member::Column::TeamId);
    let rows = rows.all(db.connection()).await?;
    let ids: Vec<EntityId> = rows.iter().map(|row| row.team_id).collect();
    let mut teams = account::get_entities(db, &ids).await?;
    Ok(rows.into_iter().filter_map(|row| Some((teams.remove(&row.team_id)?, row.role))).collect())
}

/// Nobody has a role in what is gone.
pub(crate) async fn remove_all_members(tx: &WriteTx, project: ProjectId) -> Result<()> {
    project_member::Entity::delete_many()
        .filter(project_member::Column::ProjectId.eq(project))
        .exec(tx.connection())
        .await?;
    project_team_member::Entity::delete_many()
        .filter(project_team_member::Column::ProjectId.eq(project))
        .exec(tx.connection())
        .await?;
    Ok(())
}
