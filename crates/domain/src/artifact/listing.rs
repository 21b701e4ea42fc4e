//! Lists of collections, of the versions in them, and of both across registries, by filter and order.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult as _};

use super::filter::{CollectionField, ProjectField, VersionField};
use super::{ArtifactState, Collection, CollectionKind, CollectionState, Membership};
use crate::account::Caller;
use crate::db::page::{MOST_ITEMS, SortValue, encode_cursor};
use crate::db::{Page, Source};
use crate::entity::{
    artifact, artifact_collection as collection, artifact_membership as membership, project as project_entity,
};
use crate::error::{Error, Result};
use crate::filter::{RecordFilter, RecordOrder};
use crate::id::{ArtifactTypeId, CollectionId, EntityId, ProjectId};
use crate::project::{self, ProjectState};

/// Where collections are looked for. Whoever names one of these has found it through its door; projects of an entity are
/// those that the caller may see.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// In a project.
    Project(ProjectId),
    /// Of a type, in its project.
    Type(ArtifactTypeId),
    /// In the projects of an entity.
    Entity(EntityId),
}

/// Which collections.
#[derive(Clone, Debug)]
pub struct CollectionQuery {
    /// Where.
    pub place: Place,
    /// Of which kinds; none for all.
    pub kinds: Vec<CollectionKind>,
    /// In which projects of an entity.
    pub projects: RecordFilter<ProjectField>,
    /// Which of them.
    pub filter: RecordFilter<CollectionField>,
}

impl CollectionQuery {
    /// All collections of a place.
    pub fn all(place: Place) -> Result<Self> {
        let (projects, filter) = (RecordFilter::parse("")?, RecordFilter::parse("")?);
        Ok(Self { place, kinds: Vec::new(), projects, filter })
    }

    fn id(&self) -> String {
        let Self { place, kinds, projects, filter } = self;
        format!("collections {place:?} {kinds:?} {} {}", projects.source(), filter.source())
    }

    /// Adds what it says to a statement on collections.
    fn restrict(&self, caller: &Caller, backend: DbBackend, query: &mut SelectStatement) {
        let column = |column: collection::Column| Expr::col((collection::Entity, column));
        query.and_where(column(collection::Column::State).eq(CollectionState::Live));
        match self.place {
            Place::Project(id) => {
                query.and_where(column(collection::Column::ProjectId).eq(id));
            }
            Place::Type(id) => {
                query.and_where(column(collection::Column::ArtifactTypeId).eq(id));
            }
            Place::Entity(owner) => {
                let project = |column: project_entity::Column| Expr::col((project_entity::Entity, column));
                query
                    .inner_join(
                        project_entity::Entity,
                        project(project_entity::Column::Id)
                            .equals((collection::Entity, collection::Column::ProjectId)),
                    )
                    .and_where(project(project_entity::Column::EntityId).eq(owner))
                    .and_where(project(project_entity::Column::State).eq(ProjectState::Live))
                    .cond_where(project::visible_to(caller))
                    .and_where(self.projects.condition(backend));
            }
        }
        if !self.kinds.is_empty() {
            query.and_where(column(collection::Column::Kind).is_in(self.kinds.iter().copied()));
        }
        query.and_where(self.filter.condition(backend));
    }
}

/// A page of collections.
pub async fn list_collections(
    db: &impl Source,
    caller: &Caller,
    wanted: &CollectionQuery,
    order: &RecordOrder<CollectionField>,
    after: Option<&str>,
    limit: u64,
) -> Result<Page<Collection>> {
    // Plan: ix_artifact_collection_listing or ix_artifact_collection_type; by name the live-name index.
    let backend = db.connection().get_database_backend();
    let mut query = Query::select();
    query.column((collection::Entity, Asterisk)).from(collection::Entity);
    wanted.restrict(caller, backend, &mut query);
    let list = order.list(&[&wanted.id()]);
    let id = Expr::col((collection::Entity, collection::Column::Id));
    order.apply(&mut query, backend, id, list, after)?;
    let limit = Ord::min(limit, MOST_ITEMS);
    let rows = db.connection().query_all(query.limit(limit + 1)).await?;
    let rows =
        rows.iter().map(|row| Ok(Collection::from_query_result(row, "")?)).collect::<Result<Vec<_>>>()?;
    page(rows, limit, |row| {
        let value = match order.field() {
            CollectionField::Name => SortValue::Text(row.name.clone()),
            CollectionField::CreatedAt => SortValue::Integer(row.created_at.0),
            CollectionField::UpdatedAt => SortValue::Integer(row.updated_at.0),
            CollectionField::Id => SortValue::Integer(row.id.0),
            _ => return Err(Error::internal("a list that has no such order")),
        };
        encode_cursor(list, &[value, SortValue::Integer(row.id.0)])
    })
}

/// How many collections there are.
pub async fn count_collections(db: &impl Source, caller: &Caller, wanted: &CollectionQuery) -> Result<i64> {
    let mut query = Query::select();
    query.expr_as(Func::count(Expr::col((collection::Entity, collection::Column::Id))), "count");
    query.from(collection::Entity);
    wanted.restrict(caller, db.connection().get_database_backend(), &mut query);
    count(db, &query).await
}

/// Which places of versions.
#[derive(Clone, Debug)]
pub enum PlacesIn {
    /// In a collection, which was found through its door.
    Collection(CollectionId),
    /// In all of these collections.
    Collections(CollectionQuery),
}

/// A page of versions, each at its place in a collection.
pub async fn list_places(
    db: &impl Source,
    caller: &Caller,
    within: &PlacesIn,
    filter: &RecordFilter<VersionField>,
    order: &RecordOrder<VersionField>,
    after: Option<&str>,
    limit: u64,
) -> Result<Page<Membership>> {
    // Plan: ux_artifact_membership_version in a collection, then the versions' primary key.
    let backend = db.connection().get_database_backend();
    let mut query = Query::select();
    query.column((membership::Entity, Asterisk)).from(membership::Entity);
    query.expr_as(Expr::col((artifact::Entity, artifact::Column::CreatedAt)), "made_at");
    query.expr_as(Expr::col((artifact::Entity, artifact::Column::UpdatedAt)), "changed_at");
    restrict_places(caller, backend, &mut query, within, filter);
    let list = order.list(&[&places_id(within), filter.source()]);
    let id = Expr::col((membership::Entity, membership::Column::Id));
    order.apply(&mut query, backend, id, list, after)?;
    let limit = Ord::min(limit, MOST_ITEMS);
    let mut rows = Vec::new();
    for row in db.connection().query_all(query.limit(limit + 1)).await? {
        let times: (i64, i64) = (row.try_get("", "made_at")?, row.try_get("", "changed_at")?);
        rows.push((Membership::from_query_result(&row, "")?, times));
    }
    let found = page(rows, limit, |(row, (made_at, changed_at))| {
        let value = match order.field() {
            VersionField::VersionIndex => SortValue::Integer(row.version_index),
            VersionField::CreatedAt => SortValue::Integer(*made_at),
            VersionField::UpdatedAt => SortValue::Integer(*changed_at),
            VersionField::LinkedAt => SortValue::Integer(row.created_at.0),
            VersionField::Id => SortValue::Integer(row.artifact_id.0),
            _ => return Err(Error::invalid("ORDER_INVALID", "order", "versions have no such order")),
        };
        encode_cursor(list, &[value, SortValue::Integer(row.id.0)])
    })?;
    let items = found.items.into_iter().map(|((row, _), cursor)| (row, cursor)).collect();
    Ok(Page { items, has_next: found.has_next })
}

/// How many of them there are.
pub async fn count_places(
    db: &impl Source,
    caller: &Caller,
    within: &PlacesIn,
    filter: &RecordFilter<VersionField>,
) -> Result<i64> {
    let mut query = Query::select();
    query.expr_as(Func::count(Expr::col((membership::Entity, membership::Column::Id))), "count");
    query.from(membership::Entity);
    restrict_places(caller, db.connection().get_database_backend(), &mut query, within, filter);
    count(db, &query).await
}

fn places_id(within: &PlacesIn) -> String {
    match within {
        PlacesIn::Collection(id) => format!("versions of {id}"),
        PlacesIn::Collections(wanted) => format!("versions in {}", wanted.id()),
    }
}

fn restrict_places(
    caller: &Caller,
    backend: DbBackend,
    query: &mut SelectStatement,
    within: &PlacesIn,
    filter: &RecordFilter<VersionField>,
) {
    let place = |column: membership::Column| Expr::col((membership::Entity, column));
    query
        .inner_join(
            artifact::Entity,
            place(membership::Column::ArtifactId).equals((artifact::Entity, artifact::Column::Id)),
        )
        .and_where(Expr::col((artifact::Entity, artifact::Column::State)).eq(ArtifactState::Committed));
    match within {
        PlacesIn::Collection(id) => {
            query.and_where(place(membership::Column::CollectionId).eq(*id));
        }
        PlacesIn::Collections(wanted) => {
            query.inner_join(
                collection::Entity,
                place(membership::Column::CollectionId).equals((collection::Entity, collection::Column::Id)),
            );
            wanted.restrict(caller, backend, query);
        }
    }
    query.and_where(filter.condition(backend));
}

async fn count(db: &impl Source, query: &SelectStatement) -> Result<i64> {
    let row = db.connection().query_one(query).await?;
    let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
    Ok(row.try_get("", "count")?)
}

/// Cuts rows that were read with one more than wanted.
fn page<T>(mut rows: Vec<T>, limit: u64, cursor: impl Fn(&T) -> Result<String>) -> Result<Page<T>> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_next = rows.len() > wanted;
    rows.truncate(wanted);
    let items = rows.into_iter().map(|row| Ok((cursor(&row)?, row))).collect::<Result<Vec<_>>>()?;
    Ok(Page { items: items.into_iter().map(|(cursor, row)| (row, cursor)).collect(), has_next })
}
