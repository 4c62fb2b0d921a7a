//! An origin with accounts and a ledger, and what was in them before it was started.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::sqlite::SqliteOptions;
use ledger::{
    AccountId, Amount, Batch, Currency, Kind, Ledger, NewAccount, Reference, Store as _, Timestamp,
    Transfer, TransferId,
};
use origin::app::App;
use origin::config;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// `admin.token`
pub(crate) const OPERATOR: &str = "operator-token-0123456789";
/// Of edges.
pub(crate) const LINK: &str = "link-token-0123456789";
/// For what a loaded machine does in its own time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Any time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A folder with the origin's files.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("control")).unwrap();
        Self { directory }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("control").join(name)
    }

    /// Some money, before any origin has the file: 1 000 coins for u-1, who gives twice.
    pub(crate) async fn fill(&self) {
        let options = SqliteOptions::new(self.file("ledger.db"));
        let attempt = async || ledger::sqlite::open(options.clone());
        let ledger = patiently(attempt).await;
        for (owner, overdraft) in [("topup", true), ("u-1", false), ("filter:gifts", false)] {
            open(&ledger, Currency::ALL[0], owner, overdraft).await;
        }
        for (owner, overdraft) in [("filter:gifts:issue", true), ("room:demo", false)] {
            open(&ledger, Currency::ALL[1], owner, overdraft).await;
        }
        let [coin, diamond] = Currency::ALL;
        let top_up = transfer("top-up", coin, "topup", "u-1", 1_000);
        let top_up = Batch::new(vec![top_up]).unwrap();
        ledger.commit(top_up, NOW).await.unwrap();
        for gift in ["g1", "g2"] {
            let transfers = vec![
                transfer(&format!("{gift}/1"), coin, "u-1", "filter:gifts", 100),
                transfer(
                    &format!("{gift}/2"),
                    diamond,
                    "filter:gifts:issue",
                    "room:demo",
                    50,
                ),
            ];
            // Without messages: the origin takes them out of the outbox as it tells them.
            let batch = Batch::new(transfers).unwrap();
            ledger.commit(batch, NOW).await.unwrap();
        }
        ledger.close().await;
    }

    /// An origin that has the files.
    pub(crate) async fn origin(&self) -> Origin {
        let text = format!(
            "[rtmp]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{OPERATOR}\"\n\
             [rooms]\nenabled = true\nlink_tokens = [\"{LINK}\"]\nstate_dir = {rooms:?}\n\
             [control]\nenabled = true\n[control.store]\ndirectory = {control:?}\n",
            rooms = self.directory.path().join("rooms"),
            control = self.directory.path().join("control"),
        );
        let bind = async || {
            let settings = config::parse(Path::new("test.toml"), &text).unwrap();
            App::bind(settings).await
        };
        let app = patiently(bind).await;
        let addresses = app.addresses().unwrap();
        let stop = CancellationToken::new();
        Origin {
            admin: addresses.admin,
            public: addresses.http,
            client: Client::builder(TokioExecutor::new()).build_http(),
            running: Some(tokio::spawn({
                let stop = stop.clone();
                async move { app.run(stop).await.unwrap() }
            })),
            stop,
        }
    }
}

/// Tries again: whoever had the files before may need a moment to let go of them.
async fn patiently<T, E: Display>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(25)).await;
    }
}

/// Accounts are named as the origin names them.
pub(crate) fn id(currency: Currency, owner: &str) -> AccountId {
    AccountId::new(&format!("{}:{owner}", currency.as_str())).unwrap()
}

async fn open(ledger: &Ledger, currency: Currency, owner: &str, overdraft: bool) {
    let account = NewAccount {
        id: id(currency, owner),
        currency,
        overdraft,
    };
    ledger.open_account(account, NOW).await.unwrap();
}

fn transfer(name: &str, currency: Currency, from: &str, to: &str, units: u64) -> Transfer {
    Transfer {
        id: TransferId::new(name).unwrap(),
        debit: id(currency, from),
        credit: id(currency, to),
        amount: Amount::new(units).unwrap(),
        currency,
        kind: Kind::new("gift").unwrap(),
        reference: Reference::default(),
        reverses: None,
    }
}

/// One that runs; it is stopped when dropped.
pub(crate) struct Origin {
    admin: SocketAddr,
    public: SocketAddr,
    client: Client<HttpConnector, Empty<Bytes>>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The status, and the code of the problem.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["code"].as_str().unwrap().to_owned();
        (self.status.as_u16(), code)
    }
}

impl Origin {
    /// Waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(PATIENCE, running).await.unwrap().unwrap();
    }

    async fn ask(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder();
        request = request
            .method(method)
            .uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).unwrap();
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// On the admin listener, with what is shown as `Authorization`.
    pub(crate) async fn admin(&self, method: Method, path: &str, shown: Option<&str>) -> Answer {
        let shown = shown.map(|token| format!("Bearer {token}"));
        let headers = shown.as_deref().map(|shown| ("authorization", shown));
        let path = format!("/v1/admin{path}");
        let headers = headers.into_iter().collect::<Vec<_>>();
        self.ask(method, self.admin, &path, &headers).await
    }

    /// As an edge, for somebody with this access token.
    pub(crate) async fn through_edge(&self, method: Method, path: &str, access: &str) -> Answer {
        let shown = format!("Bearer {access}");
        let headers = [("weir-link", LINK), ("authorization", &shown)];
        let path = format!("/v1/admin{path}");
        self.ask(method, self.public, &path, &headers).await
    }

    /// On the public listener, by whoever has no link.
    pub(crate) async fn stranger(&self, path: &str) -> Answer {
        let path = format!("/v1/admin{path}");
        self.ask(Method::GET, self.public, &path, &[]).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.admin(Method::GET, path, Some(OPERATOR)).await
    }

    /// What was asked for, which has to be there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) async fn verify(&self) -> Value {
        let answer = self
            .admin(Method::POST, "/ledger/verify", Some(OPERATOR))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = self.ask(Method::GET, self.admin, "/metrics", &[]).await;
        let mut lines = answer.text.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found
            .unwrap_or_else(|| panic!("no {name}"))
            .parse()
            .unwrap()
    }
}
