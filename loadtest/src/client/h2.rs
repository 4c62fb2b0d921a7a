//! HTTP/2: one connection, many streams.

use std::fmt;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::{ConnectError, Parts, RequestError, Source, Target, Trust, chain, tls};

const ALPN: &str = "h2";

/// The connection's window: what all its streams together may have in flight.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// One stream's window. A viewer who does not read holds back this much and no more.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// A connection that its clones share.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn open(target: &Target, trust: &Trust) -> Result<Self, ConnectError> {
        let stream = tls::tcp(target).await?;
        if target.tls() {
            let config = tls::config(trust, ALPN.as_bytes())?;
            start(tls::handshake(stream, target, config, ALPN).await?).await
        } else {
            start(stream).await
        }
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Parts, RequestError> {
        let request = request.map(Full::new);
        let response = self
            .sender
            .clone()
            .send_request(request)
            .await
            .map_err(|e| RequestError::NoResponse(chain(&e)))?;
        let (head, body) = response.into_parts();
        Ok(Parts {
            status: head.status,
            version: head.version,
            headers: head.headers,
            source: Source::H2(body),
        })
    }

    pub(super) fn close(&self) {
        self.driver.abort();
    }
}

async fn start<S>(stream: S) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| ConnectError::Handshake(chain(&e)))?;
    let driver = tokio::spawn(async move {
        // What went wrong, the requests in flight are told.
        let _ = connection.await;
    });
    Ok(Connection {
        sender,
        driver: driver.abort_handle(),
    })
}

/// The next DATA; `None` at END_STREAM.
pub(super) async fn next(body: &mut hyper::body::Incoming) -> Result<Option<Bytes>, String> {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(chain(&error)),
            None => return Ok(None),
        }
    }
}
