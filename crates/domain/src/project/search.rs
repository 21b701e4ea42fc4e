//! The projects of an entity that a filter means, in an order.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{Project, queries};
use crate::account::Caller;
use crate::db::Source;
use crate::error::{Error, Result};
use crate::id::{EntityId, ProjectId};

/// Projects of an entity that are looked at, the newest.
const MOST: u64 = 10_000;

/// A filter and an order.
#[derive(Debug)]
pub struct Search {
    filter: Filter,
    key: Key,
    descending: bool,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Name,
    CreatedAt,
    UpdatedAt,
}

/// Where a project stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(String, i64, ProjectId);

impl Search {
    /// Reads a filter (a Mongo-like JSON object) and an order: `name`, `created_at` or `updated_at`, after `-` the other
    /// way round. Without an order, the newest come first.
    pub fn parse(filter: &str, order: &str) -> Result<Self> {
        let order = if order.is_empty() { "-created_at" } else { order };
        let descending = order.starts_with('-');
        let key = match order.trim_start_matches(['+', '-']) {
            "name" => Key::Name,
            "created_at" | "createdAt" => Key::CreatedAt,
            "updated_at" | "updatedAt" => Key::UpdatedAt,
            _ => {
                let reason = "projects are ordered by name, created_at or updated_at";
                return Err(Error::invalid("ORDER_INVALID", "order", reason));
            }
        };
        Ok(Self { filter: Filter::parse(filter)?, key, descending })
    }

    fn place(&self, project: &Project) -> Place {
        match self.key {
            Key::Name => Place(project.name.clone(), 0, project.id),
            Key::CreatedAt => Place(String::new(), project.created_at.0, project.id),
            Key::UpdatedAt => Place(String::new(), project.updated_at.0, project.id),
        }
    }
}

/// A page of an entity's projects; `after` is where the last one seen stands.
pub async fn search(
    db: &impl Source,
    caller: &Caller,
    owner: EntityId,
    wanted: &Search,
    after: Option<&Place>,
    limit: u64,
) -> Result<Vec<(Project, Place)>> {
    let projects = queries::list(db, caller, owner, None, MOST).await?.into_iter();
    let placed = projects.filter(|project| wanted.filter.holds(project));
    let mut placed: Vec<_> = placed.map(|project| (wanted.place(&project), project)).collect();
    placed.sort_by(|(a, _), (b, _)| if wanted.descending { b.cmp(a) } else { a.cmp(b) });
    let is_next = |place: &Place| match after {
        None => true,
        Some(after) if wanted.descending => place < after,
        Some(after) => place > after,
    };
    let limit = usize::try_from(limit).map_err(Error::internal)?;
    let page = placed.into_iter().filter(|(place, _)| is_next(place)).take(limit);
    Ok(page.map(|(place, project)| (project, place)).collect())
}
