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
