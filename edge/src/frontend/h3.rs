//! HTTP/3: the QUIC endpoint, its connections, and their requests into the shared proxy.
//!
//! One task per connection drives its control streams; one task per request carries it from its
//! head to the client's last acknowledgement. Everything is bounded: connections, requests per
//! connection, the time of a handshake and of a head.

mod connection;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::{BackgroundService, GenBackgroundService};
use pingora_proxy::{HttpProxy, ProxyHttp};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use transport::h3::{self, Code};
use transport::quic::{self, ServerOptions};
use transport::tls::{ALPN_H3, Certificates, Sessions, TlsConfigError};

use self::connection::Viewers;
use super::metrics::RefusedReason;
use super::{Grace, Metrics};
use crate::limits::Limits;

/// Time for the last packets of closed connections to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Sessions that are kept for 0-RTT data, two for a connection; each is some hundred bytes.
const SESSIONS_MAX: usize = 65_536;

/// How HTTP/3 is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// The UDP listener; `[::]` listens on IPv4 too.
    pub address: SocketAddr,
    /// Threads of the QUIC runtime.
    pub threads: usize,
    /// Connections; more are refused.
    pub connections_max: usize,
    /// Handshakes in progress above which a client must first show that its address is its own
    /// (RFC 9000 section 8.1.2). 0 asks every client, at the price of a round trip.
    pub unvalidated_handshakes_max: usize,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
    /// Time for requests in flight after the GOAWAY.
    pub drain_timeout: Grace,
    /// A viewer that takes nothing for this long loses its response.
    pub write_timeout: Duration,
    /// Take 0-RTT data, and keep sessions in memory for it, each for one connection.
    pub early_data: bool,
    /// Limits of QUIC, among them the concurrent requests of a connection.
    pub transport: ServerOptions,
    /// Limits of requests.
    pub requests: h3::Limits,
    /// Of viewers.
    pub limits: Limits,
}

impl Options {
    /// The defaults, at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            threads: 1,
            connections_max: 100_000,
            unvalidated_handshakes_max: 1000,
            handshake_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(15).into(),
            write_timeout: Duration::from_secs(30),
            early_data: false,
            transport: ServerOptions::default(),
            requests: h3::Limits::default(),
            limits: Limits::default(),
        }
    }
}

/// HTTP/3 could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The UDP port.
    #[error(transparent)]
    Bind(#[from] quic::BindError),
    /// The QUIC limits.
    #[error(transparent)]
    Quic(#[from] quic::ConfigError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

/// HTTP/3 in front of a shared proxy, as a pingora background service.
pub struct H3Service<P> {
    viewers: Arc<Viewers<P>>,
    /// Taken when the service starts.
    endpoint: Mutex<Option<(quic::Socket, quinn::ServerConfig)>>,
    address: SocketAddr,
}

/// Binds the port at once; the service listens when the server starts it.
pub fn service<P>(
    proxy: Arc<HttpProxy<P>>,
    certificates: &Certificates,
    metrics: Metrics,
    options: Options,
) -> Result<GenBackgroundService<H3Service<P>>, SetupError>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let socket = quic::Socket::bind(options.address, quic::SOCKET_BUFFER_BYTES)?;
    service_on(socket, proxy, certificates, metrics, options)
}

/// The same on a port that is bound.
pub fn service_on<P>(
    socket: quic::Socket,
    proxy: Arc<HttpProxy<P>>,
    certificates: &Certificates,
    metrics: Metrics,
    options: Options,
) -> Result<GenBackgroundService<H3Service<P>>, SetupError>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let tls = if options.early_data {
        let unknown = metrics.h3_tickets_unknown.clone();
        let sessions = Sessions::new(SESSIONS_MAX, move || unknown.inc());
        certificates.server_config_early(&[ALPN_H3], Arc::new(sessions))?
    } else {
        certificates.server_config(&[ALPN_H3])?
    };
    let config = quic::server_config(tls, &options.transport)?;
    tracing::info!(
        address = %socket.address(),
        receive_buffer_bytes = socket.receive_buffer_bytes(),
        send_buffer_bytes = socket.send_buffer_bytes(),
        "bound for HTTP/3"
    );
    let threads = options.threads;
    let service = H3Service {
        address: socket.address(),
        endpoint: Mutex::new(Some((socket, config))),
        viewers: Arc::new(Viewers::new(proxy, metrics, options)),
    };
    let mut service = GenBackgroundService::new("h3".into(), Arc::new(service));
    service.threads = Some(threads);
    Ok(service)
}

impl<P> H3Service<P> {
    /// The bound address, with the port that the kernel chose for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[async_trait]
impl<P> BackgroundService for H3Service<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some((socket, config)) = self.endpoint.lock().take() else {
            tracing::error!("HTTP/3 was started twice");
            return;
        };
        match socket.listen(config) {
            Ok(endpoint) => self.serve(endpoint, shutdown).await,
            Err(e) => tracing::error!(error = %e, address = %self.address, "HTTP/3 cannot listen"),
        }
    }
}

impl<P> H3Service<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn serve(&self, endpoint: quinn::Endpoint, mut shutdown: ShutdownWatch) {
        let handshakes = Arc::new(Semaphore::new(self.viewers.options.connections_max));
        // Every connection's task holds a sender: when the receiver ends, all are gone.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        loop {
            let incoming = tokio::select! {
                incoming = endpoint.accept() => incoming,
                () = stopping(&mut shutdown) => None,
            };
            let Some(incoming) = incoming else { break };
            self.admit(incoming, &handshakes, &alive, &shutdown, &endpoint);
        }
        drop(alive);
        let drain = self.viewers.options.drain_timeout.get();
        // Existing connections say goodbye to their clients; new ones are told at once to go
        // elsewhere, where silence would cost them a timeout.
        let refuse = async {
            while let Some(incoming) = endpoint.accept().await {
                self.viewers.metrics.refused(RefusedReason::Draining);
                incoming.refuse();
            }
        };
        tokio::select! {
            gone = timeout(drain, all_gone.recv()) => if gone.is_err() {
                tracing::warn!(?drain, "closing HTTP/3 connections that did not drain");
            },
            () = refuse => {}
        }
        endpoint.set_server_config(None);
        let code = quinn::VarInt::from_u64(Code::H3_NO_ERROR.value());
        endpoint.close(code.unwrap_or(quinn::VarInt::MAX), b"shutdown");
        if timeout(CLOSE_TIMEOUT, endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some clients did not acknowledge the close");
        }
    }

    /// Lets a new connection in, asks it to come back, or turns it away.
    fn admit(
        &self,
        incoming: quinn::Incoming,
        connections: &Arc<Semaphore>,
        alive: &mpsc::Sender<()>,
        shutdown: &ShutdownWatch,
        endpoint: &quinn::Endpoint,
    ) {
        let viewers = &self.viewers;
        let Ok(permit) = Arc::clone(connections).try_acquire_owned() else {
            viewers.metrics.refused(RefusedReason::TooManyConnections);
            incoming.refuse();
            return;
        };
        let (handshaking, limits) = (viewers.handshaking(), &viewers.options.limits);
        let ip = incoming.remote_address().ip();
        let is_doubtful =
            handshaking >= viewers.options.unvalidated_handshakes_max || limits.is_crowded(ip);
        if is_doubtful && !incoming.remote_address_validated() {
            viewers.metrics.refused(RefusedReason::Unvalidated);
            // An error only means that this client has been asked already.
            if let Err(e) = incoming.retry() {
                e.into_incoming().refuse();
            }
            return;
        }
        let Some(held) = limits.connect(ip) else {
            viewers.metrics.refused(RefusedReason::TooManyConnections);
            incoming.refuse();
            return;
        };
        let port = endpoint.local_addr().map_or(0, |address| address.port());
        let (viewers, alive) = (Arc::clone(viewers), alive.clone());
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            viewers.serve(incoming, port, shutdown).await;
            drop((permit, held, alive));
        });
    }
}

/// Waits for the server's shutdown, or for its end.
async fn stopping(shutdown: &mut ShutdownWatch) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl<P> std::fmt::Debug for H3Service<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H3Service")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
