//! Givers, and people who register: the answers of an edge and of an origin's admin listener.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rooms::schema::{Body, Notice};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Fault, PRICE, Shared, number};

pub(super) async fn serve_h1(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.method(), "POST");
    let field = |name| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(field("content-type").as_deref(), Some("application/json"));
    let (bearer, key) = (field("authorization"), field("idempotency-key"));
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (status, body) = match path.as_str() {
        "/api/rooms/demo/gifts" => give(&shared, &bearer.unwrap(), &body),
        "/api/accounts" => register(&shared, &key.unwrap(), &body),
        _ => credit(&shared, &bearer.unwrap(), &key.unwrap(), &path, &body),
    };
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}

fn give(shared: &Shared, bearer: &str, body: &Value) -> (u16, Value) {
    let sender = bearer.strip_prefix("Bearer ").unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let (client_id, note) = (text("client_id"), text("note"));
    assert_eq!(
        (text("item").as_str(), body["count"].as_u64()),
        ("rose", Some(1))
    );
    let number = number(&client_id);
    let id = format!("gift-{client_id}");
    let receipt = |state| {
        json!({
            "id": id,
            "state": state,
            "total": PRICE,
            "currency": "coin",
            "available": 1,
        })
    };
    let asked = {
        let mut room = shared.room.lock();
        let asked = room.asked.entry(client_id.clone()).or_default();
        *asked += 1;
        *asked
    };
    match (shared.fault, number % 10, asked) {
        (Fault::Busy, 0 | 5, 1) => return (503, json!({ "code": "busy", "retry_after_ms": 20 })),
        (Fault::Busy, 0 | 5, 2) => return (429, json!({ "code": "too-many" })),
        (Fault::Refuse, 0, _) => return (402, json!({ "code": "insufficient" })),
        (Fault::Refuse, 5, _) => return (201, receipt("held")),
        _ => {}
    }
    let known = shared.room.lock().paid.insert(client_id, id.clone());
    if known.is_some() {
        return (200, receipt("given"));
    }
    match (shared.fault, number) {
        (Fault::LoseAll, 10) => {}
        (Fault::OtherId, 10) => shared.show("another".to_owned(), sender, note),
        _ => shared.show(id.clone(), sender, note),
    }
    if (shared.fault, number) == (Fault::Combo, 10) {
        shared.say(Body::Notice(Notice {
            id: "combo-1".to_owned(),
            kind: "combo_end".to_owned(),
            text: String::new(),
            payload: json!({
                "id": "c1",
                "sender": { "id": "ada", "name": "Ada" },
                "item": "rose",
                "count": 7,
                "points": 70,
            })
            .to_string(),
        }));
    }
    (201, receipt("given"))
}

/// The second who comes is sent away once.
fn register(shared: &Shared, key: &str, body: &Value) -> (u16, Value) {
    let login = body["login"].as_str().unwrap();
    assert!(login.starts_with("load-") && body["password"].as_str().unwrap().len() >= 12);
    assert_eq!(key, login);
    let mut room = shared.room.lock();
    if login.ends_with("-2") && !room.asked.contains_key(login) {
        room.asked.insert(login.to_owned(), 1);
        return (429, json!({ "code": "too-many" }));
    }
    if login.ends_with("-3") {
        return (409, json!({ "code": "login-taken" }));
    }
    room.people.push(login.to_owned());
    let session = json!({
        "access_token": format!("token-of-{}", login.rsplit('-').next().unwrap()),
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "r",
        "user": { "id": format!("u-{login}"), "login": login, "name": body["name"] },
    });
    (201, session)
}

fn credit(shared: &Shared, bearer: &str, key: &str, path: &str, body: &Value) -> (u16, Value) {
    assert_eq!(bearer, "Bearer admin");
    assert_eq!(path, format!("/v1/admin/users/u-{key}/credits"));
    assert!(!body["note"].as_str().unwrap().is_empty());
    shared.room.lock().coins += body["amount"].as_u64().unwrap();
    (201, json!({ "transfer": "t", "balance": 1 }))
}
