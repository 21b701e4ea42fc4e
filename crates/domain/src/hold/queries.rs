//! Reading holds. Who sees a thing sees what holds it.

use std::collections::HashMap;

use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select,
};

use super::{Hold, HoldKind, Subject};
use crate::account::Caller;
use crate::db::Source;
use crate::entity::hold::{Column, Entity};
use crate::entity::{artifact, artifact_collection as collection, project as project_entity, run};
use crate::error::Result;
use crate::id::HoldId;
use crate::project;

/// The hold of that id, also when it was released, if the caller may see what it is on.
pub async fn find(db: &impl Source, caller: &Caller, id: HoldId) -> Result<Option<Hold>> {
    Ok(visible(caller).filter(Column::Id.eq(id)).one(db.connection()).await?)
}

/// A page of holds on things that the caller may see, last placed first; `after` is the last one seen. Those that were
/// released are among them where `released` says so.
pub async fn list(
    db: &impl Source,
    caller: &Caller,
    released: bool,
    after: Option<HoldId>,
    limit: u64,
) -> Result<Vec<Hold>> {
    // Plan: the primary key, backwards.
    let mut query = visible(caller).order_by_desc(Column::Id).limit(limit);
    if !released {
        query = query.filter(Column::ReleasedAt.is_null());
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    Ok(query.all(db.connection()).await?)
}

/// The active holds on these very things.
pub async fn get_active(db: &impl Source, subjects: &[Subject]) -> Result<HashMap<Subject, Hold>> {
    // Plan: ux_hold_subject.
    let of = |kind: HoldKind| {
        let ids = subjects.iter().filter(move |subject| subject.kind() == kind);
        Condition::all()
            .add(Column::Kind.eq(kind))
            .add(Column::SubjectId.is_in(ids.map(|subject| subject.number())))
    };
    let any = Condition::any().add(of(HoldKind::Run)).add(of(HoldKind::Artifact)).add(of(HoldKind::Project));
    let query = Entity::find().filter(Column::ReleasedAt.is_null()).filter(any);
    Ok(query.all(db.connection()).await?.into_iter().map(|hold| (hold.subject(), hold)).collect())
}

/// The active hold on this very thing.
pub(super) fn active(subject: Subject) -> Select<Entity> {
    // Plan: ux_hold_subject.
    Entity::find()
        .filter(Column::Kind.eq(subject.kind()))
        .filter(Column::SubjectId.eq(subject.number()))
        .filter(Column::ReleasedAt.is_null())
}

fn visible(caller: &Caller) -> Select<Entity> {
    if caller.reaches_all() {
        return Entity::find();
    }
    let on = |kind: HoldKind, ids: SelectStatement| {
        Condition::all().add(Column::Kind.eq(kind)).add(Column::SubjectId.in_subquery(ids))
    };
    let mut projects = Query::select();
    projects
        .column(project_entity::Column::Id)
        .from(project_entity::Entity)
        .cond_where(project::visible_to(caller));
    let mut runs = Query::select();
    runs.column(run::Column::Id)
        .from(run::Entity)
        .and_where(run::Column::ProjectId.in_subquery(projects.clone()));
    let mut collections = Query::select();
    collections
        .column(collection::Column::Id)
        .from(collection::Entity)
        .and_where(collection::Column::ProjectId.in_subquery(projects.clone()));
    let mut versions = Query::select();
    versions
        .column(artifact::Column::Id)
        .from(artifact::Entity)
        .and_where(artifact::Column::CollectionId.in_subquery(collections));
    Entity::find().filter(
        Condition::any()
            .add(on(HoldKind::Run, runs))
            .add(on(HoldKind::Artifact, versions))
            .add(on(HoldKind::Project, projects)),
    )
}
