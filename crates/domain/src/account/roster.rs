//! Who belongs to a team, as its page shows it.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _};

use super::queries::USER_COLUMNS;
use super::{ApiKey, Caller, Invite, Role, User, service};
use crate::db::{Source, dialect};
use crate::entity::{api_key, invite};
use crate::error::Result;
use crate::id::{EntityId, UserId};

/// Someone who belongs to an entity.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// Of a service account, for administrators of its team: the key that it was made with.
    pub api_key: Option<String>,
}

/// All who belong to an entity or were asked to.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Those who do not belong to it yet; only its administrators see them.
    pub invites: Vec<Invite>,
    /// In the order in which they joined.
    pub members: Vec<Member>,
}

#[derive(FromQueryResult)]
struct Row {
    entity_id_of_member: EntityId,
    role: Role,
    viewer_role: Option<Role>,
    #[sea_orm(nested)]
    user: User,
}

/// Who belongs to these entities, for those who belong to them or to their organization; nobody for others.
pub async fn list_members(
    db: &impl Source,
    caller: &Caller,
    ids: &[EntityId],
) -> Result<HashMap<EntityId, Roster>> {
    let mut rosters: HashMap<EntityId, Roster> = HashMap::new();
    let mut administered = HashSet::new();
    for row in rows(db, caller, ids).await? {
        let entity = row.entity_id_of_member;
        if caller.reaches_all() || row.viewer_role == Some(Role::Admin) {
            administered.insert(entity);
        }
        let member = Member { user: row.user, role: row.role, api_key: None };
        rosters.entry(entity).or_default().members.push(member);
    }
    let invites = invite::Entity::find()
        .filter(invite::Column::EntityId.is_in(administered.iter().copied()))
        .order_by_asc(invite::Column::Id);
    if !administered.is_empty() {
        for invite in invites.all(db.connection()).await? {
            rosters.entry(invite.entity_id).or_default().invites.push(invite);
        }
    }
    let service_accounts = rosters.iter_mut().filter(|(id, _)| administered.contains(id));
    let service_accounts = service_accounts.flat_map(|(_, roster)| &mut roster.members);
    show_keys(db, service_accounts.filter(|member| member.user.team_id.is_some()).collect()).await?;
    Ok(rosters)
}

async fn rows(db: &impl Source, caller: &Caller, ids: &[EntityId]) -> Result<Vec<Row>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let seen = if caller.reaches_all() {
        ""
    } else {
        "AND (v.role IS NOT NULL OR EXISTS (SELECT 1 FROM organization o JOIN member c ON c.entity_id = o.entity_id \
         WHERE o.id = of.organization_id AND c.user_id = $1))"
    };
    // Plan: ix_member_entity_id, then primary keys.
    let sql = format!(
        r#"SELECT m.entity_id AS entity_id_of_member, m.role, v.role AS viewer_role, {USER_COLUMNS}
        FROM member m JOIN entity of ON of.id = m.entity_id
        LEFT JOIN member v ON v.entity_id = m.entity_id AND v.user_id = $1
        JOIN "user" u ON u.id = m.user_id JOIN entity e ON e.id = u.entity_id
        LEFT JOIN entity t ON t.id = u.team_id
        WHERE m.entity_id = ANY($2) {seen} ORDER BY m.entity_id, m.created_at, m.user_id"#
    );
    let values = [caller.user_id.0.into(), dialect::list(ids)];
    let statement = dialect::statement(db.connection(), sql, values);
    Ok(Row::find_by_statement(statement).all(db.connection()).await?)
}

/// The keys that service accounts were made with, as long as they have them.
async fn show_keys(db: &impl Source, members: Vec<&mut Member>) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let ids: Vec<UserId> = members.iter().map(|member| member.user.id).collect();
    let stored = api_key::Entity::find().filter(api_key::Column::UserId.is_in(ids));
    let hashes: HashSet<String> =
        stored.all(db.connection()).await?.into_iter().map(|key| key.sha256).collect();
    let Some(secret) = service::find_secret(db).await? else { return Ok(()) };
    for member in members {
        let key = service::key(&secret, member.user.id)?;
        member.api_key = Some(key.reveal().to_owned()).filter(|key| hashes.contains(&ApiKey::hash(key)));
    }
    Ok(())
}
