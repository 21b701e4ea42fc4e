//! `POST /files/{entity}/{project}/{run}/file_stream`: what a run's writer streams (protocol reference 4.2).

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use counterweight_domain::history::{Append, Ending, Lines, Prepared, Stream, WriterId};
use counterweight_domain::id::RunId;
use counterweight_domain::run::Document;
use counterweight_domain::{Error, Result};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::auth::Requester;
use crate::middleware::body;
use crate::path::Path;
use crate::problem::Problem;
use crate::state::AppState;

/// Bodies from this size on are taken apart away from the threads that serve others.
const LARGE: usize = 256 * 1024;
/// Of one stream in one request. The client sends 10 MiB at once, and its shortest lines have some thirty bytes.
const MOST_LINES: usize = 500_000;
const SUMMARY: &str = "wandb-summary.json";
/// Sent in shared mode, by each of a run's writers its own.
const WRITER: &str = "x-wandb-async-client-id";

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
    #[serde(deserialize_with = "lines")]
    content: Vec<String>,
}

/// Keeps one line more than there may be, so that too many are noticed and take no memory.
fn lines<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    struct Lines;

    impl<'de> Visitor<'de> for Lines {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of lines")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut lines = Vec::new();
            while lines.len() <= MOST_LINES
                && let Some(line) = list.next_element()?
            {
                lines.push(line);
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(lines)
        }
    }

    list.deserialize_seq(Lines)
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
    let writer = writer(&parts.headers)?;
    let body = state.body_memory.read(&parts.headers, body, body::FILE_STREAM_LIMIT).await?;
    let run_id = state.run_paths.find(&caller, &entity, &project, &name).await?;
    let path = format!("{entity}/{project}/{name}");
    let large = body.len() >= LARGE;
    let prepare = move || body.prepare(|bytes| read(bytes, run_id, path, writer));
    let append = if large {
        tokio::task::spawn_blocking(prepare).await.map_err(Error::internal)??
    } else {
        prepare()?
    };
    let appended = state.history.append(append).await?;
    let mut answer = json!({"exitcode": null, "limits": {}});
    if appended.stopped {
        answer["stopped"] = true.into();
    }
    Ok(Json(answer))
}

fn read(bytes: &[u8], run_id: RunId, path: String, writer: Option<WriterId>) -> Result<Append, Problem> {
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
        if content.len() > MOST_LINES {
            let reason = format!("at most {MOST_LINES} lines at once");
            return Err(Error::invalid("TOO_MANY_LINES", format!("files.{name}.content"), reason).into());
        }
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
        writer,
        lines,
        summary,
        preempting: body.preempting == Some(true),
        ending: (body.complete == Some(true)).then_some(ending),
        merged: None,
    })
}

fn writer(headers: &HeaderMap) -> Result<Option<WriterId>> {
    let name = headers.get(WRITER).filter(|name| !name.is_empty());
    // What is not ASCII is no name of a writer either.
    name.map(|name| WriterId::parse(name.to_str().unwrap_or_default())).transpose()
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
        read(text.as_bytes(), RunId(1), "e/p/r".into(), None)
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
    fn too_many_lines_are_refused() {
        let lines = |count: usize| {
            let lines = r#""","#.repeat(count);
            format!(r#"{{"files":{{"output.log":{{"offset":0,"content":[{lines}""]}}}}}}"#)
        };
        assert!(read_text(&lines(MOST_LINES - 1)).is_ok());
        for more in [MOST_LINES, 2 * MOST_LINES] {
            assert_eq!(read_text(&lines(more)).unwrap_err(), (400, "TOO_MANY_LINES"));
        }
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
        assert_eq!(read(&invalid_utf8, RunId(1), String::new(), None).unwrap_err().code(), "BODY_INVALID");
    }
}
