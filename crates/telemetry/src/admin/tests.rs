//! The admin listener over a real socket.

use crate::{BuildInfo, Health, admin, metrics};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

async fn fetch(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn serves_metrics_health_readiness_and_extras_until_shut_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = metrics::registry(BuildInfo {
        binary: "weir-test",
        version: "0.0.0",
    })
    .unwrap();
    metrics::counter(&registry, "edge_things_total", "Things.")
        .unwrap()
        .inc_by(3);
    let health = Health::new();
    let extra = Router::new().route("/extra", get(async || "more"));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(admin::serve(
        listener,
        registry,
        health.clone(),
        extra,
        async {
            let _ = stopped.await;
        },
    ));

    assert_eq!(fetch(address, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, body) = fetch(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("edge_things_total 3"), "{body}");
    assert!(body.contains("process_open_fds "), "{body}");
    assert_eq!(fetch(address, "/extra").await, (200, "more".to_owned()));
    assert_eq!(fetch(address, "/nothing").await.0, 404);

    health.set_ready("listener", false);
    let (status, body) = fetch(address, "/readyz").await;
    assert_eq!(status, 503);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"ready": false, "draining": false, "conditions": {"listener": false}})
    );
    health.set_ready("listener", true);
    assert_eq!(fetch(address, "/readyz").await.0, 200);
    health.start_draining();
    assert_eq!(fetch(address, "/readyz").await.0, 503);

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
