//! A client's HTTP/3 connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h3::error::ConnectionError;
use parking_lot::Mutex;

use super::adapter::{Connection, Gate, NO_GOAWAY};
use super::request::Incoming;

/// Size of a request's fields as RFC 9114 section 4.2.2 counts them.
const FIELD_SECTION_BYTES_MAX: u64 = 32 << 10;
/// Time from the opening of a request's stream to the end of its HEADERS.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Limits of one connection's requests.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Size of a request's fields; above it the client gets a 431.
    pub field_section_bytes_max: u64,
    /// Time from the opening of a request's stream to the end of its HEADERS.
    pub head_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            field_section_bytes_max: FIELD_SECTION_BYTES_MAX,
            head_timeout: HEAD_TIMEOUT,
        }
    }
}

/// The server's end of an HTTP/3 connection. Dropping it closes the connection at once, with
/// H3_NO_ERROR: drop it when the responses are delivered ([`super::ResponseWriter::delivery`]).
pub struct Server {
    h3: h3::server::Connection<Connection, Bytes>,
    gate: Arc<Gate>,
    limits: Limits,
}

impl Server {
    /// Opens the control streams and sends SETTINGS.
    pub async fn handshake(
        connection: quinn::Connection,
        limits: Limits,
    ) -> Result<Self, ConnectionError> {
        let gate = Arc::new(Gate {
            goaway: AtomicU64::new(NO_GOAWAY),
            next: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accepted: Mutex::new(None),
        });
        let h3 = h3::server::builder()
            .max_field_section_size(limits.field_section_bytes_max)
            // Grease is sent with `h3`'s own DATA and FIN, which this module bypasses.
            .send_grease(false)
            .build(Connection::new(connection, Arc::clone(&gate)))
            .await?;
        Ok(Self { h3, gate, limits })
    }

    /// The next request; `None` when the client has announced that it sends no more.
    ///
    /// Cancel-safe. Drives the control streams too: poll it as long as the connection lives.
    pub async fn accept(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        loop {
            let Some(resolver) = self.h3.accept().await? else {
                return Ok(None);
            };
            // The adapter put it there in the same poll in which `h3` accepted it.
            if let Some(state) = self.gate.accepted.lock().take() {
                return Ok(Some(Incoming::new(
                    resolver,
                    state,
                    self.limits.head_timeout,
                )));
            }
        }
    }

    /// Sends GOAWAY: requests accepted so far are served, later ones are rejected with
    /// H3_REQUEST_REJECTED, which tells the client that it may send them elsewhere
    /// (RFC 9114 section 5.2). Keep calling [`Self::accept`].
    pub async fn goaway(&mut self) -> Result<(), ConnectionError> {
        let limit = self.gate.next.load(Ordering::Acquire);
        // First shut, then tell: between the two, `accept` is not polled.
        self.gate.goaway.store(limit, Ordering::Release);
        // `h3` names the last accepted stream plus so many requests; with 1 that is `limit`, the
        // first that will not be served, as the RFC wants.
        self.h3.shutdown(1).await
    }

    /// Requests rejected because they came after the GOAWAY.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.gate.rejected.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
