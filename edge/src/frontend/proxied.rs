//! Connections through load balancers that speak the PROXY protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use ipnet::IpNet;
use pingora_core::protocols::l4::socket::SocketAddr as AnyAddress;
use pingora_core::protocols::l4::stream::Stream as TcpStream;
use pingora_core::protocols::{GetSocketDigest as _, SocketDigest};
use tokio::io::AsyncReadExt as _;
use transport::proxy_protocol::{self, Malformed};

/// A balancer has its header ready when it connects.
const HEADER_WITHIN: Duration = Duration::from_secs(5);
/// Room for most headers at once.
const READ_BYTES: usize = 256;

/// Why a connection that had to begin with a header was closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It ended before anything came, as a balancer's check of the port does.
    #[error("nothing came")]
    Empty,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no header of the PROXY protocol: {0}")]
    Malformed(#[from] Malformed),
    #[error("the header of the PROXY protocol took too long")]
    TooSlow,
    #[error("the header of the PROXY protocol is cut off")]
    Truncated,
}

impl Refused {
    /// The label of the metric; `None`: nothing went wrong.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Io(_) | Self::Truncated => Some("closed"),
            Self::Malformed(_) => Some("malformed"),
            Self::TooSlow => Some("too_slow"),
        }
    }
}

/// Who must begin with a header.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(pub(super) Vec<IpNet>);

impl Proxies {
    /// Takes the header off a connection of a balancer, and makes the client that it names the peer
    /// for all that comes after.
    pub(super) async fn unwrap(&self, stream: &mut TcpStream) -> Result<(), Refused> {
        let digest = stream.get_socket_digest();
        let peer = digest.and_then(|digest| digest.peer_addr()?.as_inet().copied());
        if !peer.is_some_and(|peer| self.contain(peer.ip())) {
            return Ok(());
        }
        let client = tokio::time::timeout(HEADER_WITHIN, read(stream))
            .await
            .map_err(|_| Refused::TooSlow)??;
        if let Some(client) = client {
            let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
            // Nobody has asked this digest yet.
            let _ = digest.peer_addr.set(Some(AnyAddress::Inet(client)));
            stream.set_socket_digest(digest);
        }
        Ok(())
    }

    fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }
}

async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Refused> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    // The parser refuses what is longer than its maximum.
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(match bytes.is_empty() {
                true => Refused::Empty,
                false => Refused::Truncated,
            });
        }
        if let Some(header) = proxy_protocol::parse(&bytes)? {
            stream.rewind(bytes.get(header.len..).unwrap_or_default());
            return Ok(header.client);
        }
    }
}
