//! The origin's configuration: read from TOML, checked, and resolved before any port opens.
//!
//! [`Config`] is the file as typed; [`Settings`] is what the rest of the origin sees: durations,
//! addresses and keys that were checked. Nothing here opens a port or reads a key file.

mod checked;
mod control;
mod encoders;
mod ingest_rules;
mod resolve;
mod sections;
mod thumbnails;

use std::path::Path;

pub use checked::{
    HttpSettings, LadderRung, PackagingSettings, PlaybackSettings, PublishSettings, RtmpSettings,
    Settings, StreamSettings, TlsSettings, TranscodeSettings,
};
pub use control::{
    ControlConfig, GiftsConfig, MoneyConfig, PaymentsConfig, PeopleConfig, RoomsByApiConfig,
    StoreConfig, StoreKind, WebhooksConfig,
};
pub use ingest_rules::{IngestRulesConfig, StreamRulesConfig};
pub use sections::{
    AdminConfig, Config, DrainConfig, HttpConfig, LatencyProfile, LogConfig, PackagingConfig,
    PlaybackAuth, PlaybackConfig, PublishAuth, PublishConfig, RoomsConfig, RtmpConfig, RtmpsConfig,
    RungConfig, SecondPublisher, StreamConfig, TlsConfig, TranscodeConfig,
};
pub use settings::{ConfigError, Secret};
pub use thumbnails::{ThumbnailSettings, ThumbnailsConfig};

/// The shipped configuration: every key with its default, commented.
pub const DEFAULT_TOML: &str = include_str!("../../config/origin.toml");

/// Reads, checks and resolves the file.
pub fn load(file: &Path) -> Result<Settings, ConfigError> {
    settings::load(file, Config::resolve)
}

/// Like [`load`], and asks ffmpeg whether it has the encoders that the ladder names. It is not asked
/// about x264, which passed through streams do without; and an ffmpeg that cannot be run is said to be
/// so, and no error, for the same reason.
pub fn load_for_use(file: &Path) -> Result<Settings, ConfigError> {
    settings::load(file, |config: Config| {
        let settings = config.resolve()?;
        encoders::check(&settings.transcode)?;
        Ok(settings)
    })
}

/// Checks and resolves configuration text; `file` only names it in errors.
pub fn parse(file: &Path, text: &str) -> Result<Settings, ConfigError> {
    settings::parse(file, text, Config::resolve)
}

#[cfg(test)]
mod tests;
