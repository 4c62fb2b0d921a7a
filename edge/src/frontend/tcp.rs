//! HTTP/1.1 and HTTP/2: pingora's listeners in front of the shared proxy.
//!
//! The sockets may be given, bound before; accepting may end long before the connections do.
//!
//! pingora accepts; the header of the PROXY protocol is taken off for it, and TLS is ours ([`Connection`]), so that connections cost little while they idle, and
//! sessions resume on whichever listener a viewer meets next.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use ipnet::IpNet;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::ListenerConfig;
use pingora_core::protocols::l4::stream::{L4BufferSettings, Stream as TcpStream};
use pingora_core::protocols::{ALPN, GetSocketDigest as _, Stream};
use pingora_core::server::{Fds, ListenFds, ShutdownWatch};
use pingora_core::services::Service as PingoraService;
use pingora_core::services::listening::Service;
use pingora_proxy::{HttpProxy, ProxyHttp};
use rustls::ServerConfig;
use tokio::sync::watch;
use transport::tls::{ALPN_H2, ALPN_HTTP1, Certificates, TlsConfigError, is_unknown_name};

use super::Metrics;
use super::connection::Connection;
use super::proxied::Proxies;
use crate::limits::{Held, Limits};

/// A handshake takes so long at most.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Connections that are kept alive are closed so long after the end of accepting and the shutdown that
/// follows, where the two differ: most of them have got an answer with `Connection: close` until then.
const KEPT_ALIVE_LINGER: Duration = Duration::from_secs(1);

/// Where HTTP/1.1 and HTTP/2 are served.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// HTTPS listeners; `[::]` listens on IPv4 too.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP/1.1 listeners.
    pub http: Vec<SocketAddr>,
    /// The HTTPS listener of tiers.
    pub tiers: Option<Tiers>,
    /// Who begins with the header of the PROXY protocol, on all of them.
    pub proxies: Vec<IpNet>,
    /// Threads; `None` follows the server's setting.
    pub threads: Option<usize>,
    /// Of viewers.
    pub limits: Limits,
    /// Listeners that are bound already, by their addresses; others are bound when the service starts.
    pub bound: Vec<(SocketAddr, Arc<TcpListener>)>,
    /// Turns false when nothing new is to be accepted; `None`: not before the server shuts down.
    pub accepting: Option<watch::Receiver<bool>>,
}

/// Where tiers are served, and how their TLS is now: it asks for certificates.
#[derive(Debug, Clone)]
pub struct Tiers {
    /// `[::]` listens on IPv4 too.
    pub address: SocketAddr,
    /// Looked at for each connection.
    pub tls: Arc<ArcSwap<ServerConfig>>,
}

impl From<(SocketAddr, Arc<ArcSwap<ServerConfig>>)> for Tiers {
    fn from((address, tls): (SocketAddr, Arc<ArcSwap<ServerConfig>>)) -> Self {
        Self { address, tls }
    }
}

/// The shared proxy as a pingora application.
///
/// pingora's [`Service`] owns its application, but QUIC needs the same proxy. Delegating at
/// [`ServerApp`], the outermost layer, takes every option of the proxy along.
pub struct SharedApp<P> {
    proxy: Arc<HttpProxy<P>>,
    metrics: Metrics,
    tls: Arc<ServerConfig>,
    /// Where TLS is spoken.
    https: Vec<SocketAddr>,
    tiers: Option<Tiers>,
    proxies: Proxies,
    limits: Limits,
    /// The server's shutdown, where accepting ends before it.
    ending: OnceLock<ShutdownWatch>,
}

/// The listeners as a pingora service.
pub struct TcpService<P> {
    service: Service<SharedApp<P>>,
    bound: Vec<(SocketAddr, Arc<TcpListener>)>,
    accepting: Option<watch::Receiver<bool>>,
}

/// A service with all of `options`' listeners, to be added to the server.
pub fn service<P>(
    proxy: Arc<HttpProxy<P>>,
    certificates: &Certificates,
    metrics: Metrics,
    options: &Options,
) -> Result<TcpService<P>, TlsConfigError>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let app = SharedApp {
        proxy,
        metrics,
        tls: certificates.server_config(&[ALPN_H2, ALPN_HTTP1])?,
        https: options.https.clone(),
        tiers: options.tiers.clone(),
        proxies: Proxies(options.proxies.clone()),
        limits: options.limits.clone(),
        ending: OnceLock::new(),
    };
    let mut service = Service::new("tcp".into(), app);
    service.threads = options.threads;
    let tiers = options.tiers.iter().map(|tiers| &tiers.address);
    for address in options.https.iter().chain(&options.http).chain(tiers) {
        let listener = ListenerConfig::tcp(address.to_string());
        // Our connection gathers what is written, and reads go straight to TLS or the parser: pingora's
        // 65 KiB beneath them would be most of a connection that waits in a room.
        service.add_listener(listener.l4_buffer(L4BufferSettings::unbuffered()));
    }
    Ok(TcpService {
        service,
        bound: options.bound.clone(),
        accepting: options.accepting.clone(),
    })
}

impl<P> SharedApp<P> {
    /// A connection as it was accepted becomes one of ours; one that pingora has had before is one.
    async fn connect(&self, stream: Stream) -> Option<Stream> {
        if !stream.as_any().is::<TcpStream>() {
            return Some(stream);
        }
        let mut stream = stream.into_any().downcast::<TcpStream>().ok()?;
        if let Err(refused) = self.proxies.unwrap(&mut stream).await {
            if let Some(reason) = refused.reason() {
                self.metrics.proxied_refused(reason);
                let peer = peer(&stream).map(tracing::field::display);
                tracing::debug!(peer, error = %refused, "a balancer's connection was closed");
            }
            return None;
        }
        let digest = stream.get_socket_digest();
        let local = digest.and_then(|digest| digest.local_addr()?.as_inet().copied());
        let is_at = |address: &SocketAddr| local.is_some_and(|local| listens_at(address, &local));
        let tiers = self.tiers.as_ref().filter(|tiers| is_at(&tiers.address));
        if let Some(tiers) = tiers {
            let config = tiers.tls.load_full();
            return self.secure(stream, config, None, true).await;
        }
        let held = match peer(&stream) {
            // One too many is closed before it costs a handshake.
            Some(peer) => Some(self.limits.connect(peer.ip())?),
            None => None,
        };
        if self.https.iter().any(is_at) {
            let config = Arc::clone(&self.tls);
            return self.secure(stream, config, held, false).await;
        }
        let connection = Connection::plain(stream, self.limits.clone(), held);
        Some(Box::new(connection))
    }

    async fn secure(
        &self,
        stream: Box<TcpStream>,
        config: Arc<ServerConfig>,
        held: Option<Held>,
        is_tier: bool,
    ) -> Option<Stream> {
        let peer = peer(&stream);
        let handshake = Connection::secured(stream, config, self.limits.clone(), held);
        match tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await {
            Ok(Ok(connection)) => {
                if let Some((group, resumed)) = connection.agreed() {
                    self.metrics.shook_hands("tcp", group, resumed);
                }
                Some(Box::new(connection))
            }
            Ok(Err(error)) => {
                let reason = failure(&error);
                self.metrics.handshake_failed(reason);
                let peer = peer.map(tracing::field::display);
                // The tiers' listener is for few, and whoever fails there wants to know why. Who
                // only connects looks whether the port is open.
                if is_tier && error.kind() != ErrorKind::UnexpectedEof {
                    tracing::warn!(peer, reason, %error, "a tier's TLS handshake failed");
                } else {
                    tracing::debug!(peer, reason, %error, "a TLS handshake failed");
                }
                None
            }
            Err(_) => {
                self.metrics.handshake_failed("too_slow");
                None
            }
        }
    }
}

/// The label of a handshake that failed.
fn failure(error: &std::io::Error) -> &'static str {
    use rustls::Error;

    let error = error.get_ref().and_then(|error| error.downcast_ref());
    match error {
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "client_certificate",
        Some(error) if is_unknown_name(error) => "unknown_name",
        _ => "failed",
    }
}

fn peer(stream: &TcpStream) -> Option<SocketAddr> {
    stream.get_socket_digest()?.peer_addr()?.as_inet().copied()
}

/// Whether what was accepted at `local` came to the listener at `address`.
fn listens_at(address: &SocketAddr, local: &SocketAddr) -> bool {
    address.port() == local.port()
        && (address.ip().is_unspecified()
            || address.ip().to_canonical() == local.ip().to_canonical())
}

#[async_trait]
impl<P> ServerApp for SharedApp<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let stream = self.connect(stream).await?;
        let protocol = match stream.selected_alpn_proto() {
            Some(ALPN::H2) => "h2",
            _ => "h1",
        };
        let _open = self.metrics.connection(protocol);
        let shutdown = self.ending.get().unwrap_or(shutdown);
        self.proxy.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        if let Some(mut ending) = self.ending.get().cloned() {
            // An error means that the server is gone.
            if !*ending.borrow() {
                let _ = ending.wait_for(|ending| *ending).await;
                // Whoever asks now is told to ask elsewhere from then on.
                tokio::time::sleep(KEPT_ALIVE_LINGER).await;
            }
        }
        // Wakes the keep-alive connections that wait for a next request.
        self.proxy.cleanup().await;
    }
}

impl<P> std::fmt::Debug for SharedApp<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedApp").finish_non_exhaustive()
    }
}

#[async_trait]
impl<P> PingoraService for TcpService<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    async fn start_service(
        &mut self,
        sockets: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners: usize,
    ) {
        let sockets = sockets.unwrap_or_else(|| Arc::new(parking_lot::Mutex::new(Fds::new())));
        for (address, socket) in self.bound.drain(..) {
            match socket.try_clone() {
                // pingora closes it.
                Ok(socket) => sockets
                    .lock()
                    .add(address.to_string(), socket.into_raw_fd()),
                Err(error) => tracing::error!(%address, %error, "the listener cannot be used"),
            }
        }
        let until = match (self.accepting.take(), self.service.app_logic()) {
            (Some(accepting), Some(app)) => {
                // Set here alone.
                let _ = app.ending.set(shutdown.clone());
                until_either(accepting, shutdown)
            }
            _ => shutdown,
        };
        let service = &mut self.service;
        service.start_service(Some(sockets), until, listeners).await;
    }

    fn name(&self) -> &str {
        PingoraService::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        PingoraService::threads(&self.service)
    }
}

/// Turns true when nothing new is accepted, or the server shuts down.
fn until_either(
    mut accepting: watch::Receiver<bool>,
    mut shutdown: ShutdownWatch,
) -> ShutdownWatch {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = accepting.wait_for(|accepting| !accepting) => {}
            _ = shutdown.wait_for(|shutdown| *shutdown) => {}
        }
        stop.send_replace(true);
        // pingora takes the end of the sender for an error.
        stop.closed().await;
    });
    stopped
}

impl<P> std::fmt::Debug for TcpService<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpService").finish_non_exhaustive()
    }
}
