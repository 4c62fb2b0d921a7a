//! What ends a connection that does not behave.

use std::time::Duration;

/// Limits of ingest, all listeners together. A connection that is not publishing costs at most a
/// read buffer (16 KiB) and 192 KiB of unread messages; a publishing one a few MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address. Encoders behind one NAT share it.
    pub connections_per_address_max: usize,
    /// From the accepted connection to the end of the RTMP handshake, TLS included.
    pub handshake_timeout: Duration,
    /// From the end of the handshake to a publish.
    pub publish_timeout: Duration,
    /// Without a byte from a publisher.
    pub idle_timeout: Duration,
    /// Without a picture from a publisher, whatever else it sends.
    pub picture_timeout: Duration,
    /// For a reply to be taken by the peer.
    pub write_timeout: Duration,
    /// For a tag to be taken by the packager. Only a process in trouble takes that long.
    pub stall_timeout: Duration,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            connections_per_address_max: 64,
            handshake_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            picture_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
        }
    }
}
