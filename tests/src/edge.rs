//! A `weir-edge` under test.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use loadtest::client::{Client, Protocol, Trust};
use toml::Value;

use crate::node::{self, Node, Settings};

/// How long after `/readyz` a port may stay closed here. `tests/operations.rs` allows nothing.
const LISTENING_WITHIN: Duration = Duration::from_secs(5);

/// A running edge.
#[derive(Debug)]
pub struct Edge {
    node: Node,
    https_port: u16,
    http_port: u16,
}

impl Edge {
    /// Starts an edge named `name` whose parents are `parents`, with the defaults otherwise.
    pub async fn start(name: &str, parents: &[String]) -> anyhow::Result<Self> {
        Self::start_with(name, parents, &Settings::default()).await
    }

    /// The same, with `settings` laid over.
    pub async fn start_with(
        name: &str,
        parents: &[String],
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let directory = node::directory(name)?;
        let (https, http, admin) = (node::free_port()?, node::free_port()?, node::free_port()?);
        let urls: Vec<Value> = parents.iter().map(|url| url.as_str().into()).collect();
        let base = Settings::default()
            .set("node", "name", name)
            .set("log", "access", "all")
            .set("listen", "https", format!("[::]:{https}"))
            .set("listen", "http", format!("127.0.0.1:{http}"))
            .set("listen", "admin", format!("127.0.0.1:{admin}"))
            .set("tls", "self_signed_dir", "tls")
            .set("parents", "urls", urls);
        let settings = base.overlaid(settings);
        let mut node = Node::start("weir-edge", directory, &settings, admin).await?;
        for port in [https, http] {
            let address = format!("127.0.0.1:{port}");
            node.process_mut()?
                .listening(&address, LISTENING_WITHIN)
                .await?;
        }
        Ok(Self {
            node,
            https_port: https,
            http_port: http,
        })
    }

    /// The child of another edge: trusts its self-signed certificate.
    pub async fn start_below(
        name: &str,
        shield: &Self,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let ca = shield.ca_file().display().to_string();
        let settings = Settings::default()
            .set("parents", "ca_file", ca)
            .overlaid(settings);
        Self::start_with(name, &[shield.https_url()], &settings).await
    }

    /// `https://localhost:PORT`.
    pub fn https_url(&self) -> String {
        format!("https://localhost:{}", self.https_port)
    }

    /// The port of TCP and UDP.
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// `http://127.0.0.1:PORT`, the plain listener.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The authority that signed this edge's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.node.directory().join("tls").join("ca.pem")
    }

    /// The SPKI hash of this edge's certificate, as it tells an operator at its start.
    pub fn spki(&self) -> anyhow::Result<String> {
        let log = self.node.log();
        let (_, rest) = log.split_once("spki=").context("no SPKI hash in the log")?;
        let hash = rest.split_whitespace().next().unwrap_or_default();
        Ok(hash.trim_matches('"').to_owned())
    }

    /// A client that checks this edge's certificate.
    pub async fn client(&self, protocol: Protocol) -> anyhow::Result<Client> {
        let trust = Trust::Ca(self.ca_file());
        Ok(Client::connect(&self.https_url(), protocol, &trust).await?)
    }

    /// Several clients, each with connections of its own.
    pub async fn clients(&self, protocol: Protocol, count: usize) -> anyhow::Result<Vec<Client>> {
        let trust = Trust::Ca(self.ca_file());
        Ok(Client::connect_many(&self.https_url(), protocol, &trust, count).await?)
    }

    /// `each` clients of every protocol.
    pub async fn clients_of_all(&self, each: usize) -> anyhow::Result<Vec<Client>> {
        let mut clients = Vec::new();
        for protocol in Protocol::ALL {
            clients.extend(self.clients(protocol, each).await?);
        }
        Ok(clients)
    }

    /// How many requests this edge has sent to its parents.
    pub async fn upstream_requests(&self) -> anyhow::Result<f64> {
        self.metric("edge_upstream_requests_total", &[]).await
    }
}

impl Deref for Edge {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl DerefMut for Edge {
    fn deref_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

/// Runs Debian's curl and returns its stdout. `arguments` end with the URL.
pub async fn curl(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
        .args(arguments);
    let output = tokio::process::Command::from(command).output().await?;
    anyhow::ensure!(
        output.status.success(),
        "curl {arguments:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
