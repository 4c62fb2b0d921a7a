//! How an edge gets a link.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use http::{Request, Uri};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};

use super::envelope::HEADER_BYTES_MAX;
use super::{EDGE_HEADER, EdgeOptions, PATH};
use crate::error::BusError;
use crate::tls;

/// Largest part of a refusal that is logged, in bytes.
const SHOWN_BYTES_MAX: usize = 300;

/// A link.
pub(super) enum Link {
    Plain(Box<WebSocketStream<TcpStream>>),
    Tls(Box<WebSocketStream<TlsStream<TcpStream>>>),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the hub answered {status}: {body}")]
    Refused {
        status: http::StatusCode,
        body: String,
    },
    #[error("no link within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("no WebSocket: {0}")]
    WebSocket(tungstenite::Error),
}

/// Makes links.
pub(super) struct Connector {
    /// Without credentials.
    base: String,
    host: String,
    port: u16,
    request: Request<()>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    config: WebSocketConfig,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(options: &EdgeOptions) -> Result<Self, BusError> {
        let base = options.url.trim_end_matches('/').to_owned();
        let bad = || {
            // Not the URL itself: somebody may have put a password into it.
            let reason = "the URL of the bus is not http://HOST:PORT or https://HOST:PORT";
            BusError::Options(reason.to_owned())
        };
        let uri: Uri = base.parse().map_err(|_| bad())?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?.clone();
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") {
            return Err(bad());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let tls = if https {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| bad())?;
            let config = tls::client(options.ca_file.as_deref())?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        let scheme = if https { "wss" } else { "ws" };
        let request = request(&format!("{scheme}://{authority}{PATH}"), options)?;
        let bytes_max = HEADER_BYTES_MAX + options.message_bytes_max;
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            base,
            request,
            tls,
            config: WebSocketConfig::default()
                .max_message_size(Some(bytes_max))
                .max_frame_size(Some(bytes_max)),
            timeout: options.connect_timeout,
        })
    }

    /// For logs.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        match timeout(self.timeout, self.attempt()).await {
            Ok(link) => link,
            Err(_) => Err(ConnectError::Timeout(self.timeout)),
        }
    }

    async fn attempt(&self) -> Result<Link, ConnectError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let (request, config) = (self.request.clone(), Some(self.config));
        let link = match &self.tls {
            None => client_async_with_config(request, stream, config)
                .await
                .map(|(socket, _)| Link::Plain(Box::new(socket))),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                client_async_with_config(request, stream, config)
                    .await
                    .map(|(socket, _)| Link::Tls(Box::new(socket)))
            }
        };
        link.map_err(|error| match error {
            tungstenite::Error::Http(answer) => {
                let body = answer.body().as_deref().unwrap_or_default();
                let shown = body.get(..SHOWN_BYTES_MAX).unwrap_or(body);
                ConnectError::Refused {
                    status: answer.status(),
                    body: String::from_utf8_lossy(shown).into_owned(),
                }
            }
            error => ConnectError::WebSocket(error),
        })
    }
}

/// The request of an upgrade.
fn request(url: &str, options: &EdgeOptions) -> Result<Request<()>, BusError> {
    let bad = |_: InvalidHeaderValue| {
        let reason = "the token of the bus cannot stand in a header";
        BusError::Options(reason.to_owned())
    };
    let mut request = url
        .into_client_request()
        .map_err(|error| BusError::Options(format!("the URL of the bus: {error}")))?;
    let bearer = format!("Bearer {}", options.token.expose());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(bad)?;
    bearer.set_sensitive(true);
    let name = HeaderValue::from_str(options.name.as_str()).map_err(bad)?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(EDGE_HEADER, name);
    Ok(request)
}
