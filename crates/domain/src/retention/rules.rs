//! Rules: made, changed, ended and found.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, FromQueryResult as _, IntoActiveModel as _,
    NotSet, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, Set,
};

use super::definition::{check_name, invalid};
use super::{Definition, Rule, Scope, ScopeKind};
use crate::account::{self, Caller};
use crate::db::{Source, WriteTx, dialect};
use crate::entity::retention_period;
use crate::entity::retention_rule::{ActiveModel, Column, Entity};
use crate::error::{Error, Result};
use crate::id::{ProjectId, RetentionRuleId};
use crate::project;

/// Rules of one scope.
const MOST: u64 = 20;

/// Makes a rule, for administrators of its scope. Applied from the next pass on, where it is enabled.
pub async fn create_rule(
    tx: &WriteTx,
    caller: &Caller,
    scope: Scope,
    name: &str,
    definition: Definition,
    enabled: bool,
) -> Result<Rule> {
    scope.authorize(tx, caller).await?;
    check_name("name", name)?;
    definition.check()?;
    let there = Entity::find()
        .filter(Column::Scope.eq(scope.kind()))
        .filter(Column::SubjectId.eq(scope.subject_id()));
    if there.count(tx.connection()).await? >= MOST {
        return Err(Error::invalid("TOO_MANY", "rule", format!("at most {MOST} rules in one place")));
    }
    let made = ActiveModel {
        id: NotSet,
        scope: Set(scope.kind()),
        subject_id: Set(scope.subject_id()),
        name: Set(name.to_owned()),
        enabled: Set(enabled),
        definition: Set(definition),
        user_id: Set(caller.user_id),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    Ok(made.insert(tx.connection()).await?)
}

/// Changes what is given of a rule. What it has archived or deleted stays so. A rule is about runs or about versions for
/// good.
pub async fn update_rule(
    tx: &WriteTx,
    caller: &Caller,
    id: RetentionRuleId,
    name: Option<&str>,
    definition: Option<Definition>,
    enabled: Option<bool>,
) -> Result<Rule> {
    let found = find_to_change(tx, caller, id).await?;
    let mut row = found.clone().into_active_model();
    if let Some(name) = name {
        check_name("name", name)?;
        row.name = Set(name.to_owned());
    }
    if let Some(definition) = definition {
        definition.check()?;
        if std::mem::discriminant(&definition) != std::mem::discriminant(&found.definition) {
            return Err(invalid("target", "cannot be changed; make another rule"));
        }
        row.definition = Set(definition);
    }
    if let Some(enabled) = enabled {
        row.enabled = Set(enabled);
    }
    row.user_id = Set(caller.user_id);
    row.updated_at = Set(tx.now());
    Ok(row.update(tx.connection()).await?)
}

/// Ends a rule. What it has archived or deleted stays so.
pub async fn delete_rule(tx: &WriteTx, caller: &Caller, id: RetentionRuleId) -> Result<()> {
    let found = find_to_change(tx, caller, id).await?;
    Entity::delete_by_id(found.id).exec(tx.connection()).await?;
    Ok(())
}

async fn find_to_change(tx: &WriteTx, caller: &Caller, id: RetentionRuleId) -> Result<Rule> {
    let found = find_rule(tx, caller, id).await?;
    found.scope().authorize(tx, caller).await?;
    Ok(found)
}

/// The rule of that id, where the caller sees what it is about.
pub(super) async fn find_rule(db: &impl Source, caller: &Caller, id: RetentionRuleId) -> Result<Rule> {
    let missing = || Error::not_found("retention rule", id.to_node_id());
    let found = Entity::find_by_id(id).one(db.connection()).await?.ok_or_else(missing)?;
    let is_seen = match found.scope() {
        Scope::Instance => true,
        Scope::Entity(id) => {
            caller.reaches_all() || account::get_roles(db, caller, &[id]).await?.contains_key(&id)
        }
        Scope::Project(id) => project::get_many(db, caller, &[id]).await?.contains_key(&id),
    };
    if is_seen { Ok(found) } else { Err(missing()) }
}

/// All rules that hold in a scope, which was found through its door: its own and those of what is around it, oldest first.
pub async fn list_rules(db: &impl Source, scope: Scope) -> Result<Vec<Rule>> {
    // Plan: ix_retention_rule_scope.
    let sql = format!("SELECT * FROM retention_rule WHERE {} ORDER BY id", scope.covers());
    let statement = dialect::statement(db.connection(), sql, [scope.subject_id().into()]);
    Ok(Rule::find_by_statement(statement).all(db.connection()).await?)
}

/// All rules that are applied, in the order in which they are.
pub async fn list_enabled(db: &impl Source) -> Result<Vec<Rule>> {
    Ok(Entity::find().filter(Column::Enabled.eq(true)).order_by_asc(Column::Id).all(db.connection()).await?)
}

/// Whether a rule is still as it was seen, and applied.
pub(super) async fn is_in_force(tx: &WriteTx, seen: &Rule) -> Result<bool> {
    let found = Entity::find_by_id(seen.id).one(tx.connection()).await?;
    Ok(found.is_some_and(|found| found.enabled && found == *seen))
}

/// Forgets what was said of a project that is purged.
pub(crate) async fn forget(tx: &WriteTx, id: ProjectId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::Scope.eq(ScopeKind::Project))
        .filter(Column::SubjectId.eq(id.0))
        .exec(tx.connection())
        .await?;
    retention_period::Entity::delete_by_id((ScopeKind::Project, id.0)).exec(tx.connection()).await?;
    Ok(())
}
