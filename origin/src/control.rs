//! The control API: accounts, wallets, gifts, and what staff do with them.
//!
//! ```text
//! edges (for viewers) ─▶ /v1/accounts, session, me, wallet, gifts … ─▶ accounts, ledger
//! staff (through edges), operators (admin listener) ─▶ /v1/admin/…  ─┘
//! ```
//!
//! Edges show the token of their link and pass on what viewers ask; the rules are the crates'
//! `accounts` and `ledger`. Here are their clock, their API and their figures.

mod audit;
mod channels;
mod coins;
mod gifts;
mod ledger_admin;
mod metrics;
mod openapi;
mod payments;
mod people;
mod reports;
mod signing;
mod wallet;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use accounts::config::AccountsSettings;
use accounts::{Accounts, Rotation};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use gift_records::{DatabaseSettings, GiftRecords};
use ledger::Ledger;
use ledger::config::LedgerSettings;
use settings::Secret;
use telemetry::Registry;
use telemetry::metrics::RegisterError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{Audit, AuditError};
use crate::clock::unix_ms;
use crate::config::IngestRulesConfig;
use crate::publish::Streams;
use crate::rooms::Hubs;
use crate::{caller, problem};

use caller::{Door, edges_only, staff_only};
use ledger_admin::Audits;
use metrics::Metrics;

pub use channels::{Admission, Directory};
pub use webhooks::{Herald, WorkerError};

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 32 << 10;
/// Keys are looked for that other origins made: well within the time for which a new one is published
/// before it signs.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// When the newest signing key has signed for so long, another one is made.
const ROTATE_AFTER_MS: u64 = 30 * 24 * 3_600 * 1_000;
/// Held gifts that nobody decided about in time are given back.
const HOLDS_EVERY: Duration = Duration::from_secs(60);
/// Sign-ins that have expired, and old leaderboards, are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Leaderboards of days are kept for so many of them, today's included: a month to look back at, and a clock
/// that is wrong by less takes none away that is still counted on.
const BOARD_DAYS: u64 = 32;

/// `[control]`, checked.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// Where SQLite's files are, to be made.
    pub directory: Option<PathBuf>,
    /// Accounts, and where they are kept.
    pub accounts: AccountsSettings,
    /// Where money is kept.
    pub ledger: LedgerSettings,
    /// Where it is kept who gave what.
    pub records: DatabaseSettings,
    /// Whether anybody may register.
    pub registration: bool,
    /// Gifts.
    pub gifts: GiftRules,
    /// Where rooms, keys and webhooks are kept.
    pub channels: DatabaseSettings,
    /// `[ingest_rules]`, over which rooms may have their own.
    pub rules: IngestRulesConfig,
    /// Where encoders publish to.
    pub ingest_url: String,
    /// Names and titles of the configured streams, which are rooms, too.
    pub configured: Vec<(String, String)>,
    /// Whether webhooks may lead to addresses that are not public.
    pub allow_private_webhooks: bool,
    /// With which the reference provider of payments signs.
    pub payment_secrets: Vec<Secret>,
    /// Bearer tokens of edges.
    pub link_tokens: Vec<Secret>,
    /// Bearer token of operators.
    pub operator_token: Option<Secret>,
}

/// `[control.gifts]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiftRules {
    /// Diamonds that a filter may issue for a hundred coins, at most.
    pub issued_percent_max: u32,
    /// Coins of a user in a day (UTC); 0: any.
    pub user_daily_max: u64,
    /// Coins for a room in a day (UTC); 0: any.
    pub room_daily_max: u64,
    /// Whether gifts of broadcasters for their own room are held.
    pub hold_self_gifts: bool,
    /// A gift of so many coins of an account younger than `new_account` is held; 0: none is.
    pub new_account_coins: u64,
    /// See `new_account_coins`.
    pub new_account: Duration,
    /// Gifts are held of who gives more coins than this within `velocity`; 0: of nobody.
    pub velocity_coins: u64,
    /// See `velocity_coins`.
    pub velocity: Duration,
    /// A held gift is given back after so long.
    pub hold: Duration,
}

impl GiftRules {
    fn signals(&self) -> ::gifts::SignalRules {
        let new_account_ms = u64::try_from(self.new_account.as_millis()).unwrap_or(u64::MAX);
        ::gifts::SignalRules {
            self_gifts: self.hold_self_gifts,
            new_account_coins: self.new_account_coins,
            new_account_ms: if self.new_account_coins == 0 {
                0
            } else {
                new_account_ms
            },
            velocity_coins: self.velocity_coins,
        }
    }
}

/// Why the control API cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The log of what staff did.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Accounts.
    #[error("control.accounts: {0}")]
    Accounts(#[from] accounts::OpenError),
    /// Rooms: what they are kept in.
    #[error("control.rooms: {0}")]
    Channels(#[source] ::channels::OpenError),
    /// Rooms: what is in it.
    #[error("control.rooms: {0}")]
    ChannelsRead(#[from] ::channels::Error),
    /// The directory.
    #[error("control.store.directory: {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The ledger.
    #[error("control.ledger: {0}")]
    Ledger(#[from] ledger::OpenError),
    /// A metric is registered twice: a bug.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
    /// The records of gifts.
    #[error("control.gifts: {0}")]
    Records(gift_records::OpenError),
    /// What people are called cannot be read.
    #[error("control.accounts: {0}")]
    Names(#[from] accounts::Error),
    /// Webhooks cannot be told anything.
    #[error(transparent)]
    Webhooks(#[from] WorkerError),
}

/// What every request needs.
#[derive(Clone, Debug)]
struct Desk {
    accounts: Arc<Accounts>,
    ledger: Ledger,
    records: GiftRecords,
    /// Chat, and what people are called there.
    rooms: Hubs,
    house: Arc<channels::House>,
    webhooks: webhooks::Webhooks,
    people: Arc<people::Front>,
    payments: Arc<payments::Providers>,
    audit: Audit,
    audits: Audits,
    settings: Arc<ControlSettings>,
    metrics: Metrics,
    announced: gifts::Announced,
}

impl FromRef<Desk> for Arc<Accounts> {
    fn from_ref(desk: &Desk) -> Self {
        Self::clone(&desk.accounts)
    }
}

/// What [`Control::open`] gives: stores that are open, and nobody who asks.
#[derive(Debug)]
pub struct Opened {
    accounts: Arc<Accounts>,
    ledger: Ledger,
    records: GiftRecords,
    channels: channels::Opened,
    settings: ControlSettings,
    audits: Audits,
    metrics: Metrics,
}

/// What [`Opened::start`] gives.
#[derive(Debug)]
pub struct Started {
    /// To be stopped at the end.
    pub control: Control,
    /// For the listener that edges reach.
    pub public: Router,
    /// For the admin listener.
    pub admin: Router,
}

/// The running control API.
#[derive(Debug)]
pub struct Control {
    desk: Desk,
    tasks: TaskTracker,
    stop: CancellationToken,
    telling: TaskTracker,
    silent: CancellationToken,
    herald: Herald,
}

impl Control {
    /// Opens the stores and registers the metrics.
    ///
    /// # Errors
    /// A store that cannot be opened.
    pub async fn open(
        settings: ControlSettings,
        registry: &Registry,
    ) -> Result<Opened, ControlError> {
        if let Some(directory) = &settings.directory {
            private_directory(directory)?;
        }
        let accounts = settings.accounts.clone().open(unix_ms()).await?;
        let ledger = settings.ledger.clone().open().await?;
        let records = GiftRecords::open(settings.records.clone()).await;
        let records = records.map_err(ControlError::Records)?;
        let channels = channels::Opened::open(&settings, registry).await?;
        Ok(Opened {
            channels,
            accounts: Arc::new(accounts),
            ledger,
            records,
            audits: Audits::new(registry)?,
            metrics: Metrics::new(registry)?,
            settings,
        })
    }

    /// Who is asked before somebody publishes.
    pub fn admission(&self) -> Admission {
        self.desk.house.admission()
    }

    /// Which rooms there are.
    pub fn directory(&self) -> Directory {
        self.desk.house.directory()
    }

    /// Who is told of broadcasts.
    pub fn herald(&self) -> Herald {
        self.herald.clone()
    }

    /// From now on publishers can be cut off.
    pub fn attend(&self, streams: Streams) {
        self.desk.house.attend(streams);
    }

    /// Tells rooms nothing any more: before their hubs end.
    pub async fn fall_silent(&self) {
        self.silent.cancel();
        self.telling.close();
        self.telling.wait().await;
    }

    /// Ends its tasks and closes the stores: what was answered is on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.desk.accounts.close().await;
        self.desk.records.close().await;
        self.desk.ledger.close().await;
        self.desk.house.store.close().await;
    }
}

impl Opened {
    /// Who signs access tokens, for whoever publishes keys.
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts)
    }

    /// Which rooms there are.
    pub fn directory(&self) -> Directory {
        self.channels.directory()
    }

    /// Begins to serve, beside rooms: accounts and guests share names, and a person is in both.
    ///
    /// # Errors
    /// The log cannot be opened, or the accounts not be read.
    pub async fn start(self, rooms: Hubs) -> Result<Started, ControlError> {
        people::recall_names(&self.accounts, &rooms).await?;
        let directory = match &self.settings.directory {
            Some(directory) => directory.join("audit"),
            None => rooms.state_dir().join("control-audit"),
        };
        private_directory(&directory)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let work = (&tasks, &stop);
        let channels::Running {
            house,
            webhooks,
            herald,
        } = self.channels.start(&self.settings, rooms.clone(), work)?;
        let desk = Desk {
            house,
            webhooks,
            accounts: self.accounts,
            ledger: self.ledger,
            records: self.records,
            rooms,
            people: Arc::new(people::Front::new()),
            payments: Arc::new(payments::Providers::new(&self.settings.payment_secrets)),
            audit: Audit::open(&directory.join("log")).await?,
            audits: self.audits,
            metrics: self.metrics,
            announced: gifts::Announced::default(),
            settings: Arc::new(self.settings),
        };
        tasks.spawn(keep(desk.clone(), stop.clone()));
        let (telling, silent) = (TaskTracker::new(), CancellationToken::new());
        telling.spawn(gifts::dispatch(desk.clone(), silent.clone()));
        Ok(Started {
            public: public(&desk),
            admin: admin(&desk, Door::Operator(desk.settings.operator_token.clone()))
                .merge(openapi::router("/v1").with_state(desk.clone())),
            control: Control {
                desk,
                tasks,
                stop,
                telling,
                silent,
                herald,
            },
        })
    }
}

/// What edges ask for viewers.
fn public(desk: &Desk) -> Router {
    let tokens = Arc::new(desk.settings.link_tokens.clone());
    let staff = admin(desk, Door::Staff(Arc::clone(&desk.accounts)));
    people::router()
        .merge(wallet::router())
        .merge(gifts::router())
        .merge(payments::router())
        .merge(channels::router())
        .merge(openapi::router("/api"))
        .with_state(desk.clone())
        .merge(staff)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn(metrics::no_store))
        .layer(from_fn_with_state(desk.metrics.clone(), metrics::count))
        .layer(from_fn_with_state(tokens, edges_only))
}

/// What staff and operators do, below `/v1/admin`.
fn admin(desk: &Desk, door: Door) -> Router {
    let routes = people::admin::router()
        .merge(ledger_admin::router())
        .merge(gifts::staff::router())
        .merge(reports::router())
        .merge(channels::admin())
        .merge(webhooks::router());
    let routes = match &door {
        Door::Operator(_) => routes.merge(signing::router()),
        // A token that was made with a stolen key may say that its bearer is staff.
        Door::Staff(_) => routes,
    };
    Router::new()
        .nest("/v1/admin", routes)
        .with_state(desk.clone())
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(door, staff_only))
        .layer(from_fn(metrics::no_store))
}

/// What has to be done now and then.
async fn keep(desk: Desk, stop: CancellationToken) {
    let mut keys = tokio::time::interval(KEYS_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut holds = tokio::time::interval(HOLDS_EVERY);
    for interval in [&mut keys, &mut sweep, &mut holds] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = keys.tick() => {
                let renewed = renew_keys(&desk).await;
                note(&desk, "read and rotate the signing keys", renewed);
            }
            _ = holds.tick() => {
                let given_back = gifts::staff::give_back_overdue(&desk).await;
                note(&desk, "give back held gifts", given_back);
            }
            _ = sweep.tick() => {
                let now = unix_ms();
                // Each, whatever becomes of the other: they are on disks of their own.
                note(&desk, "remove sign-ins that have expired", desk.accounts.sweep(now).await);
                let boards = desk.records.sweep(boards_from(now)).await;
                note(&desk, "remove leaderboards of old days", boards);
            }
        }
    }
}

/// Says what could not be done.
fn note<T>(desk: &Desk, what: &str, done: Result<T, impl std::fmt::Display>) {
    if let Err(error) = done {
        desk.metrics.chores_failed.inc();
        tracing::warn!(%error, "cannot {what}; trying again later");
    }
}

/// From when on leaderboards of days are kept, Unix milliseconds.
fn boards_from(now_ms: u64) -> u64 {
    let first = gift_records::Day::of(now_ms).minus(BOARD_DAYS - 1);
    first.start_ms()
}

/// Reads the keys that other origins may have made; makes one when the newest is old, however often
/// this process started since.
async fn renew_keys(desk: &Desk) -> Result<(), accounts::Error> {
    desk.accounts.reload_keys().await?;
    let now = unix_ms();
    if now.saturating_sub(desk.accounts.newest_key_ms()) < ROTATE_AFTER_MS {
        return Ok(());
    }
    desk.accounts.rotate_keys(Rotation::Planned, now).await
}

fn private_directory(path: &std::path::Path) -> Result<(), ControlError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|source| ControlError::Directory {
        path: path.to_owned(),
        source,
    })
}
