//! HTTP/1.1 and HTTP/2: pingora's listeners in front of the shared proxy.
//!
//! pingora accepts; TLS is ours ([`Connection`]), so that connections cost little while they idle, and
//! sessions resume on whichever listener a viewer meets next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::ListenerConfig;
use pingora_core::protocols::l4::stream::{L4BufferSettings, Stream as TcpStream};
use pingora_core::protocols::{ALPN, GetSocketDigest as _, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;
use pingora_proxy::{HttpProxy, ProxyHttp};
use transport::tls::{ALPN_H2, ALPN_HTTP1, Identity, TlsConfigError};

use super::Metrics;
use super::connection::Connection;

/// A handshake takes so long at most.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Where HTTP/1.1 and HTTP/2 are served.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// HTTPS listeners; `[::]` listens on IPv4 too.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP/1.1 listeners.
    pub http: Vec<SocketAddr>,
    /// Threads; `None` follows the server's setting.
    pub threads: Option<usize>,
}

/// The shared proxy as a pingora application.
///
/// pingora's [`Service`] owns its application, but QUIC needs the same proxy. Delegating at
/// [`ServerApp`], the outermost layer, takes every option of the proxy along.
pub struct SharedApp<P> {
    proxy: Arc<HttpProxy<P>>,
    metrics: Metrics,
    tls: Arc<rustls::ServerConfig>,
    /// Where TLS is spoken.
    https: Vec<SocketAddr>,
}

/// A service with all of `options`' listeners, to be added to the server.
pub fn service<P>(
    proxy: Arc<HttpProxy<P>>,
    identity: &Identity,
    metrics: Metrics,
    options: &Options,
) -> Result<Service<SharedApp<P>>, TlsConfigError>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let app = SharedApp {
        proxy,
        metrics,
        tls: identity.server_config(&[ALPN_H2, ALPN_HTTP1])?,
        https: options.https.clone(),
    };
    let mut service = Service::new("tcp".into(), app);
    service.threads = options.threads;
    for address in options.https.iter().chain(&options.http) {
        let listener = ListenerConfig::tcp(address.to_string());
        // Our connection gathers what is written, and reads go straight to TLS or the parser: pingora's
        // 65 KiB beneath them would be most of a connection that waits in a room.
        service.add_listener(listener.l4_buffer(L4BufferSettings::unbuffered()));
    }
    Ok(service)
}

impl<P> SharedApp<P> {
    /// A connection as it was accepted becomes one of ours; one that pingora has had before is one.
    async fn connect(&self, stream: Stream) -> Option<Stream> {
        if !stream.as_any().is::<TcpStream>() {
            return Some(stream);
        }
        let stream = stream.into_any().downcast::<TcpStream>().ok()?;
        let digest = stream.get_socket_digest();
        let local = digest.and_then(|digest| digest.local_addr()?.as_inet().copied());
        if !local.is_some_and(|local| self.https.iter().any(|it| listens_at(it, &local))) {
            return Some(Box::new(Connection::plain(stream)));
        }
        let handshake = Connection::secured(stream, Arc::clone(&self.tls));
        match tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await {
            Ok(Ok(connection)) => Some(Box::new(connection)),
            Ok(Err(error)) => {
                self.metrics.handshake_failed("failed");
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                self.metrics.handshake_failed("too_slow");
                None
            }
        }
    }
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
        self.proxy.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        // Wakes the keep-alive connections that wait for a next request.
        self.proxy.cleanup().await;
    }
}

impl<P> std::fmt::Debug for SharedApp<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedApp").finish_non_exhaustive()
    }
}
