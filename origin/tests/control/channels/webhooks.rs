//! Webhooks, heard by a server that writes down what it gets.

use std::collections::VecDeque;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{KEY, Origin, Publisher, Setup, eventually, operator};

const PRIVATE: &str = "[control.webhooks]\nallow_private = true\n";

#[derive(Clone, Debug, Default)]
struct Receiver {
    heard: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    /// What to answer first, in order; then 200.
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> (Self, SocketAddr) {
        let answers = answers
            .iter()
            .map(|code| StatusCode::from_u16(*code).unwrap());
        let receiver = Self {
            heard: Arc::default(),
            answers: Arc::new(Mutex::new(answers.collect())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/hook", post(hear));
        let router = router.with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, address)
    }

    async fn hears(&self, count: usize) -> Vec<Value> {
        eventually("a delivery", async || {
            let heard = self.heard.lock();
            (heard.len() >= count).then_some(())
        })
        .await;
        let heard = self.heard.lock();
        let bodies = heard.iter();
        bodies
            .map(|(_, body)| serde_json::from_str(body).unwrap())
            .collect()
    }
}

async fn hear(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    receiver.heard.lock().push((headers, body));
    receiver
        .answers
        .lock()
        .pop_front()
        .unwrap_or(StatusCode::OK)
}

async fn webhook(origin: &Origin, address: SocketAddr, events: &[&str]) -> (String, String) {
    let body = json!({ "url": format!("http://{address}/hook"), "events": events });
    let made = origin
        .operate(operator(Method::POST, "/v1/admin/webhooks").json(body))
        .await
        .is(201);
    (made.text("/id").to_owned(), made.text("/secret").to_owned())
}

#[tokio::test]
async fn live_and_ended_are_told_signed_and_in_order() {
    let origin = Setup::new().encoder().with(PRIVATE).start().await;
    // The first attempt fails: what follows waits for it.
    let (receiver, address) = Receiver::start(&[500]).await;
    let (id, secret) = webhook(&origin, address, &["live", "ended"]).await;
    let (deaf, elsewhere) = Receiver::start(&[]).await;
    webhook(&origin, elsewhere, &["gift"]).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.live("demo").await;
    drop(publisher);
    let heard = receiver.hears(3).await;
    let kinds: Vec<_> = heard
        .iter()
        .map(|body| body["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["live", "live", "ended"]);
    assert_eq!(heard[0], heard[1], "the same again");
    assert_eq!(heard[0]["room"], "demo");
    assert!(heard[0]["at_ms"].as_u64() < heard[2]["at_ms"].as_u64());
    assert!(heard[0]["data"]["started_at_ms"].is_u64());
    assert_eq!(heard[0]["data"], heard[2]["data"], "of the same broadcast");
    let (headers, body) = receiver.heard.lock()[2].clone();
    let signature = headers.get("weir-signature").unwrap().to_str().unwrap();
    let (time, tag) = signature.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let expected = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let expected: String = expected
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    assert_eq!(tag, expected);
    assert!(deaf.heard.lock().is_empty(), "it wants gifts alone");
    let delivered = "weir_webhook_attempts_total{outcome=\"delivered\"}";
    eventually("figures", async || {
        (origin.metric(delivered).await == Some(2.0)).then_some(())
    })
    .await;
    let path = format!("/v1/admin/webhooks/{id}");
    origin
        .operate(operator(Method::DELETE, &path))
        .await
        .is(204);
    let list = origin
        .operate(operator(Method::GET, "/v1/admin/webhooks"))
        .await
        .is(200);
    assert_eq!(list.body["webhooks"].as_array().unwrap().len(), 1);
    assert!(!list.body.to_string().contains("whsec_"), "shown once");
}

/// The first broadcast's last parts take seconds, and the next one has begun by then.
#[tokio::test]
async fn a_broadcast_has_ended_before_the_next_one_is_live() {
    let directory = tempfile::tempdir().unwrap();
    let ffmpeg = directory.path().join("ffmpeg");
    let script = "#!/bin/sh\nffmpeg \"$@\"\nexec sleep 3\n";
    std::fs::write(&ffmpeg, script).unwrap();
    std::fs::set_permissions(&ffmpeg, Permissions::from_mode(0o700)).unwrap();
    // Something to encode.
    let rung = "[[ladder]]\nname = \"240p\"\nheight = 240\nvideo_bitrate_kbps = 300\n";
    let setup = Setup::new().encoder_with(&format!("ffmpeg = \"{}\"\n", ffmpeg.display()));
    // Nobody is waited for.
    let grace = "[publish]\nreconnect_grace_seconds = 0\n";
    let setup = setup.with(rung).with(PRIVATE).with(grace);
    let origin = setup.start().await;
    let (receiver, address) = Receiver::start(&[]).await;
    webhook(&origin, address, &["live", "ended"]).await;
    let url = origin.publish_url(KEY);
    let first = Publisher::start(&url, 30);
    origin.live("demo").await;
    drop(first);
    let _second = Publisher::start(&url, 30);
    let heard = receiver.hears(3).await;
    let kinds: Vec<_> = heard
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["live", "ended", "live"]);
    assert_eq!(heard[0]["data"], heard[1]["data"]);
    assert_ne!(heard[1]["data"], heard[2]["data"]);
}

#[tokio::test]
async fn what_could_not_be_delivered_is_after_a_restart() {
    let mut origin = Setup::new().encoder().with(PRIVATE).start().await;
    // Nobody listens there, for now.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    webhook(&origin, address, &["live"]).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    eventually("an attempt", async || {
        let failed = "weir_webhook_attempts_total{outcome=\"failed\"}";
        (origin.metric(failed).await >= Some(1.0)).then_some(())
    })
    .await;
    drop(publisher);
    origin.restart().await;
    let (receiver, _) = (Receiver::default(), ());
    let listener = TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().route("/hook", post(hear));
    let router = router.with_state(receiver.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let heard = receiver.hears(1).await;
    assert_eq!(
        (&heard[0]["type"], &heard[0]["room"]),
        (&json!("live"), &json!("demo"))
    );
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let origin = Setup::new().encoder().start().await;
    for url in [
        "http://example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "gopher://a/",
    ] {
        let body = json!({ "url": url, "events": ["live"] });
        let refused = origin
            .operate(operator(Method::POST, "/v1/admin/webhooks").json(body))
            .await;
        assert_eq!(refused.refusal(), (422, "bad-url"), "{url}");
    }
    let body = json!({ "url": "https://example.org/", "events": ["dead"] });
    let refused = origin
        .operate(operator(Method::POST, "/v1/admin/webhooks").json(body))
        .await;
    assert_eq!(refused.refusal(), (422, "bad-events"));
    let body = json!({ "url": "https://example.org/ana/hook?token=t0ken", "events": ["gift"] });
    let made = origin.operate(operator(Method::POST, "/v1/admin/webhooks").json(body));
    made.await.is(201);
    let logged = origin.audit();
    let details = &logged.last().unwrap()["details"];
    assert_eq!(details["to"], "https://example.org");
    assert!(!details.to_string().contains("t0ken") && !details.to_string().contains("hook?"));
    // A name that leads here is found out when it is looked up.
    let body = json!({ "url": "https://localhost:1/", "events": ["live"] });
    origin
        .operate(operator(Method::POST, "/v1/admin/webhooks").json(body))
        .await
        .is(201);
    let _publisher = Publisher::start(&origin.publish_url(KEY), 30);
    eventually("an attempt", async || {
        let failed = "weir_webhook_attempts_total{outcome=\"failed\"}";
        (origin.metric(failed).await >= Some(1.0)).then_some(())
    })
    .await;
}
