//! The edge's configuration: the file as typed ([`Config`]) and what the rest of the edge sees
//! ([`Settings`]): durations, addresses and keys that were checked before any port opens.

mod limits;
mod relay;
mod resolve;
mod sections;
mod seeing;
mod sites;
mod tls;

use std::path::Path;

pub use self::limits::{IpLimitsConfig, LimitsConfig, ScopeLimitsConfig};
pub use relay::RelayConfig;
pub use resolve::{ListenSettings, PlaybackKeys, PlaybackSettings, RoomsSettings, Settings};
pub use sections::{
    AccessLog, AdminConfig, CacheConfig, CertificateConfig, Config, DrainConfig, ListenConfig,
    LogConfig, NodeConfig, ParentChoice, ParentsConfig, PlaybackAuth, PlaybackConfig, RoomsConfig,
    ThreadsConfig, TlsConfig,
};
pub use seeing::{AccessLogConfig, MetricsConfig};
use settings::ConfigError;
pub use tls::{CertificateSettings, PemPair, TlsSettings};

pub use sites::SiteConfig;

/// The shipped configuration: every key with its default, commented.
pub const DEFAULT_TOML: &str = include_str!("../../config/edge.toml");

/// A configuration that was read and is right.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As typed.
    pub config: Config,
    /// As it stands in the file, without defaults. It holds secrets.
    pub table: toml::Table,
    /// As the edge sees it.
    pub settings: Settings,
}

/// Reads, checks and resolves the file, and keeps what it says; without a file the defaults.
///
/// # Errors
/// File, line, key and reason.
pub fn read(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let Some(file) = file else {
        return loaded("(defaults)".as_ref(), "");
    };
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
        file: file.to_owned(),
        source,
    })?;
    loaded(file, &text)
}

/// The same of text; `file` only names it in errors.
///
/// # Errors
/// File, line, key and reason.
pub fn loaded(file: &Path, text: &str) -> Result<Loaded, ConfigError> {
    let mut config = Config::default();
    let settings = settings::parse(file, text, |typed: Config| {
        config = typed.clone();
        typed.resolve()
    })?;
    Ok(Loaded {
        config,
        // It was parsed above: there is no error left.
        table: toml::from_str(text).unwrap_or_default(),
        settings,
    })
}

/// Reads, checks and resolves the file.
///
/// # Errors
/// File, line, key and reason.
pub fn load(file: &Path) -> Result<Settings, ConfigError> {
    settings::load(file, Config::resolve)
}

/// Checks and resolves configuration text; `file` only names it in errors.
///
/// # Errors
/// File, line, key and reason.
pub fn parse(file: &Path, text: &str) -> Result<Settings, ConfigError> {
    settings::parse(file, text, Config::resolve)
}

#[cfg(test)]
mod tests;
