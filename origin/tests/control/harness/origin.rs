//! An origin that runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use origin::app::Addresses;
use rusqlite::Connection;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Answer, Call, Setup};
use crate::support::{Client, PATIENCE, run};

pub(crate) struct Origin {
    setup: Setup,
    addresses: Addresses,
    client: Client,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Origin {
    /// One with what all have.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    pub(super) async fn of(setup: Setup) -> Self {
        let (addresses, stop, running) = run(&setup.text()).await;
        Self {
            setup,
            addresses,
            client: Client::new(),
            stop,
            running: Some(running),
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
        meanwhile(self.setup.directory()).await;
        let (addresses, stop, running) = run(&self.setup.text()).await;
        (self.addresses, self.stop, self.running) = (addresses, stop, Some(running));
    }

    pub(crate) fn directory(&self) -> &Path {
        self.setup.directory()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.setup.file(name)
    }

    /// One of the control API's databases, behind the origin's back.
    pub(crate) fn database(&self, name: &str) -> Connection {
        let connection = Connection::open(self.file(name)).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// The same; nobody else writes to it until it is dropped.
    pub(crate) fn hold(&self, name: &str) -> Connection {
        let held = self.database(name);
        held.execute_batch("BEGIN IMMEDIATE").unwrap();
        held
    }

    /// Runs SQL on the accounts, behind the origin's back.
    pub(crate) fn sql(&self, sql: &str) -> Vec<rusqlite::types::Value> {
        let connection = self.database("accounts.db");
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The lines of the log of what was done.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("audit/log.jsonl")).unwrap();
        let lines = text.lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    /// Where edges find it.
    pub(crate) fn public(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    pub(crate) fn publish_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.addresses.rtmp.unwrap())
    }

    /// On the public listener.
    pub(crate) async fn ask(&self, call: Call) -> Answer {
        self.send(self.addresses.http, call).await
    }

    /// On the admin listener.
    pub(crate) async fn operate(&self, call: Call) -> Answer {
        self.send(self.addresses.admin, call).await
    }

    /// The same, without waiting for an answer; nothing of a body is sent.
    pub(crate) async fn operate_and_leave(&self, call: Call) {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: origin\r\n", call.method, call.path);
        for (name, value) in &call.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut stream = TcpStream::connect(self.addresses.admin).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    async fn send(&self, to: SocketAddr, call: Call) -> Answer {
        let fields = call.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_str()));
        let body = call.body.unwrap_or_default();
        let to = (to, call.path.as_str());
        self.client.send(call.method, to, fields, body).await.into()
    }

    pub(crate) async fn metric(&self, line: &str) -> Option<f64> {
        self.client.metric(self.addresses.admin, line).await
    }
}
