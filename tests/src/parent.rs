//! A programmable parent: what an edge asks, it answers by script, and counts.
//!
//! Speaks HTTP/1.1 byte by byte, so that it can break any rule, and HTTP/2 with prior knowledge
//! on the same port.

mod gate;
mod h1;
mod h2c;
mod script;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::wait;

pub use gate::Gate;
pub use script::{Cut, Reply, Step, pattern};

/// What an HTTP/2 client sends first (RFC 9113 section 3.4); three bytes tell it from HTTP/1.1.
const H2_PREFACE_START: &[u8] = b"PRI";

/// A running parent. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Parent {
    address: SocketAddr,
    state: Arc<State>,
    listener: AbortHandle,
}

/// What the parent has been asked.
#[derive(Debug, Default)]
struct State {
    replies: Mutex<HashMap<String, Reply>>,
    otherwise: Mutex<Option<Reply>>,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    requests: HashMap<String, usize>,
    active: usize,
    abandoned: usize,
    heads: Vec<String>,
}

impl Parent {
    /// Starts a parent that answers 404 to everything.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            listener: task.abort_handle(),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, `target` (path with query) is answered with `reply`.
    pub fn on(&self, target: &str, reply: Reply) {
        self.state.replies.lock().insert(target.to_owned(), reply);
    }

    /// From now on, every other target is answered with `reply`.
    pub fn otherwise(&self, reply: Reply) {
        *self.state.otherwise.lock() = Some(reply);
    }

    /// How often `target` has been asked for.
    pub fn requests(&self, target: &str) -> usize {
        let ledger = self.state.ledger.lock();
        ledger.requests.get(target).copied().unwrap_or(0)
    }

    /// How many requests there have been, whatever for.
    pub fn requests_total(&self) -> usize {
        self.state.ledger.lock().requests.values().sum()
    }

    /// How many requests are being answered now.
    pub fn active(&self) -> usize {
        self.state.ledger.lock().active
    }

    /// How many requests the asker gave up before the answer's end.
    pub fn abandoned(&self) -> usize {
        self.state.ledger.lock().abandoned
    }

    /// The heads of all requests, as text, in order.
    pub fn heads(&self) -> Vec<String> {
        self.state.ledger.lock().heads.clone()
    }

    /// Waits until `target` has been asked for `count` times.
    pub async fn asked(&self, target: &str, count: usize) -> anyhow::Result<()> {
        let what = format!("the parent is asked {count} times for {target}");
        wait::until(&what, Duration::from_secs(10), async || {
            Ok((self.requests(target) >= count).then_some(()))
        })
        .await
    }

    /// Dies: the port is closed, and so are all connections.
    pub fn die(&self) {
        self.listener.abort();
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.die();
    }
}

impl State {
    fn reply(&self, target: &str) -> Reply {
        let reply = self.replies.lock().get(target).cloned();
        let reply = reply.or_else(|| self.otherwise.lock().clone());
        reply.unwrap_or_else(|| Reply::status(404))
    }

    /// Counts a request in; it is over when the result is dropped.
    fn begin(self: &Arc<Self>, target: &str, head: String) -> Exchange {
        let mut ledger = self.ledger.lock();
        *ledger.requests.entry(target.to_owned()).or_default() += 1;
        ledger.active += 1;
        ledger.heads.push(head);
        Exchange {
            state: Arc::clone(self),
            finished: false,
        }
    }
}

/// A request being answered. Dropped before [`Exchange::finish`], it counts as abandoned.
struct Exchange {
    state: Arc<State>,
    finished: bool,
}

impl Exchange {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut ledger = self.state.ledger.lock();
        ledger.active -= 1;
        if !self.finished {
            ledger.abandoned += 1;
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Owned here, so that aborting this task ends every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    // Errors are the other side's going away: the ledger has what a test wants to know.
    let _ = stream.set_nodelay(true);
    let mut first = vec![0; H2_PREFACE_START.len()];
    if stream.read_exact(&mut first).await.is_err() {
        return;
    }
    if first == H2_PREFACE_START {
        h2c::serve(first, stream, state).await;
    } else {
        let _ = h1::serve(first, stream, state).await;
    }
}
