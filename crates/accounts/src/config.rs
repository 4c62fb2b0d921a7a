//! The table `[accounts]`, as typed and as checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid as InvalidSetting, KeyPath, Secret};

use crate::error::{Invalid, OpenError};
use crate::limits::{
    ACCESS_SECONDS_DEFAULT, CONNECTIONS_DEFAULT, CONNECTIONS_LIMIT, HASHES_DEFAULT, HASHES_LIMIT,
    TIMEOUT_MS_DEFAULT, TIMEOUT_MS_LIMIT,
};
use crate::postgres::{self, PostgresOptions};
use crate::service::{Accounts, AccountsOptions};
use crate::sqlite::{self, SqliteOptions};
use crate::token::TokenSettings;

/// What keeps accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file of this machine.
    #[default]
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// `[accounts]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// `sqlite` or `postgres`.
    pub kind: Kind,
    /// The file of SQLite.
    pub path: PathBuf,
    /// The URL of PostgreSQL.
    pub url: Secret,
    /// PEM certificates to trust; the system's if it is empty.
    pub ca_file: PathBuf,
    /// Connections to PostgreSQL.
    pub connections: usize,
    /// Milliseconds for which an operation on the store may wait, and then run.
    pub timeout_ms: u64,
    /// `iss` of access tokens.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Lifetime of access tokens.
    pub access_seconds: u64,
    /// Passwords that are hashed at once, 19 MiB each.
    pub hashes: usize,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            path: PathBuf::from("accounts.db"),
            url: Secret::default(),
            ca_file: PathBuf::new(),
            connections: CONNECTIONS_DEFAULT,
            timeout_ms: TIMEOUT_MS_DEFAULT,
            issuer: "weir".to_owned(),
            audience: "weir".to_owned(),
            access_seconds: ACCESS_SECONDS_DEFAULT,
            hashes: HASHES_DEFAULT,
        }
    }
}

/// Where accounts are kept, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// A file of this machine.
    Sqlite(SqliteOptions),
    /// A PostgreSQL server.
    Postgres(PostgresOptions),
}

/// All of it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsSettings {
    /// Where accounts are kept.
    pub store: StoreSettings,
    /// Tokens and passwords.
    pub options: AccountsOptions,
}

impl AccountsConfig {
    /// Checks it; `at` is where the table stands.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self, at: &KeyPath) -> Result<AccountsSettings, InvalidSetting> {
        let wrong = |key, reason: &str| InvalidSetting::new(at.clone().key(key), reason);
        if !(1..=CONNECTIONS_LIMIT).contains(&self.connections) {
            let reason = format!("has to be 1 to {CONNECTIONS_LIMIT}");
            return Err(wrong("connections", &reason));
        }
        if !(1..=HASHES_LIMIT).contains(&self.hashes) {
            return Err(wrong("hashes", &format!("has to be 1 to {HASHES_LIMIT}")));
        }
        if !(1..=TIMEOUT_MS_LIMIT).contains(&self.timeout_ms) {
            let reason = format!("has to be 1 to {TIMEOUT_MS_LIMIT}");
            return Err(wrong("timeout_ms", &reason));
        }
        let tokens = TokenSettings {
            issuer: self.issuer,
            audience: self.audience,
            lifetime_seconds: self.access_seconds,
        };
        let checked = tokens.check();
        checked.map_err(|invalid| wrong("access_seconds", &invalid.to_string()))?;
        let timeout = Duration::from_millis(self.timeout_ms);
        let store = match self.kind {
            Kind::Sqlite if self.path.as_os_str().is_empty() => {
                return Err(wrong("path", "has to be given"));
            }
            Kind::Sqlite => StoreSettings::Sqlite(SqliteOptions {
                path: self.path,
                timeout,
            }),
            Kind::Postgres if self.url.expose().is_empty() => {
                return Err(wrong("url", "has to be given"));
            }
            Kind::Postgres => StoreSettings::Postgres(PostgresOptions {
                url: self.url,
                ca_file: (!self.ca_file.as_os_str().is_empty()).then_some(self.ca_file),
                connections: self.connections,
                timeout,
            }),
        };
        let options = AccountsOptions {
            tokens,
            hashes: self.hashes,
        };
        Ok(AccountsSettings { store, options })
    }
}

impl AccountsSettings {
    /// Opens the store, and makes the first signing key if there is none.
    ///
    /// # Errors
    /// As [`sqlite::open`] and [`postgres::open`].
    pub async fn open(self, now_ms: u64) -> Result<Accounts, OpenError> {
        let store = match self.store {
            StoreSettings::Sqlite(options) => {
                // It blocks, and after a crash for as long as the recovery takes.
                let opening = tokio::task::spawn_blocking(|| sqlite::open(options));
                let ended = |error: tokio::task::JoinError| OpenError::Io {
                    what: "open the accounts".to_owned(),
                    source: error.into(),
                };
                opening.await.map_err(ended)??
            }
            StoreSettings::Postgres(options) => postgres::open(options).await?,
        };
        Accounts::new(store, self.options, now_ms).await
    }
}

/// Bounds that both stores have, for options that did not come from a file.
pub(crate) fn check(timeout: Duration) -> Result<(), Invalid> {
    let limit = Duration::from_millis(TIMEOUT_MS_LIMIT);
    if timeout < Duration::from_millis(1) || timeout > limit {
        return Err(Invalid::Options("the timeout has to be 1 ms to 60 s"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(change: impl FnOnce(&mut AccountsConfig)) -> Result<AccountsSettings, String> {
        let mut config = AccountsConfig::default();
        change(&mut config);
        let resolved = config.resolve(&KeyPath::new("accounts"));
        resolved.map_err(|invalid| format!("{invalid:?}"))
    }

    type Change = fn(&mut AccountsConfig);

    #[test]
    fn values_have_ranges() {
        let defaults = resolve(|_| {}).unwrap();
        let options = SqliteOptions::new("accounts.db");
        assert_eq!(defaults.store, StoreSettings::Sqlite(options));
        let postgres = resolve(|config| {
            config.kind = Kind::Postgres;
            config.url = Secret::new("postgres://a");
        });
        let options = PostgresOptions::new("postgres://a");
        assert_eq!(postgres.unwrap().store, StoreSettings::Postgres(options));
        let wrong: [(&str, Change); 8] = [
            ("connections", |config| config.connections = 65),
            ("hashes", |config| config.hashes = 0),
            ("timeout_ms", |config| config.timeout_ms = 0),
            ("access_seconds", |config| config.access_seconds = 3_601),
            ("access_seconds", |config| config.access_seconds = 0),
            ("issuer", |config| config.issuer.clear()),
            ("path", |config| config.path = PathBuf::new()),
            ("url", |config| config.kind = Kind::Postgres),
        ];
        for (key, change) in wrong {
            let error = resolve(change).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }
}
