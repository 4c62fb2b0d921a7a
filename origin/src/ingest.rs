//! Takes broadcasters' RTMP and RTMPS connections and hands their media to [`crate::publish`].
//!
//! The protocol itself is in the `rtmp` crate; here are its socket, its clock, and the limits that
//! end a connection. It decodes and packages nothing.
//!
//! ```text
//!  listener -> admission -> [TLS] -> connection: read -> rtmp::ServerSession -> publish key
//!                                       ^                        |                   |
//!                                       +--- back-pressure ------+---- media --> Publication
//! ```
//!
//! Every connection ends with a [`CloseReason`], in the log and in
//! `origin_ingest_connections_closed_total{reason}`.

mod admission;
mod close;
mod connection;
mod limits;
mod metrics;
mod wire;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use telemetry::metrics::RegisterError;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use close::CloseReason;
pub use limits::IngestLimits;

use crate::health::{Healths, IngestRules};
use crate::publish::Streams;
use admission::{Admission, Seat};
use connection::{Connection, Peer};
use metrics::IngestMetrics;

/// What `accept` failing (no file descriptors, as a rule) makes a listener wait, so that it does
/// not spin until there are some.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What a listener speaks below RTMP.
#[derive(Clone, Debug)]
pub enum Transport {
    /// RTMP on TCP.
    Plain,
    /// RTMPS: TLS first.
    Tls(Arc<rustls::ServerConfig>),
}

/// What publishers may send, by the name of their stream.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    /// Of all others.
    pub default: IngestRules,
    /// Of these.
    pub by_stream: HashMap<String, IngestRules>,
}

impl RuleBook {
    fn of(&self, stream: &str) -> IngestRules {
        self.by_stream.get(stream).copied().unwrap_or(self.default)
    }
}

/// The ingest of one origin: any number of listeners under common limits. Clones share them.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: IngestLimits,
    rules: RuleBook,
    health: Healths,
    streams: Streams,
    admission: Admission,
    metrics: IngestMetrics,
}

impl Shared {
    /// What may be sent to a stream now: rooms that the API made may have rules of their own.
    fn rules_of(&self, stream: &str) -> IngestRules {
        let of_room = self.streams.rules(stream);
        of_room.unwrap_or_else(|| self.rules.of(stream))
    }
}

impl Ingest {
    /// Registers the metrics; opens nothing.
    pub fn new(
        limits: IngestLimits,
        rules: RuleBook,
        streams: Streams,
        health: Healths,
        registry: &Registry,
    ) -> Result<Self, RegisterError> {
        let admission = Admission::new(limits.connections_max, limits.connections_per_address_max);
        let metrics = IngestMetrics::register(registry)?;
        Ok(Self {
            shared: Arc::new(Shared {
                limits,
                rules,
                health,
                streams,
                admission,
                metrics,
            }),
        })
    }

    /// Takes connections until `shutdown`, then ends those that are left and returns.
    pub async fn serve(
        self,
        listener: TcpListener,
        transport: Transport,
        shutdown: CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        if let Some(seat) = self.shared.admit(peer) {
                            let task = Arc::clone(&self.shared).attend(
                                socket,
                                seat,
                                transport.clone(),
                                shutdown.clone(),
                            );
                            connections.spawn(task);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an ingest connection");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Shared {
    /// A seat for the peer; without one its connection is dropped by the caller.
    fn admit(&self, peer: SocketAddr) -> Option<Seat> {
        match self.admission.admit(peer) {
            Ok(seat) => Some(seat),
            Err(reason) => {
                self.metrics.closed(&reason);
                tracing::info!(%peer, reason = reason.as_str(), "ingest connection refused");
                None
            }
        }
    }

    /// One connection, from its acceptance to its end.
    async fn attend(
        self: Arc<Self>,
        socket: TcpStream,
        seat: Seat,
        transport: Transport,
        shutdown: CancellationToken,
    ) {
        let open = self.metrics.opened();
        let started = Instant::now();
        let peer = Peer {
            address: seat.peer(),
            tls: matches!(transport, Transport::Tls(_)),
        };
        let connection = Connection::new(Arc::clone(&self), peer, started, shutdown);
        // Latency only; a socket that refuses it works all the same.
        let _ = socket.set_nodelay(true);
        let ending = match transport {
            Transport::Plain => connection.run(socket).await,
            Transport::Tls(config) => {
                let handshake = TlsAcceptor::from(config).accept(socket);
                let deadline = started + self.limits.handshake_timeout;
                match tokio::time::timeout_at(deadline, handshake).await {
                    Ok(Ok(stream)) => connection.run(stream).await,
                    Ok(Err(error)) => CloseReason::Tls(error).into(),
                    Err(_) => CloseReason::HandshakeTimeout.into(),
                }
            }
        };
        drop(open);
        self.metrics.closed(&ending.reason);
        tracing::info!(
            peer = %seat.peer(),
            stream = ending.stream.as_deref(),
            reason = ending.reason.as_str(),
            blame = ending.reason.blame(),
            detail = %ending.reason,
            received_bytes = ending.received_bytes,
            seconds = started.elapsed().as_secs_f64(),
            "ingest connection closed"
        );
    }
}
