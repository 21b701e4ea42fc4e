use std::fmt;

use anyhow::{Context as _, bail};
use counterweight_domain::blob::Referrer;
use counterweight_worker::fsck::{self, Finding, Settings, Summary, WINDOW};
use serde_json::json;

use super::{gc, resources, say};
use crate::cli::FsckArgs;
use crate::config::Config;

/// The comparison did not come to its end.
#[derive(Debug)]
pub(super) struct Unfinished;

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the comparison could not be finished")
    }
}

pub(super) async fn run(config: &Config, wish: &FsckArgs) -> anyhow::Result<()> {
    let summary = Box::pin(check(config, wish)).await.context(Unfinished)?;
    match summary.differences() {
        0 => Ok(()),
        n => bail!("bucket and database differ in {n} places"),
    }
}

async fn check(config: &Config, wish: &FsckArgs) -> anyhow::Result<Summary> {
    let db = gc::up_to_date(config).await?;
    let blobs = resources::open_objects(config)?;
    let settings = Settings {
        upload_window: config.gc.upload_window,
        grace: config.gc.grace,
        digests: wish.digests,
        quarantine: wish.quarantine,
        adopt: wish.adopt,
        window: WINDOW,
    };
    let tell = |finding: &Finding| {
        if wish.json { say(&serde_json::to_string(finding)?) } else { say(&describe(finding)) }
    };
    let summary = fsck::check(&db, &blobs, &settings, tell).await?;
    if wish.json {
        say(&json!({"summary": summary}).to_string())?;
    } else {
        say(&sum_up(&summary))?;
    }
    Ok(summary)
}

fn describe(finding: &Finding) -> String {
    match finding {
        Finding::Orphan { key, size_bytes, quarantined } => {
            let what = if *quarantined { "; the collector removes it when its grace is over" } else { "" };
            format!("orphan        {key}: {size_bytes} bytes that no row knows{what}")
        }
        Finding::Missing { key, size_bytes, referrers } => {
            format!("missing       {key}: {size_bytes} bytes{}", needed_by(referrers))
        }
        Finding::WrongSize { key, size_bytes, found_bytes, referrers } => {
            let needed_by = needed_by(referrers);
            format!("wrong size    {key}: {found_bytes} bytes instead of {size_bytes}{needed_by}")
        }
        Finding::WrongDigest { key, referrers } => format!("wrong digest  {key}{}", needed_by(referrers)),
        Finding::Adopted { key, instead_of } => {
            format!("adopted       {key}, which has the bytes that were missing at {instead_of}")
        }
    }
}

fn needed_by(referrers: &[Referrer]) -> String {
    let of = |referrer: &Referrer| {
        let Referrer { kind, place, name } = referrer;
        format!("\n              needed by {kind} {place} {name}").trim_end().to_owned()
    };
    referrers.iter().map(of).collect()
}

fn sum_up(summary: &Summary) -> String {
    let Summary { objects, object_bytes, rows, orphans, missing, wrong_sizes, wrong_digests, adopted } =
        summary;
    format!(
        "Compared {objects} objects with {object_bytes} bytes and {rows} rows: {orphans} orphans, {missing} missing, \
         {wrong_sizes} of a wrong size, {wrong_digests} with a wrong digest, {adopted} adopted."
    )
}

#[cfg(test)]
mod tests {
    use counterweight_storage::PutLimit;
    use futures_util::stream;

    use super::*;
    use crate::command::exit_code;
    use crate::config::{Flags, load};

    #[tokio::test]
    async fn the_exit_code_tells_clean_from_different_from_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            ("COUNTERWEIGHT_DATA".to_owned(), folder.path().display().to_string()),
            ("COUNTERWEIGHT_GC__UPLOAD_WINDOW".to_owned(), "1us".to_owned()),
        ];
        let config = load(Flags::default(), variables).unwrap();
        let wish = FsckArgs::default();
        let unfinished = run(&config, &wish).await.unwrap_err();
        assert_eq!(exit_code(&unfinished), 2, "{unfinished:#}");
        resources::open_database(&config).await.unwrap();
        run(&config, &wish).await.unwrap();
        let blobs = resources::open_objects(&config).unwrap();
        let key = "blobs/07/a".parse().unwrap();
        let limit = PutLimit { max_bytes: 1, expected_bytes: None };
        blobs.put_stream(&key, stream::iter([Ok("x".into())]), limit).await.unwrap();
        let different = run(&config, &FsckArgs { quarantine: true, ..wish }).await.unwrap_err();
        assert_eq!(exit_code(&different), 1, "{different:#}");
        run(&config, &wish).await.unwrap();
    }

    #[test]
    fn who_needs_what_is_missing_is_named() {
        let referrer =
            Referrer { kind: "run_file".to_owned(), place: "ada/demo/r".to_owned(), name: "a".to_owned() };
        let finding =
            Finding::Missing { key: "blobs/07/a".parse().unwrap(), size_bytes: 5, referrers: vec![referrer] };
        let text = describe(&finding);
        assert_eq!(text, "missing       blobs/07/a: 5 bytes\n              needed by run_file ada/demo/r a");
        let line = serde_json::to_value(&finding).unwrap();
        assert_eq!(
            (&line["finding"], &line["referrers"][0]["place"]),
            (&json!("missing"), &json!("ada/demo/r"))
        );
    }
}
