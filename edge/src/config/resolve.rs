//! From the file as typed to values that were checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bus::EdgeName;
use bus::config::{BusSettings, check_link_token};
use filter_registry::config::FiltersSettings;
use ipnet::IpNet;
use playback_token::{Key, Keyring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use settings::{Invalid, KeyPath, Secret};
use telemetry::traces::TracesSettings;

use super::limits::networks;
use super::sections::{
    AccessLog, AdminConfig, Config, ListenConfig, LogConfig, ParentChoice, ParentsConfig,
    PlaybackAuth, PlaybackConfig, RoomsConfig, ThreadsConfig,
};
use super::tls::{PemPair, TlsSettings};
use crate::access_log::AccessLogSettings;
use crate::cache::CacheLimits;
use crate::limits::LimitsSettings;
use crate::relay::RelaySettings;
use crate::sites::{SiteSettings, SitesLimits};
use crate::streams::StreamLimits;
use crate::upstream::UpstreamSettings;
use crate::upstream::choice::Choice;
use crate::upstream::parent::{ConnectSettings, ParentUrl};

/// The longest of any timeout or grace period.
const SECONDS_MAX: u64 = 3_600;
/// The most requests that may be allowed to wait for one parent.
const REQUESTS_MAX: usize = 1_000_000;
/// Bytes that the token of the admin API has at least.
const ADMIN_TOKEN_BYTES_MIN: usize = 16;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name in `Cache-Status`.
    pub node_name: String,
    /// Logs.
    pub log: LogConfig,
    /// One JSON object per request; `None`: none.
    pub access_log: Option<AccessLogSettings>,
    /// Which requests are traced, and where spans go; `None`: none.
    pub traces: Option<TracesSettings>,
    /// Bounds of what is counted by stream.
    pub streams: StreamLimits,
    /// Addresses.
    pub listen: ListenSettings,
    /// Who has to begin with the header of the PROXY protocol over TCP.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Certificates.
    pub tls: TlsSettings,
    /// What this edge shows to its parents; `None`: nothing.
    pub parents_certificate: Option<PemPair>,
    /// Parents and how to ask them.
    pub upstream: UpstreamSettings,
    /// Streams that parents hand on.
    pub relay: RelaySettings,
    /// Bounds of the cache.
    pub cache: CacheLimits,
    /// Foreign origins.
    pub sites: Vec<SiteSettings>,
    /// Bounds of what they share.
    pub sites_limits: SitesLimits,
    /// Who may watch.
    pub playback: PlaybackSettings,
    /// The filters that run here; `None`: none.
    pub filters: Option<FiltersSettings>,
    /// Rooms; `None`: none.
    pub rooms: Option<RoomsSettings>,
    /// What a change through the admin API has to present; `None`: nothing is changed there.
    pub admin_token: Option<Secret>,
    /// Bounds on viewers.
    pub limits: LimitsSettings,
    /// A viewer who takes nothing for this long is dropped.
    pub write_timeout: Duration,
    /// Threads of each runtime, resolved: never 0.
    pub threads: ThreadsConfig,
    /// How long requests in flight may take after SIGTERM.
    pub drain_grace: Duration,
}

/// Addresses to listen on.
#[derive(Clone, Copy, Debug)]
pub struct ListenSettings {
    /// TCP and UDP.
    pub https: SocketAddr,
    /// Plain HTTP, if any.
    pub http: Option<SocketAddr>,
    /// TCP for tiers that show certificates, if any.
    pub tiers: Option<SocketAddr>,
    /// Admin.
    pub admin: SocketAddr,
}

impl ListenSettings {
    /// All addresses of TCP but the admin listener's.
    pub fn tcp(self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.https)
            .chain(self.http)
            .chain(self.tiers)
    }
}

/// Rooms on this edge.
#[derive(Clone, Debug)]
pub struct RoomsSettings {
    /// Under which name hubs know this edge.
    pub edge: EdgeName,
    /// What carries rooms.
    pub bus: BusSettings,
    /// The origin's HTTP listener.
    pub origin: String,
    /// Of the link to it.
    pub token: Secret,
    /// What to trust it by.
    pub ca_file: Option<PathBuf>,
    /// Sites whose pages may connect.
    pub origins: Vec<String>,
    /// Rooms at once.
    pub rooms_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one user in one room.
    pub connections_per_user_max: usize,
    /// Between two pings.
    pub heartbeat: Duration,
    /// Those who are sent away come again within this.
    pub reconnect_within: Duration,
    /// Who takes nothing for this long is dropped.
    pub write_timeout: Duration,
    /// Of the rooms themselves.
    pub room: rooms::Config,
}

/// Who may watch.
#[derive(Clone, Debug)]
pub struct PlaybackSettings {
    /// `open` or `filters`.
    pub auth: PlaybackAuth,
    /// What `token_keys` make; `None`: there are none.
    pub keys: Option<PlaybackKeys>,
}

/// What `playback.token_keys` make.
#[derive(Clone, Debug)]
pub struct PlaybackKeys {
    /// Signs viewers' tokens (`weir-edge token`). Their verifying is the filters' business.
    pub viewers: Keyring,
    /// Signs this edge's requests to its parents, and verifies those of the tiers below.
    pub tiers: Keyring,
    /// The key [`PLAYBACK_KEY`](filter_registry::config::PLAYBACK_KEY) of the filters.
    pub secrets: Vec<Secret>,
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that is outside its range, and what it may be.
    pub fn resolve(self) -> Result<Settings, Invalid> {
        let at = |table, key| KeyPath::new(table).key(key);
        let name_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.node.name.is_empty() || !self.node.name.chars().all(name_ok) {
            return Err(Invalid::new(
                at("node", "name"),
                "has to be letters, digits, '-', '_' or '.'",
            ));
        }
        let cache = &self.cache;
        if cache.object_bytes_max == 0 || cache.object_bytes_max > cache.memory_bytes {
            return Err(Invalid::new(
                at("cache", "object_bytes_max"),
                "has to be from 1 to cache.memory_bytes",
            ));
        }
        if !(1..=1_000_000).contains(&cache.flights_max) {
            return Err(Invalid::new(
                at("cache", "flights_max"),
                "has to be from 1 to 1000000",
            ));
        }
        let error_memo = millis(at("cache", "error_memo_ms"), cache.error_memo_ms)?;
        let parents_certificate = self.parents.client_pair()?;
        let upstream = self.parents.resolve(error_memo)?;
        let drain = at("drain", "grace_seconds");
        let drain_grace = millis(drain, self.drain.grace_seconds.saturating_mul(1000))?;
        let filters = self.filters.resolve(false)?;
        let playback = self.playback.resolve(filters.is_some())?;
        let write_timeout = self.limits.write_timeout()?;
        let rooms = self.rooms;
        let rooms = rooms.resolve(&self.node.name, filters.is_some(), write_timeout)?;
        let listen = self.listen.resolve()?;
        let version = env!("CARGO_PKG_VERSION");
        let traces = self.traces.resolve("weir-edge", version, &self.node.name)?;
        Ok(Settings {
            node_name: self.node.name,
            traces,
            log: self.log,
            access_log: self.access_log.resolve()?,
            streams: self.metrics.resolve()?,
            proxy_protocol_from: self.listen.proxies()?,
            tls: self.tls.resolve(listen.tiers.is_some())?,
            listen,
            parents_certificate,
            cache: CacheLimits {
                memory_bytes: cache.memory_bytes,
                object_bytes_max: cache.object_bytes_max,
                flights_max: cache.flights_max,
            },
            relay: self.relay.resolve()?,
            sites: super::sites::resolve(self.sites, &upstream)?,
            sites_limits: SitesLimits {
                memory_bytes: cache.sites_memory_bytes,
                object_bytes_max: cache.object_bytes_max,
                flights_max: cache.flights_max,
            },
            upstream,
            playback,
            rooms,
            filters,
            admin_token: self.admin.resolve()?,
            write_timeout,
            limits: self.limits.resolve()?,
            threads: self.threads.resolve(),
            drain_grace,
        })
    }
}

impl ListenConfig {
    fn resolve(&self) -> Result<ListenSettings, Invalid> {
        let address = |key, text: &str| {
            text.parse::<SocketAddr>().map_err(|_| {
                let key = KeyPath::new("listen").key(key);
                Invalid::new(
                    key,
                    format!("{text:?} is not ADDRESS:PORT, such as \"[::]:8443\""),
                )
            })
        };
        let optional = |key, text: &str| match text.is_empty() {
            true => Ok(None),
            false => address(key, text).map(Some),
        };
        let listen = ListenSettings {
            https: address("https", &self.https)?,
            http: optional("http", &self.http)?,
            tiers: optional("tiers", &self.tiers)?,
            admin: address("admin", &self.admin)?,
        };
        // Which listener a connection came to is told by its port.
        let others = [Some(listen.https), listen.http];
        let same = |other: &SocketAddr| Some(other.port()) == listen.tiers.map(|it| it.port());
        if others
            .iter()
            .flatten()
            .any(|other| other.port() != 0 && same(other))
        {
            return Err(Invalid::new(
                KeyPath::new("listen").key("tiers"),
                "needs a port of its own",
            ));
        }
        Ok(listen)
    }

    fn proxies(&self) -> Result<Vec<IpNet>, Invalid> {
        let key = KeyPath::new("listen").key("proxy_protocol_from");
        networks(&self.proxy_protocol_from, &key)
    }
}

impl ParentsConfig {
    fn resolve(self, error_memo: Duration) -> Result<UpstreamSettings, Invalid> {
        let at = |key| KeyPath::new("parents").key(key);
        if self.urls.is_empty() {
            return Err(Invalid::new(at("urls"), "needs at least one parent"));
        }
        let parse = |key: &'static str, urls: &[String]| {
            let urls = urls.iter().enumerate().map(|(index, url)| {
                ParentUrl::parse(url)
                    .map_err(|error| Invalid::new(at(key).index(index), error.to_string()))
            });
            urls.collect::<Result<Vec<_>, _>>()
        };
        let parents = parse("urls", &self.urls)?;
        let backups = parse("backup_urls", &self.backup_urls)?;
        let mut known = Vec::new();
        for (key, urls) in [("urls", &parents), ("backup_urls", &backups)] {
            for (index, url) in urls.iter().enumerate() {
                if known.contains(&url) {
                    let twice = format!("{url} is listed twice");
                    return Err(Invalid::new(at(key).index(index), twice));
                }
                known.push(url);
            }
        }
        if !(1..=REQUESTS_MAX).contains(&self.requests_max) {
            let bounds = format!("has to be from 1 to {REQUESTS_MAX}");
            return Err(Invalid::new(at("requests_max"), bounds));
        }
        let probe_interval = match self.probe_interval_ms {
            0 => Duration::ZERO,
            interval => millis(at("probe_interval_ms"), interval)?,
        };
        let ca_file = authorities(&self.ca_file, at("ca_file"))?;
        if self.streams_per_connection_max == 0 {
            let key = at("streams_per_connection_max");
            return Err(Invalid::new(key, "has to be at least 1"));
        }
        Ok(UpstreamSettings {
            parents,
            backups,
            choice: match self.choice {
                ParentChoice::First => Choice::First,
                ParentChoice::Hash => Choice::Hash,
            },
            probe_interval,
            connect: ConnectSettings {
                ca_file,
                connect_timeout: millis(at("connect_timeout_ms"), self.connect_timeout_ms)?,
                streams_per_connection_max: self.streams_per_connection_max,
                h2c: self.h2c,
                ping_interval: millis(at("ping_interval_ms"), self.ping_interval_ms)?,
                requests_max: self.requests_max,
            },
            head_timeout: millis(at("head_timeout_ms"), self.head_timeout_ms)?,
            body_timeout: millis(at("body_timeout_ms"), self.body_timeout_ms)?,
            error_memo,
        })
    }
}

/// A file of certificates to trust, as pingora takes it: it panics on one that it cannot read.
pub(super) fn authorities(path: &Path, key: KeyPath) -> Result<Option<String>, Invalid> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String| Invalid::new(key.clone(), reason);
    let name = path.to_str();
    let name = name.ok_or_else(|| wrong("has to be UTF-8".to_owned()))?;
    let text = std::fs::read(path).map_err(|error| wrong(format!("{name}: {error}")))?;
    let mut trusted = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|it| trusted.add(it).map_err(|error| error.to_string()));
        added.map_err(|error| wrong(format!("{name}: {error}")))?;
    }
    if trusted.is_empty() {
        return Err(wrong(format!("{name}: no certificate in it")));
    }
    Ok(Some(name.to_owned()))
}

impl PlaybackConfig {
    fn resolve(self, has_filters: bool) -> Result<PlaybackSettings, Invalid> {
        let at = |key| KeyPath::new("playback").key(key);
        match self.auth {
            PlaybackAuth::Open => {}
            PlaybackAuth::Signed => {
                return Err(Invalid::new(
                    at("auth"),
                    "\"signed\" has become \"filters\": push the filter `auth`, which takes the \
                     same tokens",
                ));
            }
            PlaybackAuth::Filters if !has_filters => {
                return Err(Invalid::new(
                    at("auth"),
                    "is \"filters\", but filters.enabled is false",
                ));
            }
            PlaybackAuth::Filters if self.token_keys.is_empty() => {
                return Err(Invalid::new(
                    at("token_keys"),
                    "needs at least one: the tiers ask each other with it",
                ));
            }
            PlaybackAuth::Filters => {}
        }
        Ok(PlaybackSettings {
            auth: self.auth,
            keys: playback_keys(self.token_keys)?,
        })
    }
}

fn playback_keys(secrets: Vec<Secret>) -> Result<Option<PlaybackKeys>, Invalid> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let at = || KeyPath::new("playback").key("token_keys");
    let keys = secrets.iter().enumerate().map(|(index, secret)| {
        Key::new(None, secret.expose().as_bytes())
            .map_err(|error| Invalid::new(at().index(index), error.to_string()))
    });
    let viewers = Keyring::new(keys.collect::<Result<Vec<_>, _>>()?)
        .map_err(|error| Invalid::new(at(), error.to_string()))?;
    Ok(Some(PlaybackKeys {
        tiers: viewers.for_tiers(),
        viewers,
        secrets,
    }))
}

impl RoomsConfig {
    fn resolve(
        self,
        node: &str,
        has_filters: bool,
        write_timeout: Duration,
    ) -> Result<Option<RoomsSettings>, Invalid> {
        let at = |key| KeyPath::new("rooms").key(key);
        let range = |key, value: usize, most: usize| {
            if (1..=most).contains(&value) {
                Ok(value)
            } else {
                Err(Invalid::new(at(key), format!("has to be from 1 to {most}")))
            }
        };
        if !self.enabled {
            return Ok(None);
        }
        if !has_filters {
            return Err(Invalid::new(
                at("enabled"),
                "is true, but filters.enabled is false: the auth filters say who may come in",
            ));
        }
        let edge = EdgeName::new(node)
            .map_err(|error| Invalid::new(KeyPath::new("node").key("name"), error.to_string()))?;
        if !(self.origin.starts_with("http://") || self.origin.starts_with("https://")) {
            return Err(Invalid::new(
                at("origin"),
                "has to be http://HOST:PORT or https://HOST:PORT",
            ));
        }
        self.limits.check().map_err(|error| {
            let key = at("limits").key(error.name);
            Invalid::new(
                key,
                format!("has to be from {} to {}", error.least, error.most),
            )
        })?;
        let is_site = |site: &String| {
            let (_, authority) = site.split_once("://").unwrap_or_default();
            !authority.is_empty() && !authority.contains('/')
        };
        if let Some(index) = self.origins.iter().position(|site| !is_site(site)) {
            return Err(Invalid::new(
                at("origins").index(index),
                "has to be SCHEME://HOST[:PORT], without a slash at the end",
            ));
        }
        let bus = self.bus.resolve(&at("bus"))?;
        let mut room = self.limits;
        let default = rooms::Config::default().window_bytes;
        let key = at("limits").key("window_bytes");
        room.window_bytes = bus.check_window(room.window_bytes, default, key)?;
        if matches!(bus, BusSettings::Embedded) {
            check_link_token(&self.token, at("token"))?;
        }
        let ca_file = (!self.ca_file.as_os_str().is_empty()).then_some(self.ca_file);
        Ok(Some(RoomsSettings {
            edge,
            bus,
            origin: self.origin,
            token: self.token,
            ca_file,
            origins: self.origins,
            rooms_max: range("rooms_max", self.rooms_max, 1_000_000)?,
            connections_max: range("connections_max", self.connections_max, 10_000_000)?,
            connections_per_user_max: range(
                "connections_per_user_max",
                self.connections_per_user_max,
                10_000,
            )?,
            heartbeat: heartbeat(at("heartbeat_ms"), self.heartbeat_ms)?,
            reconnect_within: millis(at("reconnect_within_ms"), self.reconnect_within_ms)?,
            write_timeout,
            room,
        }))
    }
}

fn heartbeat(key: KeyPath, value: u64) -> Result<Duration, Invalid> {
    if (1_000..=300_000).contains(&value) {
        Ok(Duration::from_millis(value))
    } else {
        Err(Invalid::new(key, "has to be from 1000 to 300000"))
    }
}

impl AdminConfig {
    fn resolve(self) -> Result<Option<Secret>, Invalid> {
        let token = self.token.expose();
        if token.is_empty() {
            return Ok(None);
        }
        let legal = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < ADMIN_TOKEN_BYTES_MIN || !legal {
            return Err(Invalid::new(
                KeyPath::new("admin").key("token"),
                format!("has to be at least {ADMIN_TOKEN_BYTES_MIN} visible ASCII characters"),
            ));
        }
        Ok(Some(self.token))
    }
}

impl ThreadsConfig {
    fn resolve(self) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let or_cores = |threads| if threads == 0 { cores } else { threads };
        Self {
            tcp: or_cores(self.tcp),
            quic: or_cores(self.quic),
            rooms: or_cores(self.rooms),
            upstream: self.upstream.max(1),
        }
    }
}

impl AccessLog {
    /// Whether a request that ended so is logged.
    pub fn wants(self, failed: bool) -> bool {
        match self {
            Self::All => true,
            Self::Errors => failed,
            Self::Off => false,
        }
    }
}

pub(super) fn millis(key: KeyPath, value: u64) -> Result<Duration, Invalid> {
    if (1..=SECONDS_MAX * 1000).contains(&value) {
        Ok(Duration::from_millis(value))
    } else {
        Err(Invalid::new(key, "has to be from 1 ms to 1 hour"))
    }
}
