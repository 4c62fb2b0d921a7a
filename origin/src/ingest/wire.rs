//! The byte streams that RTMP comes over, and how long the way is.

use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, encrypted or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The kernel's round trip time, if it has one.
    fn round_trip(&self) -> Option<Duration>;
}

impl Wire for TcpStream {
    fn round_trip(&self) -> Option<Duration> {
        transport::tcp::round_trip(self.as_fd())
    }
}

impl Wire for TlsStream<TcpStream> {
    fn round_trip(&self) -> Option<Duration> {
        self.get_ref().0.round_trip()
    }
}
