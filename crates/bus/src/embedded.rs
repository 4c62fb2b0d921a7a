//! Without another service: each edge holds one WebSocket link to the origin, `GET /v1/bus`, and
//! what is durable are files.

mod client;
mod connect;
mod envelope;
mod files;
mod hub;
mod link;
mod session;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use prometheus::Registry;
use settings::Secret;

use crate::error::{BusError, in_range};
use crate::name::EdgeName;
use crate::store::{Inner, StoreError};
use crate::{
    EdgeBus, EdgeInbox, HubBus, HubInbox, MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_LIMIT, Store,
    VALUE_BYTES_LIMIT,
};

pub(crate) use files::Files;
pub(crate) use hub::Hub;

/// Where a hub's process serves links.
pub const PATH: &str = "/v1/bus";
/// The header with the edge's name.
pub const EDGE_HEADER: &str = "weir-edge";
/// The close code of a link whose edge has made a newer one.
const CLOSE_REPLACED: u16 = 4000;
/// How long a side waits until its close frame is written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a hub's process takes links.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Bearer tokens that edges may have: at least one, of visible ASCII characters. Several, so
    /// that they can be changed one edge after the other.
    pub tokens: Vec<Secret>,
    /// Largest message in either direction, in bytes: 1 KiB to [`MESSAGE_BYTES_LIMIT`].
    pub message_bytes_max: usize,
    /// What may wait for one link, in bytes: 64 KiB to 1 GiB. Times `links_max` is the worst case.
    pub link_queue_bytes_max: usize,
    /// What may wait for the reader of the [`HubInbox`], in bytes: 64 KiB to 4 GiB.
    pub inbox_bytes_max: usize,
    /// Links at a time: 1 to 100,000.
    pub links_max: usize,
    /// Rooms that one edge may follow: 1 to 1,000,000.
    pub rooms_per_edge_max: usize,
    /// Between pings: 100 ms to 5 minutes.
    pub ping_interval: Duration,
    /// After which a link that says nothing is dead: at least twice `ping_interval`, up to 15
    /// minutes.
    pub idle_timeout: Duration,
}

impl HubOptions {
    /// With these tokens, and defaults.
    pub fn new(tokens: Vec<Secret>) -> Self {
        Self {
            tokens,
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
            link_queue_bytes_max: 8 << 20,
            inbox_bytes_max: 64 << 20,
            links_max: 1_000,
            rooms_per_edge_max: 4_096,
            ping_interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
        }
    }

    fn check(&self) -> Result<(), BusError> {
        if self.tokens.is_empty() {
            let reason = "the bus needs at least one token for edges";
            return Err(BusError::Options(reason.to_owned()));
        }
        self.tokens.iter().try_for_each(check_token)?;
        check_sizes(
            self.message_bytes_max,
            self.link_queue_bytes_max,
            self.inbox_bytes_max,
        )?;
        in_range("links_max", self.links_max, 1, 100_000)?;
        in_range("rooms_per_edge_max", self.rooms_per_edge_max, 1, 1_000_000)?;
        check_pings(self.ping_interval, self.idle_timeout)
    }
}

/// How an edge reaches its origin.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// `http://HOST:PORT` or `https://HOST:PORT`, with or without a slash at the end.
    pub url: String,
    /// Bearer token.
    pub token: Secret,
    /// PEM certificates to trust for https, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The edge's name. Two edges of one name take the link from each other.
    pub name: EdgeName,
    /// Largest message in either direction, in bytes: 1 KiB to [`MESSAGE_BYTES_LIMIT`]. The hub
    /// has its own bound.
    pub message_bytes_max: usize,
    /// What may wait for the link, in bytes: 64 KiB to 1 GiB.
    pub link_queue_bytes_max: usize,
    /// What may wait for the reader of the [`EdgeInbox`], in bytes: 64 KiB to 4 GiB.
    pub inbox_bytes_max: usize,
    /// Rooms that may be followed: 1 to 1,000,000. The hub has its own bound.
    pub rooms_max: usize,
    /// Until a link is there: 100 ms to 1 minute.
    pub connect_timeout: Duration,
    /// Between the first failed attempt and the next, jittered: 10 ms to `backoff_max`. Doubles.
    pub backoff_min: Duration,
    /// Longest wait between attempts: up to 5 minutes.
    pub backoff_max: Duration,
    /// Between pings: 100 ms to 5 minutes.
    pub ping_interval: Duration,
    /// After which a link that says nothing is dead: at least twice `ping_interval`, up to 15
    /// minutes.
    pub idle_timeout: Duration,
}

impl EdgeOptions {
    /// With defaults for the rest.
    pub fn new(url: impl Into<String>, token: Secret, name: EdgeName) -> Self {
        Self {
            url: url.into(),
            token,
            ca_file: None,
            name,
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
            link_queue_bytes_max: 8 << 20,
            inbox_bytes_max: 64 << 20,
            rooms_max: 4_096,
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
        }
    }

    fn check(&self) -> Result<(), BusError> {
        check_token(&self.token)?;
        check_sizes(
            self.message_bytes_max,
            self.link_queue_bytes_max,
            self.inbox_bytes_max,
        )?;
        in_range("rooms_max", self.rooms_max, 1, 1_000_000)?;
        let (tenth, minute) = (Duration::from_millis(100), Duration::from_secs(60));
        in_range("connect_timeout", self.connect_timeout, tenth, minute)?;
        check_backoff(self.backoff_min, self.backoff_max)?;
        check_pings(self.ping_interval, self.idle_timeout)
    }
}

/// Makes the hub's side: merge the router into the HTTP listener that edges reach. It answers
/// `GET /v1/bus` with an upgrade of HTTP/1.1, or a problem document.
///
/// # Errors
/// Options outside their ranges; metrics that are registered already.
pub fn hub(
    options: HubOptions,
    registry: &Registry,
) -> Result<(HubBus, HubInbox, Router), BusError> {
    options.check()?;
    hub::start(options, registry)
}

/// Makes an edge's side, and starts the task that keeps the link; the origin may be away. To be
/// called within a tokio runtime.
///
/// # Errors
/// Options outside their ranges; a certificate file that cannot be used; metrics that are
/// registered already.
pub fn edge(options: EdgeOptions, registry: &Registry) -> Result<(EdgeBus, EdgeInbox), BusError> {
    options.check()?;
    client::start(options, registry)
}

/// Opens a directory as a store, makes it (mode 0700) if it is missing. One process at a time.
/// Values are up to `value_bytes_max` bytes: 1 KiB to [`VALUE_BYTES_LIMIT`], otherwise the nearer
/// of the two.
///
/// # Errors
/// The directory cannot be made or read.
pub fn store(directory: &Path, value_bytes_max: usize) -> Result<Store, StoreError> {
    let value_bytes_max = value_bytes_max.clamp(1 << 10, VALUE_BYTES_LIMIT);
    let files = Files::open(directory, value_bytes_max)?;
    Ok(Store(Inner::Files(files)))
}

fn check_token(token: &Secret) -> Result<(), BusError> {
    let token = token.expose();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "a bearer token has visible ASCII characters only, and at least one";
        return Err(BusError::Options(reason.to_owned()));
    }
    Ok(())
}

pub(crate) fn check_sizes(message: usize, queue: usize, inbox: usize) -> Result<(), BusError> {
    in_range("message_bytes_max", message, 1 << 10, MESSAGE_BYTES_LIMIT)?;
    in_range("link_queue_bytes_max", queue, 64 << 10, 1 << 30)?;
    in_range("inbox_bytes_max", inbox, 64 << 10, 4 << 30)
}

pub(crate) fn check_backoff(min: Duration, max: Duration) -> Result<(), BusError> {
    in_range("backoff_min", min, Duration::from_millis(10), max)?;
    in_range("backoff_max", max, min, Duration::from_secs(300))
}

fn check_pings(interval: Duration, timeout: Duration) -> Result<(), BusError> {
    let (tenth, minutes) = (Duration::from_millis(100), Duration::from_secs(300));
    in_range("ping_interval", interval, tenth, minutes)?;
    let most = Duration::from_secs(900);
    in_range("idle_timeout", timeout, 2 * interval, most)
}
