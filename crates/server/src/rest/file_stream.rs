//! `POST /files/{entity}/{project}/{run}/file_stream`: what a run's writer streams (protocol reference 4.2).

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use counterweight_domain::history::{Append, Ending, Lines, Prepared, Stream};
use counterweight_domain::id::RunId;
use counterweight_domain::run::Document;
use counterweight_domain::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Requester;
use crate::middleware::body;
use crate::problem::Problem;
use crate::state::AppState;

/// Bodies from this size on are taken apart away from the threads that serve others.
const LARGE: usize = 256 * 1024;
const SUMMARY: &str = "wandb-summary.json";

#[derive(Debug, Deserialize)]
struct FileStream {
    #[serde(default)]
    files: BTreeMap<String, Content>,
    #[serde(default)]
    preempting: Option<bool>,
    #[serde(default)]
    complete: Option<bool>,
    #[serde(default)]
    exitcode: Option<i32>,
}

#[derive(Debug, Deserialize)]
struct Content {
    offset: u64,
    content: Vec<String>,
}

/// Stores what a request brings, then answers: what was acknowledged is durable. Files named in `uploaded` are there
/// since their bytes arrived, so nothing is left to do for them.
pub async fn file_stream(
    State(state): State<AppState>,
    Path((entity, project, name)): Path<(String, String, String)>,
    Requester(caller): Requester,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(&parts.headers, body, body::FILE_STREAM_LIMIT).await?;
    let run_id = state.run_paths.find(&caller, &entity, &project, &name).await?;
    let path = format!("{entity}/{project}/{name}");
    let append = if bytes.len() < LARGE {
        read(&bytes, run_id, path)?
    } else {
        let work = tokio::task::spawn_blocking(move || read(&bytes, run_id, path));
        work.await.map_err(Error::internal)??
    };
    let appended = state.history.append(append).await?;
    let mut answer = json!({"exitcode": null, "limits": {}});
    if appended.stopped {
        answer["stopped"] = true.into();
    }
    Ok(Json(answer))
}

fn read(bytes: &Bytes, run_id: RunId, path: String) -> Result<Append, Problem> {
    let invalid = |reason: &str| {
        let message = format!("the body is not a file stream: {reason}");
        Problem::new(StatusCode::BAD_REQUEST, "BODY_INVALID", message)
    };
    // serde takes a list for an object's fields in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid("it must be a JSON object"));
    }
    let body: FileStream = serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    let mut lines = Vec::new();
    let mut summary = None;
    for (name, Content { offset, content }) in body.files {
        if name == SUMMARY {
            summary = content.into_iter().next_back().map(Document::summary).transpose()?;
            continue;
        }
        let stream = stream_of(&name)?;
        lines.push(Prepared::new(Lines { stream, offset, content })?);
    }
    let ending = Ending { exit_code: body.exitcode.unwrap_or(0) };
    Ok(Append {
        run_id,
        path,
        lines,
        summary,
        preempting: body.preempting == Some(true),
        ending: (body.complete == Some(true)).then_some(ending),
    })
}

fn stream_of(name: &str) -> Result<Stream> {
    [Stream::History, Stream::Events, Stream::Console]
        .into_iter()
        .find(|stream| stream.file_name() == name)
        .ok_or_else(|| Error::invalid("STREAM_UNKNOWN", format!("files.{name}"), "is not a stream of lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Append, (u16, &'static str)> {
        read(&Bytes::copy_from_slice(text.as_bytes()), RunId(1), "e/p/r".into())
            .map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[test]
    fn what_the_client_sends_is_understood() {
        let heartbeat = read_text("{}").unwrap();
        assert!(heartbeat.lines.is_empty() && heartbeat.ending.is_none() && !heartbeat.preempting);
        let last = read_text(
            r#"{"files":{"wandb-history.jsonl":{"offset":2,"content":["{\"a\":NaN}"]},
                "wandb-summary.json":{"offset":0,"content":["{\"a\":1}","{\"a\":2}"]}},
                "uploaded":["config.yaml"],"complete":true,"exitcode":1,"dropped":0}"#,
        )
        .unwrap();
        assert_eq!(last.lines.len(), 1);
        assert!(last.summary.is_some());
        assert_eq!(last.ending, Some(Ending { exit_code: 1 }));
    }

    #[test]
    fn bad_input_has_its_code() {
        for (text, code) in [
            ("", "BODY_INVALID"),
            ("[]", "BODY_INVALID"),
            (r#"{"files":{"wandb-history.jsonl":{"offset":-1,"content":[]}}}"#, "BODY_INVALID"),
            (r#"{"files":{"wandb-history.jsonl":{"offset":0,"content":["[]"]}}}"#, "LINE_INVALID"),
            (r#"{"files":{"other.jsonl":{"offset":0,"content":[]}}}"#, "STREAM_UNKNOWN"),
            (r#"{"files":{"wandb-summary.json":{"offset":0,"content":["3"]}}}"#, "DOCUMENT_INVALID"),
        ] {
            assert_eq!(read_text(text).unwrap_err(), (400, code), "{text}");
        }
        let mut invalid_utf8 = br#"{"files":{"output.log":{"offset":0,"content":["x"]}}}"#.to_vec();
        let x = invalid_utf8.iter().rposition(|byte| *byte == b'x').unwrap();
        invalid_utf8[x] = 0xff;
        assert_eq!(read(&invalid_utf8.into(), RunId(1), String::new()).unwrap_err().code(), "BODY_INVALID");
    }
}
