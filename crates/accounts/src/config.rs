//! The table `[accounts]`, as typed and as checked.

use std::path::PathBuf;

use database::Database;
use database::config::{DatabaseConfig, DatabaseSettings};
use serde::Deserialize;
use settings::{Invalid as InvalidSetting, KeyPath, Secret};

use crate::error::OpenError;
use crate::limits::{
    ACCESS_SECONDS_DEFAULT, CONNECTIONS_DEFAULT, HASHES_DEFAULT, HASHES_LIMIT, TIMEOUT_MS_DEFAULT,
};
use crate::service::{Accounts, AccountsOptions};
use crate::store::{SCHEMA, Store};
use crate::token::TokenSettings;

pub use database::config::Kind;

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

/// All of it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsSettings {
    /// Where accounts are kept.
    pub store: DatabaseSettings,
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
        if !(1..=HASHES_LIMIT).contains(&self.hashes) {
            return Err(wrong("hashes", &format!("has to be 1 to {HASHES_LIMIT}")));
        }
        let tokens = TokenSettings {
            issuer: self.issuer,
            audience: self.audience,
            lifetime_seconds: self.access_seconds,
        };
        let checked = tokens.check();
        checked.map_err(|invalid| wrong("access_seconds", &invalid.to_string()))?;
        let database = DatabaseConfig {
            kind: self.kind,
            path: self.path,
            url: self.url,
            ca_file: self.ca_file,
            connections: self.connections,
            timeout_ms: self.timeout_ms,
        };
        let store = database.resolve(at)?;
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
    /// As [`crate::sqlite::open`] and [`crate::postgres::open`].
    pub async fn open(self, now_ms: u64) -> Result<Accounts, OpenError> {
        let store = Store::new(Database::open(self.store, &SCHEMA).await?);
        Accounts::new(store, self.options, now_ms).await
    }
}

#[cfg(test)]
mod tests {
    use database::{PostgresOptions, SqliteOptions};

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
        assert_eq!(defaults.store, DatabaseSettings::Sqlite(options));
        let postgres = resolve(|config| {
            config.kind = Kind::Postgres;
            config.url = Secret::new("postgres://a");
        });
        let options = PostgresOptions::new("postgres://a");
        assert_eq!(postgres.unwrap().store, DatabaseSettings::Postgres(options));
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
