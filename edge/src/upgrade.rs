//! Upgrade in place: a new process takes the listening sockets of the running one, and serves; then
//! the old one ends the connections that it has, and itself.
//!
//! SIGUSR2 begins it. The running process starts the program that now lies where it was started
//! from, with the same arguments, and hands it descriptors of its sockets (SCM_RIGHTS) over a
//! socket that is the new one's standard input:
//!
//! | old process | new process |
//! |---|---|
//! | [`Offer`]: sockets, the key of connection ids, the ways to older processes | reads its configuration, takes the sockets that it names, gets its filters |
//! | goes on as ever | `Ready` |
//! | stops reading the UDP port; `Go` | listens, reads the UDP port, hands on what belongs to older processes |
//! | | `Listening` |
//! | stops accepting, and drains a moment later | |
//!
//! **Until `Listening` the old process can go on as if nothing had been**, and does when the new one
//! ends, says something else, or takes longer than [`READY_WITHIN`]. Listening sockets are shared by
//! both all the while, so no connection is refused in between.

/// Messages and descriptors between the two.
mod channel;
/// The old process's side.
pub mod giving;
/// What is counted.
mod metrics;
/// What service managers and scripts are told.
pub mod notify;
/// The new process's side.
pub mod taking;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use metrics::Metrics;

/// Set for a process that takes over from the one that started it.
pub const ENVIRONMENT: &str = "WEIR_EDGE_TAKES_OVER";
/// Another number is another program's, or a release that does it in another way.
const PROTOCOL: u32 = 1;
/// For the new process to read its configuration and to get its filters.
pub const READY_WITHIN: Duration = Duration::from_secs(60);
/// For it to listen then.
const LISTENING_WITHIN: Duration = Duration::from_secs(10);
/// The old process stops accepting at once, and tells its clients to go elsewhere only so much later:
/// connections that it has just accepted get their first answers.
const LINGER: Duration = Duration::from_secs(1);

/// What the old process has. Descriptors come in the order of the fields.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    protocol: u32,
    /// Of the new process: upgrades since the first one.
    generation: u64,
    /// Key of the ids of QUIC connections.
    key: [u8; 16],
    /// Addresses of TCP listeners, as configured.
    tcp: Vec<String>,
    /// That of the UDP port.
    udp: String,
    /// That of the admin listener.
    admin: String,
    /// Generations of the processes that take their datagrams from whoever reads the UDP port, that
    /// of the old process last.
    routes: Vec<u8>,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
enum FromNew {
    /// It has all that it needs. `takes_udp`: its configuration names the same UDP port.
    Ready { takes_udp: bool },
    /// It serves.
    Listening,
}

/// What the old process says after its offer.
#[derive(Debug, Serialize, Deserialize)]
enum FromOld {
    /// Serve.
    Go,
}
