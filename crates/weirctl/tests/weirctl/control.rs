//! `weirctl user`, `gift`, `ledger` and `room` as processes, against a double of the control API that
//! keeps what it was asked.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::harness::{Ended, OPERATOR, command, weirctl};

const ALICE: &str = "u-0123456789abcdef0123456789abcdef";

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    line: String,
    key: Option<String>,
    body: Value,
}

/// What the double is told to answer, and what it was asked.
#[derive(Default)]
struct Double {
    asked: Mutex<Vec<Asked>>,
    /// So many credits get no answer, though they are done.
    lost: AtomicU32,
    /// The audit finds something.
    damaged: std::sync::atomic::AtomicBool,
    /// The export breaks off silently.
    short: std::sync::atomic::AtomicBool,
}

struct Desk {
    home: tempfile::TempDir,
    address: SocketAddr,
    double: Arc<Double>,
}

impl Desk {
    async fn new() -> Self {
        let double = Arc::new(Double::default());
        let router = Router::new().fallback(answer);
        let router = router.with_state(Arc::clone(&double));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            home: tempfile::tempdir().unwrap(),
            address,
            double,
        }
    }

    async fn run(&self, line: &str) -> Ended {
        let registry = format!("http://{}", self.address);
        let mut all = vec!["--registry", &registry, "--token", OPERATOR];
        all.extend(line.split_whitespace());
        weirctl(self.home.path(), &all).await
    }

    /// With something on stdin.
    async fn typed(&self, line: &str, text: &str) -> Ended {
        let registry = format!("http://{}", self.address);
        let mut child = command(self.home.path())
            .args(["--registry", &registry, "--token", OPERATOR])
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What was asked since it was last looked at.
    async fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.double.asked.lock().await)
    }

    /// As [`Desk::asked`], methods and paths alone.
    async fn lines(&self) -> Vec<String> {
        self.asked().await.into_iter().map(|it| it.line).collect()
    }
}

async fn answer(State(double): State<Arc<Double>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let field = |name: &str| {
        head.headers
            .get(name)
            .map(|it| it.to_str().unwrap().to_owned())
    };
    let bearer = format!("Bearer {OPERATOR}");
    if field("authorization") != Some(bearer) {
        return problem(
            StatusCode::UNAUTHORIZED,
            "the bearer token admin.token is needed",
        );
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = Asked {
        line: format!("{} {}", head.method, head.uri),
        key: field("idempotency-key"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    double.asked.lock().await.push(asked);
    reply(&double, &head.method, &head.uri)
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank", "title": "x", "status": status.as_u16(), "detail": detail,
        "code": "x",
    });
    (status, axum::Json(body)).into_response()
}

fn alice() -> Value {
    json!({
        "id": ALICE, "login": "alice", "name": "Alice", "roles": ["staff"], "rooms": {},
        "created_at_ms": 0, "state": "active",
        "wallet": {"balance": 700, "available": 600, "held": 100},
    })
}

fn reply(double: &Double, method: &Method, uri: &Uri) -> Response {
    let json = |value: Value| axum::Json(value).into_response();
    let query = uri.query().unwrap_or_default();
    let user = format!("/v1/admin/users/{ALICE}");
    let path = uri
        .path()
        .strip_prefix(&user)
        .map_or_else(|| uri.path().to_owned(), |rest| format!("/alice{rest}"));
    match (method.as_str(), path.as_str()) {
        ("GET", "/v1/admin/users") if query.contains("login=ali") => {
            json(json!({ "users": [alice()], "next": null }))
        }
        ("GET", "/v1/admin/users") if query.contains("login=") => {
            json(json!({ "users": [], "next": null }))
        }
        ("GET", "/v1/admin/users") if query.contains("after=") => {
            json(json!({ "users": [alice()], "next": null }))
        }
        ("GET", "/v1/admin/users") => json(json!({ "users": [alice()], "next": ALICE })),
        ("GET" | "PUT", "/alice" | "/alice/roles/staff") => json(alice()),
        ("DELETE", "/alice/roles/moderator") => json(alice()),
        ("GET", "/alice/export") => json(json!({ "login": "alice" })),
        ("DELETE", "/alice")
        | ("POST", "/alice/block" | "/alice/unblock" | "/alice/sign-out" | "/alice/password") => {
            StatusCode::NO_CONTENT.into_response()
        }
        ("POST", "/alice/credits") => credit(double),
        ("POST", "/v1/admin/keys/rotate") => json(json!({ "signs_from_ms": 1, "is_new": true })),
        ("POST", "/v1/admin/gifts/g1/approve" | "/v1/admin/gifts/g1/reject") => {
            StatusCode::NO_CONTENT.into_response()
        }
        ("POST", "/v1/admin/gifts/g1/refund") => {
            problem(StatusCode::CONFLICT, "the room has spent it")
        }
        ("GET", "/v1/admin/gifts") => json(json!({ "items": [gift()], "next": 4 })),
        ("GET", "/v1/admin/gifts/g1") => json(gift()),
        ("GET", "/v1/users/g-1/chat") => "{\"text\":\"hi\"}\n".into_response(),
        ("DELETE", "/v1/users/g-1/chat") => json(json!({ "rooms": 1, "records": 2 })),
        ("POST", "/v1/admin/ledger/verify") => json(report(double)),
        ("GET", "/v1/admin/ledger/export") => export(double).into_response(),
        ("GET", "/v1/admin/ledger/accounts/coin%3Aalice/history") => history(query),
        ("GET", "/v1/admin/ledger/accounts/nobody") => {
            problem(StatusCode::NOT_FOUND, "there is no account nobody")
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn credit(double: &Double) -> Response {
    let lost = double
        .lost
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
    if lost.is_ok() {
        // An answer that breaks off.
        let broken = std::io::Error::other("gone");
        let chunks: Vec<Result<Bytes, _>> = vec![Ok(Bytes::from_static(b"{")), Err(broken)];
        return Body::from_stream(futures::stream::iter(chunks)).into_response();
    }
    let body = json!({ "transfer": "credit-1", "balance": 1_200 });
    (StatusCode::CREATED, axum::Json(body)).into_response()
}

fn gift() -> Value {
    json!({
        "id": "g1", "seq": 4, "at_ms": 0, "room": "demo", "sender": {"id": ALICE, "name": "Alice"},
        "item": "rose", "count": 1, "total": 100, "points": 100, "state": "held",
        "transfers": [], "signals": ["velocity"],
    })
}

fn report(double: &Double) -> Value {
    let damaged = double.damaged.load(Ordering::SeqCst);
    let difference = json!({"balance": {"account": "coin:alice", "stored": 7, "computed": 0}});
    let differences = if damaged {
        vec![difference]
    } else {
        Vec::new()
    };
    json!({
        "ok": !damaged, "at_ms": 0, "took_ms": 3, "accounts": 1, "holds_open": 0, "batches": 0,
        "transfers": 0, "messages_pending": 0, "sums": [], "differences": differences, "more": 0,
    })
}

fn export(double: &Double) -> String {
    let head = json!({"head": {
        "accounts": 1, "batches": 0, "transfers": 0, "messages": 0, "delivered": 0,
    }});
    let account = if double.short.load(Ordering::SeqCst) {
        ""
    } else {
        "{\"account\":{}}\n"
    };
    format!("{head}\n{account}")
}

fn history(query: &str) -> Response {
    let (seq, next) = if query.contains("before=2") {
        (1, None)
    } else {
        (2, Some(2))
    };
    let item = json!({
        "seq": seq, "batch": seq, "at_ms": 0, "id": format!("t{seq}"), "debit": "coin:topup",
        "credit": "coin:alice", "amount": 5, "currency": "coin", "kind": "topup",
    });
    axum::Json(json!({ "items": [item], "next": next })).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_by_login_and_by_id() {
    let desk = Desk::new().await;
    let text = desk.run("user show alice").await.ok();
    assert!(
        text.starts_with("alice\n") && text.contains("700, of which 600"),
        "{text}"
    );
    let expected = [
        "GET /v1/admin/users?login=alice&limit=100".to_owned(),
        format!("GET /v1/admin/users/{ALICE}"),
    ];
    assert_eq!(desk.lines().await, expected);
    desk.run(&format!("user block {ALICE}")).await.ok();
    let blocked = [format!("POST /v1/admin/users/{ALICE}/block")];
    assert_eq!(desk.lines().await, blocked, "an id is not looked up");
    desk.run("user grant alice staff").await.ok();
    desk.run("user revoke alice moderator --room demo")
        .await
        .ok();
    let lines = desk.lines().await;
    assert_eq!(lines[1], format!("PUT /v1/admin/users/{ALICE}/roles/staff"));
    let revoked = format!("DELETE /v1/admin/users/{ALICE}/roles/moderator?room=demo");
    assert_eq!(lines[3], revoked);
    let reason = desk.run("user find bob").await.refused();
    assert_eq!(reason, "no login begins with bob");
    for refused in ["user show bob", "user sign-out bob", "user show ali"] {
        let reason = desk.run(refused).await.refused();
        assert!(reason.starts_with("nobody has the login "), "{reason}");
    }
    let text = desk.run("user find alice --json").await.ok();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["users"][0]["id"], ALICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_page_after_page() {
    let desk = Desk::new().await;
    let text = desk.run("user list --limit 1").await.ok();
    assert!(
        text.ends_with(&format!("more: --after {ALICE}, or --all\n")),
        "{text}"
    );
    desk.asked().await;
    let text = desk.run("user list --limit 1 --all").await.ok();
    assert_eq!(text.matches("LOGIN").count(), 1, "one header: {text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let expected = [
        "GET /v1/admin/users?limit=1".to_owned(),
        format!("GET /v1/admin/users?after={ALICE}&limit=1"),
    ];
    assert_eq!(desk.lines().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_is_repeated_with_its_key() {
    let desk = Desk::new().await;
    desk.double.lost.store(2, Ordering::SeqCst);
    let line = format!("user credit {ALICE} -20 --note oops");
    let ended = desk.run(&line).await;
    let key = ended.stderr.lines().next().unwrap().to_owned();
    let key = key.strip_prefix("key ").unwrap().to_owned();
    let text = ended.ok();
    assert!(
        text.contains(": 20 coins taken back, 1 200 now; transfer credit-1"),
        "{text}"
    );
    let asked = desk.asked().await;
    assert_eq!(asked.len(), 3);
    for one in asked {
        assert_eq!(one.key.as_deref(), Some(key.as_str()));
        assert_eq!(one.body, json!({ "amount": -20, "note": "oops" }));
    }
    // A person goes on where it was given up.
    desk.double.lost.store(9, Ordering::SeqCst);
    let line = format!("user credit {ALICE} 5 --note x --key k-1");
    let reason = desk.run(&line).await.refused();
    assert!(reason.contains("--key k-1"), "{reason}");
    assert_eq!(desk.asked().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_from_stdin() {
    let desk = Desk::new().await;
    let line = format!("user set-password {ALICE}");
    let ended = desk.typed(&line, "correct horse \n").await;
    assert!(!ended.stdout.contains("horse") && !ended.stderr.contains("horse"));
    ended.ok();
    let asked = desk.asked().await;
    assert_eq!(
        asked[0].line,
        format!("POST /v1/admin/users/{ALICE}/password")
    );
    assert_eq!(asked[0].body, json!({ "password": "correct horse " }));
    let none = desk.typed(&line, "").await;
    assert_eq!(none.code, 64, "{none:?}");
    assert!(desk.asked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_asked() {
    let desk = Desk::new().await;
    for line in [format!("user erase {ALICE}"), "room erase g-1".to_owned()] {
        let ended = desk.typed(&line, "yes\n").await;
        assert_eq!(ended.code, 64, "{ended:?}");
        assert!(ended.stderr.contains("--yes"), "{ended:?}");
        assert!(desk.asked().await.is_empty());
        desk.run(&format!("{line} --yes")).await.ok();
        assert!(desk.lines().await[0].starts_with("DELETE "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gifts_are_listed_and_decided() {
    let desk = Desk::new().await;
    let text = desk.run("gift list --room demo --state held").await.ok();
    assert!(
        text.contains("rose") && text.ends_with("more: --before 4, or --all\n"),
        "{text}"
    );
    let text = desk.run("gift show g1").await.ok();
    assert!(text.contains("signals      velocity"), "{text}");
    desk.run("gift approve g1").await.ok();
    desk.run("gift reject g1").await.ok();
    let reason = desk.run("gift refund g1 --reason sorry").await.refused();
    assert!(reason.ends_with("the room has spent it"), "{reason}");
    let asked = desk.asked().await;
    let first = "GET /v1/admin/gifts?room=demo&state=held&limit=50";
    assert_eq!(asked[0].line, first);
    assert_eq!(asked[4].body, json!({ "reason": "sorry" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_finds_something_ends_with_one() {
    let desk = Desk::new().await;
    let text = desk.run("ledger verify").await.ok();
    assert!(text.ends_with("all of it adds up\n"), "{text}");
    desk.double.damaged.store(true, Ordering::SeqCst);
    let ended = desk.run("ledger verify").await;
    let named = "balance     account coin:alice, computed 0, stored 7";
    assert!(ended.stdout.contains(named), "{ended:?}");
    let reason = ended.refused();
    assert_eq!(reason, "the ledger does not add up: differences: 1");
    let ended = desk.run("ledger verify --json").await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["ok"]), (1, &json!(false)));
    let reason = desk.run("ledger balance nobody").await.refused();
    assert!(reason.ends_with("there is no account nobody"), "{reason}");
    // An origin without [control] has no such path.
    let reason = desk.run("ledger summary").await.refused();
    assert!(reason.contains("control.enabled"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_whole_or_not_there() {
    let desk = Desk::new().await;
    let path = desk.home.path().join("ledger.jsonl");
    let line = format!("ledger export --to {}", path.display());
    desk.double.short.store(true, Ordering::SeqCst);
    let reason = desk.run(&line).await.refused();
    assert!(reason.contains("0 of 1 accounts"), "{reason}");
    assert!(!path.exists());
    desk.double.short.store(false, Ordering::SeqCst);
    let ended = desk.run(&line).await;
    assert_eq!(ended.stderr, "2 lines, 92 B\n");
    ended.ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    let reason = desk.run(&line).await.refused();
    assert!(reason.contains("--force"), "{reason}");
    desk.run(&format!("{line} --force")).await.ok();
    let text = desk.run("ledger export").await.ok();
    assert_eq!(text.lines().count(), 2);

    let text = desk.run(&format!("user export {ALICE}")).await.ok();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["login"],
        "alice"
    );
    assert_eq!(
        desk.run("room export g-1").await.ok(),
        "{\"text\":\"hi\"}\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn history_to_its_end() {
    let desk = Desk::new().await;
    let text = desk.run("ledger history coin:alice --all").await.ok();
    let rows: Vec<_> = text
        .lines()
        .map(|line| line.contains("coin:topup"))
        .collect();
    assert_eq!(rows, [false, true, true], "{text}");
    let text = desk
        .run("ledger history coin:alice --all --json")
        .await
        .ok();
    assert_eq!(text.lines().count(), 2, "a document a page: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_are_replaced() {
    let desk = Desk::new().await;
    let text = desk.run("key rotate").await.ok();
    assert!(text.contains("signs in 10 minutes"), "{text}");
    let text = desk.run("key rotate --compromised").await.ok();
    assert!(text.contains("count no longer"), "{text}");
    let text = desk.run("key rotate --json").await.ok();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read, json!({ "signs_from_ms": 1, "is_new": true }));
    let asked = desk.asked().await;
    assert_eq!(asked[0].line, "POST /v1/admin/keys/rotate");
    let bodies: Vec<_> = asked.iter().map(|it| &it.body["compromised"]).collect();
    assert_eq!(bodies, [false, true, false]);
}
