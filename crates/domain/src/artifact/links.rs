//! Linking versions to portfolios, as in a registry.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, NotSet,
    QueryFilter as _, Set,
};

use super::collections::{self, Wanted};
use super::name::{LATEST, check_count};
use super::queries::{self, Located};
use super::{ArtifactState, CollectionKind, Membership, aliases, ttl, types};
use crate::account::{Caller, Role};
use crate::audit::{self, Act, Action, Topic};
use crate::db::{Source as _, WriteTx};
use crate::entity::{artifact_alias as alias, artifact_membership as membership};
use crate::error::{Error, Result};
use crate::hold::{self, Target};
use crate::id::{ArtifactId, CollectionId};
use crate::project::{self, Project};

/// Where the client links a model to that it registers by name; it makes no project first.
const MODEL_REGISTRY: &str = "model-registry";

/// A link to make.
#[derive(Clone, Debug)]
pub struct Link {
    /// The version.
    pub artifact: ArtifactId,
    /// Where to.
    pub to: Portfolio,
    /// Aliases that the version gets there.
    pub aliases: Vec<String>,
}

/// A portfolio that exists, or that is made.
#[derive(Clone, Debug)]
pub enum Portfolio {
    /// This one.
    Id(CollectionId),
    /// The one of that name, made where there is none.
    Named {
        /// The project's owner.
        entity_name: String,
        /// The project.
        project_name: String,
        /// The portfolio.
        name: String,
    },
}

/// Links a committed version to a portfolio. A version that is there keeps its place. In a registry a version is kept for
/// ever, and so it stays when the link is taken away.
pub async fn link(tx: &WriteTx, caller: &Caller, wanted: Link) -> Result<Membership> {
    check_count("aliases", wanted.aliases.len())?;
    let located = queries::locate(tx, caller, wanted.artifact).await?;
    if located.artifact.state != ArtifactState::Committed {
        return Err(Error::Precondition {
            code: "ARTIFACT_NOT_COMMITTED",
            reason: "the files of this version have not all arrived".to_owned(),
        });
    }
    let (project, portfolio) = match wanted.to {
        Portfolio::Id(id) => {
            let (found, project) = super::get_collection(tx, caller, id).await?;
            if found.kind != CollectionKind::Portfolio {
                return Err(Error::not_found("artifact collection", id.to_node_id()));
            }
            let name = found.name;
            let portfolio = ensure(tx, &located, &project, &name).await?;
            (project, portfolio)
        }
        Portfolio::Named { entity_name, project_name, name } => {
            let project = target(tx, caller, &entity_name, &project_name).await?;
            let portfolio = ensure(tx, &located, &project, &name).await?;
            (project, portfolio)
        }
    };
    project::authorize(tx, caller, project.id, Role::Member).await?;
    let version = queries::hold(tx, wanted.artifact).await?;
    let there = membership::Entity::find()
        .filter(membership::Column::CollectionId.eq(portfolio.id))
        .filter(membership::Column::ArtifactId.eq(wanted.artifact))
        .one(tx.connection())
        .await?;
    let place = if let Some(there) = there {
        there
    } else {
        let place = membership::ActiveModel {
            id: NotSet,
            collection_id: Set(portfolio.id),
            artifact_id: Set(wanted.artifact),
            version_index: Set(collections::next_version(tx, &portfolio).await?),
            created_at: Set(tx.now()),
        };
        place.insert(tx.connection()).await?
    };
    let names: Vec<String> = wanted.aliases.into_iter().chain([LATEST.to_owned()]).collect();
    aliases::assign(tx, &project, &portfolio, wanted.artifact, &names, caller).await?;
    if project.is_registry() {
        let mut row = version.into_active_model();
        row.ttl_seconds = Set(ttl::Ttl::Disabled.stored());
        row.expires_at = Set(None);
        row.update(tx.connection()).await?;
    }
    Ok(place)
}

/// The project to link to. An entity's registered models have one, which is made with the first of them.
async fn target(tx: &WriteTx, caller: &Caller, entity: &str, name: &str) -> Result<Project> {
    match project::find(tx, caller, Some(entity), Some(name)).await? {
        Some(found) => Ok(found),
        None if name == MODEL_REGISTRY => Ok(project::ensure(tx, caller, Some(entity), Some(name)).await?.0),
        None => Err(Error::not_found("project", format!("{entity}/{name}"))),
    }
}

/// The portfolio of that name, of the version's type. A registry that does not take every type takes those that it has.
async fn ensure(tx: &WriteTx, located: &Located, project: &Project, name: &str) -> Result<super::Collection> {
    let source = super::get_types(tx, &[located.collection.artifact_type_id]).await?;
    let source =
        source.into_values().next().ok_or_else(|| Error::internal("a collection without its type"))?;
    let artifact_type = match types::find_type(tx, project.id, &source.name).await? {
        Some(found) => found,
        None if project.takes_any_type() => super::ensure_type(tx, project.id, &source.name, None).await?,
        None => {
            return Err(Error::Precondition {
                code: "ARTIFACT_TYPE_REFUSED",
                reason: format!(
                    "the registry {} does not take artifacts of type {}",
                    project.name, source.name
                ),
            });
        }
    };
    let wanted = Wanted {
        kind: CollectionKind::Portfolio,
        name,
        artifact_type: &artifact_type,
        algorithm: located.artifact.digest_algorithm,
    };
    collections::ensure(tx, project, wanted).await
}

/// Takes a version out of a portfolio, with the aliases that it has there.
pub async fn unlink(
    tx: &WriteTx,
    caller: &Caller,
    artifact: ArtifactId,
    portfolio: CollectionId,
) -> Result<()> {
    let missing = || Error::not_found("artifact membership", portfolio.to_node_id());
    queries::locate(tx, caller, artifact).await?;
    let (found, project) = super::get_collection(tx, caller, portfolio).await?;
    if found.kind != CollectionKind::Portfolio {
        return Err(missing());
    }
    project::authorize(tx, caller, project.id, Role::Member).await?;
    hold::check(tx, Target::Link { version: artifact, portfolio }).await?;
    let held = collections::hold(tx, found.id).await?;
    let rows = alias::Entity::find()
        .filter(alias::Column::CollectionId.eq(held.id))
        .filter(alias::Column::ArtifactId.eq(artifact))
        .all(tx.connection())
        .await?;
    let names: Vec<String> = rows.into_iter().map(|row| row.alias).collect();
    aliases::check_protected(tx, caller, &project, &names).await?;
    if remove_place(tx, held.id, artifact).await? == 0 {
        return Err(missing());
    }
    let from = format!("from {}/{}/{}", project.entity_name, project.name, held.name);
    let act = Act::by(caller.user_id, Action::Unlink).because(Some(&from));
    audit::record(tx, act, Topic::Artifacts(&[artifact])).await
}

/// Removes a version's place in a held collection, with its aliases there; the next newest becomes the latest.
pub(super) async fn remove_place(tx: &WriteTx, held: CollectionId, artifact: ArtifactId) -> Result<u64> {
    alias::Entity::delete_many()
        .filter(alias::Column::CollectionId.eq(held))
        .filter(alias::Column::ArtifactId.eq(artifact))
        .exec(tx.connection())
        .await?;
    let removed = membership::Entity::delete_many()
        .filter(membership::Column::CollectionId.eq(held))
        .filter(membership::Column::ArtifactId.eq(artifact))
        .exec(tx.connection())
        .await?;
    aliases::restore_latest(tx, held).await?;
    Ok(removed.rows_affected)
}
