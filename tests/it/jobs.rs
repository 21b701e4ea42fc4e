//! Runs as jobs: what a scheduler that knows only HTTP asks for, and that it is told what the document says.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, HISTORY, SUMMARY, TRASH, TestApp, backend_test, text};

const ROOT: &str = "/api/v1/runs";
const RUNNING: &str = "Cannot delete running job. Cancel it first.";

/// One request; its answer must be one that the document knows.
async fn call(client: &Client, method: Method, rest: &str, body: Option<(&str, Option<&str>)>) -> Answer {
    let mut request = client.request(method.clone(), &format!("{ROOT}{rest}"));
    if let Some(key) = body.and_then(|(_, key)| key) {
        request = request.header("idempotency-key", key);
    }
    let body = body.map_or_else(String::new, |(body, _)| body.to_owned());
    let answer = client.send(request.body(body.into()).unwrap()).await;
    let document = client.get("/api/v1/openapi.json").await.json();
    let path = rest.split('?').next().unwrap();
    let route = match path.split('/').collect::<Vec<_>>()[..] {
        [_, _, verb] => format!("{ROOT}/{{id}}/{verb}"),
        [_, _] => format!("{ROOT}/{{id}}"),
        _ => ROOT.to_owned(),
    };
    let told = &document["paths"][&route][method.as_str().to_lowercase()]["responses"];
    let known = &told[answer.status.to_string()];
    assert!(known.is_object(), "{method} {route} {} is not in the document", answer.status);
    if answer.status >= 400 {
        let body = answer.json();
        assert!(body.as_object().unwrap().len() == 1 && body["detail"].is_string(), "{body}");
    }
    answer
}

async fn get(client: &Client, rest: &str) -> Answer {
    call(client, Method::GET, rest, None).await
}

async fn post(client: &Client, rest: &str) -> Answer {
    call(client, Method::POST, rest, None).await
}

async fn delete(client: &Client, rest: &str) -> Answer {
    call(client, Method::DELETE, rest, None).await
}

async fn submit(client: &Client, wish: &Value, key: Option<&str>) -> Answer {
    call(client, Method::POST, "", Some((&wish.to_string(), key))).await
}

/// The status and the reason of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json()["detail"]))
}

fn not_found(id: &str) -> (u16, String) {
    (404, format!("Job not found: {id}"))
}

/// Names of the runs of a page.
async fn listed(client: &Client, query: &str) -> Vec<String> {
    let page = get(client, query).await.json();
    let jobs = page["jobs"].as_array().unwrap();
    jobs.iter().map(|job| text(&job["run"]).rsplit('/').next().unwrap().to_owned()).collect()
}

/// The address of a run as a job.
async fn address(client: &Client, name: &str) -> String {
    let found = get(client, &format!("/{}%2Fdemo%2F{name}", client.entity())).await.json();
    format!("/{}", text(&found["job_id"]))
}

/// Names and data of a stream of events that has ended.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let part = |event: &str, field: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().to_owned()
    };
    let events = body.split("\n\n").filter(|event| !event.is_empty());
    let events = events.map(|event| (part(event, "event:"), part(event, "data:")));
    events
        .filter(|(name, _)| name != "heartbeat")
        .map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
        .collect()
}

backend_test!(a_run_is_a_job_by_its_number_and_by_its_path, |app| {
    let run = app.ada.run_with("demo", "r", json!({"displayName": "pretty"})).await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#, r#"{"_step":5}"#]).await;
    let by_path = get(&app.ada, "/ada%2Fdemo%2Fr").await;
    let job = by_path.json();
    assert_eq!((&job["status"], &job["run"]), (&json!("running"), &json!("ada/demo/r")));
    assert_eq!((&job["display_name"], &job["error"]), (&json!("pretty"), &Value::Null));
    assert_eq!(job["progress"], json!({"steps_completed": 2, "current_step": 5}));
    assert_eq!((&job["completed_at"], &job["retry_after"]), (&Value::Null, &json!(5)));
    assert_eq!(get(&app.ada, &address(&app.ada, "r").await).await.json(), job);
    run.complete(3).await;
    let job = get(&app.ada, "/ada%2Fdemo%2Fr").await.json();
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!("the process exited with code 3")));
    assert_eq!((&job["completed_at"], &job["retry_after"]), (&json!("2026-01-01T00:00:00Z"), &Value::Null));
    for id in ["nothing", "run_99", "run_x"] {
        assert_eq!(refusal(&get(&app.ada, &format!("/{id}")).await), not_found(id));
    }
});

backend_test!(jobs_are_listed_by_status_page_by_page, |app| {
    for (name, code) in [("a", 0), ("b", 1), ("c", 0), ("d", 0)] {
        app.ada.run("demo", name).await.complete(code).await;
    }
    app.ada.run("other", "e").await;
    app.ada.run("demo", "archived").await.change("archiveRun").await;
    app.grace.run("demo", "hers").await;
    assert_eq!(listed(&app.ada, "").await, ["e", "d", "c", "b", "a"]);
    assert_eq!(listed(&app.ada, "?status=succeeded").await, ["d", "c", "a"]);
    assert_eq!(listed(&app.ada, "?status=failed&project=demo").await, ["b"]);
    assert_eq!(listed(&app.ada, "?status=running").await, ["e"]);
    assert_eq!(listed(&app.ada, "?entity=grace").await, Vec::<String>::new());
    assert_eq!(listed(&app.ada, "?page_size=2&page=2").await, ["c", "b"]);
    let page = get(&app.ada, "?status=succeeded&page=2&page_size=2").await.json();
    let seen = (&page["total"], &page["page"], &page["page_size"], page["jobs"].as_array().unwrap().len());
    assert_eq!(seen, (&json!(3), &json!(2), &json!(2), 1));
    let unknown = refusal(&get(&app.ada, "?status=done").await);
    let known = "Invalid status: done. Valid values: queued, running, succeeded, failed, cancelled";
    assert_eq!(unknown, (400, known.to_owned()));
    for query in ["?page=0", "?page=1000000001", "?page_size=0", "?page_size=101", "?page=x"] {
        assert_eq!(get(&app.ada, query).await.status, 400, "{query}");
    }
});

backend_test!(a_job_is_deleted_once_it_has_ended, |app| {
    let run = app.ada.run("demo", "r").await;
    let id = address(&app.ada, "r").await;
    assert_eq!(refusal(&delete(&app.ada, &id).await), (400, RUNNING.to_owned()));
    let cancelled = post(&app.ada, &format!("{id}/cancel")).await.json();
    assert_eq!((&cancelled["status"], &cancelled["stop_requested"]), (&json!("running"), &json!(true)));
    assert_eq!(run.stream(&json!({})).await.json()["stopped"], true);
    run.complete(255).await;
    assert_eq!(get(&app.ada, &id).await.json()["status"], "cancelled");
    let again = refusal(&post(&app.ada, &format!("{id}/cancel")).await);
    assert_eq!(again, (409, "Job is already complete. Status: cancelled".to_owned()));
    let deleted = delete(&app.ada, &id).await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    let recorded = app.texts("SELECT id FROM deletion").await;
    assert_eq!(recorded, [deleted.headers["deletion-id"].to_str().unwrap()]);
    for answer in [delete(&app.ada, &id).await, get(&app.ada, &id).await] {
        assert_eq!(refusal(&answer), not_found(&id[1..]));
    }
    assert_eq!(app.ada.trash().await, ["r"]);
    app.wait(TRASH).await;
    assert_eq!(refusal(&get(&app.ada, "/ada%2Fdemo%2Fr").await), not_found("ada/demo/r"));
});

backend_test!(a_queued_job_waits_for_its_writer, |app| {
    let wish = json!({"project": "demo", "name": "r", "display_name": "pretty", "tags": ["a"], "group": "g",
        "config": {"lr": 0.1}});
    let queued = submit(&app.ada, &wish, None).await;
    let (status, job) = (queued.status, queued.json());
    assert_eq!((status, &job["status"], &job["run"]), (202, &json!("queued"), &json!("ada/demo/r")));
    assert_eq!(
        queued.headers["location"].to_str().unwrap(),
        format!("{ROOT}{}", address(&app.ada, "r").await)
    );
    assert_eq!(queued.headers["retry-after"], "2");
    let id = address(&app.ada, "r").await;
    assert_eq!(refusal(&delete(&app.ada, &id).await), (400, RUNNING.to_owned()));
    assert_eq!(listed(&app.ada, "?status=queued").await, ["r"]);
    assert_eq!(submit(&app.ada, &wish, None).await.status, 409);
    let run = app.ada.run("demo", "r").await;
    let seen = run.show("state displayName group tags config").await;
    assert_eq!((&seen["state"], &seen["displayName"]), (&json!("running"), &json!("pretty")));
    assert_eq!((&seen["group"], &seen["tags"]), (&json!("g"), &json!(["a"])));
    let config: Value = serde_json::from_str(&text(&seen["config"])).unwrap();
    assert_eq!(config["lr"], json!({"value": 0.1}));
    assert_eq!(app.ada.run_names("demo", json!({"config.lr": 0.1})).await, ["r"]);
});

backend_test!(a_queued_job_is_cancelled_at_once, |app| {
    let job = submit(&app.ada, &json!({"project": "demo"}), None).await.json();
    let id = format!("/{}", text(&job["job_id"]));
    assert_eq!(post(&app.ada, &format!("{id}/cancel")).await.json()["status"], "cancelled");
    assert_eq!(post(&app.ada, &format!("{id}/cancel")).await.status, 409);
    assert_eq!(delete(&app.ada, &id).await.status, 204);
    assert_eq!(get(&app.ada, &id).await.status, 404);
});

backend_test!(what_is_submitted_again_is_submitted_once, |app| {
    let wish = json!({"project": "demo"});
    let first = submit(&app.ada, &wish, Some("k")).await.json();
    assert_eq!(submit(&app.ada, &wish, Some("k")).await.json()["job_id"], first["job_id"]);
    assert_ne!(submit(&app.grace, &wish, Some("k")).await.json()["job_id"], first["job_id"]);
    assert_ne!(submit(&app.ada, &wish, Some("l")).await.json()["job_id"], first["job_id"]);
    assert_eq!(submit(&app.ada, &json!({"project": "other"}), Some("k")).await.status, 422);
    assert_eq!(submit(&app.ada, &wish, Some(&"k".repeat(256))).await.status, 400);
    let id = format!("/{}", text(&first["job_id"]));
    post(&app.ada, &format!("{id}/cancel")).await;
    delete(&app.ada, &id).await;
    assert_eq!(submit(&app.ada, &wish, Some("k")).await.status, 410);
    app.wait(std::time::Duration::from_hours(25)).await;
    assert_eq!(app.rows("submission").await, 0);
    assert_eq!(submit(&app.ada, &wish, Some("k")).await.status, 202);
});

backend_test!(what_cannot_be_queued_is_refused, |app| {
    for body in ["", "{", "[]", r#"{"unknown":1}"#, r#"{"name":"a/b"}"#, r#"{"tags":[""]}"#] {
        assert_eq!(call(&app.ada, Method::POST, "", Some((body, None))).await.status, 400, "{body}");
    }
    app.ada.run("demo", "r").await.delete().await;
    assert_eq!(submit(&app.ada, &json!({"project": "demo", "name": "r"}), None).await.status, 410);
    assert_eq!(submit(&app.grace, &json!({"entity": "ada", "project": "demo"}), None).await.status, 404);
    assert_eq!(app.rows("submission").await, 0);
});

backend_test!(two_submissions_at_a_time_make_one_run, |app| {
    let wish = json!({"project": "demo"});
    let (one, two) = tokio::join!(submit(&app.ada, &wish, Some("k")), submit(&app.ada, &wish, Some("k")));
    assert_eq!(one.json()["job_id"], two.json()["job_id"]);
    assert_eq!(app.rows("run").await, 1);
});

backend_test!(a_stream_ends_with_the_result, |app| {
    let run = app.ada.run("demo", "r").await;
    run.log(HISTORY, 0, &[r#"{"_step":0}"#]).await;
    let id = address(&app.ada, "r").await;
    let path = format!("{id}/stream");
    let listen = get(&app.ada, &path);
    let ends = async {
        run.log(SUMMARY, 0, &[r#"{"loss":0.5}"#]).await;
        run.complete(0).await;
    };
    let (heard, ()) = tokio::join!(listen, ends);
    assert_eq!(heard.headers["content-type"], "text/event-stream");
    let heard = events(&heard);
    let (name, data) = heard.last().unwrap();
    assert_eq!(name, "result");
    assert_eq!((&data["status"], &data["result"]), (&json!("succeeded"), &json!({"loss": 0.5})));
    let of = |name: &str| {
        heard.iter().filter(|(other, _)| other == name).map(|(_, data)| data).collect::<Vec<_>>()
    };
    assert_eq!(of("status").last().unwrap()["status"], "succeeded");
    assert_eq!(of("progress")[0]["steps_completed"], 1);

    let again = events(&get(&app.ada, &path).await);
    assert_eq!(
        again.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["status", "progress", "result"]
    );
    assert_eq!(refusal(&get(&app.ada, "/run_99/stream").await), not_found("run_99"));
});

backend_test!(a_stream_of_a_job_that_is_deleted_says_so, |app| {
    let run = app.ada.run("demo", "r").await;
    let id = address(&app.ada, "r").await;
    let path = format!("{id}/stream");
    let (heard, _) = tokio::join!(get(&app.ada, &path), run.delete());
    // Where the deletion came first, there is nothing to listen to.
    let told = if heard.status == 200 { events(&heard).pop().unwrap().1 } else { heard.json() };
    assert_eq!(text(&told["detail"]), not_found(&id[1..]).1);
});

async fn strangers_see_nothing(app: &TestApp, stranger: &Client, id: &str) {
    for rest in ["", "/stream"] {
        assert_eq!(refusal(&get(stranger, &format!("/{id}{rest}")).await).0, 404, "{rest}");
    }
    for answer in [post(stranger, &format!("/{id}/cancel")).await, delete(stranger, &format!("/{id}")).await]
    {
        assert_eq!(answer.status, 404);
    }
    assert_eq!(listed(stranger, "").await, Vec::<String>::new());
    assert_eq!(app.ada.trash().await, Vec::<String>::new());
}

backend_test!(a_guess_at_a_foreign_job_answers_like_a_miss, |app| {
    let run = app.ada.run("demo", "r").await;
    let id = address(&app.ada, "r").await;
    strangers_see_nothing(app, &app.grace, &id[1..]).await;
    run.complete(0).await;
    strangers_see_nothing(app, &app.grace, "ada%2Fdemo%2Fr").await;
    let foreign = refusal(&get(&app.grace, &id).await).1.replace(&id[1..], "run_99");
    assert_eq!((404, foreign), refusal(&get(&app.grace, "/run_99").await));
});

backend_test!(a_viewer_sees_jobs_and_changes_none, |app| {
    let root = app.administrator("root").await;
    app.team(&root, "acme", "crew", &app.ada).await;
    let joins = json!({"teamName": "crew", "username": "grace", "role": "viewer"});
    app.ada.mutate("addTeamMember", joins, "success").await;
    app.ada.within("crew").run("demo", "r").await.complete(0).await;
    let path = "/crew%2Fdemo%2Fr";
    assert_eq!(get(&app.grace, path).await.status, 200);
    assert_eq!(delete(&app.grace, path).await.status, 403);
    assert_eq!(post(&app.grace, &format!("{path}/cancel")).await.status, 403);
    let wish = json!({"entity": "crew", "project": "demo"});
    assert_eq!(submit(&app.grace, &wish, None).await.status, 403);
});

backend_test!(every_refusal_beneath_the_api_has_a_detail, |app| {
    let nobody = app.ada.with_key(&"9".repeat(40));
    let unknown = app.ada.get("/api/v1/runs/a/b/c").await;
    let wrong_method = app.ada.send(app.ada.request(Method::PUT, ROOT).body("".into()).unwrap()).await;
    let stranger = get(&nobody, "").await;
    for (answer, status) in [(unknown, 404), (wrong_method, 405), (stranger, 401)] {
        let body = answer.json();
        assert_eq!((answer.status, body.as_object().unwrap().len()), (status, 1), "{body}");
        assert!(body["detail"].is_string());
    }
});

/// That the document names the routes that there are, and nothing that it does not describe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_names_every_route() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/server/src");
    let router = std::fs::read_to_string(source.join("router.rs")).unwrap();
    let declared = router.split(".route(\"").skip(1).filter(|rest| rest.starts_with("/api/"));
    let mut declared: BTreeSet<(String, String)> = declared
        .flat_map(|rest| {
            let (path, handlers) = rest.split_once('"').unwrap();
            let handlers = handlers.lines().next().unwrap();
            let methods = ["get", "post", "put", "delete"].into_iter();
            let taken = methods.filter(move |method| handlers.contains(&format!("{method}(jobs::")));
            taken.map(move |method| (path.to_owned(), method.to_owned()))
        })
        .collect();
    let document = std::fs::read_to_string(source.join("rest/jobs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            assert!(declared.remove(&(path.clone(), method.clone())), "{method} {path}");
        }
    }
    assert!(declared.is_empty(), "{declared:?}");
}
