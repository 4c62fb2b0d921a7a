//! An idle TLS connection owns nothing on the heap but rustls' state.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "tls_stream/counting.rs"]
mod counting;
#[path = "tls_stream/idle.rs"]
mod idle;
#[path = "tls_stream/wire.rs"]
mod wire;

/// rustls' buffered connection keeps a buffer of 4 KiB after it has read once.
const BUFFER_OF_RUSTLS: usize = 4096;

#[test]
fn an_idle_connection_owns_no_buffer() {
    for version in wire::VERSIONS {
        let (ours, theirs) = (idle::weir(version), idle::tokio_rustls(version));
        println!(
            "{:?}: ours {ours:?}, tokio-rustls {theirs:?}",
            version.version
        );
        let [ours, theirs] = [ours, theirs].map(|idle| idle.heap + idle.inline);
        assert!(ours + BUFFER_OF_RUSTLS <= theirs + 64);
    }
}
