//! The edge's front doors: HTTP/1.1 and HTTP/2 over TCP, HTTP/3 over QUIC, one port number.
//!
//! All three feed ONE [`HttpProxy`](pingora_proxy::HttpProxy), so that there is one set of rules,
//! one cache and one log. What happens to a request is not decided here, but in the pipeline that
//! the proxy runs.

mod connection;
mod early;
mod guard;
pub mod h3;
mod metrics;
mod proxied;
pub mod tcp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, ProxyHttp, http_proxy};

use connection::Connection;
pub(crate) use early::Early;
pub use metrics::Metrics;

/// How long a client may remember that HTTP/3 is offered (RFC 7838 section 3.1).
const ALT_SVC_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// An HTTP/2 connection with no open stream for this long is closed.
const H2_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Size of a request's fields over HTTP/2, as RFC 9113 section 6.5.2 counts them.
const H2_HEADER_LIST_BYTES_MAX: u32 = 32 << 10;
/// Size of the head of an HTTP/1.1 request.
const H1_HEAD_BYTES_MAX: usize = 32 << 10;
/// Data of one HTTP/2 response that waits for the viewer's flow control.
const H2_SEND_BUFFER_BYTES_MAX: usize = 512 << 10;
/// Flow control window of one request's body over HTTP/2.
const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// Flow control window of all request bodies of one HTTP/2 connection.
const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// How long those who are served may take to the end of a drain. Clones share it; it may change at
/// any time.
#[derive(Debug, Clone)]
pub struct Grace(Arc<AtomicU64>);

impl From<Duration> for Grace {
    fn from(grace: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(in_millis(grace))))
    }
}

impl Grace {
    /// As it is now.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// For drains that begin from now on.
    pub fn set(&self, grace: Duration) {
        self.0.store(in_millis(grace), Ordering::Relaxed);
    }
}

fn in_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Makes the proxy that all front doors share, with `requests_max` concurrent requests per
/// HTTP/2 connection. `conf` is the server's, after its bootstrap.
pub fn shared_proxy<P>(conf: &Arc<ServerConf>, pipeline: P, requests_max: u32) -> Arc<HttpProxy<P>>
where
    P: ProxyHttp,
{
    let mut proxy = http_proxy(conf, pipeline);
    let mut h2 = pingora_core::protocols::http::v2::server::default_h2_options();
    // WebSockets of rooms (RFC 8441).
    h2.enable_connect_protocol();
    h2.max_concurrent_streams(requests_max)
        .max_header_list_size(H2_HEADER_LIST_BYTES_MAX)
        .max_send_buffer_size(H2_SEND_BUFFER_BYTES_MAX)
        .initial_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
    proxy.h2_options = Some(h2);
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(H2_IDLE_TIMEOUT);
    // Nothing is proxied by it: the pipeline knows one CONNECT, that of RFC 8441.
    options.allow_connect_method_proxying = true;
    proxy.server_options = Some(options);
    Arc::new(proxy)
}

/// Value of the `Alt-Svc` field that offers HTTP/3 on `port` of this host (RFC 7838 section 3).
#[must_use]
pub fn alt_svc(port: u16) -> String {
    format!("h3=\":{port}\"; ma={}", ALT_SVC_MAX_AGE.as_secs())
}

/// Tells an HTTP/1.1 connection whether a request of its is being answered: what comes then is no
/// head. Others need not be told.
pub(crate) fn in_request(session: &ServerSession, in_request: bool) {
    let connection = session.stream().map(|stream| stream.as_any());
    if let Some(connection) = connection.and_then(|it| it.downcast_ref::<Connection>()) {
        connection.set_in_request(in_request);
    }
}

/// The protocol that a session speaks with its client: `h1`, `h2` or `h3`, the label of metrics
/// and logs. A subrequest is none of them: `sub`.
#[must_use]
pub fn protocol(session: &ServerSession) -> &'static str {
    match session {
        ServerSession::H1(_) => "h1",
        ServerSession::H2(_) => "h2",
        ServerSession::Subrequest(_) => "sub",
        ServerSession::Custom(_) => "h3",
    }
}
