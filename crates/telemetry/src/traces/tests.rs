use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use http::{HeaderMap, HeaderValue};

use super::*;

type Taken = Arc<Mutex<Vec<Bytes>>>;

/// A collector that answers with `status`, and its URL.
async fn collector(status: StatusCode) -> (String, Taken) {
    let taken = Taken::default();
    let take = move |State(taken): State<Taken>, body: Bytes| async move {
        taken.lock().unwrap().push(body);
        status
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route(TRACES_PATH, post(take));
    let router = router.with_state(Arc::clone(&taken));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/"), taken)
}

fn traces(endpoint: &str, share: f64, incoming: bool) -> (Traces, Registry) {
    let registry = Registry::new();
    let settings = TracesSettings {
        endpoint: endpoint.to_owned(),
        share,
        incoming,
        service: "weir-test",
        instance: "node-7".to_owned(),
        version: "0",
    };
    // Whoever is first; the client's URL is http.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let traces = Traces::start(settings, &registry, &Handle::current()).unwrap();
    (traces, registry)
}

fn request(traceparent: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(TRACEPARENT),
        HeaderValue::from_static(traceparent),
    )])
}

fn count(registry: &Registry, outcome: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|it| it.name() == "traces_spans_total");
    let metrics = family.unwrap().get_metric();
    let of = |metric: &&prometheus::proto::Metric| metric.get_label()[0].value() == outcome;
    metrics.iter().find(of).unwrap().get_counter().get_value()
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[tokio::test]
async fn who_is_traced() {
    let none = HeaderMap::new();
    assert!(Traces::off().server(&request(SAMPLED)).is_none());
    let (all, _) = traces("http://127.0.0.1:1", 1.0, true);
    assert!(all.server(&none).is_some());
    let span = all.server(&request(SAMPLED)).unwrap();
    assert_eq!(
        span.link().trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert!(all.server(&request(UNSAMPLED)).is_none());
    // What is malformed says nothing.
    assert!(all.server(&request("00-0-0-01")).is_some());

    let (theirs, _) = traces("http://127.0.0.1:1", 0.0, true);
    assert!(theirs.server(&none).is_none());
    assert!(theirs.server(&request(SAMPLED)).is_some());

    // Strangers decide nothing, and name nothing.
    let (own, _) = traces("http://127.0.0.1:1", 1.0, false);
    let span = own.server(&request(SAMPLED)).unwrap();
    assert_ne!(
        span.link().trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert!(own.server(&request(UNSAMPLED)).is_some());
    let (none_own, _) = traces("http://127.0.0.1:1", 0.0, false);
    assert!(none_own.server(&request(SAMPLED)).is_none());
}

#[tokio::test]
async fn a_request_onwards_is_of_the_same_trace() {
    let (traces, _) = traces("http://127.0.0.1:1", 0.0, true);
    let server = traces.server(&request(SAMPLED)).unwrap();
    let client = server.link().client("GET parent".to_owned());
    let mut fields = HeaderMap::new();
    client.link().inject(&mut fields);
    let told = fields.get(TRACEPARENT).unwrap().to_str().unwrap();
    assert!(
        told.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{told}"
    );
    assert!(
        told.ends_with("-01") && !told.contains("b7ad6b7169203331"),
        "{told}"
    );
}

#[tokio::test]
async fn the_collector_gets_what_has_ended() {
    let (endpoint, taken) = collector(StatusCode::OK).await;
    let (traces, registry) = traces(&endpoint, 1.0, false);
    let mut span = traces.server(&HeaderMap::new()).unwrap();
    span.name("GET part".to_owned());
    span.set("weir.stream", "demo".to_owned());
    span.event("head");
    let open = traces.server(&HeaderMap::new()).unwrap();
    drop(span);
    traces.flush().await;
    let bodies = taken.lock().unwrap().clone();
    assert_eq!(bodies.len(), 1);
    for text in [
        "GET part",
        "weir.stream",
        "demo",
        "head",
        "weir-test",
        "node-7",
    ] {
        assert!(contains(&bodies[0], text.as_bytes()), "{text}");
    }
    assert!((count(&registry, "exported") - 1.0).abs() < f64::EPSILON);
    drop(open);
}

#[tokio::test]
async fn what_the_collector_refuses_is_counted_and_gone() {
    let (endpoint, taken) = collector(StatusCode::BAD_REQUEST).await;
    let (traces, registry) = traces(&endpoint, 1.0, false);
    drop(traces.server(&HeaderMap::new()));
    traces.flush().await;
    assert_eq!(taken.lock().unwrap().len(), 1);
    assert!((count(&registry, "dropped_collector") - 1.0).abs() < f64::EPSILON);
    tokio::time::timeout(Duration::from_secs(5), traces.flush())
        .await
        .unwrap();
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// A single thread: the task that sends has no turn until this one waits.
#[tokio::test]
async fn beyond_the_queue_spans_are_dropped() {
    let (endpoint, _) = collector(StatusCode::OK).await;
    let (traces, registry) = traces(&endpoint, 1.0, false);
    for _ in 0..5_000 {
        drop(traces.server(&HeaderMap::new()));
    }
    let dropped = count(&registry, "dropped_queue");
    assert!(
        (dropped - (5_000.0 - 4_096.0)).abs() < f64::EPSILON,
        "{dropped}"
    );
}
