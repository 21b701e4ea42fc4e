//! Subscriptions over `graphql-transport-ws`: who is answered, what is told, and when a connection ends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Socket, TestApp, backend_test, text};

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
const PROGRESS: &str = "subscription($id: ID!) { bulkTaskProgress(id: $id) { state changedCount } }";
const DELETION: &str = "subscription($id: ID!) { deletionProgress(id: $id) { state runCount } }";
const MOST_AT_ONCE: usize = 400;

fn init(key: &str) -> Value {
    json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {key}")}})
}

/// A connection of a user.
async fn signed_in(address: &str, key: &str) -> Socket {
    let mut socket = Socket::open(address, &[PROTOCOL]).await.unwrap();
    socket.say(&init(key)).await;
    assert_eq!(socket.hear().await, Ok(json!({"type": "connection_ack"})));
    socket
}

/// A change to more runs than one transaction takes; its id.
async fn large_task(app: &TestApp) -> String {
    for n in 0..=MOST_AT_ONCE {
        app.ada.run("demo", &format!("r{n}")).await;
    }
    let edit = json!({"projectName": "demo", "filters": "{}", "addTags": ["new"]});
    text(&app.ada.mutate("modifyRuns", edit, "task { id }").await["task"]["id"])
}

backend_test!(a_task_is_told_as_it_goes_until_it_ends, |app| {
    let served = app.serve().await;
    let id = large_task(app).await;
    let mut socket = signed_in(served.address(), app.ada.key()).await;
    socket.subscribe("a", PROGRESS, json!({"id": id})).await;
    let told = |state: &str, count: usize| {
        let progress = json!({"state": state, "changedCount": count});
        Ok(json!({"id": "a", "type": "next", "payload": {"data": {"bulkTaskProgress": progress}}}))
    };
    assert_eq!(socket.hear().await, told("UNDERWAY", MOST_AT_ONCE));
    app.run_jobs().await;
    assert_eq!(socket.hear().await, told("COMPLETE", MOST_AT_ONCE + 1));
    assert_eq!(socket.hear().await, Ok(json!({"id": "a", "type": "complete"})));
    served.stop().await;
});

backend_test!(a_deletion_is_told_until_it_is_undone, |app| {
    let served = app.serve().await;
    let run = app.ada.run("demo", "r").await;
    let id = run.delete().await;
    let mut socket = signed_in(served.address(), app.ada.key()).await;
    socket.subscribe("a", DELETION, json!({"id": id})).await;
    let state =
        |heard: Result<Value, u16>| heard.unwrap()["payload"]["data"]["deletionProgress"]["state"].take();
    assert_eq!(state(socket.hear().await), "PENDING");
    run.change("restoreRun").await;
    assert_eq!(state(socket.hear().await), "RESTORED");
    assert_eq!(socket.hear().await, Ok(json!({"id": "a", "type": "complete"})));
    served.stop().await;
});

backend_test!(what_belongs_to_another_is_told_like_what_is_not_there, |app| {
    let served = app.serve().await;
    app.ada.run("demo", "r").await;
    let edit = json!({"projectName": "demo", "filters": "{}", "addTags": ["sesame"]});
    let task = text(&app.ada.mutate("modifyRuns", edit, "task { id }").await["task"]["id"]);
    let deletion = app.ada.run("demo", "sesame").await.delete().await;
    let subscriptions = [("bulkTaskProgress", PROGRESS, task), ("deletionProgress", DELETION, deletion)];
    let query = "{ __schema { subscriptionType { fields { name } } } }";
    let known = app.grace.graphql(query, ()).await["__schema"]["subscriptionType"]["fields"].take();
    let known: BTreeSet<_> = known.as_array().unwrap().iter().map(|field| text(&field["name"])).collect();
    let walked = subscriptions.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(known, walked, "a new subscription needs a row above");
    let mut socket = signed_in(served.address(), app.grace.key()).await;
    for (_, query, id) in subscriptions {
        let mut heard = Vec::new();
        for id in [&id, "nothing"] {
            socket.subscribe(id, query, json!({"id": id})).await;
            let answer = socket.hear().await.unwrap().to_string();
            assert!(answer.contains("NOT_FOUND") && !answer.contains("sesame"), "{answer}");
            if !answer.contains(r#""type":"error""#) {
                assert_eq!(socket.hear().await.unwrap()["type"], "complete");
            }
            heard.push(answer.replace(id, ""));
        }
        assert_eq!(heard[0], heard[1]);
    }
    served.stop().await;
});

backend_test!(queries_are_answered_too_and_limits_hold, |app| {
    let served = app.serve().await;
    let mut socket = signed_in(served.address(), app.ada.key()).await;
    socket.subscribe("q", "{ viewer { username } }", json!({})).await;
    let answer = socket.hear().await.unwrap();
    assert_eq!(answer["payload"]["data"]["viewer"]["username"], "ada");
    assert_eq!(socket.hear().await, Ok(json!({"id": "q", "type": "complete"})));
    let long = format!("{{ {} }}", "a ".repeat(10_001));
    let deep =
        format!("{{ {} }}", "viewer { entity { projects { edges { node { ".repeat(10) + &"}".repeat(50));
    for query in ["{", "{ nothing }", &long, &deep] {
        socket.subscribe("e", query, json!({})).await;
        let answer = socket.hear().await.unwrap();
        assert_eq!((&answer["id"], &answer["type"]), (&json!("e"), &json!("error")), "{answer}");
        assert!(answer["payload"][0]["message"].is_string());
    }
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await, Ok(json!({"type": "pong"})));
    served.stop().await;
});

backend_test!(an_operation_that_the_client_ends_is_heard_of_no_more, |app| {
    let served = app.serve().await;
    let id = large_task(app).await;
    let mut socket = signed_in(served.address(), app.ada.key()).await;
    for round in 0..3 {
        socket.subscribe("a", PROGRESS, json!({"id": id})).await;
        assert_eq!(socket.hear().await.unwrap()["type"], "next", "{round}");
        socket.say(&json!({"id": "a", "type": "complete"})).await;
    }
    for n in 0..16 {
        socket.subscribe(&n.to_string(), PROGRESS, json!({"id": id})).await;
        assert_eq!(socket.hear().await.unwrap()["type"], "next");
    }
    socket.subscribe("more", PROGRESS, json!({"id": id})).await;
    let refused = socket.hear().await.unwrap();
    assert_eq!((&refused["id"], &refused["type"]), (&json!("more"), &json!("error")));
    app.run_jobs().await;
    served.stop().await;
});

backend_test!(whoever_does_not_keep_to_the_protocol_is_shut_out, |app| {
    let served = app.serve().await;
    let address = served.address();
    let key = app.ada.key();
    assert_eq!(Socket::open(address, &[]).await.err(), Some(400));
    let subscribe = json!({"id": "a", "type": "subscribe", "payload": {"query": "{ viewer { id } }"}});
    let (wrong, right) = (init(&"9".repeat(40)), init(key));
    let endless = json!({"id": "a", "type": "subscribe", "payload":
        {"query": PROGRESS, "variables": {"id": large_task(app).await}}});
    for (said, code) in [
        (vec![subscribe.clone()], 4401),
        (vec![json!({"type": "connection_init"})], 4403),
        (vec![wrong], 4403),
        (vec![json!({"type": "connection_init", "payload": {"authorization": 1}})], 4403),
        (vec![right.clone(), right.clone()], 4429),
        (vec![right.clone(), endless.clone(), endless.clone()], 4409),
        (vec![json!({"type": "start"})], 4400),
    ] {
        let mut socket = Socket::open(address, &[PROTOCOL]).await.unwrap();
        for message in &said {
            socket.say(message).await;
        }
        let closed = loop {
            if let Err(closed) = socket.hear().await {
                break closed;
            }
        };
        assert_eq!(closed, code, "{said:?}");
    }
    let authorization = format!("Bearer {key}");
    let mut socket = Socket::open(address, &[PROTOCOL, ("authorization", &authorization)]).await.unwrap();
    socket.say(&json!({"type": "connection_init"})).await;
    assert_eq!(socket.hear().await, Ok(json!({"type": "connection_ack"})));
    socket.say_text("no JSON").await;
    assert_eq!(socket.hear().await, Err(4400));
    app.run_jobs().await;
    served.stop().await;
});

backend_test!(a_caller_has_so_many_connections, |app| {
    let served = app.serve().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(signed_in(served.address(), app.ada.key()).await);
    }
    let mut more = Socket::open(served.address(), &[PROTOCOL]).await.unwrap();
    more.say(&init(app.ada.key())).await;
    assert_eq!(more.hear().await, Err(1013));
    signed_in(served.address(), app.grace.key()).await;
    served.stop().await;
});

backend_test!(a_server_that_stops_says_goodbye, |app| {
    let served = app.serve().await;
    let id = large_task(app).await;
    let mut socket = signed_in(served.address(), app.ada.key()).await;
    socket.subscribe("a", PROGRESS, json!({"id": id})).await;
    assert_eq!(socket.hear().await.unwrap()["type"], "next");
    let (heard, ()) = tokio::join!(socket.hear(), served.stop());
    assert_eq!(heard, Err(1001));
    app.run_jobs().await;
});
