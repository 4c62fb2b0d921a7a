//! The admin API through its router: no sockets but the registry's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use cache_policy::{CacheKey, CacheName};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use super::*;
use crate::access_log::AccessLogMetrics;
use crate::cache::{CacheLimits, Lookup};
use crate::config;
use crate::limits::Limits;
use crate::reload;
use crate::reload::snapshot::Lasting;
use crate::sites::Sites;
use crate::streams::Streams;

const TOKEN: &str = "0123456789abcdef";

fn admin(config: &str, relay: Option<Relay>) -> Admin {
    admin_with(config, relay, None)
}

fn admin_with(config: &str, relay: Option<Relay>, file: Option<PathBuf>) -> Admin {
    let loaded = config::loaded("edge.toml".as_ref(), config).unwrap();
    let settings = loaded.settings.clone();
    let registry = telemetry::Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    let health = Health::new();
    health.set_ready("listening", true);
    let runtime = tokio::runtime::Handle::current();
    let limits = CacheLimits {
        memory_bytes: 1 << 20,
        object_bytes_max: 1 << 10,
        flights_max: 4,
    };
    let lasting = Lasting {
        name: CacheName::new("edge").unwrap(),
        alt_svc: None,
        cache: Cache::new(limits),
        pages: Arc::new(Pages::embedded()),
        node: None,
        rooms: None,
        sites: Sites::new(
            Vec::new(),
            settings.sites_limits,
            "edge",
            metrics.clone(),
            runtime.clone(),
        ),
        limits: Limits::new(settings.limits.clone(), &registry).unwrap(),
        certificate: None,
        streams: Streams::new(&registry, settings.streams).unwrap(),
        metrics: metrics.clone(),
        relay_metrics: crate::relay::Metrics::new(&registry).unwrap(),
        log_metrics: AccessLogMetrics::new(&registry).unwrap(),
        traces: telemetry::traces::Traces::off(),
        runtime,
    };
    let first = lasting.snapshot(None, loaded).unwrap();
    let reload_metrics = reload::Metrics::new(&registry).unwrap();
    let grace = settings.drain_grace.into();
    let cache = lasting.cache.clone();
    Admin {
        facts: Facts::new(&settings, 0),
        reloader: Reloader::new(file, lasting, first, grace, reload_metrics),
        started: SystemTime::now(),
        health,
        cache,
        tls: None,
        metrics,
        filters: None,
        relay,
        pages: Arc::new(Pages::embedded()),
    }
}

fn with_token() -> Admin {
    admin(&format!("[admin]\ntoken = \"{TOKEN}\"\n"), None)
}

async fn ask(admin: Admin, request: Request) -> Response {
    let service = TowerToHyperService::new(router(Arc::new(admin)));
    service.call(request).await.unwrap()
}

fn request(method: Method, path: &str, token: &str, body: &str) -> Request {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn answer(admin: Admin, request: Request) -> (u16, Value) {
    let response = ask(admin, request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {body:?}"));
    (status, body)
}

#[test]
fn the_document_lists_every_path_and_method_and_no_other() {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let written: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = endpoints()
        .into_iter()
        .filter(|endpoint| endpoint.documented)
        .flat_map(|endpoint| {
            let path = endpoint.path.replace("{*", "{");
            let methods = endpoint.methods.iter();
            methods
                .map(|method| (path.clone(), (*method).to_owned()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(written, served);
}

#[tokio::test]
async fn a_reload_says_what_changed_or_why_nothing_did() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("edge.toml");
    let token = format!("[admin]\ntoken = \"{TOKEN}\"\n");
    let reload = async |text: &str| {
        std::fs::write(&file, format!("{token}{text}")).unwrap();
        let admin = admin_with(&token, None, Some(file.clone()));
        answer(admin, request(Method::POST, "/v1/config/reload", TOKEN, "")).await
    };
    let (status, body) = reload("[drain]\ngrace_seconds = 7\n").await;
    assert_eq!(status, 200);
    let change = json!({"key": "drain.grace_seconds", "old": "15", "new": "7"});
    assert_eq!(body, json!({"generation": 2, "changes": [change]}));
    let (status, body) = reload("").await;
    assert_eq!(
        (status, body),
        (200, json!({"generation": 1, "changes": []}))
    );
    let (status, body) = reload("[cache]\nmemory_bytes = 100000000\n").await;
    assert_eq!(
        (status, &body["keys"]),
        (422, &json!(["cache.memory_bytes"]))
    );
    let without = request(Method::POST, "/v1/config/reload", TOKEN, "");
    assert_eq!(answer(with_token(), without).await.0, 409);
    let stranger = request(Method::POST, "/v1/config/reload", "other", "");
    assert_eq!(answer(with_token(), stranger).await.0, 401);
}

#[test]
fn the_document_refers_to_nothing_that_is_not_there() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.push(reference.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let there = reference
            .strip_prefix('#')
            .and_then(|at| document.pointer(at));
        assert!(there.is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_change_needs_the_token() {
    for path in [
        "/v1/purge",
        "/v1/node/filters/auth/rollback",
        "/v1/node/grants/revoke",
    ] {
        let ask = |token: &str| request(Method::POST, path, token, "{}");
        for wrong in ["", "0123456789abcdeX", "0123456789abcde"] {
            let (status, _) = answer(with_token(), ask(wrong)).await;
            assert_eq!(status, 401, "{path} {wrong}");
        }
        let (status, body) = answer(admin("", None), ask(TOKEN)).await;
        assert_eq!(status, 403, "{path}");
        assert!(body["detail"].as_str().unwrap().contains("admin.token"));
    }
}

#[tokio::test]
async fn status_says_what_the_node_is() {
    let (status, body) = answer(
        admin("[node]\nname = \"leaf\"\n", None),
        request(Method::GET, "/v1/status", "", ""),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(body["node"], "leaf");
    assert_eq!(body["ready"], true);
    assert_eq!(body["conditions"], json!({"listening": true}));
    assert_eq!(
        body["parents"],
        json!([{"url": "http://127.0.0.1:8080", "reachable": true}])
    );
    assert_eq!(body["filters"], json!({"enabled": false, "agent": null}));
}

#[tokio::test]
async fn a_purge_says_how_many_objects_are_gone() {
    let admin = with_token();
    let cache = admin.cache.clone();
    let url = "/live/demo/720p/7.m4s";
    let key = CacheKey::new(url, None).unwrap();
    let now = std::time::Instant::now();
    let Lookup::Leader { mut writer, .. } = cache.lookup(&key, now) else {
        panic!("somebody else leads");
    };
    writer.writer().head(crate::cache::object::ObjectHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        content_length: None,
        age_at_receipt: std::time::Duration::ZERO,
        received_at: now,
        fresh_for: std::time::Duration::from_secs(60),
        own_error: false,
    });
    assert!(writer.complete());

    let body = json!({"stream": "demo"}).to_string();
    let purge = request(Method::POST, "/v1/purge", TOKEN, &body);
    assert_eq!(answer(admin, purge).await, (200, json!({"purged": 1})));
    assert!(matches!(cache.lookup(&key, now), Lookup::Leader { .. }));
}

#[tokio::test]
async fn bodies_are_bounded_and_checked() {
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    for (body, expect) in [
        ("{", 400),
        (r#"{"streams":"a"}"#, 400),
        ("", 400),
        (long.as_str(), 413),
    ] {
        let purge = request(Method::POST, "/v1/purge", TOKEN, body);
        let (status, problem) = answer(with_token(), purge).await;
        assert_eq!(status, expect, "{problem}");
        assert_eq!(problem["status"], expect);
    }
}

#[tokio::test]
async fn without_filters_there_is_nothing_to_see_or_to_relay() {
    for path in ["/v1/node/filters", "/v1/filters", "/v1/filters/auth/logs"] {
        let (status, body) = answer(admin("", None), request(Method::GET, path, "", "")).await;
        assert_eq!(status, 404, "{path}");
        assert!(body["detail"].as_str().unwrap().contains("filters.enabled"));
    }
}

/// A registry that says what it was asked, and by whom.
async fn registry() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = |request: Request| async move {
        let (head, body) = request.into_parts();
        let field = |name: &str| {
            let value = head.headers.get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let told = json!({
            "method": head.method.as_str(),
            "target": head.uri.to_string(),
            "authorization": field("authorization"),
            "cookie": field("cookie"),
            "bytes": to_bytes(body, usize::MAX).await.map(|body| body.len()).ok(),
        });
        (StatusCode::CREATED, axum::Json(told))
    };
    let router = Router::new().fallback(echo);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn relay_to(address: SocketAddr) -> Relay {
    transport::tls::install_crypto_provider();
    Relay::new(&format!("http://{address}"), None).unwrap()
}

#[tokio::test]
async fn the_registry_is_asked_what_the_caller_asks() {
    let address = registry().await;
    let path = "/v1/filters/auth/versions?x=1";
    let mut put = request(Method::PUT, path, "an operator's", "12345");
    put.headers_mut()
        .insert(header::COOKIE, "secret=1".parse().unwrap());
    let (status, told) = answer(admin("", Some(relay_to(address))), put).await;
    assert_eq!(status, 201);
    assert_eq!(
        told,
        json!({
            "method": "PUT",
            "target": path,
            "authorization": "Bearer an operator's",
            "cookie": null,
            "bytes": 5,
        })
    );
}

#[tokio::test]
async fn too_large_a_body_never_reaches_the_registry_whole() {
    let address = registry().await;
    let body = "x".repeat((33 << 20) + 1);
    let put = request(Method::PUT, "/v1/filters/blobs/00", "t", &body);
    let response = ask(admin("", Some(relay_to(address))), put).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_registry_that_is_away_is_a_502() {
    // Bound and let go: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let get = request(Method::GET, "/v1/filters", "t", "");
    let (status, body) = answer(admin("", Some(relay_to(address))), get).await;
    assert_eq!(status, 502, "{body}");
}
