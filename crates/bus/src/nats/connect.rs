//! How NATS is reached, and whether it is.
//!
//! The client of NATS connects again by itself, for ever, and then subscribes again. Its events
//! may be lost, so that they only say when to look: what counts is its state and how many
//! connections it has had.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use parking_lot::Mutex;
use rand::Rng;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Credentials, NatsOptions};
use crate::backoff::Backoff;
use crate::error::BusError;
use crate::metrics::{Drop, Metrics};
use crate::tls;

/// What may wait within the client, in commands: our own queues are bounded in bytes, this is not.
const CLIENT_COMMANDS_MAX: usize = 32;
/// What may wait within a subscription, in messages. They are moved to the inbox at once.
const SUBSCRIPTION_MESSAGES_MAX: usize = 4_096;
/// Between looks at the connection when no event comes.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What it takes to connect. No `Debug`: it holds credentials.
pub(super) struct Dialer {
    addresses: Vec<ServerAddr>,
    options: ConnectOptions,
    changed: Arc<Notify>,
    backoff: Backoff,
}

impl Dialer {
    /// Checks what can be checked without NATS. `name` is for NATS' own lists of clients.
    pub(super) fn new(
        options: &NatsOptions,
        name: &str,
        metrics: Option<Metrics>,
    ) -> Result<Self, BusError> {
        let addresses = options.urls.iter().map(|url| address(url));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let changed = Arc::new(Notify::new());
        let backoff = Backoff {
            min: options.backoff_min,
            max: options.backoff_max,
        };
        let events = Arc::clone(&changed);
        let mut connect = authenticated(ConnectOptions::new(), &options.credentials)?
            .name(name)
            .retry_on_initial_connect()
            .connection_timeout(options.connect_timeout)
            .ping_interval(options.ping_interval)
            .client_capacity(CLIENT_COMMANDS_MAX)
            .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
            .reconnect_delay_callback(move |attempts| delay(backoff, attempts))
            .event_callback(move |event| {
                handle_event(&event, metrics.as_ref());
                events.notify_one();
                std::future::ready(())
            });
        let secure = options.urls.iter().any(|url| url.starts_with("tls://"));
        if secure || options.ca_file.is_some() {
            let config = tls::client(options.ca_file.as_deref())?;
            connect = connect
                .tls_client_config(config)
                .require_tls(options.ca_file.is_some());
        }
        Ok(Self {
            addresses,
            options: connect,
            changed,
            backoff,
        })
    }

    /// A client; NATS may be away.
    pub(super) async fn dial(&self) -> Client {
        let mut failures = 0;
        loop {
            let attempt = self.options.clone().connect(&self.addresses[..]);
            match attempt.await {
                Ok(client) => return client,
                // It connects in the background: this is no failed connection.
                Err(error) => tracing::error!(%error, "no client of NATS"),
            }
            tokio::time::sleep(self.backoff.delay(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Something may have happened to the connection. Safe to cancel.
    pub(super) async fn changed(&self) {
        let _ = timeout(LOOK_INTERVAL, self.changed.notified()).await;
    }
}

fn address(url: &str) -> Result<ServerAddr, BusError> {
    // Not the URL itself: somebody may have put a password into it.
    let reason = "a URL of NATS is nats://HOST:PORT or tls://HOST:PORT";
    let bad = || BusError::Options(reason.to_owned());
    let known = url.starts_with("nats://") || url.starts_with("tls://");
    if !known || url.contains('@') {
        return Err(bad());
    }
    url.parse().map_err(|_| bad())
}

fn authenticated(
    options: ConnectOptions,
    credentials: &Credentials,
) -> Result<ConnectOptions, BusError> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).map_err(|error| BusError::File {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    };
    Ok(match credentials {
        Credentials::None => options,
        Credentials::CredentialsFile(path) => {
            let text = read(path)?;
            options.credentials(&text).map_err(|_| BusError::File {
                path: path.clone(),
                reason: "no credentials of NATS".to_owned(),
            })?
        }
        Credentials::NkeyFile(path) => options.nkey(read(path)?.trim().to_owned()),
        Credentials::Token(token) => options.token(token.expose().to_owned()),
        Credentials::User { user, password } => {
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
    })
}

/// Before attempt number `attempts`, which is 1 for the first one after a connection was lost.
fn delay(backoff: Backoff, attempts: usize) -> Duration {
    match u32::try_from(attempts).unwrap_or(u32::MAX) {
        0 | 1 => backoff.min.mul_f64(rand::rng().random_range(0.0..=1.0)),
        more => backoff.delay(more - 2),
    }
}

fn handle_event(event: &Event, metrics: Option<&Metrics>) {
    match event {
        Event::Connected => tracing::info!("NATS is reached"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost"),
        Event::SlowConsumer(_) => {
            if let Some(metrics) = metrics {
                metrics.dropped(Drop::SlowConsumer);
            }
        }
        event => tracing::warn!(%event, "NATS"),
    }
}

/// What hears of the connection.
pub(super) trait Side {
    /// It can be used.
    fn up(&self);
    /// It cannot be used any more.
    fn down(&self);
}

/// The state of a connection, as it was told to a [`Side`].
pub(super) struct Connection<S> {
    pub(super) client: Client,
    dialer: Dialer,
    side: S,
    metrics: Metrics,
    /// Which connection is up.
    told: Mutex<Told>,
    /// The connection can be prepared.
    fresh: Notify,
}

#[derive(Default)]
struct Told {
    up: Option<u64>,
    up_before: bool,
}

impl<S: Side> Connection<S> {
    pub(super) async fn new(dialer: Dialer, side: S, metrics: Metrics) -> Self {
        Self {
            client: dialer.dial().await,
            dialer,
            side,
            metrics,
            told: Mutex::default(),
            fresh: Notify::new(),
        }
    }

    /// Tells the side at once when the connection is lost, and wakes who waits for a
    /// [`fresh`](Self::fresh) one. Does not end.
    pub(super) async fn watch(&self) {
        loop {
            self.look();
            self.dialer.changed().await;
        }
    }

    /// Waits until there is a connection that is not up yet. Safe to cancel.
    pub(super) async fn fresh(&self) {
        self.fresh.notified().await;
    }

    /// Tells the side that the connection can be used: whatever was asked of the client before is
    /// on its way.
    pub(super) async fn up(&self) {
        let Some(number) = self.number() else {
            return;
        };
        if self.client.flush().await.is_err() {
            return;
        }
        let mut told = self.told.lock();
        // If it is lost again, `watch` sees to the next one.
        if told.up.is_some() || self.number() != Some(number) {
            return;
        }
        told.up = Some(number);
        if std::mem::replace(&mut told.up_before, true) {
            self.metrics.reconnects.inc();
        }
        self.metrics.links.set(1);
        self.side.up();
    }

    fn look(&self) {
        let number = self.number();
        let mut told = self.told.lock();
        if told.up.is_some() && told.up != number {
            told.up = None;
            self.metrics.links.set(0);
            self.side.down();
        }
        if told.up.is_none() && number.is_some() {
            self.fresh.notify_one();
        }
    }

    /// Of the connection that there is.
    fn number(&self) -> Option<u64> {
        let connected = self.client.connection_state() == State::Connected;
        let statistics = self.client.statistics();
        connected.then(|| statistics.connects.load(Ordering::Relaxed))
    }
}
