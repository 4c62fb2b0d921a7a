//! A small double of Weir: one room with gifts, several edges, in this process and without TLS. It
//! speaks WebSocket to screens and HTTP to givers, and can be told to break its word.

mod http;
mod socket;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rooms::schema::{Body, Event, Gift, User};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a gift costs.
pub(crate) const PRICE: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One screen does not get the tenth gift.
    LoseOne,
    /// Nobody gets the tenth gift.
    LoseAll,
    /// One screen gets the frame with the tenth gift twice.
    Double,
    /// The tenth gift has another id in the room than in its answer.
    OtherId,
    /// Every fifth gift is answered 503, then 429, then taken.
    Busy,
    /// Every fifth gift is answered 402, every other fifth is held.
    Refuse,
    /// A series ends after the tenth gift.
    Combo,
}

pub(crate) struct Double {
    pub(crate) urls: Vec<String>,
    pub(crate) shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Double {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

pub(crate) struct Shared {
    pub(crate) room: Mutex<Room>,
    /// Events came.
    changed: watch::Sender<u64>,
    /// All connections end.
    cut: watch::Sender<u64>,
    fault: Fault,
}

#[derive(Default)]
pub(crate) struct Room {
    pub(crate) epoch: u64,
    pub(crate) events: Vec<Arc<Event>>,
    /// Ids of gifts that are paid, by client id.
    pub(crate) paid: HashMap<String, String>,
    /// How often each client id has come.
    asked: HashMap<String, u64>,
    /// Screens that have come.
    screens: u64,
    /// Logins and credits.
    pub(crate) people: Vec<String>,
    pub(crate) coins: u64,
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

impl Double {
    pub(crate) async fn start(fault: Fault, edges: usize) -> Self {
        let shared = Arc::new(Shared {
            room: Mutex::default(),
            changed: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            fault,
        });
        let (mut urls, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..edges {
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = TcpListener::bind(address).await.unwrap();
            urls.push(format!("ws://{}", listener.local_addr().unwrap()));
            let shared = Arc::clone(&shared);
            tasks.push(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(Arc::clone(&shared), stream));
                }
            }));
        }
        Self {
            urls,
            shared,
            tasks,
        }
    }

    /// Ends all connections. `is_new`: the room begins anew, and says all of it again.
    pub(crate) fn cut(&self, is_new: bool) {
        if is_new {
            self.shared.room.lock().epoch += 1;
        }
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// A connection ends with an error when its client goes, or when it is cut.
async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut cut = shared.cut.subscribe();
    let mut first = [0; 4];
    while stream.peek(&mut first).await.unwrap_or(4) < first.len() {
        tokio::task::yield_now().await;
    }
    let serving = async {
        match &first {
            b"GET " => {
                let _ = socket::serve(&shared, stream).await;
            }
            // As at an edge: HTTP/2 is spoken on TLS only.
            b"PRI " => {}
            _ => http::serve_h1(Arc::clone(&shared), stream).await,
        }
    };
    tokio::select! {
        () = serving => {}
        _ = cut.changed() => {}
    }
}

impl Shared {
    fn say(&self, body: Body) {
        let mut room = self.room.lock();
        let seq = room.events.len() as u64 + 1;
        room.events.push(Arc::new(Event {
            seq,
            at_ms: now_ms(),
            media_ms: None,
            body,
        }));
        self.changed.send_modify(|version| *version += 1);
    }

    fn show(&self, id: String, sender: &str, note: String) {
        self.say(Body::Gift(Gift {
            id,
            sender: User {
                id: sender.to_owned(),
                name: sender.to_owned(),
                ..User::default()
            },
            recipient: "room:demo".to_owned(),
            item: "rose".to_owned(),
            count: 1,
            points: PRICE,
            note: Some(note),
            ..Gift::default()
        }));
    }
}

/// The number of a gift, as its client id has it.
fn number(client_id: &str) -> u64 {
    client_id.rsplit('-').next().unwrap().parse().unwrap()
}
