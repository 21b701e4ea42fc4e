//! Files of runs: stored, listed, read in part, replaced, deleted.

use serde_json::{Value, json};

use crate::support::{TestRun, backend_test, path_of, text};

backend_test!(what_is_uploaded_comes_back, |app| {
    let run = app.ada.run("demo", "r").await;
    for (name, content) in [
        ("empty", Vec::new()),
        ("media/images/x_0_ab.png", vec![0, 159, 146, 150]),
        ("with spaces & ü#?%.txt", b"text".to_vec()),
        ("large.bin", (0..=250).cycle().take(7_000_000).collect()),
    ] {
        run.upload(name, content.clone()).await;
        let size = content.len();
        let file = run.file(name, "name sizeBytes url directUrl updatedAt").await;
        assert_eq!((&file["name"], &file["sizeBytes"]), (&json!(name), &json!(size)));
        assert_eq!(file["updatedAt"], "2026-01-01T00:00:00Z");
        let signed_in = app.ada.get(path_of(&text(&file["url"]))).await;
        let direct = app.ada.fetch(axum::http::Method::GET, &text(&file["directUrl"]), "").await;
        for answer in [signed_in, direct] {
            assert_eq!((answer.status, answer.body.as_ref() == content), (200, true), "{name}");
            assert_eq!(answer.headers["content-length"], size.to_string());
        }
    }
    assert_eq!(run.field("fileCount").await, 4);
});

backend_test!(a_file_is_known_by_its_md5_and_its_type, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a.png", "hello").await;
    let file = run.file("a.png", "md5 digest mimetype").await;
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    assert_eq!(file, json!({"md5": md5, "digest": md5, "mimetype": "image/png"}));
    let answer = run.download("a.png").await;
    assert_eq!(answer.headers["etag"], format!("\"{md5}\""));
    assert_eq!(answer.headers["content-type"], "image/png");
    assert_eq!(answer.headers["last-modified"], "Thu, 01 Jan 2026 00:00:00 GMT");
});

backend_test!(a_part_of_a_file_can_be_read, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("digits", "0123456789").await;
    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
    ] {
        let answer = run.download_range("digits", range).await;
        assert_eq!((answer.status, answer.body.as_ref()), (206, part.as_bytes()), "{range}");
        assert_eq!(answer.headers["content-range"], content_range);
    }
    for whole in ["bytes=0-1,4-5", "lines=1-2", "nonsense"] {
        let answer = run.download_range("digits", whole).await;
        assert_eq!((answer.status, answer.body.len()), (200, 10), "{whole}");
    }
    let outside = run.download_range("digits", "bytes=10-").await;
    assert_eq!(outside.outcome(), (416, "RANGE_INVALID".into()));
    assert_eq!(outside.headers["content-range"], "bytes */10");
});

backend_test!(an_upload_of_the_same_name_replaces_the_file, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "old").await;
    let before = run.file("a", "id md5").await;
    run.upload("a", "newer").await;
    let after = run.file("a", "id md5").await;
    assert_eq!(before["id"], after["id"]);
    assert_ne!(before["md5"], after["md5"]);
    assert_eq!(run.download("a").await.body, "newer");
    assert_eq!(run.field("fileCount").await, 1);
    app.collect().await;
    assert_eq!(app.objects().await.len(), 1);
});

backend_test!(a_deleted_file_is_gone_at_once_and_its_bytes_later, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "aaa").await;
    run.upload("b", "bbb").await;
    let url = text(&run.file("a", "directUrl").await["directUrl"]);
    run.delete_file("a").await;
    assert_eq!(run.download("a").await.outcome(), (404, "NOT_FOUND".into()));
    let direct = app.ada.fetch(axum::http::Method::GET, &url, "").await;
    assert_eq!(direct.outcome(), (404, "NOT_FOUND".into()));
    assert_eq!(run.file_names("").await, ["b"]);
    assert_eq!(app.objects().await.len(), 2);
    app.collect().await;
    assert_eq!(app.objects().await.len(), 1);
});

backend_test!(files_are_deleted_all_or_none, |app| {
    let run = app.ada.run("demo", "r").await;
    let other = app.ada.run("other", "r").await;
    run.upload("a", "a").await;
    other.upload("b", "b").await;
    let ids = [run.file("a", "id").await["id"].clone(), other.file("b", "id").await["id"].clone()];
    let project = run.field("projectId").await;
    for input in [
        json!({"files": [ids[0], "RmlsZTo5OTk="]}),
        json!({"files": [ids[0], "bogus"]}),
        json!({"files": ids, "projectId": project}),
    ] {
        assert_eq!(app.ada.refused("deleteFiles", input.clone()).await.code, "NOT_FOUND", "{input}");
    }
    assert_eq!((run.file_names("").await, other.file_names("").await), (vec!["a".into()], vec!["b".into()]));
    app.ada.mutate("deleteFiles", json!({"files": ids}), "success").await;
    assert_eq!(app.rows("run_file").await, 0);
});

backend_test!(names_that_lead_outside_are_refused, |app| {
    let run = app.ada.run("demo", "r").await;
    let long = "a".repeat(2000);
    for bad in
        ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/./b", "a/", "a\u{0}b", "a\\b", "C:x", &long]
    {
        let refused = app.ada.refused("createRunFiles", run.files_input(&["good", bad])).await;
        assert_eq!(refused.code, "FILE_NAME_INVALID", "{bad:?}");
        assert!(refused.message.starts_with("files[1]: "), "{}", refused.message);
        let stub = run
            .refusal(&format!("files(names: [{}]) {{ edges {{ node {{ uploadUrl }} }} }}", json!(bad)))
            .await;
        // PostgreSQL does not even look for a name with a NUL.
        assert!(["FILE_NAME_INVALID", "TEXT_INVALID"].contains(&stub.code.as_str()), "{bad:?}: {stub:?}");
    }
    let from_here = app.ada.refused("createRunFiles", run.files_input(&["./a"])).await;
    assert_eq!(from_here.code, "FILE_NAME_INVALID");
    assert_eq!(app.objects().await, Vec::<String>::new());
});

backend_test!(a_name_without_a_file_answers_with_a_place_to_put_it, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("there", "x").await;
    let field =
        r#"files(names: ["there", "missing", null]) { edges { node { name sizeBytes updatedAt md5 } } }"#;
    let edges = run.field(field).await["edges"].clone();
    assert_eq!(edges.as_array().unwrap().len(), 2);
    let missing = json!({"name": "missing", "sizeBytes": 0, "updatedAt": null, "md5": null});
    assert_eq!(edges[1]["node"], missing);
    let url = text(&run.file("missing", "url(upload: true)").await["url"]);
    let answer = app.ada.fetch(axum::http::Method::PUT, &url, "now it is").await;
    assert_eq!(answer.status, 200);
    assert_eq!(run.download("missing").await.body, "now it is");
    assert_eq!(run.download("never").await.outcome(), (404, "NOT_FOUND".into()));
});

backend_test!(files_that_are_named_come_in_that_order_and_in_pages, |app| {
    let run = app.ada.run("demo", "r").await;
    let wanted: Vec<_> = (0..60).map(|n| format!("f{n}")).rev().collect();
    for name in wanted.iter().step_by(20) {
        run.upload(name, "x").await;
    }
    let page = async |arguments: &str| {
        let field = format!(
            "files(names: {}, pattern: null {arguments}) {{ totalCount edges {{ cursor node {{ name sizeBytes }} }} \
             pageInfo {{ endCursor hasNextPage }} }}",
            json!([wanted.as_slice(), &wanted[..3]].concat())
        );
        run.field(&field).await
    };
    let names = |page: &Value| -> Vec<_> {
        page["edges"].as_array().unwrap().iter().map(|edge| text(&edge["node"]["name"])).collect()
    };
    let all = page("").await;
    assert_eq!((names(&all), &all["totalCount"]), (wanted.clone(), &json!(3)));
    assert_eq!(all["edges"][20]["node"]["sizeBytes"], 1);
    assert_eq!(all["edges"][21]["node"]["sizeBytes"], 0);
    assert_eq!(all["pageInfo"]["hasNextPage"], false);
    let first = page(", first: 50").await;
    assert_eq!((names(&first).as_slice(), &first["pageInfo"]["hasNextPage"]), (&wanted[..50], &json!(true)));
    let second = page(&format!(", first: 50, after: {}", first["pageInfo"]["endCursor"])).await;
    assert_eq!(
        (names(&second).as_slice(), &second["pageInfo"]["hasNextPage"]),
        (&wanted[50..], &json!(false))
    );
});

backend_test!(files_match_like_patterns, |app| {
    let run = app.ada.run("demo", "r").await;
    let names = [
        "media/a.png",
        "Media/B.PNG",
        "media_c",
        "100%.txt",
        "under_score",
        "\u{c9}t\u{e9}",
        "\u{e9}T\u{c9}",
    ];
    for name in names {
        run.upload(name, "x").await;
    }
    for (pattern, wanted) in [
        ("media/%", vec!["Media/B.PNG", "media/a.png"]),
        ("%.png", vec!["Media/B.PNG", "media/a.png"]),
        ("media_c", vec!["media_c"]),
        ("media_.%", vec![]),
        (r"100\%.txt", vec!["100%.txt"]),
        (r"under\_score", vec!["under_score"]),
        (r"media\_a.png", vec![]),
        ("\u{c9}T%", vec!["\u{c9}t\u{e9}"]),
        ("%t\u{c9}", vec!["\u{e9}T\u{c9}"]),
        ("\u{e9}_\u{e9}", vec![]),
        (
            "",
            vec![
                "100%.txt",
                "Media/B.PNG",
                "media/a.png",
                "media_c",
                "under_score",
                "\u{c9}t\u{e9}",
                "\u{e9}T\u{c9}",
            ],
        ),
    ] {
        let mut found = run.file_names(pattern).await;
        found.sort();
        assert_eq!(found, wanted, "{pattern}");
    }
    let refused = run.refusal(&format!("files(pattern: {}) {{ edges {{ cursor }} }}", json!("a\\"))).await;
    assert_eq!(refused.code, "PATTERN_INVALID");
});

async fn page(run: &TestRun, after: &Value) -> Value {
    let field = format!(
        "files(first: 2, after: {after}) {{ totalCount edges {{ cursor node {{ name }} }} \
         pageInfo {{ endCursor hasNextPage }} }}"
    );
    run.field(&field).await
}

backend_test!(files_are_paged_by_name, |app| {
    let run = app.ada.run("demo", "r").await;
    for name in ["e", "c", "a", "d", "b"] {
        run.upload(name, name).await;
    }
    assert_eq!(page(&run, &Value::Null).await["totalCount"], 5);
    let (mut seen, mut after) = (String::new(), Value::Null);
    loop {
        let found = page(&run, &after).await;
        let edges = found["edges"].as_array().unwrap();
        seen.extend(edges.iter().map(|edge| text(&edge["node"]["name"])));
        after = edges.last().unwrap()["cursor"].clone();
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
        run.delete_file(&text(&edges[0]["node"]["name"])).await;
        run.upload("0", "before the page").await;
    }
    assert_eq!(seen, "abcde");
});

backend_test!(the_client_learns_whether_its_files_have_arrived, |app| {
    let run = app.ada.run("demo", "r").await;
    run.upload("a", "x").await;
    let marked = async |names: &[&str]| {
        app.ada.mutate("markRunFilesUploaded", run.files_input(names), "success").await["success"].clone()
    };
    assert_eq!(marked(&["a"]).await, true);
    assert_eq!(marked(&["a", "a"]).await, true);
    assert_eq!(marked(&["a", "b"]).await, false);
});

backend_test!(how_a_run_was_started_is_read_from_its_file, |app| {
    let run = app.ada.run("demo", "r").await;
    let ask = "runInfo { program args os python cpuCount git { remote commit } }";
    assert_eq!(run.field(ask).await, Value::Null);
    run.upload(
        "wandb-metadata.json",
        r#"{"program":"t.py","args":["-x"],"cpu_count":4,"git":{"commit":"c"}}"#,
    )
    .await;
    let info = run.field(ask).await;
    assert_eq!(
        info,
        json!({"program": "t.py", "args": ["-x"], "os": null, "python": null, "cpuCount": 4,
               "git": {"remote": null, "commit": "c"}})
    );
    run.upload("wandb-metadata.json", "not json").await;
    assert_eq!(run.field(ask).await, Value::Null);
});
