//! Herds that wait: started, seen to be waiting at the edge, and only then let go.

use std::time::Duration;

use loadtest::client::{Client, Protocol};
use loadtest::herd::{self, Report};
use tokio::task::JoinHandle;

use crate::edge::Edge;
use crate::wait;

/// How long a herd may take to arrive at the edge: a thousand handshakes on a busy machine.
const ARRIVAL_WITHIN: Duration = Duration::from_secs(60);

/// A herd's patience.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A herd whose requests are on their way.
#[derive(Debug)]
pub struct Herd {
    running: JoinHandle<anyhow::Result<Report>>,
}

impl Herd {
    /// Sends `members` requests at once, spread over `clients` and `paths`.
    pub fn start(clients: Vec<Client>, paths: &[String], members: usize) -> Self {
        let paths = paths.to_vec();
        Self {
            running: tokio::spawn(
                async move { herd::run(&clients, &paths, members, PATIENCE).await },
            ),
        }
    }

    /// Waits until `members` requests are in progress at the edge.
    pub async fn arrived(&self, edge: &Edge, members: usize) -> anyhow::Result<()> {
        let what = format!("{members} requests are in progress");
        wait::until(&what, ARRIVAL_WITHIN, async || {
            let there = edge.metric("edge_requests_in_progress", &[]).await?;
            anyhow::ensure!(there >= members as f64, "{there} are");
            Ok(Some(()))
        })
        .await
    }

    /// What became of it.
    pub async fn report(self) -> anyhow::Result<Report> {
        self.running.await?
    }
}

/// Clients for a herd of `members`: each protocol has a third of the members, h2 and h3 share
/// connections among up to 90 requests, h1 opens one per request.
pub async fn clients(edge: &Edge, members: usize) -> anyhow::Result<Vec<Client>> {
    let connections = members.div_ceil(3 * 90).max(1);
    let mut clients = Vec::new();
    for protocol in Protocol::ALL {
        clients.extend(edge.clients(protocol, connections).await?);
    }
    Ok(clients)
}
