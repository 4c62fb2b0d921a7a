//! The file as typed: one struct per table, with its defaults.
//!
//! Every key's meaning, unit and range stand in `config/edge.toml`; a test holds the two equal.

use std::path::PathBuf;

use bus::config::BusConfig;
use filter_registry::config::FiltersConfig;
use serde::Deserialize;
use settings::Secret;
use telemetry::log::LogFormat;
use telemetry::traces::TracesConfig;

use super::limits::LimitsConfig;
use super::relay::RelayConfig;
use super::seeing::{AccessLogConfig, MetricsConfig};
use super::sites::SiteConfig;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[node]`
    pub node: NodeConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[access_log]`
    pub access_log: AccessLogConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[traces]`
    pub traces: TracesConfig,
    /// `[listen]`
    pub listen: ListenConfig,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[parents]`
    pub parents: ParentsConfig,
    /// `[relay]`
    pub relay: RelayConfig,
    /// `[cache]`
    pub cache: CacheConfig,
    /// `[[sites]]`
    pub sites: Vec<SiteConfig>,
    /// `[playback]`
    pub playback: PlaybackConfig,
    /// `[filters]`
    pub filters: FiltersConfig,
    /// `[rooms]`
    pub rooms: RoomsConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[threads]`
    pub threads: ThreadsConfig,
    /// `[drain]`
    pub drain: DrainConfig,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Name in `Cache-Status` (RFC 9211 §2).
    pub name: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "weir-edge".to_owned(),
        }
    }
}

/// Whether each request is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Every request.
    All,
    /// Requests answered with a status of 400 or more, and responses that broke off.
    #[default]
    Errors,
    /// None.
    Off,
}

impl AccessLog {
    /// The name in the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Errors => "errors",
            Self::Off => "off",
        }
    }
}

/// `[log]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `all`, `errors` or `off`.
    pub access: AccessLog,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// TCP (HTTP/1.1, HTTP/2) and UDP (HTTP/3).
    pub https: String,
    /// Plain HTTP/1.1; empty: none.
    pub http: String,
    /// HTTPS over TCP for tiers that show a certificate; empty: none.
    pub tiers: String,
    /// Who has to begin connections with the header of the PROXY protocol.
    pub proxy_protocol_from: Vec<String>,
    /// Metrics, health, readiness.
    pub admin: String,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            https: "[::]:8443".to_owned(),
            http: String::new(),
            tiers: String::new(),
            proxy_protocol_from: Vec::new(),
            admin: "127.0.0.1:9443".to_owned(),
        }
    }
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM chain; empty: self-signed.
    pub certificate_file: PathBuf,
    /// PEM key.
    pub key_file: PathBuf,
    /// Further certificates, for other names.
    pub certificates: Vec<CertificateConfig>,
    /// Refuse clients that ask for no known name.
    pub strict_sni: bool,
    /// Between two looks at the files.
    pub reload_seconds: u64,
    /// Keys of session tickets, shared by nodes; empty: made in memory.
    pub ticket_keys_file: PathBuf,
    /// Answer safe requests of HTTP/3 that come with a resumed handshake (0-RTT).
    pub early_data: bool,
    /// Authorities of the tiers' certificates, PEM.
    pub client_ca_file: PathBuf,
    /// Where the self-signed certificate is kept.
    pub self_signed_dir: PathBuf,
    /// Further names in the self-signed certificate.
    pub self_signed_names: Vec<String>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            certificates: Vec::new(),
            strict_sni: false,
            reload_seconds: 5,
            ticket_keys_file: PathBuf::new(),
            early_data: false,
            client_ca_file: PathBuf::new(),
            self_signed_dir: PathBuf::from("tls"),
            self_signed_names: Vec::new(),
        }
    }
}

/// `[[tls.certificates]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateConfig {
    /// PEM chain.
    pub certificate_file: PathBuf,
    /// PEM key.
    pub key_file: PathBuf,
}

/// `[parents]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParentsConfig {
    /// In order of preference, or equals: see `choice`.
    pub urls: Vec<String>,
    /// Asked when none of `urls` is up.
    pub backup_urls: Vec<String>,
    /// How the first of `urls` is chosen.
    pub choice: ParentChoice,
    /// Further trusted certificates, PEM; empty: the system's alone.
    pub ca_file: PathBuf,
    /// PEM chain that this edge shows to https parents; empty: none.
    pub client_certificate_file: PathBuf,
    /// Its PEM key.
    pub client_key_file: PathBuf,
    /// HTTP/2 with prior knowledge to `http://` parents.
    pub h2c: bool,
    /// TCP and TLS handshakes.
    pub connect_timeout_ms: u64,
    /// Parent asked to head read; longer than the longest blocked reload.
    pub head_timeout_ms: u64,
    /// Silence inside a body.
    pub body_timeout_ms: u64,
    /// Concurrent requests on one HTTP/2 connection.
    pub streams_per_connection_max: usize,
    /// Between two PINGs.
    pub ping_interval_ms: u64,
    /// Requests that may wait for one parent.
    pub requests_max: usize,
    /// Between two looks at a parent that owes answers; 0: none.
    pub probe_interval_ms: u64,
}

/// How the first of several parents is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParentChoice {
    /// As they are listed.
    #[default]
    First,
    /// By the stream.
    Hash,
}

impl Default for ParentsConfig {
    fn default() -> Self {
        Self {
            urls: vec!["http://127.0.0.1:8080".to_owned()],
            backup_urls: Vec::new(),
            choice: ParentChoice::First,
            ca_file: PathBuf::new(),
            client_certificate_file: PathBuf::new(),
            client_key_file: PathBuf::new(),
            h2c: true,
            connect_timeout_ms: 1_000,
            head_timeout_ms: 10_000,
            body_timeout_ms: 5_000,
            streams_per_connection_max: 100,
            ping_interval_ms: 5_000,
            requests_max: 20_000,
            probe_interval_ms: 500,
        }
    }
}

/// `[cache]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Whole objects in memory.
    pub memory_bytes: u64,
    /// The largest object taken.
    pub object_bytes_max: u64,
    /// Objects in flight.
    pub flights_max: usize,
    /// How long a failure answers those who ask next.
    pub error_memo_ms: u64,
    /// Responses of sites in memory.
    pub sites_memory_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            object_bytes_max: 64 << 20,
            flights_max: 20_000,
            error_memo_ms: 500,
            sites_memory_bytes: 256 << 20,
        }
    }
}

/// Who may watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaybackAuth {
    /// The tiers below, and whom the auth filters let in.
    Filters,
    /// Everybody.
    #[default]
    Open,
    /// What it was called before filters; refused with what to write instead.
    Signed,
}

impl PlaybackAuth {
    /// The name in the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filters => "filters",
            Self::Open => "open",
            Self::Signed => "signed",
        }
    }
}

/// `[playback]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaybackConfig {
    /// `open` or `filters`.
    pub auth: PlaybackAuth,
    /// Shared by all tiers: the first signs, all verify.
    pub token_keys: Vec<Secret>,
}

/// `[rooms]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomsConfig {
    /// Whether there are rooms on this edge.
    pub enabled: bool,
    /// The origin's HTTP listener: identities for guests and, with the embedded bus, hubs.
    pub origin: String,
    /// Bearer token of the link.
    pub token: Secret,
    /// Certificates to trust for an https origin; empty: the system's.
    pub ca_file: PathBuf,
    /// Sites whose pages may connect, beside the edge's own.
    pub origins: Vec<String>,
    /// Rooms that are open at once.
    pub rooms_max: usize,
    /// Connections, all rooms together.
    pub connections_max: usize,
    /// Connections of one user in one room.
    pub connections_per_user_max: usize,
    /// Between two pings.
    pub heartbeat_ms: u64,
    /// Those who are sent away come again within so long.
    pub reconnect_within_ms: u64,
    /// `[rooms.bus]`
    pub bus: BusConfig,
    /// `[rooms.limits]`
    pub limits: rooms::Config,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            origin: "http://127.0.0.1:8080".to_owned(),
            token: Secret::default(),
            ca_file: PathBuf::new(),
            origins: Vec::new(),
            rooms_max: 4_096,
            connections_max: 100_000,
            connections_per_user_max: 10,
            heartbeat_ms: 20_000,
            reconnect_within_ms: 5_000,
            bus: BusConfig::default(),
            limits: rooms::Config::default(),
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Bearer token of whoever may change something; empty: nobody.
    pub token: Secret,
}

/// `[threads]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThreadsConfig {
    /// HTTP/1.1 and HTTP/2; 0: one per core.
    pub tcp: usize,
    /// HTTP/3; 0: one per core.
    pub quic: usize,
    /// Rooms; 0: one per core.
    pub rooms: usize,
    /// Fetching from parents, admin.
    pub upstream: usize,
}

impl Default for ThreadsConfig {
    fn default() -> Self {
        Self {
            tcp: 0,
            quic: 0,
            rooms: 0,
            upstream: 1,
        }
    }
}

/// `[drain]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// How long requests in flight may take after SIGTERM.
    pub grace_seconds: u64,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { grace_seconds: 15 }
    }
}
