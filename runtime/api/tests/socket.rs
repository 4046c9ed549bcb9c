//! The API over a real socket, with a node in memory behind it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what helps a test may fail it")]

mod memory;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aerolith_api::{Listener, router, serve};
use memory::Memory;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Served {
    node: Arc<Memory>,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::open(&folder.path().join("api.sock")).unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let node = Arc::new(Memory::default());
        let task = tokio::spawn(serve(listener, router(node.clone()), stopped));
        Self {
            node,
            folder,
            stop,
            task,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// Status and body of an answer.
    async fn ask(&self, method: &str, target: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        raw(&self.socket(), &[head.as_bytes(), body].concat()).await
    }

    async fn json(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.ask(method, target, body.as_bytes()).await;
        let json = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        (status, json)
    }
}

async fn raw(socket: &Path, request: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that has read enough of a request resets the connection after its answer.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

const WEATHER: &str = "kind: application\nname: weather\n---\nkind: secret\nname: cert\nstringData: {key: hush}\n";

#[tokio::test]
async fn what_is_applied_is_listed_shown_and_deleted() {
    let served = Served::start();
    let (status, applied) = served.json("PUT", "/v1/resources?source=w.yml", WEATHER).await;
    assert_eq!(
        (status, &applied["revision"], &applied["dryRun"]),
        (200, &json!(1), &json!(false))
    );
    let (_, list) = served.json("GET", "/v1/applications", "").await;
    assert_eq!(
        list,
        json!([{"kind": "application", "name": "weather", "services": [], "revision": 1}])
    );
    let (status, cert) = served.json("GET", "/v1/secrets/cert", "").await;
    assert_eq!((status, &cert["data"]), (200, &json!({"key": {"bytes": 4}})));
    let (status, _) = served.json("DELETE", "/v1/applications/weather", "").await;
    assert_eq!(status, 200);
    let (status, error) = served.json("GET", "/v1/applications/weather", "").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("notFound")));
    assert_eq!(
        error["error"]["hint"],
        "`aerolith get applications` shows what there is"
    );
}

#[tokio::test]
async fn secrets_of_a_type_are_kinds_of_their_own_and_never_show_a_value() {
    let served = Served::start();
    let typed = |of: &str| {
        format!(
            "kind: secret\nname: hub\nlabels: {{secret-type: {of}}}\nstringData: {{address: hub.example, username: u, password: canary}}\n"
        )
    };
    let (status, refused) = served.json("PUT", "/v1/registries/hub", &typed("certificate")).await;
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(status == 400 && hint.contains("`secret-type` is registry"), "{refused}");
    let (status, _) = served.json("PUT", "/v1/registries/hub", &typed("registry")).await;
    assert_eq!(status, 200);
    let (_, list) = served.json("GET", "/v1/registries", "").await;
    assert_eq!((&list[0]["name"], &list[0]["revision"]), (&json!("hub"), &json!(1)));
    assert!(!list.to_string().contains("canary"));
    assert_eq!(served.json("GET", "/v1/certificates", "").await.1, json!([]));
    for (method, path) in [("GET", "/v1/certificates/hub"), ("DELETE", "/v1/certificates/hub")] {
        assert_eq!(served.json(method, path, "").await.0, 404, "{method} {path}");
    }
    assert_eq!(served.json("DELETE", "/v1/registries/hub", "").await.0, 200);
    assert_eq!(served.json("GET", "/v1/secrets", "").await.1, json!([]));
}

#[tokio::test]
async fn a_put_holds_what_its_path_says_and_nothing_else() {
    let served = Served::start();
    for (path, text) in [
        ("/v1/applications/other", "kind: application\nname: weather\n"),
        ("/v1/secrets/weather", "kind: application\nname: weather\n"),
        ("/v1/applications/weather", WEATHER),
    ] {
        let (status, error) = served.json("PUT", path, text).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(
            status == 400 && message.contains("and nothing else"),
            "{path}: {message}"
        );
    }
    let (_, list) = served.json("GET", "/v1/applications", "").await;
    assert_eq!(list, json!([]));
    let text = r#"{"name":"weather","data":[{"key":"a","value":{"type":"kv","value":"b"}}]}"#;
    assert_eq!(served.json("PUT", "/v1/configurations/weather", text).await.0, 200);
}

#[tokio::test]
async fn versions_usage_and_history_are_told_and_rollback_and_retry_are_asked() {
    let served = Served::start();
    served.json("PUT", "/v1/resources", WEATHER).await;
    let versions = served.json("GET", "/v1/secrets/cert/versions", "").await;
    assert_eq!(versions, (200, json!([{"revision": 1, "current": true}])));
    assert_eq!(served.json("GET", "/v1/secrets/none/versions", "").await.0, 404);
    assert_eq!(served.json("GET", "/v1/secrets/cert?revision=1", "").await.0, 200);
    for (path, message) in [
        (
            "/v1/secrets/cert?revision=2",
            "secret `cert` has no version of revision 2",
        ),
        ("/v1/secrets/none?revision=2", "no secret `none` among secrets"),
        ("/v1/registries/cert?revision=2", "no secret `cert` among registries"),
    ] {
        let (status, error) = served.json("GET", path, "").await;
        assert_eq!((status, &error["error"]["message"]), (404, &json!(message)));
    }
    let usage = served.json("GET", "/v1/secrets/cert/usage", "").await;
    assert_eq!(usage, (200, json!([{"application": "weather", "services": ["agent"]}])));
    let (status, history) = served.json("GET", "/v1/applications/weather/history", "").await;
    assert_eq!((status, &history[0]["outcome"]), (200, &json!("good")));
    let (status, back) = served.json("POST", "/v1/applications/weather/rollback?to=3", "").await;
    assert_eq!((status, &back["revision"]), (200, &json!(3)));
    let retried = served.json("POST", "/v1/applications/weather/retry", "").await;
    assert_eq!(retried, (200, json!({"retried": true})));
    let retried = served.json("POST", "/v1/instances/a.b.1/retry", "").await;
    assert_eq!(retried, (200, json!({"retried": false})));
    for (method, path) in [
        ("GET", "/v1/secrets/cert/history"),
        ("GET", "/v1/applications/weather/usage"),
        ("POST", "/v1/secrets/cert/rollback"),
        ("POST", "/v1/applications/weather/explode"),
    ] {
        let (status, error) = served.json(method, path, "").await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (404, &json!("notFound")),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn only_what_is_given_is_left_and_nothing_at_all_must_be_meant() {
    let served = Served::start();
    served.json("PUT", "/v1/resources", WEATHER).await;
    let (status, error) = served.json("PUT", "/v1/resources?prune=true", "# nothing\n").await;
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        status == 400 && message.contains("everything would be deleted"),
        "{message}"
    );
    let one = "kind: application\nname: weather\n";
    assert_eq!(served.json("PUT", "/v1/resources?prune=true", one).await.0, 200);
    assert_eq!(served.json("GET", "/v1/secrets", "").await.1, json!([]));
    let (status, _) = served.json("PUT", "/v1/resources?prune=true&allowEmpty=true", "").await;
    assert_eq!(
        (status, served.json("GET", "/v1/applications", "").await.1),
        (200, json!([]))
    );
}

#[tokio::test]
async fn a_preview_changes_nothing() {
    let served = Served::start();
    let (status, applied) = served.json("POST", "/v1/resources?dryRun=true", WEATHER).await;
    assert_eq!((status, &applied["dryRun"]), (200, &json!(true)));
    assert_eq!(served.json("GET", "/v1/applications", "").await.1, json!([]));
}

#[tokio::test]
async fn baetyls_json_is_taken_with_a_warning_of_what_it_does_not_use() {
    let served = Served::start();
    let text = r#"{"name":"weather","data":[{"key":"a","value":{"type":"kv","value":"b"}}],"later":1}"#;
    let (status, applied) = served.json("PUT", "/v1/resources?source=w.json", text).await;
    let warning = applied["warnings"][0].as_str().unwrap();
    assert!(
        status == 200 && warning.starts_with("w.json: ") && warning.contains("later"),
        "{applied}"
    );
    assert_eq!(
        served.json("GET", "/v1/configurations/weather", "").await.1["data"],
        json!({"a": "b"})
    );
}

#[tokio::test]
async fn a_wrong_text_is_refused_with_its_place_and_nothing_is_applied() {
    let served = Served::start();
    let text = WEATHER.replace("stringData", "stringDate");
    let (status, error) = served.json("PUT", "/v1/resources?source=w.yml", &text).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("invalid")));
    assert_eq!(error["error"]["message"], "w.yml:6:1: unknown key `stringDate`");
    assert_eq!(error["error"]["hint"], "did you mean `stringData`?");
    assert_eq!(served.json("GET", "/v1/applications", "").await.1, json!([]));
}

#[tokio::test]
async fn every_refusal_is_json_with_the_right_status() {
    let served = Served::start();
    for (method, target, body, status, part) in [
        ("GET", "/", "", 404, "no path `/`"),
        ("GET", "/v1/pods", "", 404, "no path `/v1/pods`"),
        ("PATCH", "/v1/applications/a", "", 405, "PATCH is not for"),
        ("DELETE", "/v1/resources", "", 405, "DELETE is not for"),
        (
            "PUT",
            "/v1/resources?dryrun=true",
            WEATHER,
            400,
            "unknown field `dryrun`",
        ),
        ("PUT", "/v1/resources", "", 400, "body:1:1: there is no resource in it"),
        ("GET", "/v1/packages/gc", "", 405, "GET is not for"),
        ("POST", "/v1/packages/gc?dryrun=true", "", 400, "unknown field `dryrun`"),
        (
            "GET",
            "/v1/instances/a.b.1/logs?tail=few",
            "",
            400,
            "query: tail: expected a whole number, found `few`",
        ),
        (
            "PUT",
            "/v1/resources?dryRun=yes",
            "",
            400,
            "query: dryRun: expected true or false, found `yes`",
        ),
        ("GET", "/v1/instances/a.b.9/logs", "", 404, "no instance `a.b.9`"),
        ("GET", "/v1/events?filter=a%23", "", 400, "filter"),
        ("GET", "/v1/applications/%ff", "", 400, "UTF-8"),
        (
            "POST",
            "/v1/plugins",
            r#"{"path":"x.so"}"#,
            400,
            "expected an absolute path",
        ),
        ("POST", "/v1/plugins", r#"{"file":"x.so"}"#, 400, "unknown field `file`"),
        ("POST", "/v1/plugins/engine/explode", "", 404, "`explode`"),
        (
            "POST",
            "/v1/plugins/nobody/enable",
            "",
            404,
            "no plugin instance `nobody`",
        ),
    ] {
        let (found, error) = served.json(method, target, body).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(
            found == status && message.contains(part),
            "{method} {target}: {found} {message}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_with_their_offset() {
    let served = Served::start();
    let (status, body) = served.ask("PUT", "/v1/resources?source=a", b"kind: \xff").await;
    assert!(
        status == 400 && body.contains("a: expected UTF-8 text, found another byte at offset 6"),
        "{body}"
    );
}

#[tokio::test]
async fn a_body_or_a_head_without_measure_is_refused() {
    let served = Served::start();
    let head = format!(
        "PUT /v1/resources HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
        aerolith_api::MAX_BODY + 1
    );
    let (status, body) = raw(&served.socket(), head.as_bytes()).await;
    assert!(status == 413 && body.contains("tooLarge"), "{status} {body}");
    let long = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(20 << 10));
    let many = format!("GET /healthz HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(50));
    for request in [long, many, "GARBAGE\r\n\r\n".to_owned()] {
        let (status, _) = raw(&served.socket(), request.as_bytes()).await;
        assert!((400..500).contains(&status), "{status}");
    }
    assert_eq!(served.ask("GET", "/healthz", b"").await.0, 200);
}

#[tokio::test]
async fn packages_are_listed_and_cleaned_and_a_preview_removes_nothing() {
    let served = Served::start();
    let (status, listed) = served.json("GET", "/v1/packages", "").await;
    assert_eq!((status, listed.as_array().unwrap().len()), (200, 2));
    let tree = json!({"kind": "tree", "name": "00ff", "bytes": 7, "state": "used", "usedBy": [], "modified": 0});
    assert_eq!(listed[1], tree, "what is not known is absent");
    let mut cleaned = json!({"dryRun": true, "removed": [{"kind": "blob", "name": "00ff"}], "held": [], "bytes": 7});
    let preview = served.json("POST", "/v1/packages/gc?dryRun=true", "").await;
    assert_eq!(preview, (200, cleaned.clone()));
    assert_eq!(served.json("GET", "/v1/packages", "").await.1, listed);
    cleaned["dryRun"] = json!(false);
    assert_eq!(served.json("POST", "/v1/packages/gc", "").await, (200, cleaned));
    assert_eq!(served.json("GET", "/v1/packages", "").await.1, json!([tree]));
}

#[tokio::test]
async fn logs_and_events_are_streamed_as_they_come() {
    let served = Served::start();
    assert_eq!(
        served.ask("GET", "/v1/instances/a.b.1/logs?tail=1", b"").await,
        (200, "two\n".to_owned())
    );
    assert_eq!(
        served.ask("GET", "/v1/instances/a%2Fb%2F1/logs", b"").await,
        (200, "one\ntwo\n".to_owned())
    );
    let mut stream = UnixStream::connect(served.socket()).await.unwrap();
    stream
        .write_all(b"GET /v1/events?filter=app/%23 HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    while !seen.contains("app/weather/applied") {
        let mut bytes = [0; 512];
        let length = stream.read(&mut bytes).await.unwrap();
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        if seen.ends_with("\r\n\r\n") {
            served.json("PUT", "/v1/resources", WEATHER).await;
        }
    }
    assert!(seen.contains("application/x-ndjson") && seen.ends_with("}\n"), "{seen}");
}

#[tokio::test]
async fn health_says_what_is_wrong() {
    let served = Served::start();
    assert_eq!(
        served.json("GET", "/healthz", "").await,
        (200, json!({"status": "ok", "reasons": []}))
    );
    let (status, plugins) = served.json("POST", "/v1/plugins/engine/disable", "").await;
    assert_eq!((status, &plugins[0]["state"]), (200, &json!("stopped")));
    let (status, health) = served.json("GET", "/healthz", "").await;
    assert_eq!((status, &health["status"]), (503, &json!("degraded")));
    assert_eq!(
        served.json("GET", "/v1/plugins/engine", "").await.1["manifest"]["vendor"],
        "Aerolith"
    );
}

#[tokio::test]
async fn metrics_are_text_and_the_version_is_told() {
    let served = Served::start();
    assert_eq!(
        served.ask("GET", "/metrics", b"").await,
        (200, "aerolith_up 1\n".to_owned())
    );
    assert_eq!(served.json("GET", "/version", "").await.1["name"], "aerolith");
    assert_eq!(served.json("GET", "/v1/instances", "").await.1[0]["id"], "a.b.1");
}

/// Who follows the events, and has been heard.
async fn follower(served: &Served) -> UnixStream {
    let mut stream = UnixStream::connect(served.socket()).await.unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    stream.readable().await.unwrap();
    stream
}

#[tokio::test]
async fn the_end_lets_a_stream_go_and_removes_the_socket() {
    let served = Served::start();
    let _stream = follower(&served).await;
    let Served { folder, stop, task, .. } = served;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn who_leaves_a_quiet_stream_is_forgotten() {
    let served = Served::start();
    let stream = follower(&served).await;
    assert_eq!(served.node.listeners(), 1);
    drop(stream);
    while served.node.listeners() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_secret_in_the_address_of_an_object_is_shown_to_nobody() {
    let served = Served::start();
    let text = "\
kind: configuration
name: weather-pp
data:
  a.zip: {url: 'https://maker:canary@h/a.zip?X-Signature=canary', token: canary, headers: {authorization: canary}}
";
    assert_eq!(served.json("PUT", "/v1/resources?source=w.yml", text).await.0, 200);
    for place in ["/v1/configurations/weather-pp", "/v1/configurations"] {
        let (status, body) = served.ask("GET", place, b"").await;
        assert!(status == 200 && !body.contains("canary"), "{place}: {body}");
        assert!(body.contains("https://…@h/a.zip?…"), "{place}: {body}");
    }
}

#[tokio::test]
async fn whoever_asks_something_gets_through_however_many_follow_streams() {
    let served = Served::start();
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(follower(&served).await);
    }
    for target in ["/v1/events", "/v1/instances/a.b.1/logs?follow=true"] {
        let (status, refused) = served.json("GET", target, "").await;
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            status == 503 && message.starts_with("64 streams"),
            "{target}: {refused}"
        );
    }
    assert_eq!(served.ask("GET", "/healthz", b"").await.0, 200);
    assert_eq!(served.ask("GET", "/v1/instances/a.b.1/logs", b"").await.0, 200);
    streams.pop();
    while served.node.listeners() == 64 {
        tokio::task::yield_now().await;
    }
    let mut stream = UnixStream::connect(served.socket()).await.unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200", "a place that was left is free");
}

#[tokio::test]
async fn images_are_listed_with_who_uses_each_and_by_which_credentials() {
    let served = Served::start();
    assert_eq!(served.json("GET", "/v1/images", "").await, (200, json!([])));
    let text = "\
kind: secret
name: hub
labels: {secret-type: registry}
stringData: {address: hub.example, username: u, password: canary}
---
kind: application
name: shop
registries: [hub]
initServices: [{name: first, image: 'hub.example/shop:1'}]
services: [{name: web, image: 'hub.example/shop:1'}, {name: db, image: 'redis:7'}, {name: agent, programConfig: pp}]
---
kind: application
name: other
services: [{name: db, image: 'redis:7'}]
";
    let (status, applied) = served.json("PUT", "/v1/resources", text).await;
    assert_eq!(status, 200, "{applied}");
    let used = |application: &str, services: &[&str], registries: &[&str]| json!({"application": application, "services": services, "registries": registries});
    let expected = json!([
        {"image": "hub.example/shop:1", "usedBy": [used("shop", &["first", "web"], &["hub"])]},
        {"image": "redis:7", "usedBy": [used("other", &["db"], &[]), used("shop", &["db"], &["hub"])]},
    ]);
    assert_eq!(served.json("GET", "/v1/images", "").await, (200, expected));
}
