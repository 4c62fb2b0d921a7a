//! An origin in this process where rooms are made by API, who asks it, and who publishes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
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
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// For what a loaded machine does in its own time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);
pub(crate) const LINK: &str = "the-token-of-the-link";
const OPERATOR: &str = "the-token-of-operators";
/// Of the configured stream `demo`.
pub(crate) const DEMO_KEY: &str = "key-of-the-demo-stream";

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
        (self.status.as_u16(), self.text("/code"))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
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

/// What stands in `more` before a line `---` is part of `[transcode]`.
fn configuration(directory: &Path, more: &str) -> String {
    let directory = directory.display();
    let (transcode, more) = more.split_once("---\n").unwrap_or(("", more));
    format!(
        "[rtmp]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{OPERATOR}\"\n\
         [[streams]]\nname = \"demo\"\npublish_key = \"{DEMO_KEY}\"\ntitle = \"A test\"\n\
         [transcode]\npreset = \"ultrafast\"\n{transcode}\
         [[ladder]]\nname = \"360p\"\nheight = 360\nvideo_bitrate_kbps = 700\n\
         [rooms]\nenabled = true\nlink_tokens = [\"{LINK}\"]\nstate_dir = \"{directory}/rooms\"\n\
         [control]\nenabled = true\n[control.store]\ndirectory = \"{directory}/control\"\n{more}"
    )
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

impl Origin {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
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
        self.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(PATIENCE, running).await.expect("an end").unwrap();
        let (addresses, stop, running) = run(self.directory.path(), &self.more).await;
        (self.addresses, self.stop, self.running) = (addresses, stop, Some(running));
    }

    pub(crate) fn publish_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.addresses.rtmp.unwrap())
    }

    /// Where edges find it.
    pub(crate) fn public(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// On the admin listener, as an operator.
    pub(crate) async fn operate(&self, method: Method, path: &str, body: Value) -> Answer {
        self.operate_once(method, path, body, None).await
    }

    /// The same with an Idempotency-Key.
    pub(crate) async fn operate_once(
        &self,
        method: Method,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> Answer {
        let mut fields = vec![("authorization", format!("Bearer {OPERATOR}"))];
        fields.extend(key.map(|key| ("idempotency-key", key.to_owned())));
        let uri = format!("http://{}{path}", self.addresses.admin);
        self.send(method, uri, fields, body).await
    }

    /// As an edge passes it on, for somebody who is signed in.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        access: &str,
        body: Value,
    ) -> Answer {
        let fields = vec![
            ("weir-link", LINK.to_owned()),
            ("weir-address", "192.0.2.1".to_owned()),
            ("authorization", format!("Bearer {access}")),
        ];
        let uri = format!("http://{}{path}", self.addresses.http);
        self.send(method, uri, fields, body).await
    }

    async fn send(
        &self,
        method: Method,
        uri: String,
        fields: Vec<(&str, String)>,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let body = if body.is_null() {
            Bytes::new()
        } else {
            request = request.header("content-type", "application/json");
            body.to_string().into()
        };
        let request = request.body(Full::new(body)).unwrap();
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    pub(crate) async fn create(&self, room: &str) -> Answer {
        let body = json!({ "name": room });
        let made = self.operate(Method::POST, "/v1/admin/rooms", body).await;
        made.is(201)
    }

    /// A key of a room.
    pub(crate) async fn key(&self, room: &str, ask: Value) -> Answer {
        let path = format!("/v1/admin/rooms/{room}/keys");
        self.operate(Method::POST, &path, ask).await.is(201)
    }

    /// Somebody who registered: id and access token.
    pub(crate) async fn register(&self, name: &str) -> (String, String) {
        let login = name.to_lowercase();
        let body = json!({ "login": login, "name": name, "password": "correct horse" });
        let answer = self
            .ask(Method::POST, "/v1/accounts", "", body)
            .await
            .is(201);
        let text = |pointer| answer.text(pointer).to_owned();
        (text("/user/id"), text("/access_token"))
    }

    pub(crate) async fn get(&self, path: &str) -> StatusCode {
        let uri = format!("http://{}{path}", self.addresses.http);
        self.send(Method::GET, uri, Vec::new(), Value::Null)
            .await
            .status
    }

    /// A page of the public listener.
    pub(crate) async fn text(&self, path: &str) -> String {
        let uri = format!("http://{}{path}", self.addresses.http);
        let answer = self.client.get(uri.parse().unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// Waits until a room can be watched.
    pub(crate) async fn live(&self, room: &str) {
        let path = format!("/live/{room}/360p/index.m3u8");
        eventually("a playlist", async || {
            (self.get(&path).await == StatusCode::OK).then_some(())
        })
        .await;
    }

    pub(crate) async fn metric(&self, line: &str) -> Option<f64> {
        let uri = format!("http://{}/metrics", self.addresses.admin);
        let answer = self.client.get(uri.parse().unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let found = text.lines().find_map(|own| own.strip_prefix(line));
        found.and_then(|value| value.trim().parse().ok())
    }

    /// As long as this is kept, nothing can be written about rooms.
    pub(crate) fn hold_rooms(&self) -> rusqlite::Connection {
        let path = self.directory.path().join("control/rooms.db");
        let held = rusqlite::Connection::open(path).unwrap();
        held.busy_timeout(PATIENCE).unwrap();
        held.execute_batch("BEGIN IMMEDIATE").unwrap();
        held
    }

    /// The lines of the log of what was done.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let path = self.directory.path().join("control/audit/log.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    }
}

/// Looks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in {PATIENCE:?}");
        sleep(LOOK).await;
    }
}

/// A publishing ffmpeg; it is killed when dropped.
pub(crate) struct Publisher(Child);

impl Publisher {
    /// A moving picture of 640x360 at 30 fps, and a tone.
    pub(crate) fn start(url: &str) -> Self {
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ])
            .args(["-g", "30", "-keyint_min", "30", "-sc_threshold", "0"])
            .args(["-pix_fmt", "yuv420p", "-b:v", "600k", "-bf", "0"])
            .args(["-c:a", "aac", "-b:a", "64k", "-ac", "2", "-f", "flv", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self(command.spawn().expect("ffmpeg is installed"))
    }

    /// Waits for it to exit by itself; what it said.
    pub(crate) async fn exited(&mut self) -> String {
        eventually("exit of the publisher", async || self.0.try_wait().unwrap()).await;
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        said
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
