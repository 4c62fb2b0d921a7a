//! One HTTP client for HTTP/1.1, HTTP/2 and HTTP/3 with one interface.
//!
//! Strict about completeness: [`Response::chunk`] answers `Ok(None)` only when the message ended
//! the way its protocol says a whole message ends. A reset, a missing FIN, a Content-Length that
//! does not match, or a body that only the closing connection delimits is a [`Broken`] body.
//! It does not follow redirects, decode content, keep cookies or retry.
//!
//! HTTP/2 and HTTP/3 clients are one connection each, shared by every clone. An HTTP/1.1 client is
//! a pool: it opens a connection whenever none is idle.

mod body;
mod h1;
mod h2;
mod h3;
mod target;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

pub use body::{Arrival, Broken, Fetched, Response};
pub use target::{BadTarget, Target};
pub use tls::Trust;
pub(crate) use tls::config as tls_config;

/// How long a connection may take, handshakes included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP version a [`Client`] speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 over TCP, with TLS when the URL says https.
    H1,
    /// HTTP/2 over TLS, or with prior knowledge over plain TCP when the URL says http.
    H2,
    /// HTTP/3 over QUIC. Needs an https URL.
    H3,
}

impl Protocol {
    /// Every protocol, oldest first.
    pub const ALL: [Self; 3] = [Self::H1, Self::H2, Self::H3];

    /// What an edge of Weir and this client both speak at `url`: HTTP/2 over TLS, HTTP/1.1 without,
    /// because edges know HTTP/2 by its ALPN only.
    pub fn of_edge(url: &str) -> Self {
        if url.starts_with("https:") {
            Self::H2
        } else {
            Self::H1
        }
    }

    /// The short name, as `--protocol` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::H3 => "h3",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.as_str() == text)
            .ok_or_else(|| format!("'{text}' is none of h1, h2, h3"))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one this client can ask.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// HTTP/3 runs over TLS only.
    #[error("HTTP/3 needs an https URL")]
    PlainH3,
    /// The socket could not be opened or connected.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    /// TLS settings or the trusted certificate could not be used.
    #[error("TLS settings: {0}")]
    Tls(String),
    /// The server chose another protocol than the one asked for.
    #[error("the server negotiated {got:?}, not {wanted}")]
    Alpn {
        /// What was asked for.
        wanted: &'static str,
        /// What the server chose; `None` when it chose nothing.
        got: Option<String>,
    },
    /// The HTTP or QUIC handshake failed.
    #[error("handshake: {0}")]
    Handshake(String),
    /// Nothing within [`CONNECT_TIMEOUT`].
    #[error("no connection within {CONNECT_TIMEOUT:?}")]
    Timeout,
}

/// Why a request has no response at all: not even a status line arrived.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// An HTTP/1.1 client had to open a connection for this request, and could not.
    #[error("connect: {0}")]
    Connect(#[from] ConnectError),
    /// The path is not a valid request target.
    #[error("bad request target: {0}")]
    Path(String),
    /// The stream or connection ended before a response header came.
    #[error("no response: {0}")]
    NoResponse(String),
}

/// A client of one server over one protocol. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    target: Target,
    protocol: Protocol,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    H1(h1::Pool),
    H2(h2::Connection),
    H3(h3::Connection),
}

impl Client {
    /// Connects to the server that `url` names; its path is not used.
    pub async fn connect(
        url: &str,
        protocol: Protocol,
        trust: &Trust,
    ) -> Result<Self, ConnectError> {
        let target = Target::parse(url)?;
        let kind = tokio::time::timeout(CONNECT_TIMEOUT, Kind::open(&target, protocol, trust))
            .await
            .map_err(|_| ConnectError::Timeout)??;
        Ok(Self {
            target,
            protocol,
            kind,
        })
    }

    /// Opens `count` independent clients of the same server.
    pub async fn connect_many(
        url: &str,
        protocol: Protocol,
        trust: &Trust,
        count: usize,
    ) -> Result<Vec<Self>, ConnectError> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Self::connect(url, protocol, trust).await?);
        }
        Ok(clients)
    }

    /// The protocol this client speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The server this client asks.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a GET. `path` is origin-form: it starts with a slash and may carry a query.
    pub async fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, RequestError> {
        self.request(Method::GET, path, headers).await
    }

    /// Sends a request without a body, and waits for the response header.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, RequestError> {
        self.request_with(method, path, headers, Bytes::new()).await
    }

    /// Sends a request with a body, and waits for the response header.
    pub async fn request_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, RequestError> {
        let request = self.build(method.clone(), path, headers, body)?;
        let asked_at = Instant::now();
        let parts = match &self.kind {
            Kind::H1(pool) => pool.send(request).await?,
            Kind::H2(connection) => connection.send(request).await?,
            Kind::H3(connection) => connection.send(request, None).await?,
        };
        Ok(Response::new(parts, &method, asked_at))
    }

    /// Sends a GET whose end, the FIN, follows its header only after `delay`. A burst of packets
    /// can do that to any HTTP/3 request; the other protocols say END_STREAM with the header.
    pub async fn get_with_late_fin(
        &self,
        path: &str,
        delay: Duration,
    ) -> Result<Response, RequestError> {
        let request = self.build(Method::GET, path, &[], Bytes::new())?;
        let asked_at = Instant::now();
        let Kind::H3(connection) = &self.kind else {
            return Err(RequestError::NoResponse(
                "only HTTP/3 has a late FIN".into(),
            ));
        };
        let parts = connection.send(request, Some(delay)).await?;
        Ok(Response::new(parts, &Method::GET, asked_at))
    }

    /// Sends a GET and reads the body to its end, whole or broken.
    pub async fn fetch(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Fetched, RequestError> {
        Ok(self.get(path, headers).await?.collect().await)
    }

    /// Closes the connections of this client and all its clones at once, answers or no answers.
    /// An HTTP/1.1 client closes its idle connections only.
    pub fn close(&self) {
        match &self.kind {
            Kind::H1(pool) => pool.close(),
            Kind::H2(connection) => connection.close(),
            Kind::H3(connection) => connection.close(),
        }
    }

    fn build(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Request<Bytes>, RequestError> {
        let bad = |reason: &dyn fmt::Display| RequestError::Path(reason.to_string());
        if !path.starts_with('/') {
            return Err(bad(&"does not start with a slash"));
        }
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        let fields = request.headers_mut();
        for (name, value) in headers {
            let name = HeaderName::from_str(name).map_err(|e| bad(&e))?;
            let value = HeaderValue::from_str(value).map_err(|e| bad(&e))?;
            fields.append(name, value);
        }
        if self.protocol == Protocol::H1 {
            // RFC 9112 section 3.2: origin-form, and the authority in Host.
            *request.uri_mut() = path.parse().map_err(|e| bad(&e))?;
            let host = self.target.authority();
            let host = HeaderValue::from_str(&host).map_err(|e| bad(&e))?;
            request.headers_mut().insert(header::HOST, host);
        } else {
            // RFC 9113 section 8.3.1 and RFC 9114 section 4.3.1: scheme, authority, path.
            *request.uri_mut() = self.target.url(path).parse().map_err(|e| bad(&e))?;
            *request.version_mut() = match self.protocol {
                Protocol::H3 => Version::HTTP_3,
                _ => Version::HTTP_2,
            };
        }
        Ok(request)
    }
}

impl Kind {
    async fn open(
        target: &Target,
        protocol: Protocol,
        trust: &Trust,
    ) -> Result<Self, ConnectError> {
        Ok(match protocol {
            Protocol::H1 => Self::H1(h1::Pool::open(target, trust).await?),
            Protocol::H2 => Self::H2(h2::Connection::open(target, trust).await?),
            Protocol::H3 => Self::H3(h3::Connection::open(target, trust).await?),
        })
    }
}

/// What a protocol hands up once a response header has arrived.
struct Parts {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    source: Source,
}

/// Where the body's bytes come from.
enum Source {
    H1(Box<h1::Incoming>),
    H2(hyper::body::Incoming),
    H3(Box<h3::Incoming>),
}

impl Source {
    /// The next bytes; `Ok(None)` when the protocol says that the message ended.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::H1(incoming) => incoming.next().await,
            Self::H2(incoming) => h2::next(incoming).await,
            Self::H3(incoming) => incoming.next().await,
        }
    }
}

/// An error with all its causes on one line: hyper keeps the useful half in the source.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
