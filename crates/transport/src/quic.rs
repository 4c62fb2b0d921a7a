//! QUIC server endpoints: the socket, its buffers, and transport limits suited to viewers.
//!
//! Speaks no HTTP: [`crate::h3`] does, over the connections accepted here.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

/// Requests that one connection may have open by default. A viewer of LL-HLS holds a handful.
pub const BIDI_STREAMS_MAX: u32 = 256;
/// Client-initiated unidirectional streams: control, QPACK encoder and decoder, and a few that
/// a client may send as grease (RFC 9114 section 7.2.8).
const UNI_STREAMS_MAX: u32 = 16;
/// Flow control window of one request's body. Viewers send no bodies worth a larger one.
const STREAM_RECEIVE_WINDOW_BYTES: u32 = 256 << 10;
/// Flow control window of all request bodies of one connection.
const RECEIVE_WINDOW_BYTES: u32 = 1 << 20;
/// Unacknowledged data per connection: 100 Mbit/s at 300 ms round trip. It references the cached
/// objects, it does not copy them.
const SEND_WINDOW_BYTES: u64 = 4 << 20;
/// A client that is silent for this long is gone. Longer than the longest blocking reload.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Asked of the kernel for each direction; it may grant less (`net.core.rmem_max`). The default
/// of 208 KiB overflows when a few viewers' acknowledgements arrive while the driver is busy.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Handshakes that wait to be accepted; more are dropped, and the clients try again.
const INCOMING_MAX: usize = 4096;

/// Limits of a QUIC server endpoint and its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Requests that one connection may have open.
    pub bidi_streams_max: u32,
    /// A client that is silent for this long is gone.
    pub idle_timeout: Duration,
    /// Interval of keep-alive packets; `None` lets idle viewers time out.
    pub keep_alive: Option<Duration>,
    /// Socket buffer to ask for, each direction.
    pub socket_buffer_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            bidi_streams_max: BIDI_STREAMS_MAX,
            idle_timeout: IDLE_TIMEOUT,
            keep_alive: None,
            socket_buffer_bytes: SOCKET_BUFFER_BYTES,
        }
    }
}

/// A bound endpoint and what the kernel granted it.
#[derive(Debug)]
pub struct ServerEndpoint {
    /// The endpoint, listening.
    pub endpoint: quinn::Endpoint,
    /// The bound address, with the port that the kernel chose for port 0.
    pub address: SocketAddr,
    /// Receive buffer as read back, in bytes. Linux reports twice what it was asked for.
    pub receive_buffer_bytes: usize,
    /// Send buffer as read back, in bytes.
    pub send_buffer_bytes: usize,
}

/// A server endpoint that could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is taken, not ours, or needs a privilege.
    #[error("cannot listen on udp {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The idle timeout does not fit QUIC's 62-bit milliseconds.
    #[error("idle timeout out of range")]
    IdleTimeout,
    /// There is no tokio runtime, or it refused the socket.
    #[error("cannot start the endpoint: {0}")]
    Start(io::Error),
    /// The TLS configuration lacks what QUIC needs (TLS 1.3, its initial cipher suite).
    #[error("the TLS configuration does not suit QUIC: {0}")]
    Tls(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// Opens a server endpoint at `address`; `[::]` listens on IPv4 too.
///
/// Must be called inside a tokio runtime: the endpoint's driver runs there.
pub fn server_endpoint(
    address: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    options: &ServerOptions,
) -> Result<ServerEndpoint, BindError> {
    let config = server_config(tls, options)?;
    let (socket, receive_buffer_bytes, send_buffer_bytes) =
        bind(address, options.socket_buffer_bytes)
            .map_err(|source| BindError::Bind { address, source })?;
    let endpoint = quinn::Endpoint::new(
        EndpointConfig::default(),
        Some(config),
        socket,
        Arc::new(TokioRuntime),
    )
    .map_err(BindError::Start)?;
    let address = endpoint.local_addr().map_err(BindError::Start)?;
    Ok(ServerEndpoint {
        endpoint,
        address,
        receive_buffer_bytes,
        send_buffer_bytes,
    })
}

fn server_config(
    tls: Arc<rustls::ServerConfig>,
    options: &ServerOptions,
) -> Result<quinn::ServerConfig, BindError> {
    let idle = IdleTimeout::try_from(options.idle_timeout).map_err(|_| BindError::IdleTimeout)?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(options.bidi_streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(options.keep_alive)
        // Nothing here sends or reads datagrams (RFC 9221).
        .datagram_receive_buffer_size(None);
    // Segmentation offload stays on, quinn's default: without it a gigabyte costs 3.2 times the
    // CPU.
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport))
        .max_incoming(INCOMING_MAX);
    Ok(config)
}

fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<(UdpSocket, usize, usize)> {
    let (socket, address) = match Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    ) {
        Ok(socket) => (socket, address),
        // A kernel without IPv6 still has all of IPv4 to listen on.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => (
            Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())),
        ),
        Err(e) => return Err(e),
    };
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_recv_buffer_size(buffer_bytes)?;
    socket.set_send_buffer_size(buffer_bytes)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let (receive, send) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    Ok((socket.into(), receive, send))
}
