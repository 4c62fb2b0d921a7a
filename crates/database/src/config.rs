//! Where a store is, as typed and as checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use settings::{Invalid, KeyPath, Secret};

use crate::error::OpenError;
use crate::limits::{CONNECTIONS_DEFAULT, CONNECTIONS_LIMIT, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_LIMIT};
use crate::postgres::PostgresOptions;
use crate::sqlite::SqliteOptions;

/// What keeps a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file of this machine.
    #[default]
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// The keys that say where a store is. A store with keys of its own has these among them, and makes
/// this of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
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
    /// Milliseconds for which an operation may wait, and then run.
    pub timeout_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            path: PathBuf::new(),
            url: Secret::default(),
            ca_file: PathBuf::new(),
            connections: CONNECTIONS_DEFAULT,
            timeout_ms: TIMEOUT_MS_DEFAULT,
        }
    }
}

/// Where a store is, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSettings {
    /// A file of this machine.
    Sqlite(SqliteOptions),
    /// A PostgreSQL server.
    Postgres(PostgresOptions),
}

impl DatabaseConfig {
    /// Checks it; `at` is where the table stands.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self, at: &KeyPath) -> Result<DatabaseSettings, Invalid> {
        let wrong = |key, reason: &str| Invalid::new(at.clone().key(key), reason);
        if !(1..=CONNECTIONS_LIMIT).contains(&self.connections) {
            let reason = format!("has to be 1 to {CONNECTIONS_LIMIT}");
            return Err(wrong("connections", &reason));
        }
        if !(1..=TIMEOUT_MS_LIMIT).contains(&self.timeout_ms) {
            let reason = format!("has to be 1 to {TIMEOUT_MS_LIMIT}");
            return Err(wrong("timeout_ms", &reason));
        }
        let timeout = Duration::from_millis(self.timeout_ms);
        match self.kind {
            Kind::Sqlite if self.path.as_os_str().is_empty() => {
                Err(wrong("path", "has to be given"))
            }
            Kind::Sqlite => Ok(DatabaseSettings::Sqlite(SqliteOptions {
                path: self.path,
                timeout,
            })),
            Kind::Postgres if self.url.expose().is_empty() => Err(wrong("url", "has to be given")),
            Kind::Postgres => Ok(DatabaseSettings::Postgres(PostgresOptions {
                url: self.url,
                ca_file: (!self.ca_file.as_os_str().is_empty()).then_some(self.ca_file),
                connections: self.connections,
                timeout,
            })),
        }
    }
}

/// The bound of [`DatabaseConfig::timeout_ms`], for options that did not come from a file.
///
/// # Errors
/// [`OpenError::Options`].
pub fn check_timeout(timeout: Duration) -> Result<(), OpenError> {
    let limit = Duration::from_millis(TIMEOUT_MS_LIMIT);
    if timeout < Duration::from_millis(1) || timeout > limit {
        return Err(OpenError::Options("the timeout has to be 1 ms to 60 s"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut DatabaseConfig);

    fn resolve(change: Change) -> Result<DatabaseSettings, String> {
        let mut config = DatabaseConfig {
            path: PathBuf::from("a.db"),
            ..DatabaseConfig::default()
        };
        change(&mut config);
        let resolved = config.resolve(&KeyPath::new("a"));
        resolved.map_err(|invalid| format!("{invalid:?}"))
    }

    #[test]
    fn values_have_ranges() {
        let sqlite = DatabaseSettings::Sqlite(SqliteOptions::new("a.db"));
        assert_eq!(resolve(|_| {}), Ok(sqlite));
        let postgres = resolve(|config| {
            config.kind = Kind::Postgres;
            config.url = Secret::new("postgres://a");
        });
        let options = PostgresOptions::new("postgres://a");
        assert_eq!(postgres, Ok(DatabaseSettings::Postgres(options)));
        let wrong: [(&str, Change); 4] = [
            ("connections", |config| config.connections = 65),
            ("timeout_ms", |config| config.timeout_ms = 0),
            ("path", |config| config.path = PathBuf::new()),
            ("url", |config| config.kind = Kind::Postgres),
        ];
        for (key, change) in wrong {
            let error = resolve(change).expect_err(key);
            assert!(error.contains(key), "{error}");
        }
    }
}
