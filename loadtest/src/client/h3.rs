//! HTTP/3: one QUIC connection on a socket of its own, many streams.
//!
//! Uses h3-quinn, which the servers do not, so that a mistake in their adapter is not made twice.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3_quinn::{BidiStream, OpenStreams};
use http::Request;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};

use super::{ConnectError, Parts, RequestError, Source, Target, Trust, chain, tls};

const ALPN: &str = "h3";

/// Keeps a connection alive whose requests are all held by the server.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Room in the socket for a burst: Linux's default of 208 KiB loses packets under load.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// H3_NO_ERROR (RFC 9114 section 8.1).
const H3_NO_ERROR: u32 = 0x100;

/// A connection that its clones share.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<OpenStreams, Bytes>,
    quic: quinn::Connection,
    // Held so that the socket lives as long as the connection.
    _endpoint: Endpoint,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn open(target: &Target, trust: &Trust) -> Result<Self, ConnectError> {
        if !target.tls() {
            return Err(ConnectError::PlainH3);
        }
        let remote = target.resolve().await?;
        let endpoint = endpoint(remote)?;
        let quic = endpoint
            .connect_with(client_config(trust)?, remote, target.host())
            .map_err(|e| ConnectError::Handshake(chain(&e)))?
            .await
            .map_err(|e| ConnectError::Handshake(chain(&e)))?;
        let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(quic.clone()))
            .await
            .map_err(|e| ConnectError::Handshake(chain(&e)))?;
        tokio::spawn(async move {
            // Ends with the connection; what went wrong, the requests in flight are told.
            let _ = poll_fn(|cx| driver.poll_close(cx)).await;
        });
        Ok(Self {
            sender,
            quic,
            _endpoint: endpoint,
        })
    }

    /// Sends a request; its FIN follows the header at once, or `fin_after` later.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        fin_after: Option<Duration>,
    ) -> Result<Parts, RequestError> {
        let none = |e: h3::error::StreamError| RequestError::NoResponse(chain(&e));
        let mut sender = self.sender.clone();
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        let mut stream = sender.send_request(request).await.map_err(none)?;
        if !body.is_empty() {
            stream.send_data(body).await.map_err(none)?;
        }
        if let Some(delay) = fin_after {
            tokio::time::sleep(delay).await;
            // RFC 9114 section 4.1: a server may answer before the request has ended, and then
            // say STOP_SENDING with H3_NO_ERROR; the answer stands.
            let _ = stream.finish().await;
        } else {
            stream.finish().await.map_err(none)?;
        }
        let (head, ()) = stream.recv_response().await.map_err(none)?.into_parts();
        Ok(Parts {
            status: head.status,
            version: head.version,
            headers: head.headers,
            source: Source::H3(Box::new(Incoming {
                stream,
                _sender: sender,
            })),
        })
    }

    pub(super) fn close(&self) {
        self.quic.close(VarInt::from_u32(H3_NO_ERROR), b"");
    }
}

fn endpoint(remote: std::net::SocketAddr) -> Result<Endpoint, ConnectError> {
    let local = Target::local_for(remote);
    let socket = Socket::new(
        Domain::for_address(local),
        Type::DGRAM,
        Some(SocketProtocol::UDP),
    )?;
    // The kernel grants what net.core.{r,w}mem_max allows; less is not an error.
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(&local.into())?;
    Ok(Endpoint::new(
        EndpointConfig::default(),
        None,
        socket.into(),
        Arc::new(TokioRuntime),
    )?)
}

fn client_config(trust: &Trust) -> Result<ClientConfig, ConnectError> {
    let crypto = tls::config(trust, ALPN.as_bytes())?;
    let crypto = QuicClientConfig::try_from(crypto).map_err(|e| ConnectError::Tls(chain(&e)))?;
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// A body on its stream. Dropping it early sends STOP_SENDING.
pub(super) struct Incoming {
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
    // h3 closes the connection when the last sender goes, answers or no answers.
    _sender: SendRequest<OpenStreams, Bytes>,
}

impl Incoming {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self.stream.recv_data().await {
            Ok(Some(mut data)) => Ok(Some(data.copy_to_bytes(data.remaining()))),
            Ok(None) => Ok(None),
            Err(error) => Err(chain(&error)),
        }
    }
}
