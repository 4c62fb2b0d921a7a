//! Over NATS: core subjects for messages, a JetStream key-value bucket for what is durable.

mod connect;
mod edge;
mod hub;
mod kv;
mod subjects;

use std::path::PathBuf;
use std::time::Duration;

use prometheus::Registry;
use settings::Secret;

use crate::embedded::{check_backoff, check_sizes};
use crate::error::{BusError, in_range};
use crate::name::{EdgeName, RoomName};
use crate::store::Inner;
use crate::{
    EdgeBus, EdgeInbox, HubBus, HubInbox, MESSAGE_BYTES_DEFAULT, Store, VALUE_BYTES_DEFAULT,
    VALUE_BYTES_LIMIT,
};

pub(crate) use hub::Hub;
pub(crate) use kv::KeyValue;

/// Longest prefix of subjects, in bytes.
pub const PREFIX_BYTES_MAX: usize = 64;

/// How NATS is reached; hubs, edges and stores have the same.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, one or more of a cluster.
    pub urls: Vec<String>,
    /// Who this is.
    pub credentials: Credentials,
    /// PEM certificates to trust, instead of the system's. Naming one demands TLS.
    pub ca_file: Option<PathBuf>,
    /// First part of all subjects, and of the bucket's name: 1 to 64 of `A-Z a-z 0-9 - _`.
    pub prefix: String,
    /// Largest message in either direction, in bytes: 1 KiB to
    /// [`MESSAGE_BYTES_LIMIT`](crate::MESSAGE_BYTES_LIMIT). The server has its own `max_payload`.
    pub message_bytes_max: usize,
    /// What may wait for the connection, in bytes: 64 KiB to 1 GiB.
    pub link_queue_bytes_max: usize,
    /// What may wait for the reader of the inbox, in bytes: 64 KiB to 4 GiB.
    pub inbox_bytes_max: usize,
    /// Rooms that an edge may follow: 1 to 1,000,000.
    pub rooms_max: usize,
    /// Until a connection is there: 100 ms to 1 minute.
    pub connect_timeout: Duration,
    /// Between the first failed attempt and the next, jittered: 10 ms to `backoff_max`. Doubles.
    pub backoff_min: Duration,
    /// Longest wait between attempts: up to 5 minutes.
    pub backoff_max: Duration,
    /// Between pings; the connection is dead when two were not answered: 1 s to 5 minutes.
    pub ping_interval: Duration,
}

/// Who a client of NATS is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody.
    #[default]
    None,
    /// A `.creds` file: a JWT and the seed of its key.
    CredentialsFile(PathBuf),
    /// A file with the seed of an nkey.
    NkeyFile(PathBuf),
    /// A token.
    Token(Secret),
    /// A user with a password.
    User {
        /// Name.
        user: String,
        /// Password.
        password: Secret,
    },
}

/// How a [`Store`] keeps values in NATS.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Copies in the cluster: 1, 3 or 5. Only used when the bucket is made.
    pub replicas: usize,
    /// Largest value, in bytes: 1 KiB to [`VALUE_BYTES_LIMIT`]. The server's `max_payload` (1 MiB
    /// by default) has to be larger.
    pub value_bytes_max: usize,
    /// Of one operation: 100 ms to 1 minute.
    pub timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            replicas: 1,
            value_bytes_max: VALUE_BYTES_DEFAULT - (64 << 10),
            timeout: Duration::from_secs(5),
        }
    }
}

impl NatsOptions {
    /// With defaults for the rest.
    pub fn new(urls: Vec<String>, credentials: Credentials) -> Self {
        Self {
            urls,
            credentials,
            ca_file: None,
            prefix: "weir".to_owned(),
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
            link_queue_bytes_max: 8 << 20,
            inbox_bytes_max: 64 << 20,
            rooms_max: 4_096,
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
        }
    }

    fn check(&self) -> Result<(), BusError> {
        if self.urls.is_empty() {
            let reason = "NATS needs at least one URL";
            return Err(BusError::Options(reason.to_owned()));
        }
        // What a room may be called a prefix may be.
        if RoomName::new(&self.prefix).is_err() {
            let reason = "the prefix is 1 to 64 of A-Z, a-z, 0-9, - and _";
            return Err(BusError::Options(reason.to_owned()));
        }
        check_sizes(
            self.message_bytes_max,
            self.link_queue_bytes_max,
            self.inbox_bytes_max,
        )?;
        in_range("rooms_max", self.rooms_max, 1, 1_000_000)?;
        let (tenth, minute) = (Duration::from_millis(100), Duration::from_secs(60));
        in_range("connect_timeout", self.connect_timeout, tenth, minute)?;
        check_backoff(self.backoff_min, self.backoff_max)?;
        let (second, minutes) = (Duration::from_secs(1), Duration::from_secs(300));
        in_range("ping_interval", self.ping_interval, second, minutes)
    }
}

/// Makes the hub's side; NATS may be away. To be called within a tokio runtime.
///
/// # Errors
/// Options outside their ranges; a file that cannot be used; metrics that are registered already.
pub fn hub(options: NatsOptions, registry: &Registry) -> Result<(HubBus, HubInbox), BusError> {
    options.check()?;
    hub::start(options, registry)
}

/// Makes an edge's side; NATS may be away. To be called within a tokio runtime.
///
/// # Errors
/// Options outside their ranges; a file that cannot be used; metrics that are registered already.
pub fn edge(
    options: NatsOptions,
    name: EdgeName,
    registry: &Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    options.check()?;
    edge::start(options, name, registry)
}

/// Makes a store; NATS may be away. The bucket `{prefix}-rooms` is made at the first use. To be
/// called within a tokio runtime.
///
/// # Errors
/// Options outside their ranges; a file that cannot be used.
pub fn store(options: NatsOptions, store: StoreOptions) -> Result<Store, BusError> {
    options.check()?;
    if !matches!(store.replicas, 1 | 3 | 5) {
        let reason = format!("replicas is {}, and has to be 1, 3 or 5", store.replicas);
        return Err(BusError::Options(reason));
    }
    let bytes = store.value_bytes_max;
    in_range("value_bytes_max", bytes, 1 << 10, VALUE_BYTES_LIMIT)?;
    let (tenth, minute) = (Duration::from_millis(100), Duration::from_secs(60));
    in_range("timeout", store.timeout, tenth, minute)?;
    let key_value = KeyValue::start(options, store)?;
    Ok(Store(Inner::Nats(key_value)))
}
