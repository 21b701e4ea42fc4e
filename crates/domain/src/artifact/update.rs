//! Changing what is said of a version.

use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};

use super::create::check_metadata;
use super::name::check_count;
use super::{Artifact, Ttl, aliases, queries, tags, ttl};
use crate::account::Caller;
use crate::db::{Source as _, WriteTx};
use crate::entity::artifact::Entity;
use crate::entity::artifact_alias as alias;
use crate::error::{Error, Result};
use crate::id::ArtifactId;

/// What to change of a version; `None` keeps what is there.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Words about it.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// All aliases that it has in its own sequence from now on.
    pub aliases: Option<Vec<String>>,
    /// Tags that it gets.
    pub tags_added: Vec<String>,
    /// Tags that it loses.
    pub tags_removed: Vec<String>,
    /// How long it is kept.
    pub ttl: Option<Ttl>,
}

/// Changes what is given, keeps the rest.
pub async fn update(tx: &WriteTx, caller: &Caller, id: ArtifactId, edit: Edit) -> Result<Artifact> {
    check_metadata(edit.metadata.as_deref())?;
    let located = queries::locate_to_write(tx, caller, id).await?;
    if let Some(wanted) = edit.aliases {
        use sea_orm::{ColumnTrait as _, QueryFilter as _};
        check_count("aliases", wanted.len())?;
        let held = aliases::hold_place(tx, located.collection.id, id).await?;
        let given_up = alias::Entity::find()
            .filter(alias::Column::CollectionId.eq(held.id))
            .filter(alias::Column::ArtifactId.eq(id))
            .filter(alias::Column::Alias.is_not_in(&wanted));
        let given_up = given_up.all(tx.connection()).await?;
        let names: Vec<String> = given_up.iter().map(|row| row.alias.clone()).collect();
        aliases::check_protected(tx, caller, &located.project, &names).await?;
        alias::Entity::delete_many()
            .filter(alias::Column::Id.is_in(given_up.into_iter().map(|row| row.id)))
            .exec(tx.connection())
            .await?;
        if !names.is_empty() {
            aliases::record_gone(tx, caller, id, &names).await?;
        }
        aliases::assign(tx, &located.project, &held, id, &wanted, caller).await?;
    }
    tags::change_tags(tx, id, &edit.tags_added, &edit.tags_removed).await?;
    let mut row = queries::hold(tx, id).await?.into_active_model();
    if edit.description.is_some() {
        row.description = Set(edit.description);
    }
    if edit.metadata.is_some() {
        row.metadata = Set(edit.metadata);
    }
    if let Some(ttl) = edit.ttl {
        row.ttl_seconds = Set(ttl.stored());
    }
    row.updated_at = Set(tx.now());
    row.update(tx.connection()).await?;
    if edit.ttl.is_some() {
        ttl::refresh_version(tx, id).await?;
    }
    let changed = Entity::find_by_id(id).one(tx.connection()).await?;
    changed.ok_or_else(|| Error::not_found("artifact", id.to_node_id()))
}
