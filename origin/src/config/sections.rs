//! The file as typed: one struct per table, `Default` beside each key.
//!
//! Every key's meaning, unit and range stand in `config/origin.toml`; a test holds the two equal.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use bus::config::BusConfig;
use chat_archive::ArchiveConfig;
use filter_registry::config::{FiltersConfig, RegistryConfig};
use serde::{Deserialize, Serialize};
use telemetry::log::LogFormat;
use telemetry::traces::TracesConfig;

use super::Secret;
use super::control::ControlConfig;
use super::ingest_rules::{IngestRulesConfig, StreamRulesConfig};
use super::thumbnails::ThumbnailsConfig;
use crate::transcode::{Encoder, ToneMapping};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[log]`
    pub log: LogConfig,
    /// `[traces]`
    pub traces: TracesConfig,
    /// `[rtmp]`
    pub rtmp: RtmpConfig,
    /// `[rtmps]`
    pub rtmps: RtmpsConfig,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[http]`
    pub http: HttpConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[[streams]]`
    pub streams: Vec<StreamConfig>,
    /// `[ingest_rules]`
    pub ingest_rules: IngestRulesConfig,
    /// `[transcode]`
    pub transcode: TranscodeConfig,
    /// `[[ladder]]`
    pub ladder: Vec<RungConfig>,
    /// `[packaging]`
    pub packaging: PackagingConfig,
    /// Pictures to seek by.
    pub thumbnails: ThumbnailsConfig,
    /// `[publish]`
    pub publish: PublishConfig,
    /// `[playback]`
    pub playback: PlaybackConfig,
    /// `[filters]`
    pub filters: FiltersConfig,
    /// `[filter_registry]`
    pub filter_registry: RegistryConfig,
    /// `[rooms]`
    pub rooms: RoomsConfig,
    /// `[control]`
    pub control: ControlConfig,
    /// `[drain]`
    pub drain: DrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LogConfig::default(),
            traces: TracesConfig::default(),
            rtmp: RtmpConfig::default(),
            rtmps: RtmpsConfig::default(),
            tls: TlsConfig::default(),
            http: HttpConfig::default(),
            admin: AdminConfig::default(),
            streams: Vec::new(),
            ingest_rules: IngestRulesConfig::default(),
            transcode: TranscodeConfig::default(),
            ladder: vec![
                RungConfig::new("1080p", 1080, 5_000),
                RungConfig::new("720p", 720, 2_800),
                RungConfig::new("480p", 480, 1_200),
                RungConfig::new("360p", 360, 700),
            ],
            packaging: PackagingConfig::default(),
            thumbnails: ThumbnailsConfig::default(),
            publish: PublishConfig::default(),
            playback: PlaybackConfig::default(),
            filters: FiltersConfig::default(),
            filter_registry: RegistryConfig::default(),
            rooms: RoomsConfig::default(),
            control: ControlConfig::default(),
            drain: DrainConfig::default(),
        }
    }
}

/// How logs are written. `RUST_LOG` decides what is logged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
}

/// The RTMP listener and the limits that RTMPS shares.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtmpConfig {
    /// Whether plain RTMP is listened for.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
    /// Connections at once, both listeners together.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// From the connection to the end of the RTMP handshake.
    pub handshake_timeout_ms: u64,
    /// From there to the publish.
    pub publish_timeout_ms: u64,
    /// Silence after which a publisher is cut off.
    pub idle_timeout_ms: u64,
    /// Time without a picture after which a publisher is cut off.
    pub picture_timeout_ms: u64,
}

impl Default for RtmpConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: any_address(1935),
            connections_max: 256,
            connections_per_address_max: 64,
            handshake_timeout_ms: 5_000,
            publish_timeout_ms: 10_000,
            idle_timeout_ms: 15_000,
            picture_timeout_ms: 20_000,
        }
    }
}

/// The RTMPS listener.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtmpsConfig {
    /// Whether RTMPS is listened for; needs `[tls]`.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
}

impl Default for RtmpsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: any_address(1936),
        }
    }
}

/// The certificate of RTMPS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM chain; empty: self-signed.
    pub certificate_file: PathBuf,
    /// PEM private key; empty: self-signed.
    pub key_file: PathBuf,
    /// Where the self-signed pair is kept between starts.
    pub self_signed_dir: PathBuf,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            self_signed_dir: PathBuf::from(".state/origin-tls"),
        }
    }
}

/// The HTTP listener for edges and players.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where HTTP/1.1 and h2c are listened for.
    pub listen: SocketAddr,
    /// Connections at once.
    pub connections_max: usize,
    /// A request's head.
    pub header_bytes_max: usize,
    /// From the first byte of a connection, or the last answer, to a whole request head.
    pub header_read_timeout_ms: u64,
    /// HTTP/2 streams at once on one connection.
    pub concurrent_streams_max: u32,
    /// HTTP/2 PING interval; a peer silent for as long again is cut off.
    pub keep_alive_ms: u64,
    /// Requests held at once (blocked reloads and hinted parts).
    pub held_requests_max: usize,
    /// Live relays to edges at once: one for each edge and stream.
    pub relays_max: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: any_address(8080),
            connections_max: 10_000,
            header_bytes_max: 16 * 1024,
            header_read_timeout_ms: 30_000,
            concurrent_streams_max: 1_000,
            keep_alive_ms: 15_000,
            held_requests_max: 10_000,
            relays_max: 1_000,
        }
    }
}

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub listen: SocketAddr,
    /// Bearer token of whoever may change something; empty: nobody.
    pub token: Secret,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9080)),
            token: Secret::default(),
        }
    }
}

/// One stream that may be published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// The name in URLs.
    pub name: String,
    /// What the broadcaster publishes to.
    pub publish_key: Secret,
    /// For people; empty: none.
    #[serde(default)]
    pub title: String,
    /// What its publisher may send, where that is other than `[ingest_rules]`.
    #[serde(default)]
    pub rules: StreamRulesConfig,
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungConfig {
    /// The rendition's name in URLs.
    pub name: String,
    /// The shorter side of the picture.
    pub height: u32,
    /// Average video bitrate.
    pub video_bitrate_kbps: u32,
    /// Who makes it.
    #[serde(default)]
    pub encoder: Encoder,
    /// The encoder's preset; empty: its default.
    #[serde(default)]
    pub preset: String,
}

impl RungConfig {
    fn new(name: &str, height: u32, video_bitrate_kbps: u32) -> Self {
        Self {
            name: name.to_owned(),
            height,
            video_bitrate_kbps,
            encoder: Encoder::X264,
            preset: String::new(),
        }
    }
}

/// The ffmpeg child.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TranscodeConfig {
    /// The program.
    pub ffmpeg: PathBuf,
    /// Preset of x264 rungs that name none.
    pub preset: String,
    /// Threads per encoder; 0: the encoder decides.
    pub threads: u32,
    /// The device of VA-API and QSV.
    pub device: PathBuf,
    /// The number of NVENC's GPU.
    pub gpu: u32,
    /// How HDR sources become SDR rungs.
    pub tone_mapping: ToneMapping,
    /// Whether a source that fits a rung is passed through.
    pub passthrough: bool,
    /// Source bytes waiting for the child.
    pub queue_bytes_max: usize,
    /// Source time waiting for the child, after which it is restarted.
    pub lag_max_ms: u64,
    /// Source bytes of the current GOP kept for a restart.
    pub replay_bytes_max: usize,
    /// Longest pause before a restart.
    pub restart_pause_max_ms: u64,
    /// Starts in a row of no use, after which the publisher is sent away.
    pub failures_max: u32,
    /// Streams whose ladder is made at once; 0: one per core.
    pub jobs_max: usize,
    /// A lag that does not shrink and above which rungs are shed; 0: never.
    pub shed_lag_ms: u64,
    /// How long ffmpeg has to keep up before a rung comes back.
    pub shed_settle_seconds: u64,
}

impl Default for TranscodeConfig {
    fn default() -> Self {
        Self {
            ffmpeg: PathBuf::from("ffmpeg"),
            preset: "veryfast".to_owned(),
            threads: 0,
            device: PathBuf::from("/dev/dri/renderD128"),
            gpu: 0,
            tone_mapping: ToneMapping::default(),
            passthrough: true,
            queue_bytes_max: 32 * 1024 * 1024,
            lag_max_ms: 4_000,
            replay_bytes_max: 16 * 1024 * 1024,
            restart_pause_max_ms: 2_000,
            failures_max: 8,
            jobs_max: 0,
            shed_lag_ms: 1_500,
            shed_settle_seconds: 30,
        }
    }
}

/// The live window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackagingConfig {
    /// How far viewers stay behind.
    pub latency: LatencyProfile,
    /// How far back a viewer can go: what a Media Playlist lists.
    pub window_seconds: u64,
    /// What it was called before; refused with what to write instead.
    pub window_segments: Option<u64>,
    /// How long media stays after it left the list, at most.
    pub removed_seconds: u64,
    /// Media bytes held for one stream.
    pub window_bytes_max: usize,
    /// How long an ended stream can still be played.
    pub linger_seconds: u64,
    /// Where is kept what must not go back when the origin restarts; empty: nowhere.
    pub state_dir: PathBuf,
}

impl Default for PackagingConfig {
    fn default() -> Self {
        Self {
            latency: LatencyProfile::Standard,
            window_seconds: 300,
            window_segments: None,
            removed_seconds: 60,
            window_bytes_max: 640 * 1024 * 1024,
            linger_seconds: 60,
            state_dir: PathBuf::from("streams"),
        }
    }
}

/// How far viewers stay behind: `cmaf::Latency` by the names in configurations and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LatencyProfile {
    /// Parts of a third of a second.
    #[default]
    Standard,
    /// Parts of a fifth of a second, a keyframe each second.
    Low,
}

impl LatencyProfile {
    /// What grids are chosen by.
    #[must_use]
    pub fn grid(self) -> cmaf::Latency {
        match self {
            Self::Standard => cmaf::Latency::Standard,
            Self::Low => cmaf::Latency::Low,
        }
    }
}

/// Who may play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaybackAuth {
    /// The tiers, and whom the auth filters let in.
    Filters,
    /// Everybody.
    #[default]
    Open,
    /// What it was called before filters; refused with what to write instead.
    Signed,
}

/// Playback authorisation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaybackConfig {
    /// `open` or `filters`.
    pub auth: PlaybackAuth,
    /// Shared by all tiers.
    pub token_keys: Vec<Secret>,
}

/// Who may publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishAuth {
    /// Whom the auth filters let in, to the stream that they name.
    Filters,
    /// Who knows the publish key of one of `[[streams]]`.
    #[default]
    Keys,
}

/// What becomes of a second publisher on one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondPublisher {
    /// It is refused.
    Refuse,
    /// The first one is sent away.
    TakeOver,
    /// It is refused, unless the first one has sent nothing for two seconds.
    #[default]
    TakeOverSilent,
}

/// Publishing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishConfig {
    /// `keys` or `filters`.
    pub auth: PublishAuth,
    /// How long a stream waits for a publisher that vanished.
    pub reconnect_grace_seconds: u64,
    /// `refuse`, `take-over` or `take-over-silent`.
    pub second_publisher: SecondPublisher,
    /// What viewers see while a publisher is away; empty: gaps.
    pub slate: PathBuf,
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self {
            auth: PublishAuth::default(),
            reconnect_grace_seconds: 30,
            second_publisher: SecondPublisher::default(),
            slate: PathBuf::new(),
        }
    }
}

/// The rooms' hubs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomsConfig {
    /// Whether there are rooms.
    pub enabled: bool,
    /// Bearer tokens of edges.
    pub link_tokens: Vec<Secret>,
    /// Where rooms, names, keys and the log are kept.
    pub state_dir: PathBuf,
    /// Whether anybody gets a name.
    pub guests: bool,
    /// How long a guest's identity holds.
    pub guest_lifetime_seconds: u64,
    /// What no guest may be called.
    pub reserved_names: Vec<String>,
    /// `[rooms.bus]`
    pub bus: BusConfig,
    /// `[rooms.archive]`
    pub archive: ArchiveConfig,
    /// `[rooms.limits]`
    pub limits: rooms::Config,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            link_tokens: Vec::new(),
            state_dir: PathBuf::from("rooms"),
            guests: true,
            guest_lifetime_seconds: 86_400,
            reserved_names: Vec::new(),
            bus: BusConfig::default(),
            archive: ArchiveConfig::default(),
            limits: rooms::Config::default(),
        }
    }
}

/// The end of the process.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// From SIGTERM to the exit, at most.
    pub grace_seconds: u64,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { grace_seconds: 10 }
    }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
}
