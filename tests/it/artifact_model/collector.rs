//! What happens by itself: jobs and passes of the collector.

use std::collections::BTreeSet;

use counterweight_domain::blob::{self, SweepCursor};
use counterweight_worker::gc;

use super::Trouble;
use super::world::World;
use crate::support::GC;

impl World<'_> {
    pub(super) async fn work(&self, trouble: Option<Trouble>) {
        self.meet(trouble, self.app.run_jobs()).await;
    }

    pub(super) async fn pass(&self, trouble: Option<Trouble>) {
        let blobs = self.app.blobs.with_faults(&self.app.faults);
        let done = self.meet(trouble, gc::pass(&self.app.db, &blobs, &GC, false)).await;
        if done.is_some_and(|report| report.unwrap().failed == 0) {
            let due =
                blob::due_for_sweep(&self.app.db, self.app.db.now(), SweepCursor::START, 1).await.unwrap();
            assert_eq!(due, [], "what is due goes in this pass");
        } else {
            assert!(trouble.is_some());
        }
    }

    /// A dry run writes nothing, and names what the pass then marks or removes.
    pub(super) async fn rehearse(&self) {
        let rows = "SELECT object_key || ' ' || state || last_used_at || COALESCE(sweep_after, 0) FROM blob ORDER BY id";
        let seen = async || (self.app.texts(rows).await, self.app.objects().await);
        let before = seen().await;
        let planned = gc::pass(&self.app.db, &self.app.blobs, &GC, true).await.unwrap();
        assert_eq!(seen().await, before);
        self.pass(None).await;
        let after: BTreeSet<_> = self.app.texts(rows).await.into_iter().collect();
        let done: BTreeSet<_> = before.0.into_iter().filter(|row| !after.contains(row)).collect();
        let done: BTreeSet<_> =
            done.iter().filter_map(|row| Some(row.split_once(' ')?.0.to_owned())).collect();
        let planned: BTreeSet<_> = planned.objects.iter().map(ToString::to_string).collect();
        assert_eq!(planned, done);
    }
}
