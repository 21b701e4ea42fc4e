//! URLs that carry their own permission: what each allows, and for how long.

use axum::http::Method;
use serde_json::json;

use crate::support::{Answer, TestApp, TestRun, URL_LIFETIME, backend_test, text};

async fn put(app: &TestApp, url: &str) -> (u16, String) {
    app.grace.fetch(Method::PUT, url, "bytes").await.outcome()
}

async fn get(app: &TestApp, url: &str) -> Answer {
    app.grace.fetch(Method::GET, url, "").await
}

async fn direct_url(run: &TestRun, name: &str) -> String {
    text(&run.file(name, "directUrl").await["directUrl"])
}

fn refused(code: &str) -> (u16, String) {
    (403, code.to_owned())
}

backend_test!(a_url_is_good_until_it_expires, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "old").await;
    let (upload, download) = (run.upload_url("a").await, direct_url(&run, "a").await);
    app.advance(URL_LIFETIME.checked_sub(std::time::Duration::from_micros(1)).unwrap());
    assert_eq!(put(app, &upload).await.0, 200);
    assert_eq!(get(app, &download).await.body, "bytes");
    app.advance(std::time::Duration::from_micros(1));
    assert_eq!(put(app, &upload).await, refused("URL_EXPIRED"));
    assert_eq!(get(app, &download).await.outcome(), refused("URL_EXPIRED"));
});

backend_test!(a_url_is_good_for_one_purpose, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "old").await;
    assert_eq!(get(app, &run.upload_url("a").await).await.outcome(), refused("URL_INVALID"));
    assert_eq!(put(app, &direct_url(&run, "a").await).await, refused("URL_INVALID"));
    assert_eq!(run.download("a").await.body, "old");
});

backend_test!(a_url_that_was_changed_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    let url = run.upload_url("a").await;
    let (base, token) = url.rsplit_once('/').unwrap();
    for n in 0..token.len() {
        let mut forged = token.as_bytes().to_vec();
        forged[n] = if forged[n] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let (status, code) = put(app, &format!("{base}/{forged}")).await;
        // The last character carries bits that no byte needs; a decoder may refuse or ignore them.
        assert!(status == 403 && code == "URL_INVALID", "{n}: {status} {code}");
    }
    for cut in [1, token.len() / 2, token.len() - 1] {
        assert_eq!(put(app, &format!("{base}/{}", &token[..cut])).await, refused("URL_INVALID"));
    }
    for other in ["x", "%00", "AQ", &"A".repeat(5000)] {
        assert_eq!(put(app, &format!("{base}/{other}")).await, refused("URL_INVALID"));
    }
    assert_eq!((app.rows("blob").await, app.objects().await.len()), (0, 0));
});

backend_test!(a_url_of_another_server_is_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    let url = run.upload_url("a").await;
    let foreign = counterweight_storage::UrlSigner::new(b"another secret");
    let grant = counterweight_domain::file::Grant::Upload {
        run_id: counterweight_domain::id::RunId::from_node_id(&run.id).unwrap(),
        name: "a".into(),
    };
    let token = foreign.seal(&grant, i64::MAX).unwrap();
    let (base, _) = url.rsplit_once('/').unwrap();
    assert_eq!(put(app, &format!("{base}/{token}")).await, refused("URL_INVALID"));
});

backend_test!(a_url_to_a_deleted_run_takes_and_gives_nothing, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "old").await;
    let (upload, download) = (run.upload_url("a").await, direct_url(&run, "a").await);
    run.delete().await;
    assert_eq!(put(app, &upload).await, (410, "RUN_DELETED".into()));
    assert_eq!(get(app, &download).await.outcome(), (404, "NOT_FOUND".into()));
    assert_eq!(app.objects().await.len(), 1);
});

backend_test!(a_url_names_the_address_that_the_client_called, |app| {
    let run = app.ada.run("demo", "r").await;
    let query = "mutation($input: CreateRunFilesInput!) { createRunFiles(input: $input) { files { uploadUrl url } } }";
    let body = json!({"query": query, "variables": {"input": run.files_input(&["a b"])}}).to_string();
    let request = app
        .ada
        .request(Method::POST, "/graphql")
        .header("content-type", "application/json")
        .header("x-forwarded-proto", "https");
    let answer = app.ada.send(request.body(body.into()).unwrap()).await.json();
    let file = &answer["data"]["createRunFiles"]["files"][0];
    assert!(text(&file["uploadUrl"]).starts_with("https://test.local/objects/"));
    assert_eq!(file["url"], "https://test.local/files/ada/demo/r/a%20b");
});
