//! A chat room: Weir beside nchan and Socket.IO, with the same crowd, the same messages and the same
//! certificate. Each server is started anew for each run, so that its memory begins with nothing.

mod contestant;
mod report;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use rooms::Codec;
use serde::Serialize;

use crate::chat;
use crate::client::Trust;
use crate::process::allow_files;

use super::{Certificates, Settings};

pub use report::{ChatCell, Chats};

use contestant::Running;

/// How the section is run.
#[derive(Debug, Clone)]
pub struct ChatSettings {
    /// Nobody but these; all, if it is empty.
    pub servers: Vec<ChatServer>,
    /// Crowds to come, one after the other.
    pub shapes: Vec<Shape>,
    /// Weir, if it takes part.
    pub weir: Option<Weir>,
    /// nginx's module.
    pub nchan_module: PathBuf,
    /// Where `server.js` and its packages are.
    pub socketio: PathBuf,
    /// Connections opened per second.
    pub ramp: f64,
    /// Silent time before the memory of idle connections is read.
    pub idle: Duration,
    /// Load that counts.
    pub duration: Duration,
}

/// A Weir with rooms: one that runs, or the configurations of one that is to be started.
#[derive(Debug, Clone)]
pub struct Weir {
    /// `wss://host:port` of the edge.
    pub url: String,
    /// Its processes, if it runs.
    pub pids: Vec<u32>,
    /// Configurations of an origin and an edge, which are started with the programs that the
    /// benchmark was given.
    pub configs: Option<(PathBuf, PathBuf)>,
    /// The room.
    pub room: String,
    /// Tokens of those who publish; each gets a connection.
    pub tokens: Vec<String>,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ChatServer {
    /// Weir, spoken to in JSON.
    #[serde(rename = "weir-edge (json)")]
    WeirJson,
    /// Weir, spoken to in its binary form.
    #[serde(rename = "weir-edge (binary)")]
    WeirBinary,
    /// nginx with nchan.
    #[serde(rename = "nchan")]
    Nchan,
    /// Socket.IO.
    #[serde(rename = "Socket.IO")]
    SocketIo,
}

impl ChatServer {
    const ALL: [Self; 4] = [
        Self::WeirJson,
        Self::WeirBinary,
        Self::Nchan,
        Self::SocketIo,
    ];

    fn dialect(self) -> chat::Dialect {
        match self {
            Self::WeirJson => chat::Dialect::Weir(Codec::Json),
            Self::WeirBinary => chat::Dialect::Weir(Codec::Binary),
            Self::Nchan => chat::Dialect::Nchan,
            Self::SocketIo => chat::Dialect::SocketIo,
        }
    }

    fn is_weir(self) -> bool {
        matches!(self, Self::WeirJson | Self::WeirBinary)
    }
}

impl fmt::Display for ChatServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WeirJson => "weir-edge (json)",
            Self::WeirBinary => "weir-edge (binary)",
            Self::Nchan => "nchan",
            Self::SocketIo => "Socket.IO",
        })
    }
}

impl FromStr for ChatServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "weir-json" => Ok(Self::WeirJson),
            "weir-binary" => Ok(Self::WeirBinary),
            "nchan" => Ok(Self::Nchan),
            "socketio" => Ok(Self::SocketIo),
            _ => Err(format!(
                "'{text}' is none of weir-json, weir-binary, nchan, socketio"
            )),
        }
    }
}

/// So many connections, so many messages per second: `1000x20`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Messages per second.
    pub rate: f64,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.rate)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('x').and_then(|(connections, rate)| {
            Some(Self {
                connections: connections.parse().ok()?,
                rate: rate.parse().ok()?,
            })
        });
        parts.ok_or_else(|| format!("'{text}' is not connections x messages per second: 1000x20"))
    }
}

/// Bytes of a message, as Weir renders it in JSON.
const MESSAGE_BYTES: usize = 200;

/// Connections that decode and measure.
const SAMPLES: usize = 200;

/// Files that a crowd needs besides its connections.
const FILES_SPARE: usize = 1_000;

/// Runs everybody in turn.
pub(super) async fn run(settings: &Settings, certificates: &Certificates) -> anyhow::Result<Chats> {
    let chat = &settings.chat;
    let wanted = |server: &ChatServer| {
        let is_named = chat.servers.contains(server);
        let is_there = !server.is_weir() || chat.weir.is_some();
        is_named || (chat.servers.is_empty() && is_there)
    };
    let servers: Vec<_> = ChatServer::ALL.into_iter().filter(wanted).collect();
    let most = chat.shapes.iter().map(|shape| shape.connections).max();
    // Here, so that the servers inherit it.
    allow_files(most.unwrap_or(0) + FILES_SPARE)?;
    let mut chats = Chats::new(settings);
    for repetition in 0..settings.repetitions {
        for &shape in &chat.shapes {
            for &server in &servers {
                let report = measure(settings, certificates, server, shape)
                    .await
                    .with_context(|| format!("{server}, {shape}"))?;
                tracing::info!(%server, %shape, repetition, "\n{report}");
                chats.add(server, shape, report);
            }
        }
    }
    Ok(chats)
}

async fn measure(
    settings: &Settings,
    certificates: &Certificates,
    server: ChatServer,
    shape: Shape,
) -> anyhow::Result<chat::Report> {
    let chat = &settings.chat;
    let running = Running::start(settings, certificates, server).await?;
    let weir = chat.weir.as_ref().filter(|_| server.is_weir());
    let tokens = weir.map(|weir| weir.tokens.clone()).unwrap_or_default();
    let plan = chat::Plan {
        url: running.url.clone(),
        dialect: server.dialect(),
        room: weir.map(|weir| weir.room.clone()).unwrap_or_default(),
        trust: Trust::Insecure,
        connections: shape.connections,
        ramp: chat.ramp,
        publishers: tokens.len().max(1),
        tokens,
        moderators: Vec::new(),
        post_url: running.post_url.clone(),
        rate: shape.rate,
        control_rate: 0.0,
        message_bytes: MESSAGE_BYTES,
        slow_percent: 0,
        samples: SAMPLES,
        idle: chat.idle,
        warm_up: settings.warm_up,
        duration: chat.duration,
        drop_all_at: None,
        server_pids: running.pids(),
    };
    chat::run(&plan).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_servers_have_names() {
        let shape: Shape = "10000x2.5".parse().unwrap();
        assert_eq!((shape.connections, shape.rate), (10_000, 2.5));
        assert_eq!(shape.to_string(), "10000x2.5");
        assert!("1000".parse::<Shape>().is_err());
        assert!("nginx".parse::<ChatServer>().is_err());
        assert_eq!("nchan".parse(), Ok(ChatServer::Nchan));
    }
}
