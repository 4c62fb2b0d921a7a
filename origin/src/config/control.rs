//! `[control]`: accounts and money, as typed and as checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath, Secret};

use crate::config::{IngestRulesConfig, StreamSettings};
use crate::control::{ControlSettings, GiftRules};

/// What keeps accounts, ledger and gifts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Files of this machine.
    #[default]
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// `[control.store]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite` or `postgres`.
    pub kind: StoreKind,
    /// Of SQLite's files.
    pub directory: PathBuf,
    /// Of PostgreSQL.
    pub url: Secret,
    /// PEM certificates to trust; the system's if it is empty.
    pub ca_file: PathBuf,
    /// To PostgreSQL, for accounts; the ledger's are `control.ledger.readers` and one that writes.
    pub connections: usize,
    /// How long an operation may wait, and then run.
    pub timeout_ms: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::default(),
            directory: PathBuf::from("control"),
            url: Secret::default(),
            ca_file: PathBuf::new(),
            connections: accounts::limits::CONNECTIONS_DEFAULT,
            timeout_ms: accounts::limits::TIMEOUT_MS_DEFAULT,
        }
    }
}

/// `[control.accounts]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleConfig {
    /// Whether anybody may register.
    pub registration: bool,
    /// `iss` of access tokens.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Lifetime of access tokens.
    pub access_seconds: u64,
    /// Passwords that are hashed at once.
    pub hashes: usize,
}

impl Default for PeopleConfig {
    fn default() -> Self {
        let defaults = accounts::config::AccountsConfig::default();
        Self {
            registration: true,
            issuer: defaults.issuer,
            audience: defaults.audience,
            access_seconds: defaults.access_seconds,
            hashes: defaults.hashes,
        }
    }
}

/// `[control.ledger]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneyConfig {
    /// Writes that may wait.
    pub queue_max: usize,
    /// Writes of one commit.
    pub group_max: usize,
    /// Connections that read.
    pub readers: usize,
}

impl Default for MoneyConfig {
    fn default() -> Self {
        let defaults = ledger::config::LedgerConfig::default();
        Self {
            queue_max: defaults.queue_max,
            group_max: defaults.group_max,
            readers: defaults.readers,
        }
    }
}

/// `[control.gifts]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GiftsConfig {
    /// Diamonds that a filter may issue for a hundred coins, at most.
    pub issued_percent_max: u32,
    /// Coins that a user may give in a day (UTC); 0: any.
    pub user_daily_max: u64,
    /// Coins that a room may be given in a day (UTC); 0: any.
    pub room_daily_max: u64,
    /// Whether a gift of broadcasters for their own room is held.
    pub hold_self_gifts: bool,
    /// A gift of at least so many coins, by an account younger than `new_account_seconds`, is held;
    /// 0: none is.
    pub new_account_coins: u64,
    /// See `new_account_coins`.
    pub new_account_seconds: u64,
    /// Gifts are held of who gives more coins than this within `velocity_seconds`; 0: of nobody.
    pub velocity_coins: u64,
    /// See `velocity_coins`.
    pub velocity_seconds: u64,
    /// A held gift that nobody decided about is given back after so long.
    pub hold_seconds: u64,
}

impl Default for GiftsConfig {
    fn default() -> Self {
        Self {
            issued_percent_max: 100,
            user_daily_max: 0,
            room_daily_max: 0,
            hold_self_gifts: true,
            new_account_coins: 0,
            new_account_seconds: 86_400,
            velocity_coins: 0,
            velocity_seconds: 60,
            hold_seconds: 604_800,
        }
    }
}

/// `[control.rooms]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomsByApiConfig {
    /// Where encoders publish to: a key is made part of it.
    pub ingest_url: String,
}

impl Default for RoomsByApiConfig {
    fn default() -> Self {
        Self {
            ingest_url: "rtmp://localhost/live".to_owned(),
        }
    }
}

/// `[control.webhooks]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// Whether webhooks may lead to addresses that are not public, and over http.
    pub allow_private: bool,
}

/// `[control.payments]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentsConfig {
    /// With which the reference provider signs its webhooks; the first signs no more than the others.
    pub secrets: Vec<Secret>,
}

/// `[control]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlConfig {
    /// Whether there are accounts and gifts.
    pub enabled: bool,
    /// `[control.store]`
    pub store: StoreConfig,
    /// `[control.accounts]`
    pub accounts: PeopleConfig,
    /// `[control.ledger]`
    pub ledger: MoneyConfig,
    /// `[control.gifts]`
    pub gifts: GiftsConfig,
    /// `[control.payments]`
    pub payments: PaymentsConfig,
    /// `[control.rooms]`
    pub rooms: RoomsByApiConfig,
    /// `[control.webhooks]`
    pub webhooks: WebhooksConfig,
}

/// Shortest secret of a provider of payments, in bytes.
const SECRET_BYTES_MIN: usize = 16;
/// Most seconds of any setting here: a year.
const SECONDS_MAX: u64 = 31_622_400;

impl ControlConfig {
    /// Checks it; `at` is where the table stands.
    pub(super) fn resolve(
        &self,
        at: &KeyPath,
        link_tokens: &[Secret],
        streams: &[StreamSettings],
        (operator_token, rules): (Option<Secret>, &IngestRulesConfig),
    ) -> Result<Option<ControlSettings>, Invalid> {
        if !self.enabled {
            return Ok(None);
        }
        if link_tokens.is_empty() {
            let reason = "needs rooms.enabled: edges reach accounts and gifts by the rooms' tokens";
            return Err(Invalid::new(at.clone().key("enabled"), reason));
        }
        let store = at.clone().key("store");
        if self.store.kind == StoreKind::Sqlite && self.store.directory.as_os_str().is_empty() {
            let reason = "has to name a directory";
            return Err(Invalid::new(store.key("directory"), reason));
        }
        let secrets = at.clone().key("payments").key("secrets");
        for (index, secret) in self.payments.secrets.iter().enumerate() {
            if secret.expose().len() < SECRET_BYTES_MIN {
                let reason = format!("has at least {SECRET_BYTES_MIN} bytes");
                return Err(Invalid::new(secrets.index(index), reason));
            }
        }
        Ok(Some(ControlSettings {
            directory: (self.store.kind == StoreKind::Sqlite).then(|| self.store.directory.clone()),
            accounts: self.people(at)?,
            ledger: self.money(at)?,
            records: self.records(at)?,
            registration: self.accounts.registration,
            gifts: self.gift_rules(at)?,
            channels: self.channels(at)?,
            rules: rules.clone(),
            ingest_url: self.ingest_url(at)?,
            configured: streams
                .iter()
                .map(|stream| {
                    (
                        stream.name.clone(),
                        stream.title.clone().unwrap_or_default(),
                    )
                })
                .collect(),
            allow_private_webhooks: self.webhooks.allow_private,
            payment_secrets: self.payments.secrets.clone(),
            link_tokens: link_tokens.to_vec(),
            operator_token,
        }))
    }

    fn people(&self, at: &KeyPath) -> Result<accounts::config::AccountsSettings, Invalid> {
        use accounts::config::{AccountsConfig, Kind};
        let (store, people) = (self.store.clone(), self.accounts.clone());
        let config = AccountsConfig {
            kind: match store.kind {
                StoreKind::Sqlite => Kind::Sqlite,
                StoreKind::Postgres => Kind::Postgres,
            },
            path: store.directory.join("accounts.db"),
            url: store.url,
            ca_file: store.ca_file,
            connections: store.connections,
            timeout_ms: store.timeout_ms,
            issuer: people.issuer,
            audience: people.audience,
            access_seconds: people.access_seconds,
            hashes: people.hashes,
        };
        config.resolve(&at.clone().key("accounts"))
    }

    fn money(&self, at: &KeyPath) -> Result<ledger::config::LedgerSettings, Invalid> {
        use ledger::config::{Kind, LedgerConfig};
        let (store, money) = (self.store.clone(), self.ledger.clone());
        let config = LedgerConfig {
            kind: match store.kind {
                StoreKind::Sqlite => Kind::Sqlite,
                StoreKind::Postgres => Kind::Postgres,
            },
            path: store.directory.join("ledger.db"),
            url: store.url,
            ca_file: store.ca_file,
            queue_max: money.queue_max,
            group_max: money.group_max,
            readers: money.readers,
            timeout_ms: store.timeout_ms,
        };
        config.resolve(&at.clone().key("ledger"))
    }

    fn records(&self, at: &KeyPath) -> Result<gift_records::DatabaseSettings, Invalid> {
        let store = self.store.clone();
        let config = gift_records::DatabaseConfig {
            kind: match store.kind {
                StoreKind::Sqlite => gift_records::Kind::Sqlite,
                StoreKind::Postgres => gift_records::Kind::Postgres,
            },
            path: store.directory.join("gifts.db"),
            url: store.url,
            ca_file: store.ca_file,
            connections: store.connections,
            timeout_ms: store.timeout_ms,
        };
        config.resolve(&at.clone().key("store"))
    }

    fn channels(&self, at: &KeyPath) -> Result<channels::DatabaseSettings, Invalid> {
        use channels::{DatabaseConfig, Kind};
        let store = self.store.clone();
        let config = DatabaseConfig {
            kind: match store.kind {
                StoreKind::Sqlite => Kind::Sqlite,
                StoreKind::Postgres => Kind::Postgres,
            },
            path: store.directory.join("rooms.db"),
            url: store.url,
            ca_file: store.ca_file,
            connections: store.connections,
            timeout_ms: store.timeout_ms,
        };
        config.resolve(&at.clone().key("store"))
    }

    fn ingest_url(&self, at: &KeyPath) -> Result<String, Invalid> {
        let url = self.rooms.ingest_url.trim_end_matches('/');
        let is_rtmp = url.starts_with("rtmp://") || url.starts_with("rtmps://");
        if !is_rtmp || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let key = at.clone().key("rooms").key("ingest_url");
            return Err(Invalid::new(
                key,
                "must be rtmp://HOST/APP or rtmps://HOST/APP",
            ));
        }
        Ok(url.to_owned())
    }

    fn gift_rules(&self, at: &KeyPath) -> Result<GiftRules, Invalid> {
        let gifts = &self.gifts;
        let at = |key| at.clone().key("gifts").key(key);
        if gifts.issued_percent_max > 1_000 {
            return Err(Invalid::new(at("issued_percent_max"), "must be 0 to 1000"));
        }
        let seconds = [
            ("new_account_seconds", gifts.new_account_seconds),
            ("velocity_seconds", gifts.velocity_seconds),
            ("hold_seconds", gifts.hold_seconds),
        ];
        for (key, value) in seconds {
            if !(1..=SECONDS_MAX).contains(&value) {
                return Err(Invalid::new(at(key), format!("must be 1 to {SECONDS_MAX}")));
            }
        }
        Ok(GiftRules {
            issued_percent_max: gifts.issued_percent_max,
            user_daily_max: gifts.user_daily_max,
            room_daily_max: gifts.room_daily_max,
            hold_self_gifts: gifts.hold_self_gifts,
            new_account_coins: gifts.new_account_coins,
            new_account: Duration::from_secs(gifts.new_account_seconds),
            velocity_coins: gifts.velocity_coins,
            velocity: Duration::from_secs(gifts.velocity_seconds),
            hold: Duration::from_secs(gifts.hold_seconds),
        })
    }
}
