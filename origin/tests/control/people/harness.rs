//! An origin with accounts in this process, and who asks it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use origin::app::{Addresses, App};
use origin::config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// For what a loaded machine does in its own time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(25);
pub(crate) const LINK: &str = "the-token-of-the-link";
pub(crate) const OPERATOR: &str = "the-token-of-operators";
pub(crate) const SECRETS: [&str; 2] = ["the-new-secret-of-payments", "the-old-secret-of-payments"];
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const WRONG: &str = "battery staple";
/// Where most people are.
pub(crate) const HOME: &str = "192.0.2.1";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("{pointer} of {self:?}"))
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let kind = self.headers.get("content-type").unwrap();
        assert_eq!(kind, "application/problem+json", "{self:?}");
        assert_eq!(self.headers.get("cache-control").unwrap(), "no-store");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        (self.status.as_u16(), self.text("/code"))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

/// A request as an edge passes it on.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
}

pub(crate) fn call(method: Method, path: &str) -> Call {
    Call {
        method,
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
    }
    .field("weir-link", LINK)
    .field("weir-address", HOME)
}

pub(crate) fn get(path: &str) -> Call {
    call(Method::GET, path)
}

pub(crate) fn post(path: &str, body: Value) -> Call {
    call(Method::POST, path).json(body)
}

/// A request of an operator, on the admin listener.
pub(crate) fn operator(method: Method, path: &str) -> Call {
    call(method, path).bearer(OPERATOR)
}

impl Call {
    /// In place of what was there.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn from(self, address: &str) -> Self {
        self.field("weir-address", address)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.field("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: Value) -> Self {
        let body = body.to_string();
        self.field("content-type", "application/json").raw(body)
    }

    pub(crate) fn raw(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Someone {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Someone {
    pub(crate) fn of(answer: &Answer) -> Self {
        Self {
            id: answer.text("/user/id").to_owned(),
            access: answer.text("/access_token").to_owned(),
            refresh: answer.text("/refresh_token").to_owned(),
        }
    }
}

pub(crate) struct Origin {
    directory: TempDir,
    addresses: Addresses,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    more: String,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn configuration(directory: &Path, more: &str) -> String {
    let directory = directory.display();
    let [new, old] = SECRETS;
    format!(
        "[rtmp]\nenabled = false\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{OPERATOR}\"\n\
         [[streams]]\nname = \"demo\"\npublish_key = \"key-of-the-demo-stream\"\n\
         [rooms]\nenabled = true\nlink_tokens = [\"{LINK}\"]\nstate_dir = \"{directory}/rooms\"\n\
         reserved_names = [\"Queen\"]\n\
         [rooms.archive]\nenabled = true\ndirectory = \"{directory}/chat\"\n\
         keys_file = \"{directory}/keys\"\n\
         [control]\nenabled = true\n[control.store]\ndirectory = \"{directory}/control\"\n\
         [control.payments]\nsecrets = [\"{new}\", \"{old}\"]\n{more}"
    )
}

impl Origin {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        std::fs::write(
            &keys,
            "first MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n",
        )
        .unwrap();
        std::fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
        let (addresses, stop, running) = run(directory.path(), more).await;
        Self {
            directory,
            addresses,
            client: Client::builder(TokioExecutor::new()).build_http(),
            stop,
            running: Some(running),
            more: more.to_owned(),
        }
    }

    /// Ends it as SIGTERM would, and starts it anew.
    pub(crate) async fn restart(&mut self) {
        self.restart_after(async |_| {}).await;
    }

    /// Meanwhile something is done to its directory.
    pub(crate) async fn restart_after(&mut self, meanwhile: impl AsyncFnOnce(&Path)) {
        self.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(PATIENCE, running).await.expect("an end").unwrap();
        meanwhile(self.directory.path()).await;
        let (addresses, stop, running) = run(self.directory.path(), &self.more).await;
        (self.addresses, self.stop, self.running) = (addresses, stop, Some(running));
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Runs SQL behind the origin's back.
    pub(crate) fn sql(&self, sql: &str) -> Vec<rusqlite::types::Value> {
        let connection = rusqlite::Connection::open(self.file("control/accounts.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Lets nobody write to the accounts, until what it gives is dropped.
    pub(crate) fn hold(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.file("control/accounts.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// On the admin listener, without waiting for an answer.
    pub(crate) async fn ask_and_leave(&self, call: Call) {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: origin\r\n", call.method, call.path);
        for (name, value) in &call.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut stream = TcpStream::connect(self.addresses.admin).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    /// What an edge passes on.
    pub(crate) async fn ask(&self, call: Call) -> Answer {
        self.send(self.addresses.http, call).await
    }

    /// On the admin listener.
    pub(crate) async fn operate(&self, call: Call) -> Answer {
        self.send(self.addresses.admin, call).await
    }

    async fn send(&self, to: std::net::SocketAddr, call: Call) -> Answer {
        let uri = format!("http://{to}{}", call.path);
        let mut request = Request::builder().method(call.method).uri(uri);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(call.body.unwrap_or_default()))
            .unwrap();
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    /// Registers somebody; the login is the name, in small letters.
    pub(crate) async fn register(&self, name: &str) -> Someone {
        let login = name.to_lowercase();
        let body = json!({ "login": login, "name": name, "password": PASSWORD });
        Someone::of(&self.ask(post("/v1/accounts", body)).await.is(201))
    }

    pub(crate) async fn sign_in(&self, login: &str, password: &str, from: &str) -> Answer {
        let body = json!({ "login": login, "password": password });
        self.ask(post("/v1/session", body).from(from)).await
    }

    /// Somebody who is staff, with a token that says so.
    pub(crate) async fn staff(&self, name: &str) -> Someone {
        let id = self.register(name).await.id;
        let path = format!("/v1/admin/users/{id}/roles/staff");
        self.operate(operator(Method::PUT, &path)).await.is(200);
        let answer = self.sign_in(&name.to_lowercase(), PASSWORD, HOME).await;
        Someone::of(&answer.is(200))
    }

    pub(crate) async fn guest(&self, name: &str) -> Answer {
        self.ask(post("/v1/guests", json!({ "name": name }))).await
    }

    pub(crate) async fn metric(&self, line: &str) -> Option<f64> {
        let uri = format!("http://{}/metrics", self.addresses.admin);
        let answer = self.client.get(uri.parse().unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let found = text.lines().find_map(|own| own.strip_prefix(line));
        found.and_then(|value| value.trim().parse().ok())
    }

    /// The lines of the log of what was done to people.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("control/audit/log.jsonl")).unwrap();
        let lines = text.lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    }
}

async fn run(directory: &Path, more: &str) -> (Addresses, CancellationToken, JoinHandle<()>) {
    let text = configuration(directory, more);
    let settings = config::parse(Path::new("test.toml"), &text).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let app = loop {
        // The one before lets go of its files when its last page of metrics has been read.
        match App::bind(settings.clone()).await {
            Ok(app) => break app,
            Err(error) => {
                let is_held = error.to_string().contains("in use");
                assert!(is_held && Instant::now() < deadline, "{error}");
                sleep(LOOK).await;
            }
        }
    };
    let addresses = app.addresses().unwrap();
    let stop = CancellationToken::new();
    let run = app.run(stop.clone());
    let running = tokio::spawn(async move { run.await.unwrap() });
    (addresses, stop, running)
}
