//! A `weir-origin` under test.

use std::ops::{Deref, DerefMut};

use loadtest::client::{Client, Protocol, Trust};
use toml::{Table, Value};

use crate::node::{self, Node, Settings};

/// The stream that tests publish.
pub const STREAM: &str = "demo";

/// Its publish key.
pub const PUBLISH_KEY: &str = "key-of-the-demo-stream";

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    node: Node,
    http_port: u16,
    rtmp_port: u16,
}

impl Origin {
    /// Starts an origin that accepts [`STREAM`] and passes a 360p source through: no test needs
    /// more of the machine than it measures.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&Settings::default()).await
    }

    /// The same, with `settings` laid over.
    pub async fn start_with(settings: &Settings) -> anyhow::Result<Self> {
        let directory = node::directory("origin")?;
        let (http, rtmp, admin) = (node::free_port()?, node::free_port()?, node::free_port()?);
        let base = Settings::default()
            .set("rtmp", "listen", format!("[::]:{rtmp}"))
            .set("http", "listen", format!("[::]:{http}"))
            .set("admin", "listen", format!("127.0.0.1:{admin}"))
            // A machine that is busy with tests must not decide which renditions there are.
            .set("transcode", "shed_lag_ms", 0_i64)
            .set_root("streams", streams(&[(STREAM, PUBLISH_KEY)]))
            .set_root("ladder", ladder(&[("360p", 360, 700)]));
        let node = Node::start("weir-origin", directory, &base.overlaid(settings), admin).await?;
        Ok(Self {
            node,
            http_port: http,
            rtmp_port: rtmp,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// `127.0.0.1:PORT` of the RTMP listener.
    pub fn rtmp_address(&self) -> String {
        format!("127.0.0.1:{}", self.rtmp_port)
    }

    /// Where `key` is published.
    pub fn publish_url(&self, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{key}", self.rtmp_port)
    }

    /// A client of the HTTP listener, over h1 or h2c.
    pub async fn client(&self, protocol: Protocol) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.http_url(), protocol, &Trust::Insecure).await?)
    }
}

impl Deref for Origin {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl DerefMut for Origin {
    fn deref_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

/// `[[streams]]` tables from names and publish keys.
pub fn streams(streams: &[(&str, &str)]) -> Value {
    let table = |(name, key): &(&str, &str)| {
        let mut table = Table::new();
        table.insert("name".into(), (*name).into());
        table.insert("publish_key".into(), (*key).into());
        Value::Table(table)
    };
    Value::Array(streams.iter().map(table).collect())
}

/// `[[ladder]]` tables from names, heights and kilobits per second.
pub fn ladder(rungs: &[(&str, i64, i64)]) -> Value {
    let table = |(name, height, kbps): &(&str, i64, i64)| {
        let mut table = Table::new();
        table.insert("name".into(), (*name).into());
        table.insert("height".into(), (*height).into());
        table.insert("video_bitrate_kbps".into(), (*kbps).into());
        Value::Table(table)
    };
    Value::Array(rungs.iter().map(table).collect())
}
