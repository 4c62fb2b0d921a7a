//! QUIC server endpoints: the socket, its buffers, and transport limits suited to viewers.
//!
//! Speaks no HTTP: [`crate::h3`] does, over the connections accepted here.

mod destination;
pub mod ids;
mod server_hello;
mod session;
pub mod takeover;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Type};

use ids::Ids;
pub use server_hello::Agreed;
pub use session::Handshake;
use takeover::{SharedSocket, Switch};

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
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            bidi_streams_max: BIDI_STREAMS_MAX,
            idle_timeout: IDLE_TIMEOUT,
            keep_alive: None,
        }
    }
}

/// A bound UDP socket that does not listen yet, so that a taken port is found before anything
/// starts.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    switch: Arc<Switch>,
    address: SocketAddr,
    receive_buffer_bytes: usize,
    send_buffer_bytes: usize,
}

/// A socket could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on udp {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// A QUIC configuration that could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The idle timeout does not fit QUIC's 62-bit milliseconds.
    #[error("idle timeout out of range")]
    IdleTimeout,
    /// The TLS configuration lacks what QUIC needs (TLS 1.3, its initial cipher suite).
    #[error("the TLS configuration does not suit QUIC: {0}")]
    Tls(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Socket {
    /// Binds `address`; `[::]` takes IPv4 too.
    pub fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<Self, BindError> {
        bind(address, buffer_bytes).map_err(|source| BindError { address, source })
    }

    /// A socket that another process has bound, with its buffers as they are.
    ///
    /// # Errors
    /// It is none.
    pub fn adopt(socket: UdpSocket, switch: Arc<Switch>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let buffers = socket2::SockRef::from(&socket);
        let receive_buffer_bytes = buffers.recv_buffer_size()?;
        let send_buffer_bytes = buffers.send_buffer_size()?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            switch,
            receive_buffer_bytes,
            send_buffer_bytes,
        })
    }

    /// The same socket for another process, and the switch that turns it over.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn for_handover(&self) -> io::Result<(UdpSocket, Arc<Switch>)> {
        Ok((self.socket.try_clone()?, Arc::clone(&self.switch)))
    }

    /// The bound address, with the port that the kernel chose for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receive buffer as read back. Linux reports twice what it was asked for.
    #[must_use]
    pub fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// Send buffer as read back. Linux reports twice what it was asked for.
    #[must_use]
    pub fn send_buffer_bytes(&self) -> usize {
        self.send_buffer_bytes
    }

    /// Starts an endpoint on the socket. Must be called inside the tokio runtime that is to run
    /// the endpoint's driver.
    pub fn listen(self, config: quinn::ServerConfig) -> io::Result<quinn::Endpoint> {
        let runtime = Arc::new(TokioRuntime);
        let udp = quinn::Runtime::wrap_udp_socket(&*runtime, self.socket)?;
        let ids = self.switch.ids();
        let mut endpoint = EndpointConfig::default();
        endpoint.cid_generator(move || Box::new(ids));
        let socket = Arc::new(SharedSocket::new(udp, self.switch));
        quinn::Endpoint::new_with_abstract_socket(endpoint, Some(config), socket, runtime)
    }
}

/// The configuration of a server endpoint: `tls` with the limits of `options`.
pub fn server_config(
    tls: Arc<rustls::ServerConfig>,
    options: &ServerOptions,
) -> Result<quinn::ServerConfig, ConfigError> {
    let idle = IdleTimeout::try_from(options.idle_timeout).map_err(|_| ConfigError::IdleTimeout)?;
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
    let crypto = session::Correcting(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport))
        .max_incoming(INCOMING_MAX);
    Ok(config)
}

fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Socket> {
    let (socket, address) = match socket2::Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    ) {
        Ok(socket) => (socket, address),
        // A kernel without IPv6 still has all of IPv4 to listen on.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => (
            socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?,
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
    let (receive_buffer_bytes, send_buffer_bytes) =
        (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    let socket = UdpSocket::from(socket);
    Ok(Socket {
        address: socket.local_addr()?,
        socket,
        switch: Switch::new(Ids::new(), Vec::new()),
        receive_buffer_bytes,
        send_buffer_bytes,
    })
}
