//! What the rest of the origin sees of the configuration: checked, in its own types.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use filter_registry::config::{FiltersSettings, RegistrySettings};
use playback_token::Keyring;
use telemetry::log::LogFormat;
use telemetry::traces::TracesSettings;

use super::{LatencyProfile, PublishAuth, SecondPublisher, Secret, ThumbnailSettings};
use crate::control::ControlSettings;
use crate::ingest::{IngestLimits, RuleBook};
use crate::rooms::RoomsSettings;
use crate::transcode::{Encoder, Hardware, ShedSettings, ToneMapping};

/// Everything the origin needs to run, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How logs are written.
    pub log_format: LogFormat,
    /// Which requests are traced, and where spans go; `None`: none.
    pub traces: Option<TracesSettings>,
    /// The RTMP listeners and their limits.
    pub rtmp: RtmpSettings,
    /// The certificate of RTMPS.
    pub tls: TlsSettings,
    /// The HTTP listener.
    pub http: HttpSettings,
    /// Where the admin pages are served.
    pub admin_listen: SocketAddr,
    /// What whoever reads of people and streams there has to show; `None`: nobody may.
    pub admin_token: Option<Secret>,
    /// The streams that may be published.
    pub streams: Vec<StreamSettings>,
    /// What publishers may send.
    pub ingest_rules: RuleBook,
    /// The ffmpeg child.
    pub transcode: TranscodeSettings,
    /// The live window.
    pub packaging: PackagingSettings,
    /// Who may publish, and who may come back.
    pub publish: PublishSettings,
    /// Who may play.
    pub playback: PlaybackSettings,
    /// What the tiers share: the key `playback` of the filters, whoever may play here.
    pub playback_secrets: Vec<Secret>,
    /// The filters that run here.
    pub filters: Option<FiltersSettings>,
    /// The registry of filters that is kept here.
    pub filter_registry: Option<RegistrySettings>,
    /// The rooms' hubs; `None`: none.
    pub rooms: Option<RoomsSettings>,
    /// Accounts and gifts; `None`: none.
    pub control: Option<ControlSettings>,
    /// From SIGTERM to the exit, at most.
    pub drain_timeout: Duration,
}

/// The RTMP listeners; `None` is a disabled one.
#[derive(Clone, Debug)]
pub struct RtmpSettings {
    /// Plain RTMP.
    pub listen: Option<SocketAddr>,
    /// RTMPS.
    pub listen_tls: Option<SocketAddr>,
    /// What ends a connection that does not behave.
    pub limits: IngestLimits,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSettings {
    /// PEM files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
    /// Made at first start and kept in this directory.
    SelfSigned(PathBuf),
}

/// The HTTP listener.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where.
    pub listen: SocketAddr,
    /// Connections at once.
    pub connections_max: usize,
    /// Bytes of one request's head.
    pub header_bytes_max: usize,
    /// For a whole request head.
    pub header_read_timeout: Duration,
    /// HTTP/2 streams at once on one connection.
    pub concurrent_streams_max: u32,
    /// HTTP/2 PING interval and patience.
    pub keep_alive: Duration,
    /// Requests held at once.
    pub held_requests_max: usize,
    /// Live relays at once.
    pub relays_max: usize,
}

/// One stream that may be published.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The name in URLs.
    pub name: String,
    /// What the broadcaster publishes to.
    pub publish_key: Secret,
    /// For people.
    pub title: Option<String>,
}

/// Publishing.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// Who may.
    pub auth: PublishAuth,
    /// How long a stream waits for a publisher that vanished.
    pub reconnect_grace: Duration,
    /// What becomes of a second publisher on one key.
    pub second_publisher: SecondPublisher,
    /// The picture or film that viewers see while a publisher is away.
    pub slate: Option<PathBuf>,
}

/// The ffmpeg child and the ladder it makes.
#[derive(Clone, Debug)]
pub struct TranscodeSettings {
    /// The program.
    pub ffmpeg: PathBuf,
    /// Threads per encoder; 0: the encoder decides.
    pub threads: u32,
    /// Where hardware encoders are.
    pub hardware: Hardware,
    /// How HDR sources become SDR rungs.
    pub tone_mapping: ToneMapping,
    /// Whether a source that fits a rung is passed through.
    pub passthrough: bool,
    /// Source bytes waiting for the child.
    pub queue_bytes_max: usize,
    /// Source time waiting for the child.
    pub lag_max: Duration,
    /// Source bytes of the current GOP kept for a restart.
    pub replay_bytes_max: usize,
    /// Longest pause before a restart.
    pub restart_pause_max: Duration,
    /// Starts in a row of no use, after which the stream is given up.
    pub failures_max: u32,
    /// Streams whose ladder is made at once.
    pub jobs_max: NonZeroUsize,
    /// When rungs are left out, and when they come back.
    pub shed: ShedSettings,
    /// Best rung first.
    pub ladder: Vec<LadderRung>,
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderRung {
    /// The rendition's name in URLs.
    pub name: String,
    /// The shorter side of the picture.
    pub height: u32,
    /// Average video bitrate.
    pub video_bitrate_kbps: u32,
    /// Who makes it.
    pub encoder: Encoder,
    /// The encoder's preset; empty: it has none.
    pub preset: String,
}

/// The live window.
#[derive(Clone, Debug)]
pub struct PackagingSettings {
    /// How long parts and segments are of streams that begin.
    pub latency: LatencyProfile,
    /// What a Media Playlist lists.
    pub window: Duration,
    /// How long media stays after it left the list, at most.
    pub removed_max: Duration,
    /// Pictures to seek by; `None`: none.
    pub thumbnails: Option<ThumbnailSettings>,
    /// Media bytes held for one stream.
    pub window_bytes_max: usize,
    /// How long an ended stream can still be played.
    pub linger: Duration,
    /// Where numbers are kept that must not go back; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
}

/// Who may play.
#[derive(Clone, Debug)]
pub enum PlaybackSettings {
    /// Everybody.
    Open,
    /// The tiers, and whom the auth filters let in.
    Filters {
        /// Verifies what tiers present to each other.
        tiers: Arc<Keyring>,
    },
}
