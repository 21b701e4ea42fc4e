//! What a deletion would do.

use async_graphql::{ID, Object, SimpleObject};

use counterweight_domain::deletion;

use crate::scalars::Int64;

/// What a deletion would do. Making a plan changes nothing.
pub(crate) struct DeletionPlan(pub(crate) deletion::DeletionPlan);

/// A place in a registry, or in another portfolio, of a version that a run logged.
#[derive(SimpleObject)]
struct PlannedLink {
    /// `entity/project/collection:v0`.
    path: String,
    /// What the version is called there.
    aliases: Vec<String>,
    /// Whether the artifact would stay, and the link with it.
    kept: bool,
}

/// What keeps a run from being deleted.
#[derive(SimpleObject)]
struct DeletionObstacle {
    /// The code that the deletion would be refused with.
    code: &'static str,
    /// The run.
    run_id: ID,
    /// What it is about.
    name: String,
    /// In words.
    reason: String,
}

fn count(number: u64) -> Int64 {
    Int64(i64::try_from(number).unwrap_or(i64::MAX))
}

#[Object]
impl DeletionPlan {
    /// Stands for the state that was seen: a deletion that names it is refused with `PLAN_STALE` once the runs, their artifacts
    /// and files, their links or what keeps them have changed. History that a writer adds does not count.
    async fn id(&self) -> ID {
        self.0.id.clone().into()
    }

    /// Runs that would go.
    async fn run_count(&self) -> Int64 {
        count(self.0.run_count)
    }

    /// Versions of artifacts that would go: no collection would have them any more.
    async fn artifact_count(&self) -> Int64 {
        count(self.0.artifact_count)
    }

    /// Files of the runs.
    async fn file_count(&self) -> Int64 {
        count(self.0.file_count)
    }

    /// Bytes in the object store that nothing else needs.
    async fn bytes_freed(&self) -> Int64 {
        count(self.0.bytes_freed)
    }

    /// Bytes that stay, since something else refers to them.
    async fn bytes_kept(&self) -> Int64 {
        count(self.0.bytes_kept)
    }

    /// Places in registries and other portfolios that would be lost.
    async fn link_count(&self) -> Int64 {
        count(self.0.link_count)
    }

    /// The first hundred places that the artifacts have, lost or kept.
    async fn links(&self) -> Vec<PlannedLink> {
        let links = self.0.links.iter().cloned();
        links
            .map(|deletion::PlannedLink { path, aliases, kept }| PlannedLink { path, aliases, kept })
            .collect()
    }

    /// How many things keep runs from being deleted.
    async fn obstacle_count(&self) -> Int64 {
        count(self.0.obstacle_count)
    }

    /// The first hundred of them.
    async fn obstacles(&self) -> Vec<DeletionObstacle> {
        let found = self.0.obstacles.iter().cloned();
        found
            .map(|deletion::Obstacle { code, run_id, name, reason }| DeletionObstacle {
                code,
                run_id: run_id.to_node_id().into(),
                name,
                reason,
            })
            .collect()
    }
}
