//! What filters and orders of collections, versions and registries can name (protocol reference 5.9, 5.10).

use sea_orm::DbBackend;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait as _, Func, IntoIden, Query, SelectStatement};

use crate::db::dialect;
use crate::entity::{
    artifact, artifact_alias as alias, artifact_collection as collection,
    artifact_collection_tag as collection_tag, artifact_membership as membership, artifact_tag, project,
};
use crate::error::Result;
use crate::filter::{
    Cell, FilterField, Kind, RecordField, RecordFilter, RecordOrder, Scalar, Values, moment,
};

/// The deepest member of metadata that a filter names.
const DEEPEST: usize = 8;

fn cell(table: impl IntoIden, column: impl IntoIden, kind: Kind) -> Cell {
    Cell { expr: Expr::col((table, column)), kind, nullable: false }
}

fn nullable(table: impl IntoIden, column: impl IntoIden, kind: Kind) -> Values {
    Values::Column(Cell { nullable: true, ..cell(table, column, kind) })
}

/// Rows whose column is that of the record at hand.
fn rows_of(table: impl IntoIden, column: impl IntoIden, of: Expr) -> SelectStatement {
    let table = table.into_iden();
    Query::select()
        .expr(Expr::cust("1"))
        .from(table.clone())
        .and_where(Expr::col((table, column)).eq(of))
        .take()
}

macro_rules! moments {
    ($field:pat) => {
        fn text(&self, text: &str, at: &str) -> Result<Scalar> {
            match self {
                $field => moment(text, at),
                _ => Ok(Scalar::Text(text.to_owned())),
            }
        }
    };
}

/// Which collections; nothing means all.
pub fn parse_collections(filter: &str) -> Result<RecordFilter<CollectionField>> {
    RecordFilter::parse(filter)
}

/// Which versions; nothing means all.
pub fn parse_versions(filter: &str) -> Result<RecordFilter<VersionField>> {
    RecordFilter::parse(filter)
}

/// Which registries; nothing means all.
pub fn parse_projects(filter: &str) -> Result<RecordFilter<ProjectField>> {
    RecordFilter::parse(filter)
}

/// In which order collections come; nothing means oldest first.
pub fn parse_collection_order(order: &str) -> Result<RecordOrder<CollectionField>> {
    RecordOrder::parse(order, "+created_at")
}

/// In which order versions come; nothing means those that came last to their collection first.
pub fn parse_version_order(order: &str) -> Result<RecordOrder<VersionField>> {
    RecordOrder::parse(order, "-acm_created_at")
}

/// A field of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectionField {
    /// Its number.
    Id,
    /// Its name.
    Name,
    /// Words about it.
    Description,
    /// Any of its tags.
    Tag,
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// What nobody knows.
    Unknown,
}

impl FilterField for CollectionField {
    fn parse(path: &str) -> Self {
        match path {
            "id" | "artifact_collection_id" => Self::Id,
            "name" | "artifact_collection_name" => Self::Name,
            "description" => Self::Description,
            "tag" | "tags" => Self::Tag,
            "created_at" | "createdAt" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            _ => Self::Unknown,
        }
    }

    moments!(Self::CreatedAt | Self::UpdatedAt);
}

impl RecordField for CollectionField {
    fn values(&self, _: DbBackend) -> Values {
        use collection::{Column, Entity};
        match self {
            Self::Id => Values::Column(cell(Entity, Column::Id, Kind::Number)),
            Self::Name => Values::Column(cell(Entity, Column::Name, Kind::Text)),
            Self::Description => nullable(Entity, Column::Description, Kind::Text),
            Self::Tag => {
                let of = Expr::col((Entity, Column::Id));
                Values::rows(
                    rows_of(collection_tag::Entity, collection_tag::Column::CollectionId, of),
                    cell(collection_tag::Entity, collection_tag::Column::Name, Kind::Text),
                )
            }
            Self::CreatedAt => Values::Column(cell(Entity, Column::CreatedAt, Kind::Integer)),
            Self::UpdatedAt => Values::Column(cell(Entity, Column::UpdatedAt, Kind::Integer)),
            Self::Unknown => Values::Unknown,
        }
    }
}

/// A field of a version at its place in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionField {
    /// The version's number.
    Id,
    /// `v3`.
    Version,
    /// Its place in the collection.
    VersionIndex,
    /// Any of its tags.
    Tag,
    /// Any of its aliases in the collection.
    Alias,
    /// A member of its metadata.
    Metadata(Vec<String>),
    /// `COMMITTED`, as the client spells it.
    State,
    /// Of its files.
    Digest,
    /// Bytes of all its files.
    Size,
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// Since when it is in the collection.
    LinkedAt,
    /// What nobody knows.
    Unknown,
}

impl FilterField for VersionField {
    fn parse(path: &str) -> Self {
        if let Some(member) = path.strip_prefix("metadata.") {
            let parts: Vec<String> = member.split('.').map(str::to_owned).collect();
            let fits = parts.len() <= DEEPEST && parts.iter().all(|part| !part.is_empty());
            return if fits { Self::Metadata(parts) } else { Self::Unknown };
        }
        match path {
            "id" | "artifact_id" => Self::Id,
            "version" => Self::Version,
            "version_index" | "versionIndex" => Self::VersionIndex,
            "tag" | "tags" => Self::Tag,
            "alias" | "aliases" => Self::Alias,
            "state" => Self::State,
            "digest" => Self::Digest,
            "size" | "artifact_size" => Self::Size,
            "created_at" | "createdAt" | "artifact_created_at" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            "acm_created_at" => Self::LinkedAt,
            _ => Self::Unknown,
        }
    }

    moments!(Self::CreatedAt | Self::UpdatedAt | Self::LinkedAt);
}

impl RecordField for VersionField {
    fn values(&self, backend: DbBackend) -> Values {
        let version = |column: artifact::Column, kind| Values::Column(cell(artifact::Entity, column, kind));
        let place = |column: membership::Column, kind| Values::Column(cell(membership::Entity, column, kind));
        match self {
            Self::Id => version(artifact::Column::Id, Kind::Number),
            Self::Version => {
                let index = Expr::col((membership::Entity, membership::Column::VersionIndex));
                let expr = Expr::cust("'v'").binary(BinOper::Custom("||"), index);
                Values::Column(Cell { expr, kind: Kind::Text, nullable: false })
            }
            Self::VersionIndex => place(membership::Column::VersionIndex, Kind::Integer),
            Self::Tag => {
                let of = Expr::col((artifact::Entity, artifact::Column::Id));
                Values::rows(
                    rows_of(artifact_tag::Entity, artifact_tag::Column::ArtifactId, of),
                    cell(artifact_tag::Entity, artifact_tag::Column::Name, Kind::Text),
                )
            }
            Self::Alias => {
                let of = Expr::col((artifact::Entity, artifact::Column::Id));
                let mut rows = rows_of(alias::Entity, alias::Column::ArtifactId, of);
                rows.and_where(
                    Expr::col((alias::Entity, alias::Column::CollectionId))
                        .equals((membership::Entity, membership::Column::CollectionId)),
                );
                Values::rows(rows, cell(alias::Entity, alias::Column::Alias, Kind::Text))
            }
            Self::Metadata(path) => {
                let document = Expr::col((artifact::Entity, artifact::Column::Metadata));
                let kinds = [Kind::Number, Kind::Text, Kind::Bool];
                let typed = dialect::json_member(backend, &document, path).into_iter().zip(kinds);
                Values::AnyOf(typed.map(|(expr, kind)| Cell { expr, kind, nullable: true }).collect())
            }
            Self::State => {
                let expr = Func::upper(Expr::col((artifact::Entity, artifact::Column::State))).into();
                Values::Column(Cell { expr, kind: Kind::Text, nullable: false })
            }
            Self::Digest => version(artifact::Column::Digest, Kind::Text),
            Self::Size => version(artifact::Column::SizeBytes, Kind::Number),
            Self::CreatedAt => version(artifact::Column::CreatedAt, Kind::Integer),
            Self::UpdatedAt => version(artifact::Column::UpdatedAt, Kind::Integer),
            Self::LinkedAt => place(membership::Column::CreatedAt, Kind::Integer),
            Self::Unknown => Values::Unknown,
        }
    }
}

/// A field of a registry, or of another project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectField {
    /// Its number.
    Id,
    /// Its whole name.
    Name,
    /// The number of its owner.
    EntityId,
    /// Words about it.
    Description,
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// What nobody knows.
    Unknown,
}

impl FilterField for ProjectField {
    fn parse(path: &str) -> Self {
        match path {
            "id" | "project_id" => Self::Id,
            "name" | "project_name" => Self::Name,
            "entity_id" => Self::EntityId,
            "description" => Self::Description,
            "created_at" | "createdAt" => Self::CreatedAt,
            "updated_at" | "updatedAt" => Self::UpdatedAt,
            _ => Self::Unknown,
        }
    }

    moments!(Self::CreatedAt | Self::UpdatedAt);
}

impl RecordField for ProjectField {
    fn values(&self, _: DbBackend) -> Values {
        use project::{Column, Entity};
        match self {
            Self::Id => Values::Column(cell(Entity, Column::Id, Kind::Number)),
            Self::Name => Values::Column(cell(Entity, Column::Name, Kind::Text)),
            Self::EntityId => Values::Column(cell(Entity, Column::EntityId, Kind::Number)),
            Self::Description => nullable(Entity, Column::Description, Kind::Text),
            Self::CreatedAt => Values::Column(cell(Entity, Column::CreatedAt, Kind::Integer)),
            Self::UpdatedAt => Values::Column(cell(Entity, Column::UpdatedAt, Kind::Integer)),
            Self::Unknown => Values::Unknown,
        }
    }
}
