//! All that the rules look at, as database and store have it at one moment.

use std::collections::{BTreeMap, BTreeSet};

use counterweight_domain::Timestamp;
use counterweight_storage::BlobStore;

use crate::support::{Backend, TestDatabase, consistency};

/// Rows and objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The true time.
    pub(super) now: Timestamp,
    pub(super) projects: BTreeMap<i64, Project>,
    pub(super) runs: BTreeMap<i64, Run>,
    /// By run and name.
    pub(super) files: BTreeMap<(i64, String), String>,
    /// Lines of a run's history.
    pub(super) lines: BTreeMap<(i64, i64), i64>,
    pub(super) versions: BTreeMap<i64, Version>,
    /// By version and path, the digest.
    pub(super) entries: BTreeMap<(i64, String), String>,
    /// Version, collection, project, and whether it is a portfolio.
    pub(super) places: BTreeSet<(i64, i64, i64, bool)>,
    pub(super) blobs: BTreeMap<i64, Blob>,
    /// Which column refers to which blob.
    pub(super) references: BTreeSet<(i64, String)>,
    /// Kind and subject of what is held.
    pub(super) holds: BTreeSet<(String, i64)>,
    /// Under which owner and attempt jobs are done.
    pub(super) jobs: BTreeMap<i64, (String, i64)>,
    /// Jobs that were taken out of whosever hands.
    pub(super) cancelled: BTreeSet<i64>,
    pub(super) objects: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) state: String,
    pub(super) purge_after: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) lifecycle: String,
    pub(super) project: i64,
    pub(super) purge_after: i64,
    pub(super) archived_until: i64,
    /// Whether an administrator ended its time in the trash.
    pub(super) is_urgent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) state: String,
    pub(super) project: i64,
    pub(super) expires_at: i64,
    /// Until when it can be restored; zero where it cannot.
    pub(super) purge_after: i64,
    /// Whether an administrator ended that time.
    pub(super) is_urgent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) state: String,
    pub(super) key: String,
    pub(super) size_bytes: i64,
    /// Whether an administrator wanted it gone at once.
    pub(super) is_urgent: bool,
}

const ROWS: &[&str] = &[
    "SELECT 'project' AS k, p.id AS id, p.state AS a, '' AS b, COALESCE((SELECT MAX(d.purge_after) FROM deletion d \
     WHERE d.project_id = p.id AND d.kind = 'project' AND d.state = 'pending'), 0) AS x, 0 AS y, 0 AS z FROM project p",
    "SELECT 'run', id, lifecycle, CASE WHEN EXISTS (SELECT 1 FROM deletion_item i JOIN deletion d ON d.id = i.deletion_id \
     WHERE i.subject_id = run.id AND i.kind = 'run' AND i.state = 'pending' AND d.urgent) THEN 'urgent' ELSE '' END, \
     COALESCE((SELECT MAX(d.extended_to) FROM deletion_item i JOIN deletion d ON d.id = i.deletion_id \
     WHERE i.subject_id = run.id AND i.kind = 'run' AND i.state = 'pending' AND d.extended_to > run.purge_after), \
     purge_after, 0), COALESCE(archived_until, 0), project_id FROM run",
    "SELECT 'file', f.run_id, f.name, COALESCE(b.md5, ''), 0, 0, 0 FROM run_file f JOIN blob b ON b.id = f.blob_id",
    "SELECT 'lines', run_id, '', '', stream, line_count, 0 FROM history_stream",
    "SELECT 'version', v.id, v.state, CASE WHEN EXISTS (SELECT 1 FROM deletion_item i JOIN deletion d ON d.id = i.deletion_id \
     WHERE i.subject_id = v.id AND i.kind = 'artifact' AND i.state = 'pending' AND d.urgent) THEN 'urgent' ELSE '' END, \
     COALESCE(v.expires_at, 0), c.project_id, \
     COALESCE((SELECT MAX(d.extended_to) FROM deletion_item i JOIN deletion d ON d.id = i.deletion_id \
     WHERE i.subject_id = v.id AND i.kind = 'artifact' AND i.state = 'pending' AND d.extended_to > v.purge_after), \
     v.purge_after, 0) FROM artifact v \
     JOIN artifact_collection c ON c.id = v.collection_id",
    "SELECT 'entry', artifact_id, path, digest, 0, 0, 0 FROM artifact_entry",
    "SELECT 'place', m.artifact_id, c.kind, '', c.id, c.project_id, 0 FROM artifact_membership m \
     JOIN artifact_collection c ON c.id = m.collection_id",
    "SELECT 'blob', id, state, object_key, size_bytes, CASE WHEN EXISTS (SELECT 1 FROM receipt_object o \
     JOIN deletion d ON d.id = o.deletion_id WHERE o.blob_id = blob.id AND d.urgent) THEN 1 ELSE 0 END, 0 FROM blob",
    "SELECT 'hold', subject_id, kind, '', 0, 0, 0 FROM hold WHERE released_at IS NULL",
    "SELECT 'job', id, COALESCE(lease_owner, ''), '', attempt, 0, 0 FROM job WHERE state = 'running'",
    "SELECT 'cancelled', id, '', '', 0, 0, 0 FROM job WHERE last_error = 'cancelled'",
];

/// Which columns refer to blobs, as the schema itself says.
async fn reference_columns(database: &TestDatabase) -> Vec<String> {
    let sql = match database.backend() {
        Backend::Sqlite => {
            "SELECT m.name || '.' || f.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table' AND f.\"table\" = 'blob' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT CAST(c.conrelid::regclass AS TEXT) || '.' || a.attname FROM pg_constraint c \
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
             WHERE c.contype = 'f' AND c.confrelid = CAST('blob' AS regclass) ORDER BY 1"
        }
    };
    database.texts(sql).await
}

/// The statement that reads all rows.
pub(super) async fn statement(database: &TestDatabase) -> String {
    let columns = reference_columns(database).await;
    assert!(columns.len() >= 6, "{columns:?}");
    let references = columns.iter().map(|column| {
        let (table, name) = column.split_once('.').unwrap();
        format!("SELECT 'reference', {name}, '{column}', '', 0, 0, 0 FROM {table} WHERE {name} IS NOT NULL")
    });
    let parts: Vec<String> = ROWS.iter().map(|part| (*part).to_owned()).chain(references).collect();
    parts.join(" UNION ALL ")
}

impl View {
    /// Looks at everything, by that statement.
    pub(super) async fn look(
        now: Timestamp,
        database: &TestDatabase,
        blobs: &BlobStore,
        statement: &str,
    ) -> Self {
        let mut view = Self { now, objects: consistency::objects(blobs).await, ..Self::default() };
        for row in database.select(statement).await {
            let text = |at: usize| -> String { row.try_get_by_index(at).unwrap() };
            let number = |at: usize| -> i64 { row.try_get_by_index(at).unwrap() };
            let (id, a, b, x, y) = (number(1), text(2), text(3), number(4), number(5));
            match text(0).as_str() {
                "project" => drop(view.projects.insert(id, Project { state: a, purge_after: x })),
                "run" => {
                    let (project, is_urgent) = (number(6), b == "urgent");
                    let run = Run { lifecycle: a, project, purge_after: x, archived_until: y, is_urgent };
                    view.runs.insert(id, run);
                }
                "file" => drop(view.files.insert((id, a), b)),
                "lines" => drop(view.lines.insert((id, x), y)),
                "version" => {
                    let (purge_after, is_urgent) = (number(6), b == "urgent");
                    let version = Version { state: a, project: y, expires_at: x, purge_after, is_urgent };
                    view.versions.insert(id, version);
                }
                "entry" => drop(view.entries.insert((id, a), b)),
                "place" => drop(view.places.insert((id, x, y, a == "portfolio"))),
                "blob" => {
                    let blob = Blob { state: a, key: b, size_bytes: x, is_urgent: y == 1 };
                    view.blobs.insert(id, blob);
                }
                "hold" => drop(view.holds.insert((a, id))),
                "cancelled" => drop(view.cancelled.insert(id)),
                "job" => drop(view.jobs.insert(id, (a, x))),
                "reference" => drop(view.references.insert((id, a))),
                other => panic!("{other}"),
            }
        }
        view
    }

    /// What a run's files and lines are.
    pub(super) fn fingerprint(&self, run: i64) -> (Vec<(&String, &String)>, Vec<i64>) {
        let of_run = (run, String::new())..(run + 1, String::new());
        let files = self.files.range(of_run).map(|((_, name), md5)| (name, md5)).collect();
        (files, self.lines.range((run, 0)..(run + 1, 0)).map(|(_, lines)| *lines).collect())
    }

    /// What a version's files are.
    pub(super) fn contents(&self, version: i64) -> Vec<(&String, &String)> {
        let of_version = (version, String::new())..(version + 1, String::new());
        self.entries.range(of_version).map(|((_, path), digest)| (path, digest)).collect()
    }
}
