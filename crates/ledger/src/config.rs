//! The table `[ledger]`, as typed and as checked.

use std::path::PathBuf;
use std::time::Duration;

use database::OpenError;
use database::config::{DatabaseConfig, DatabaseSettings, check_timeout};
use serde::Deserialize;
use settings::{Invalid as InvalidSetting, KeyPath, Secret};

use crate::ledger::Ledger;
use crate::limits::{
    GROUP_DEFAULT, GROUP_LIMIT, QUEUE_DEFAULT, QUEUE_LIMIT, READERS_DEFAULT, READERS_LIMIT,
    TIMEOUT_MS_DEFAULT,
};
use crate::postgres::{self, PostgresOptions};
use crate::sqlite::{self, SqliteOptions};

pub use database::config::Kind;

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// `sqlite` or `postgres`.
    pub kind: Kind,
    /// The file of SQLite.
    pub path: PathBuf,
    /// The URL of PostgreSQL.
    pub url: Secret,
    /// PEM certificates to trust; the system's if it is empty.
    pub ca_file: PathBuf,
    /// Writes that may wait.
    pub queue_max: usize,
    /// Writes of one commit.
    pub group_max: usize,
    /// Connections that read.
    pub readers: usize,
    /// Milliseconds for which a call may wait.
    pub timeout_ms: u64,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            path: PathBuf::from("ledger.db"),
            url: Secret::default(),
            ca_file: PathBuf::new(),
            queue_max: QUEUE_DEFAULT,
            group_max: GROUP_DEFAULT,
            readers: READERS_DEFAULT,
            timeout_ms: TIMEOUT_MS_DEFAULT,
        }
    }
}

/// What keeps the ledger, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerSettings {
    /// A file of this machine.
    Sqlite(SqliteOptions),
    /// A PostgreSQL server.
    Postgres(PostgresOptions),
}

impl LedgerConfig {
    /// Checks it; `at` is where the table stands.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self, at: &KeyPath) -> Result<LedgerSettings, InvalidSetting> {
        let ranges = [
            ("queue_max", self.queue_max, QUEUE_LIMIT),
            ("group_max", self.group_max, GROUP_LIMIT),
            ("readers", self.readers, READERS_LIMIT),
        ];
        for (key, value, limit) in ranges {
            if !(1..=limit).contains(&value) {
                let reason = format!("has to be 1 to {limit}");
                return Err(InvalidSetting::new(at.clone().key(key), reason));
            }
        }
        let database = DatabaseConfig {
            kind: self.kind,
            path: self.path,
            url: self.url,
            ca_file: self.ca_file,
            connections: self.readers,
            timeout_ms: self.timeout_ms,
        };
        Ok(match database.resolve(at)? {
            DatabaseSettings::Sqlite(options) => LedgerSettings::Sqlite(SqliteOptions {
                path: options.path,
                queue_max: self.queue_max,
                group_max: self.group_max,
                readers: self.readers,
                timeout: options.timeout,
            }),
            DatabaseSettings::Postgres(options) => LedgerSettings::Postgres(PostgresOptions {
                url: options.url,
                ca_file: options.ca_file,
                queue_max: self.queue_max,
                group_max: self.group_max,
                readers: self.readers,
                timeout: options.timeout,
            }),
        })
    }
}

impl LedgerSettings {
    /// Opens the ledger.
    ///
    /// # Errors
    /// As [`sqlite::open`] and [`postgres::open`].
    pub async fn open(self) -> Result<Ledger, OpenError> {
        match self {
            Self::Sqlite(options) => {
                // It blocks, and after a crash for as long as the recovery takes.
                let opening = tokio::task::spawn_blocking(|| sqlite::open(options));
                let ended = |error: tokio::task::JoinError| OpenError::Io {
                    what: "open the ledger".to_owned(),
                    source: error.into(),
                };
                opening.await.map_err(ended)?
            }
            Self::Postgres(options) => postgres::open(options).await,
        }
    }
}

/// Bounds that both stores have, for options that did not come from a file.
pub(crate) fn check(
    queue_max: usize,
    group_max: usize,
    readers: usize,
    timeout: Duration,
) -> Result<(), OpenError> {
    if !(1..=QUEUE_LIMIT).contains(&queue_max) {
        return Err(OpenError::Options("the queue has to be 1 to 65536 writes"));
    }
    if !(1..=GROUP_LIMIT).contains(&group_max) {
        return Err(OpenError::Options("a group has to be 1 to 4096 writes"));
    }
    if !(1..=READERS_LIMIT).contains(&readers) {
        return Err(OpenError::Options("there have to be 1 to 64 readers"));
    }
    check_timeout(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(config: LedgerConfig) -> Result<LedgerSettings, String> {
        let resolved = config.resolve(&KeyPath::new("ledger"));
        resolved.map_err(|invalid| format!("{invalid:?}"))
    }

    #[test]
    fn values_have_ranges() {
        let base = LedgerConfig::default;
        let defaults = resolve(base());
        let options = SqliteOptions::new("ledger.db");
        assert_eq!(defaults, Ok(LedgerSettings::Sqlite(options)));
        let postgres = LedgerConfig {
            kind: Kind::Postgres,
            url: Secret::new("postgres://a"),
            ..base()
        };
        let options = PostgresOptions::new("postgres://a");
        assert_eq!(resolve(postgres), Ok(LedgerSettings::Postgres(options)));
        let wrong = [
            (
                LedgerConfig {
                    queue_max: 0,
                    ..base()
                },
                "queue_max",
            ),
            (
                LedgerConfig {
                    group_max: GROUP_LIMIT + 1,
                    ..base()
                },
                "group_max",
            ),
            (
                LedgerConfig {
                    readers: 65,
                    ..base()
                },
                "readers",
            ),
            (
                LedgerConfig {
                    timeout_ms: 0,
                    ..base()
                },
                "timeout_ms",
            ),
            (
                LedgerConfig {
                    path: PathBuf::new(),
                    ..base()
                },
                "path",
            ),
            (
                LedgerConfig {
                    kind: Kind::Postgres,
                    ..base()
                },
                "url",
            ),
        ];
        for (config, key) in wrong {
            let error = resolve(config).expect_err(key);
            assert!(error.contains(key), "{error}");
        }
    }
}
