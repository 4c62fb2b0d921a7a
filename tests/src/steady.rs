//! Requests without a pause over every protocol, each of which has to be answered 200 and whole: what
//! changes meanwhile, nobody may notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use loadtest::client::{Client, Protocol, Trust};
use tokio::task::JoinSet;

use crate::edge::Edge;
use crate::wait;

const WITHIN: Duration = Duration::from_secs(20);

/// Running requests. For each protocol one asker has a new connection for each request, and nothing
/// may ever fail for it; one keeps its connection, and may be told to come again with another before
/// any byte of an answer, as servers may tell any client (RFC 9112 9.3.1, RFC 9113 6.8, RFC 9114 5.2).
#[derive(Debug)]
pub struct Steady {
    shared: Arc<Shared>,
    tasks: JoinSet<anyhow::Result<()>>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    trust: Trust,
    stop: AtomicBool,
    asked: AtomicUsize,
    again: AtomicUsize,
}

impl Steady {
    /// Begins. The edge's parent has to have every Segment of `/live/demo/720p/`.
    pub fn start(edge: &Edge) -> Self {
        let shared = Arc::new(Shared {
            url: edge.https_url(),
            trust: Trust::Ca(edge.ca_file()),
            stop: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
            tasks.spawn(Arc::clone(&shared).fresh(protocol, 1_000_000 * (2 * number + 1)));
            tasks.spawn(Arc::clone(&shared).kept(protocol, 1_000_000 * (2 * number + 2)));
        }
        Self { shared, tasks }
    }

    /// Waits for so many answers more. Fails as soon as somebody has failed.
    pub async fn answers(&mut self, more: usize) -> anyhow::Result<()> {
        let goal = self.shared.asked.load(Ordering::Relaxed) + more;
        let (shared, tasks) = (&self.shared, &mut self.tasks);
        let failure = wait::until("requests are answered", WITHIN, async || {
            if let Some(ended) = tasks.try_join_next() {
                return Ok(Some(ended?));
            }
            let enough = shared.asked.load(Ordering::Relaxed) >= goal;
            Ok(enough.then_some(Ok(())))
        });
        failure.await?
    }

    /// Stops; how many were answered, and how often somebody had to come again.
    pub async fn end(mut self) -> anyhow::Result<(usize, usize)> {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task??;
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        Ok((count(&self.shared.asked), count(&self.shared.again)))
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn connect(&self, protocol: Protocol) -> anyhow::Result<Client> {
        let client = Client::connect(&self.url, protocol, &self.trust).await;
        client.with_context(|| format!("connecting over {protocol}"))
    }

    async fn fresh(self: Arc<Self>, protocol: Protocol, first: usize) -> anyhow::Result<()> {
        for number in first.. {
            if !self.goes_on() {
                break;
            }
            let client = self.connect(protocol).await?;
            let fetched = client.fetch(&path(number), &[]).await;
            let fetched = fetched.with_context(|| format!("a new connection over {protocol}"))?;
            ensure!(fetched.status == 200, "{protocol}: {}", fetched.status);
            ensure!(fetched.is_whole(), "{protocol}: {:?}", fetched.broken);
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn kept(self: Arc<Self>, protocol: Protocol, first: usize) -> anyhow::Result<()> {
        let mut client = self.connect(protocol).await?;
        for number in first.. {
            if !self.goes_on() {
                break;
            }
            let fetched = match client.fetch(&path(number), &[]).await {
                Ok(fetched) => fetched,
                Err(_) => {
                    self.again.fetch_add(1, Ordering::Relaxed);
                    client = self.connect(protocol).await?;
                    let fetched = client.fetch(&path(number), &[]).await;
                    fetched.with_context(|| format!("again over {protocol}"))?
                }
            };
            ensure!(fetched.status == 200, "{protocol}: {}", fetched.status);
            ensure!(fetched.is_whole(), "{protocol}: {:?}", fetched.broken);
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn path(number: usize) -> String {
    format!("/live/demo/720p/{number}.m4s")
}
