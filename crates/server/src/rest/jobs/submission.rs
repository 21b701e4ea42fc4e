//! What `POST /api/v1/runs` asks for.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode};
use counterweight_domain::Error;
use counterweight_domain::run::{Document, Once, Tags, Upsert};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::invalid;
use crate::problem::Problem;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// A run to wait for its writer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submission {
    entity: Option<String>,
    project: Option<String>,
    name: Option<String>,
    display_name: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, Box<RawValue>>,
    tags: Option<Vec<String>>,
    group: Option<String>,
    job_type: Option<String>,
    description: Option<String>,
    notes: Option<String>,
}

/// Reads a request.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<(Upsert, Option<Once>), Problem> {
    let not_json = |reason: &str| invalid(format!("the body is not a submission: {reason}"));
    // serde takes a list for an object's fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(not_json("it must be a JSON object"));
    }
    let asked: Submission = serde_json::from_slice(body).map_err(|error| not_json(&error.to_string()))?;
    let wish = Upsert {
        entity: asked.entity,
        project: asked.project,
        name: asked.name,
        display_name: asked.display_name,
        config: Some(config(asked.config)?),
        tags: asked.tags.map(Tags::new).transpose()?,
        group_name: asked.group,
        job_type: asked.job_type,
        description: asked.description,
        notes: asked.notes,
        ..Upsert::default()
    };
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default());
    let once = key.map(|key| {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(invalid(format!("Idempotency-Key must be 1 to {LONGEST_KEY} ASCII characters")));
        }
        Ok(Once { key: key.to_owned(), fingerprint: hex::encode(Sha256::digest(body)) })
    });
    Ok((wish, once.transpose()?))
}

/// A config as the client writes it, from plain values. The note of its own says that the run has begun, without which
/// the client would begin it anew rather than resume it with what was asked for.
fn config(values: BTreeMap<String, Box<RawValue>>) -> Result<Document, Error> {
    let begun = RawValue::from_string(r#"{"t":{}}"#.to_owned()).map_err(Error::internal)?;
    let values = values.into_iter().chain([("_wandb".to_owned(), begun)]);
    let entries: BTreeMap<_, _> =
        values.map(|(key, value)| (key, BTreeMap::from([("value", value)]))).collect();
    Document::config(serde_json::to_string(&entries).map_err(Error::internal)?)
}

/// Why a submission was not taken.
pub(super) fn refusal(error: Error) -> Problem {
    match error {
        Error::Precondition { code: code @ "KEY_REUSED", reason } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, reason)
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn refused(key: Option<&'static str>, body: &str) -> u16 {
        let key = key.map(|key| (IDEMPOTENCY_KEY.parse().unwrap(), HeaderValue::from_static(key)));
        read(&key.into_iter().collect(), body.as_bytes()).unwrap_err().status().as_u16()
    }

    #[test]
    fn what_is_no_submission_is_refused() {
        for body in ["", "{", "[]", "null", r#"{"name": 1}"#, r#"{"prompt": "x"}"#, r#"{"config": []}"#] {
            assert_eq!(refused(None, body), 400, "{body}");
        }
        assert_eq!(refused(Some(""), "{}"), 400);
    }

    #[test]
    fn what_is_asked_again_has_the_same_fingerprint() {
        let once = |body: &str| {
            let headers = [(IDEMPOTENCY_KEY.parse().unwrap(), HeaderValue::from_static("k"))];
            read(&headers.into_iter().collect(), body.as_bytes()).unwrap().1.unwrap().fingerprint
        };
        assert_eq!(once("{}"), once("{}"));
        assert_ne!(once("{}"), once(r#"{"name":"r"}"#));
    }
}
