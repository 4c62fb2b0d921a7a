//! HTTP/1.1 and HTTP/2: pingora's listeners in front of the shared proxy.
//!
//! pingora builds its own TLS configuration from our certificate: sessions resume from its cache
//! per listener, not from the ticket keys that [`Identity`] shares among its own configurations.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::ListenerConfig;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;
use pingora_proxy::{HttpProxy, ProxyHttp};
use transport::tls::Identity;

use super::Metrics;

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
}

/// A service with all of `options`' listeners, to be added to the server.
pub fn service<P>(
    proxy: Arc<HttpProxy<P>>,
    identity: &Identity,
    metrics: Metrics,
    options: &Options,
) -> pingora_core::Result<Service<SharedApp<P>>>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let mut service = Service::new("tcp".into(), SharedApp { proxy, metrics });
    service.threads = options.threads;
    for address in &options.https {
        // The paths stay empty: pingora ignores them when there is a resolver, and panics later
        // when a path is bad.
        let mut tls = TlsSettings::intermediate("", "")?;
        tls.set_cert_resolver(identity.cert_resolver());
        tls.set_alpn(ALPN::H2H1);
        let listener = ListenerConfig::tcp(address.to_string()).tls(tls);
        service.add_listener(listener.l4_buffer(buffers()));
    }
    for address in &options.http {
        let listener = ListenerConfig::tcp(address.to_string());
        service.add_listener(listener.l4_buffer(buffers()));
    }
    Ok(service)
}

/// Reads go straight to TLS or the parser, which have buffers of their own: pingora's 64 KiB before them
/// would be most of a connection that waits in a room. What is written under 1,460 bytes is gathered,
/// as pingora does by default.
fn buffers() -> L4BufferSettings {
    L4BufferSettings::default().read(0)
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
