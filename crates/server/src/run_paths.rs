//! Which run a writer streams to. It says so with every request, and a path that led to a run leads to it for good.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use counterweight_domain::account::Caller;
use counterweight_domain::id::{RunId, UserId};
use counterweight_domain::{Db, Result, run};

use crate::recent::Recent;

/// Someone who loses the right to write to a run keeps it for at most this long. That the run is deleted is seen at
/// once, since an append looks at the run itself.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// Who, with or without the rights of an administrator, and where.
type Path = (UserId, bool, String, String, String);

/// Finds runs by `entity/project/run`, and remembers where they were found.
#[derive(Debug)]
pub struct RunPaths {
    db: Db,
    known: Mutex<Recent<Path, RunId>>,
}

impl RunPaths {
    /// Empty.
    pub fn new(db: Db) -> Self {
        Self { db, known: Mutex::new(Recent::new(KNOWN_FOR)) }
    }

    /// The run of that path that `caller` may write to. `NotFound`, `RunDeleted` and `Forbidden` as
    /// [`run::resolve_to_write`].
    pub async fn find(&self, caller: &Caller, entity: &str, project: &str, name: &str) -> Result<RunId> {
        let who = (caller.user_id, caller.reaches_all());
        let path = (who.0, who.1, entity.to_owned(), project.to_owned(), name.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path, self.db.now());
        if let Some(id) = known {
            return Ok(id);
        }
        let id = run::resolve_to_write(&self.db, caller, entity, project, name).await?.id;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).put(path, id, self.db.now());
        Ok(id)
    }
}
