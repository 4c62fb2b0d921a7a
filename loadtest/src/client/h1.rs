//! HTTP/1.1: a pool of connections, one request on each at a time.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{ConnectError, Parts, RequestError, Source, Target, Trust, chain, tls};

const ALPN: &str = "http/1.1";

type Sender = SendRequest<Full<Bytes>>;

/// Connections to one server. Idle ones wait here; busy ones are with their [`Incoming`].
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    tls: Option<rustls::ClientConfig>,
    idle: std::sync::Mutex<Vec<Sender>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens the first connection, so that a server that is not there is known at once.
    pub(super) async fn open(target: &Target, trust: &Trust) -> Result<Self, ConnectError> {
        let tls = if target.tls() {
            Some(tls::config(trust, ALPN.as_bytes())?)
        } else {
            None
        };
        let pool = Self {
            shared: Arc::new(Shared {
                target: target.clone(),
                tls,
                idle: std::sync::Mutex::default(),
            }),
        };
        let sender = pool.dial().await?;
        pool.put_back(sender);
        Ok(pool)
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Parts, RequestError> {
        let mut sender = match self.idle().await {
            Some(sender) => sender,
            None => self.dial().await?,
        };
        let request = request.map(Full::new);
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| RequestError::NoResponse(chain(&e)))?;
        let (head, body) = response.into_parts();
        Ok(Parts {
            status: head.status,
            version: head.version,
            headers: head.headers,
            source: Source::H1(Box::new(Incoming {
                body,
                sender: Some(sender),
                pool: self.clone(),
            })),
        })
    }

    pub(super) fn close(&self) {
        self.lock().clear();
    }

    /// A connection that is idle and still usable.
    async fn idle(&self) -> Option<Sender> {
        loop {
            let mut sender = self.lock().pop()?;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn dial(&self) -> Result<Sender, ConnectError> {
        let target = &self.shared.target;
        let stream = tls::tcp(target).await?;
        match &self.shared.tls {
            Some(config) => {
                start(tls::handshake(stream, target, config.clone(), ALPN).await?).await
            }
            None => start(stream).await,
        }
    }

    fn put_back(&self, sender: Sender) {
        self.lock().push(sender);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sender>> {
        // A panic while pushing or popping leaves a list that is still a list.
        self.shared
            .idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn start<S>(stream: S) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|e| ConnectError::Handshake(chain(&e)))?;
    // The task ends with the connection; what went wrong, the request in flight is told.
    tokio::spawn(connection);
    Ok(sender)
}

/// A body that gives its connection back when it has ended well.
pub(super) struct Incoming {
    body: hyper::body::Incoming,
    sender: Option<Sender>,
    pool: Pool,
}

impl Incoming {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    self.sender = None;
                    return Err(chain(&error));
                }
                None => {
                    if let Some(sender) = self.sender.take() {
                        self.pool.put_back(sender);
                    }
                    return Ok(None);
                }
            }
        }
    }
}
