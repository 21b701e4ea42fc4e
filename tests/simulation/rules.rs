//! What must always hold, asked after every step. What cannot be seen in a step alone is asked where it is done (4, 5 and 10,
//! in the verbs), and at the end (2, 3 and 8, in `ending`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use counterweight_domain::Timestamp;

use super::promises::{Promises, Thing};
use super::view::{Version, View};
use super::{ARTIFACT_RETENTIONS, RETENTIONS, SKEW};
use crate::support::GC;

/// A rule that is broken, in words.
pub(super) type Broken = String;

/// A step: what was, what is, and who did it.
pub(super) struct Step<'a> {
    pub(super) before: &'a View,
    pub(super) after: &'a View,
    pub(super) name: &'a str,
    pub(super) doing: &'a str,
    /// When the transaction began that has just been committed, if any was.
    pub(super) began: Timestamp,
}

/// What rules remember of steps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Since when objects are doomed, by key.
    doomed_since: BTreeMap<String, i64>,
    /// Keys of objects that could be referred to at some time.
    once_live: BTreeSet<String>,
    /// Whose attempt a job is.
    claimed_by: BTreeMap<(i64, String, i64), String>,
    /// Versions whose time was over.
    ended: BTreeSet<i64>,
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap()
}

/// How near to its end a run, a version or a project is.
fn rank(state: &str) -> u8 {
    match state {
        "deleted" => 1,
        "purged" => 2,
        _ => 0,
    }
}

impl Step<'_> {
    /// The first rule that is broken.
    pub(super) fn check(&self, memory: &mut Memory, promises: &Promises) -> Result<(), Broken> {
        self.rule_1_no_referenced_blob_is_removed()?;
        self.rule_2_no_byte_goes_before_its_grace(memory)?;
        self.rule_3_only_its_holder_settles_a_job(memory)?;
        self.rule_6_deadlines_are_kept(memory)?;
        self.rule_7_what_can_be_restored_is_unchanged()?;
        self.rule_9_a_hold_wins()?;
        self.what_was_acknowledged_holds(memory, promises)
    }

    fn rule_1_no_referenced_blob_is_removed(&self) -> Result<(), Broken> {
        for (id, column) in &self.after.references {
            let Some(blob) = self.after.blobs.get(id) else {
                return Err(format!("rule 1: {column} refers to blob {id}, which has no row"));
            };
            if blob.state != "live" {
                return Err(format!("rule 1: {column} refers to blob {id}, which is {}", blob.state));
            }
            let size = self.after.objects.get(&blob.key).map(|size| i64::try_from(*size).unwrap());
            if size != Some(blob.size_bytes) {
                return Err(format!("rule 1: {column} refers to {}, whose bytes are {size:?}", blob.key));
            }
        }
        Ok(())
    }

    fn rule_2_no_byte_goes_before_its_grace(&self, memory: &mut Memory) -> Result<(), Broken> {
        for blob in self.after.blobs.values() {
            if blob.state == "live" {
                memory.once_live.insert(blob.key.clone());
            }
            if blob.state == "doomed" {
                memory.doomed_since.entry(blob.key.clone()).or_insert(self.after.now.0);
            } else {
                memory.doomed_since.remove(&blob.key);
            }
        }
        let gone = self.before.objects.keys().filter(|key| !self.after.objects.contains_key(*key));
        let urgent: HashSet<&String> =
            self.before.blobs.values().filter(|blob| blob.is_urgent).map(|blob| &blob.key).collect();
        for key in gone.filter(|key| memory.once_live.contains(*key) && !urgent.contains(key)) {
            let since = memory.doomed_since.get(key).copied();
            let over = since.is_some_and(|since| since + micros(GC.grace) <= self.after.now.0 + 2 * SKEW);
            if !over {
                return Err(format!("rule 2: {key} left the store, doomed since {since:?}"));
            }
        }
        Ok(())
    }

    /// A job that someone does is given back, finished and given up by that worker alone.
    fn rule_3_only_its_holder_settles_a_job(&self, memory: &mut Memory) -> Result<(), Broken> {
        let is_worker = self.name.starts_with("worker");
        for (id, (owner, attempt)) in &self.before.jobs {
            let left = self.after.jobs.get(id) != Some(&(owner.clone(), *attempt));
            let holder = memory.claimed_by.get(&(*id, owner.clone(), *attempt));
            // There is nothing left to do: also who was thought dead may find that out.
            let cancelled = self.after.cancelled.contains(id);
            let taken_over = cancelled || self.after.jobs.get(id).is_some_and(|(_, later)| *later > *attempt);
            if is_worker && left && !taken_over && holder.is_some_and(|holder| holder != self.name) {
                return Err(format!("rule 3: {} settled job {id}, which {holder:?} does", self.name));
            }
        }
        for (id, (owner, attempt)) in &self.after.jobs {
            let claim = (*id, owner.clone(), *attempt);
            if is_worker && self.before.jobs.get(id) != Some(&(owner.clone(), *attempt)) {
                memory.claimed_by.entry(claim).or_insert_with(|| self.name.to_owned());
            }
        }
        Ok(())
    }

    fn rule_6_deadlines_are_kept(&self, memory: &mut Memory) -> Result<(), Broken> {
        let now = self.after.now.0;
        let has_come = |deadline: i64| deadline <= now + SKEW;
        for (id, before) in &self.before.runs {
            let after = &self.after.runs[id];
            let project = &self.before.projects[&before.project];
            let with_project = project.state == "purged"
                || self.after.projects[&before.project].state == "purged" && has_come(project.purge_after);
            match (before.lifecycle.as_str(), after.lifecycle.as_str()) {
                (_, "purged") if with_project => {}
                ("deleted", "purged") if !before.is_urgent && !has_come(before.purge_after) => {
                    return Err(format!("rule 6: run {id} is purged before {}", before.purge_after));
                }
                ("live" | "archived", "purged") => {
                    return Err(format!("rule 6: run {id} is purged that was not deleted"));
                }
                ("archived", "deleted")
                    if self.name.starts_with("worker") && !has_come(before.archived_until) =>
                {
                    return Err(format!(
                        "rule 6: run {id} leaves the archive before {}",
                        before.archived_until
                    ));
                }
                ("live", "deleted") if self.name.starts_with("worker") => {
                    return Err(format!("rule 6: a worker deletes run {id}, which is live"));
                }
                // What a hold keeps from going at once.
                ("deleted", "deleted") if after.is_urgent => {}
                ("deleted", "deleted") => {
                    self.check_deadline_moved("run", *id, before.purge_after, after.purge_after)?;
                }
                ("live" | "archived", "deleted") => {
                    self.check_deadline_set("run", *id, after.purge_after, &RETENTIONS)?;
                }
                _ => {}
            }
        }
        for (id, before) in &self.before.projects {
            let purged = before.state == "deleted" && self.after.projects[id].state == "purged";
            if purged && !has_come(before.purge_after) {
                return Err(format!("rule 6: project {id} is purged before {}", before.purge_after));
            }
        }
        self.check_versions_end_in_time(memory)
    }

    fn check_deadline_moved(&self, what: &str, id: i64, before: i64, after: i64) -> Result<(), Broken> {
        if before == after || self.doing == "extendDeletion" {
            return Ok(());
        }
        Err(format!("rule 6: {} moves the deadline of {what} {id} by {}", self.name, self.doing))
    }

    fn check_deadline_set(
        &self,
        what: &str,
        id: i64,
        deadline: i64,
        periods: &[Duration],
    ) -> Result<(), Broken> {
        let span = deadline - self.after.now.0;
        // From when the transaction began, which may have waited long for its commit.
        let moments = self.began.0 - SKEW..=self.after.now.0 + SKEW;
        if periods.iter().any(|period| moments.contains(&(deadline - micros(*period)))) {
            return Ok(());
        }
        Err(format!("rule 6: {what} {id} can be restored for {span} microseconds"))
    }

    fn check_version(&self, id: i64, before: &Version, after: &Version) -> Result<(), Broken> {
        match (before.state.as_str(), after.state.as_str()) {
            // What a worker ends, and what was never whole, is not in the trash.
            ("committed", "deleted") if after.purge_after > 0 => {
                self.check_deadline_set("version", id, after.purge_after, &ARTIFACT_RETENTIONS)
            }
            ("deleted", "deleted") if before.is_urgent => Ok(()),
            ("deleted", "deleted") if before.purge_after > 0 && after.purge_after > 0 => {
                self.check_deadline_moved("version", id, before.purge_after, after.purge_after)
            }
            ("deleted", "deleted")
                if before.purge_after > self.after.now.0 + SKEW
                    && self.after.projects[&before.project].state != "purged" =>
            {
                Err(format!("rule 6: version {id} is purged before {}", before.purge_after))
            }
            _ => Ok(()),
        }
    }

    /// A worker ends versions only when their time is over, or with what is purged around them.
    fn check_versions_end_in_time(&self, memory: &mut Memory) -> Result<(), Broken> {
        for (id, before) in &self.before.versions {
            self.check_version(*id, before, &self.after.versions[id])?;
        }
        let ended =
            self.before.versions.iter().filter(|(id, before)| {
                before.state != "deleted" && self.after.versions[*id].state == "deleted"
            });
        for (id, before) in ended.filter(|_| self.name.starts_with("worker")) {
            memory.ended.insert(*id);
            if before.state != "committed" {
                continue;
            }
            let with_project = self.after.projects[&before.project].state == "purged";
            let is_over = before.expires_at > 0 && before.expires_at <= self.after.now.0 + SKEW;
            if !with_project && !is_over {
                return Err(format!(
                    "rule 6: a worker ends version {id}, which expires at {}",
                    before.expires_at
                ));
            }
        }
        Ok(())
    }

    fn rule_7_what_can_be_restored_is_unchanged(&self) -> Result<(), Broken> {
        for (id, before) in self.before.runs.iter().filter(|(_, before)| before.lifecycle == "deleted") {
            if self.after.runs[id].lifecycle == "purged" {
                continue;
            }
            let (was, is) = (self.before.fingerprint(*id), self.after.fingerprint(*id));
            let with_project = self.after.projects[&before.project].state == "purged";
            if was != is && !with_project {
                return Err(format!("rule 7: run {id} changes in the trash from {was:?} to {is:?}"));
            }
        }
        let restorable = self.before.versions.iter().filter(|(_, before)| before.purge_after > 0);
        for (id, before) in restorable.filter(|(id, _)| self.after.versions[*id].purge_after > 0) {
            let (was, is) = (self.before.contents(*id), self.after.contents(*id));
            if was != is && self.after.projects[&before.project].state != "purged" {
                return Err(format!("rule 7: version {id} changes in the trash from {was:?} to {is:?}"));
            }
        }
        Ok(())
    }

    fn rule_9_a_hold_wins(&self) -> Result<(), Broken> {
        let both = self.before.holds.intersection(&self.after.holds);
        let held: BTreeSet<(&str, i64)> = both.map(|(kind, id)| (kind.as_str(), *id)).collect();
        if held.is_empty() {
            return Ok(());
        }
        for (id, before) in &self.before.projects {
            if held.contains(&("project", *id)) && rank(&before.state) < rank(&self.after.projects[id].state)
            {
                return Err(format!("rule 9: project {id} is held and comes nearer to its end"));
            }
        }
        for (id, before) in &self.before.runs {
            if !held.contains(&("run", *id)) && !held.contains(&("project", before.project)) {
                continue;
            }
            if rank(&before.lifecycle) < rank(&self.after.runs[id].lifecycle) {
                return Err(format!("rule 9: run {id} is held and comes nearer to its end"));
            }
            let names: BTreeSet<_> =
                self.after.fingerprint(*id).0.into_iter().map(|(name, _)| name).collect();
            if self.before.fingerprint(*id).0.iter().any(|(name, _)| !names.contains(name)) {
                return Err(format!("rule 9: run {id} is held and loses a file"));
            }
        }
        for (id, before) in &self.before.versions {
            let places = self.before.places.iter().filter(|(version, ..)| version == id);
            let covered = held.contains(&("artifact", *id))
                || held.contains(&("project", before.project))
                || places.clone().any(|(_, _, project, _)| held.contains(&("project", *project)));
            if covered && rank(&before.state) < rank(&self.after.versions[id].state) {
                return Err(format!("rule 9: version {id} is held and is deleted"));
            }
            if held.contains(&("artifact", *id))
                && places.clone().any(|place| !self.after.places.contains(place))
            {
                return Err(format!("rule 9: version {id} is held and loses a place"));
            }
        }
        Ok(())
    }

    /// Part of rules 1, 3, 7 and 9: what was acknowledged is there, until someone asks for something else or its time is over.
    fn what_was_acknowledged_holds(&self, memory: &Memory, promises: &Promises) -> Result<(), Broken> {
        for thing in promises.things() {
            let Some(is) = self.after.value(thing) else { continue };
            let possible = promises.possible(thing);
            if !possible.contains(is.as_str()) && !self.after.is_over(memory, thing, &is, &possible) {
                return Err(format!("acknowledged: {thing:?} is {is}, and was to be one of {possible:?}"));
            }
        }
        Ok(())
    }
}

impl View {
    /// What a thing is; none where nobody can know any more.
    fn value(&self, thing: &Thing) -> Option<String> {
        let is_purged = |run: &i64| {
            self.runs[run].lifecycle == "purged" || self.is_project_purged(self.runs[run].project)
        };
        Some(match thing {
            Thing::Run(id) => self.runs[id].lifecycle.clone(),
            Thing::Project(id) => self.projects[id].state.clone(),
            Thing::File(run, _) | Thing::Lines(run) if is_purged(run) => return None,
            Thing::File(run, name) => {
                self.files.get(&(*run, (*name).to_owned())).cloned().unwrap_or_else(|| "none".to_owned())
            }
            Thing::Lines(run) => self.lines.get(&(*run, 1)).copied().unwrap_or(0).to_string(),
            Thing::Version(id) => self.versions[id].state.clone(),
            Thing::Link(id) => {
                let version = &self.versions[id];
                if version.state == "deleted" || self.is_project_purged(version.project) {
                    return None;
                }
                let linked = self.places.iter().any(|(version, _, _, portfolio)| version == id && *portfolio);
                if linked { "linked" } else { "none" }.to_owned()
            }
            Thing::Hold(kind, id) => {
                let held = self.holds.contains(&((*kind).to_owned(), *id));
                if held { "held" } else { "released" }.to_owned()
            }
        })
    }

    fn is_project_purged(&self, id: i64) -> bool {
        self.projects[&id].state == "purged"
    }

    /// Whether a thing came to its end by itself; rule 6 says when that may be.
    fn is_over(&self, memory: &Memory, thing: &Thing, is: &str, possible: &BTreeSet<&str>) -> bool {
        match thing {
            Thing::Run(id) => {
                let by_archive = is == "deleted" && possible.contains("archived");
                let by_trash =
                    is == "purged" && (possible.contains("deleted") || possible.contains("archived"));
                by_archive || by_trash || self.is_project_purged(self.runs[id].project)
            }
            Thing::Project(_) => is == "purged" && possible.contains("deleted"),
            Thing::Version(id) => is == "deleted" && memory.ended.contains(id),
            // The portfolio's project may be gone.
            Thing::Link(_) => is == "none" && self.projects.values().any(|project| project.state == "purged"),
            Thing::File(..) | Thing::Lines(_) | Thing::Hold(..) => false,
        }
    }
}
