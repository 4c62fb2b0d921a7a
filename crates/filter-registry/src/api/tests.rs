//! Over a real socket, mostly with the real client.

mod document;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use wasm_filters::manifest::{Digest, FilterName};

use super::*;
use crate::catalogue::{AuditAction, RevocationKind};
use crate::client::{Client, ClientError, ClientOptions};
use crate::registry::{RegistryOptions, Vetting};
use crate::store::files::FileStore;
use crate::testing::{LenientVetting, StrictVetting, new_version};
use crate::wire::{
    Activate, NodeName, NodeReport, Revoke, Rollback, SetEnabled, Shadow, VersionRef,
};

const ALICE: &str = "alice-alice-alice";
const BOB: &str = "bob-bob-bob-bob-bob";
const EDGE: &str = "edge-edge-edge-edge";

struct Server {
    address: SocketAddr,
    registry: Registry,
    _dir: TempDir,
}

fn token(name: &str, secret: &str, role: Role) -> Token {
    Token {
        name: name.to_owned(),
        secret: Secret::new(secret),
        role,
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(Arc::new(LenientVetting), ApiOptions::default()).await
    }

    async fn with(vetting: Arc<dyn Vetting>, mut options: ApiOptions) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(FileStore::open(dir.path()).await.unwrap());
        let metrics = prometheus::Registry::new();
        let registry = Registry::open(store, RegistryOptions::default(), vetting, &metrics)
            .await
            .unwrap();
        options.tokens = vec![
            token("alice", ALICE, Role::Operator),
            token("bob", BOB, Role::Operator),
            token("edges", EDGE, Role::Node),
        ];
        let app = router(registry.clone(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            registry,
            _dir: dir,
        }
    }

    fn client(&self, token: &str) -> Client {
        Client::new(&ClientOptions {
            url: format!("http://{}/", self.address),
            token: Secret::new(token),
            ca_file: None,
        })
        .unwrap()
    }

    /// Pushes versions of "auth" labelled so, with serials from 1.
    async fn pushed(&self, labels: &[&str]) {
        let client = self.client(ALICE);
        for (label, serial) in labels.iter().zip(1..) {
            let (version, component) = new_version("auth", label, serial);
            client.put_blob(component).await.unwrap();
            client.push(&version).await.unwrap();
        }
    }

    /// Sends bytes as they are and reads the answer to its end.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn name() -> FilterName {
    "auth".parse().unwrap()
}

fn activate(number: u32) -> Activate {
    Activate {
        version: VersionRef::Number(number),
        percent: None,
        bake_ms: None,
        if_generation: None,
    }
}

fn status<T: std::fmt::Debug>(result: Result<T, ClientError>) -> StatusCode {
    let error = result.unwrap_err();
    error.status().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test]
async fn a_filters_whole_life() {
    let server = Server::start().await;
    let client = server.client(ALICE);
    let (version, component) = new_version("auth", "one", 1);
    let stored = client.put_blob(component.clone()).await.unwrap();
    assert!(stored.created && stored.digest == version.component);
    assert!(!client.put_blob(component.clone()).await.unwrap().created);
    let pushed = client.push(&version).await.unwrap();
    assert_eq!((pushed.number, pushed.created), (1, true));
    assert_eq!(pushed.vetting.warnings, ["a warning"]);
    let document = client.document(&name(), pushed.id).await.unwrap();
    assert_eq!(document.manifest, version.manifest);
    assert_eq!(client.blob(document.component).await.unwrap(), component);
    let (second, component) = new_version("auth", "two", 2);
    client.put_blob(component).await.unwrap();
    let second = client.push(&second).await.unwrap();
    assert!(
        client
            .activate(&name(), &activate(1))
            .await
            .unwrap()
            .changed
    );
    assert!(
        !client
            .activate(&name(), &activate(1))
            .await
            .unwrap()
            .changed
    );
    let shadow = Shadow {
        version: Some(VersionRef::Id(second.id)),
        if_generation: None,
    };
    client.shadow(&name(), &shadow).await.unwrap();
    client.activate(&name(), &activate(2)).await.unwrap();
    let overview = client.overview().await.unwrap();
    let filter = &overview.filters[&name()];
    assert_eq!(filter.versions[0].number, 2, "highest number first");
    assert_eq!(filter.versions[0].roles, ["active"]);
    assert_eq!(filter.versions[1].roles, ["previous"]);
    assert_eq!(filter.versions[1].pushed_by, "alice");
    client
        .rollback(&name(), &Rollback::default())
        .await
        .unwrap();
    let off = SetEnabled {
        enabled: false,
        if_generation: None,
    };
    client.set_enabled(&name(), &off).await.unwrap();
    let revoke = Revoke {
        kind: RevocationKind::User,
        value: "eve".to_owned(),
        seconds: 60,
    };
    client.revoke(&revoke).await.unwrap();
    let catalogue = client
        .catalogue(None, Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    let desired = &catalogue.filters[&name()].desired;
    assert_eq!((desired.active, desired.enabled), (Some(pushed.id), false));
    assert_eq!(catalogue.revocations.len(), 1);
    let after = Some(catalogue.generation);
    assert_eq!(client.catalogue(after, Duration::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn every_change_is_audited_with_who_and_from_where() {
    let server = Server::start().await;
    server.pushed(&["one"]).await;
    server
        .client(BOB)
        .activate(&name(), &activate(1))
        .await
        .unwrap();
    let records = server.client(ALICE).audit(0).await.unwrap().records;
    assert_eq!(records.len(), 3);
    let last = records.last().unwrap();
    assert_eq!(last.actor, "bob");
    assert!(
        last.peer.as_deref().unwrap().starts_with("127.0.0.1:"),
        "{last:?}"
    );
    assert!(matches!(
        last.action,
        AuditAction::Activated { number: 1, .. }
    ));
    let rest = server.client(ALICE).audit(2).await.unwrap().records;
    assert_eq!(rest, std::slice::from_ref(last));
}

#[tokio::test]
async fn a_token_opens_what_its_role_says() {
    let server = Server::start().await;
    server.pushed(&["one"]).await;
    let edge = server.client(EDGE);
    assert!(edge.catalogue(None, Duration::ZERO).await.is_ok());
    assert!(edge.blob(Digest::of(b"one")).await.is_ok());
    let node: NodeName = "edge-1".parse().unwrap();
    assert!(edge.report(&node, &NodeReport::default()).await.is_ok());
    let refused = edge.activate(&name(), &activate(1)).await;
    let error = refused.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
    assert!(error.to_string().contains("\"edges\""), "{error}");
    assert_eq!(status(edge.overview().await), StatusCode::FORBIDDEN);
    let longer = format!("{ALICE}x");
    for wrong in ["wrong-wrong-wrong", &ALICE[..ALICE.len() - 1], &longer] {
        let client = server.client(wrong);
        assert_eq!(status(client.overview().await), StatusCode::UNAUTHORIZED);
        let upload = client.put_blob(Bytes::from_static(b"x")).await;
        assert_eq!(status(upload), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn of_two_operators_at_once_exactly_one_wins_and_the_other_is_told_who() {
    let server = Server::start().await;
    server.pushed(&["one", "two", "three"]).await;
    server
        .client(ALICE)
        .activate(&name(), &activate(1))
        .await
        .unwrap();
    let seen = server.registry.snapshot().generation();
    let barrier = Arc::new(Barrier::new(2));
    let race = |token: &str, number| {
        let (client, barrier) = (server.client(token), Arc::clone(&barrier));
        let request = Activate {
            if_generation: Some(seen),
            ..activate(number)
        };
        async move {
            barrier.wait().await;
            client.activate(&name(), &request).await
        }
    };
    let (alice, bob) = tokio::join!(race(ALICE, 2), race(BOB, 3));
    let (winner, number, loser) = match (alice, bob) {
        (Ok(_), Err(error)) => ("alice", 2, error),
        (Err(error), Ok(_)) => ("bob", 3, error),
        both => panic!("{both:?}"),
    };
    assert_eq!(loser.status(), Some(StatusCode::PRECONDITION_FAILED));
    let changed = loser.problem().unwrap().changed.clone().unwrap();
    assert_eq!(
        (changed.by.as_str(), changed.generation),
        (winner, seen + 1)
    );
    assert!(
        loser
            .to_string()
            .contains(&format!("{winner} activated v{number}")),
        "{loser}"
    );
    let active = server.registry.overview().filters[&name()].desired.active;
    let won = server.registry.overview().filters[&name()]
        .versions
        .iter()
        .find(|v| v.number == number)
        .map(|v| v.id);
    assert_eq!(active, won);
}

#[tokio::test]
async fn what_does_not_pass_is_refused_with_stage_and_reason() {
    let server = Server::with(Arc::new(StrictVetting), ApiOptions::default()).await;
    let client = server.client(ALICE);
    let (version, component) = new_version("auth", "one", 1);
    let error = client.push(&version).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::UNPROCESSABLE_ENTITY));
    assert!(error.to_string().contains("put it first"), "{error}");
    client.put_blob(component).await.unwrap();
    let error = client.push(&version).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::UNPROCESSABLE_ENTITY));
    let problem = error.problem().unwrap();
    assert_eq!(problem.stage.as_deref(), Some("probe"));
    assert!(problem.reason.as_deref().unwrap().contains("a good token"));
    assert_eq!(server.registry.snapshot().generation(), 0);
}

#[tokio::test]
async fn a_replayed_push_is_a_conflict() {
    let server = Server::start().await;
    server.pushed(&["one", "two"]).await;
    let (old, _) = new_version("auth", "one", 1);
    assert_eq!(
        status(server.client(ALICE).push(&old).await),
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn an_upload_cut_in_half_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let component = vec![7_u8; 1000];
    let digest = Digest::of(&component);
    let path = format!("/v1/filters/blobs/{digest}");
    let head = |length| head("PUT", &path, length);
    // The connection ends before the body does.
    let mut broken = head(1000).into_bytes();
    broken.extend_from_slice(&component[..500]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&broken).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
    // What was cut looks whole to HTTP.
    let mut half = head(500).into_bytes();
    half.extend_from_slice(&component[..500]);
    let answer = server.raw(&half).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("cut off or changed"), "{answer}");
    let gone = server.client(ALICE).blob(digest).await;
    assert_eq!(status(gone), StatusCode::NOT_FOUND);
    assert!(server.registry.audit(0).await.unwrap().records.is_empty());
}

fn head(method: &str, path: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn blob_path() -> String {
    format!("/v1/filters/blobs/{}", Digest::of(b"x"))
}

#[tokio::test]
async fn bodies_are_bounded_in_size() {
    let server = Server::start().await;
    for (method, path, max) in [
        ("PUT", blob_path(), COMPONENT_BYTES_MAX),
        (
            "POST",
            "/v1/filters/auth/versions".to_owned(),
            MANIFEST_BYTES_MAX,
        ),
        (
            "POST",
            "/v1/filters/nodes/edge-1".to_owned(),
            REPORT_BYTES_MAX,
        ),
        (
            "POST",
            "/v1/filters/auth/activate".to_owned(),
            BODY_BYTES_MAX,
        ),
    ] {
        let answer = server.raw(head(method, &path, max + 1).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
    // Nor by a body that does not say how long it is.
    let chunked = format!(
        "POST /v1/filters/auth/activate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        BODY_BYTES_MAX + 1,
        " ".repeat(BODY_BYTES_MAX + 1)
    );
    let answer = server.raw(chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let options = ApiOptions {
        body_idle_timeout: Duration::from_millis(50),
        ..ApiOptions::default()
    };
    let server = Server::with(Arc::new(LenientVetting), options).await;
    let mut request = head("PUT", &blob_path(), 10);
    request.push_str("12345");
    let answer = server.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn uploads_at_once_are_bounded() {
    let options = ApiOptions {
        uploads_max: 1,
        ..ApiOptions::default()
    };
    let server = Server::with(Arc::new(LenientVetting), options).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let begun = head("PUT", &blob_path(), 10);
    slow.write_all(begun.as_bytes()).await.unwrap();
    let client = server.client(ALICE);
    // Until the server has taken up the slow one.
    loop {
        match client.put_blob(Bytes::from_static(b"y")).await {
            Err(error) if error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) => break,
            Err(error) => panic!("{error}"),
            Ok(_) => tokio::task::yield_now().await,
        }
    }
    drop(slow);
    // Until it has seen that the slow one is gone.
    loop {
        match client.put_blob(Bytes::from_static(b"y")).await {
            Ok(_) => break,
            Err(error) if error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn nonsense_is_told_as_a_problem_document() {
    let server = Server::start().await;
    let head = format!("host: x\r\nauthorization: Bearer {ALICE}\r\nconnection: close\r\n");
    for (request, status) in [
        ("GET /v1/filters/blobs/abc", "400"),
        ("GET /v1/filters/Nope/logs", "400"),
        ("GET /v1/filters/auth/logs", "404"),
        ("GET /v1/filters/catalogue?after=x", "400"),
        ("GET /v1/filters/catalogue?since=1", "400"),
        ("DELETE /v1/filters/audit", "405"),
        ("POST /v1/filters/auth/rollback", "404"),
        ("POST /v1/filters/auth/activate", "400"),
        ("POST /v1/filters/nodes/a%20b", "400"),
    ] {
        let request = format!("{request} HTTP/1.1\r\n{head}content-length: 0\r\n\r\n");
        let answer = server.raw(request.as_bytes()).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{request}{answer}");
        assert!(
            answer.contains("application/problem+json"),
            "{request}{answer}"
        );
        assert!(answer.contains("\"detail\":\""), "{request}{answer}");
    }
}

#[tokio::test]
async fn who_follows_is_told_of_a_change_at_once() {
    let server = Server::start().await;
    server.pushed(&["one"]).await;
    let edge = server.client(EDGE);
    let seen = server.registry.snapshot().generation();
    let follow = edge.catalogue(Some(seen), Duration::from_secs(25));
    let alice = server.client(ALICE);
    let request = activate(1);
    let auth = name();
    let (followed, activated) = tokio::join!(follow, alice.activate(&auth, &request));
    let generation = activated.unwrap().generation;
    assert_eq!(followed.unwrap().unwrap().generation, generation);
}
