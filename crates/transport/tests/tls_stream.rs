//! The TLS stream of servers: what arrives, what is refused, what is held meanwhile.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "tls_stream/flaky.rs"]
mod flaky;
#[path = "tls_stream/hostile.rs"]
mod hostile;
#[path = "tls_stream/limits.rs"]
mod limits;
#[path = "tls_stream/openssl.rs"]
mod openssl;
#[path = "tls_stream/sequence.rs"]
mod sequence;
#[path = "tls_stream/traffic.rs"]
mod traffic;
#[path = "tls_stream/wire.rs"]
mod wire;

use std::io;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use transport::tls::{TlsStream, accept};

use wire::{Client, Wire, client_config, server_config};

/// A client and a server that have shaken hands.
fn connected(version: &'static SupportedProtocolVersion) -> (Client, TlsStream<Wire>) {
    let mut client = Client::new(Arc::new(client_config(version)));
    let stream = accepted(&mut client).unwrap();
    (client, stream)
}

fn accepted(client: &mut Client) -> io::Result<TlsStream<Wire>> {
    let wire = client.wire.clone();
    client.handshake(accept(server_config(), wire))
}

/// Content types and lengths of the records on the wire to the client (RFC 8446 section 5.1).
fn records(wire: &Wire) -> Vec<(u8, usize)> {
    let bytes: Vec<u8> = wire.lines(|lines| lines.to_client.iter().copied().collect());
    let mut rest = &bytes[..];
    let mut records = Vec::new();
    while let [kind, _, _, high, low, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        records.push((*kind, len));
        rest = &after[len..];
    }
    records
}
