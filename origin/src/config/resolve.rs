//! As typed -> checked: the only place that knows the ranges.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus::config::check_link_token;
use playback_token::{Key, Keyring};
use settings::{Invalid, KeyPath, Secret};
use telemetry::traces::TracesSettings;

use super::{
    Config, HttpSettings, LadderRung, PackagingSettings, PlaybackAuth, PlaybackSettings,
    PublishAuth, PublishSettings, RtmpSettings, RungConfig, Settings, StreamSettings, TlsSettings,
    TranscodeSettings,
};
use crate::ingest::{IngestLimits, RuleBook};
use crate::rooms::{GuestSettings, RoomsSettings};
use crate::transcode::{Encoder, Hardware, Jobs, ShedSettings};

/// Rungs of the ladder at most: each costs an encoder.
const RUNGS_MAX: usize = 8;
/// `service.name` of spans.
const SERVICE: &str = "weir-origin";
/// The rendition name that audio has.
const AUDIO_NAME: &str = "audio";

impl Config {
    pub(super) fn resolve(self) -> Result<Settings, Invalid> {
        let streams = self.resolve_streams()?;
        let ladder = self.resolve_ladder()?;
        let filter_registry = self.filter_registry.clone().resolve()?;
        let filters = self.filters.clone().resolve(filter_registry.is_some())?;
        self.check_filters_are_there(filters.is_some())?;
        let rooms = self.resolve_rooms(&streams)?;
        let link_tokens = rooms.as_ref().map_or(&[][..], |rooms| &rooms.link_tokens);
        let operator = self.resolve_admin_token()?;
        let admin_token = operator.clone();
        let control = self.control.resolve(
            &KeyPath::new("control"),
            link_tokens,
            &streams,
            (operator, &self.ingest_rules),
        )?;
        Ok(Settings {
            log_format: self.log.format,
            traces: self.resolve_traces()?,
            rtmp: self.resolve_rtmp()?,
            tls: self.resolve_tls()?,
            http: self.resolve_http()?,
            admin_listen: self.admin.listen,
            admin_token,
            streams,
            ingest_rules: self.resolve_rules()?,
            transcode: self.resolve_transcode(ladder)?,
            packaging: self.resolve_packaging()?,
            publish: PublishSettings {
                auth: self.publish.auth,
                reconnect_grace: seconds(
                    "publish",
                    "reconnect_grace_seconds",
                    self.publish.reconnect_grace_seconds,
                    0..=3_600,
                )?,
                second_publisher: self.publish.second_publisher,
                slate: self.resolve_slate()?,
            },
            playback: self.resolve_playback()?,
            playback_secrets: self.playback.token_keys.clone(),
            filters,
            filter_registry,
            rooms,
            control,
            drain_timeout: seconds(
                "drain",
                "grace_seconds",
                self.drain.grace_seconds,
                0..=3_600,
            )?,
        })
    }

    fn resolve_traces(&self) -> Result<Option<TracesSettings>, Invalid> {
        let version = env!("CARGO_PKG_VERSION");
        let traces = self.traces.clone();
        traces.resolve(SERVICE, version, SERVICE)
    }

    fn resolve_rooms(&self, streams: &[StreamSettings]) -> Result<Option<RoomsSettings>, Invalid> {
        let rooms = &self.rooms;
        let at = |key| KeyPath::new("rooms").key(key);
        if !rooms.enabled {
            return Ok(None);
        }
        if rooms.link_tokens.is_empty() {
            return Err(Invalid::new(
                at("link_tokens"),
                "needs at least one: edges show it",
            ));
        }
        for (index, token) in rooms.link_tokens.iter().enumerate() {
            check_link_token(token, at("link_tokens").index(index))?;
        }
        if rooms.state_dir.as_os_str().is_empty() {
            return Err(Invalid::new(at("state_dir"), "has to name a directory"));
        }
        rooms.limits.check().map_err(|error| {
            let key = at("limits").key(error.name);
            Invalid::new(
                key,
                format!("has to be from {} to {}", error.least, error.most),
            )
        })?;
        let bus = rooms.bus.clone().resolve(&at("bus"))?;
        let mut room = rooms.limits.clone();
        let default = rooms::Config::default().window_bytes;
        let key = at("limits").key("window_bytes");
        room.window_bytes = bus.check_window(room.window_bytes, default, key)?;
        Ok(Some(RoomsSettings {
            bus,
            link_tokens: rooms.link_tokens.clone(),
            state_dir: rooms.state_dir.clone(),
            guests: GuestSettings {
                enabled: rooms.guests,
                lifetime: seconds(
                    "rooms",
                    "guest_lifetime_seconds",
                    rooms.guest_lifetime_seconds,
                    60..=31_622_400,
                )?,
                reserved: rooms.reserved_names.clone(),
            },
            room,
            archive: rooms.archive.clone().resolve(&at("archive"))?,
            names: streams.iter().map(|stream| stream.name.clone()).collect(),
            operator_token: self.resolve_admin_token()?,
        }))
    }

    fn resolve_admin_token(&self) -> Result<Option<Secret>, Invalid> {
        let token = self.admin.token.expose();
        if token.is_empty() {
            return Ok(None);
        }
        check_link_token(&self.admin.token, KeyPath::new("admin").key("token"))?;
        Ok(Some(self.admin.token.clone()))
    }

    fn resolve_rtmp(&self) -> Result<RtmpSettings, Invalid> {
        let rtmp = &self.rtmp;
        let table = "rtmp";
        if self.rtmp.enabled && self.rtmps.enabled && rtmp.listen == self.rtmps.listen {
            return Err(Invalid::new(
                KeyPath::new("rtmps").key("listen"),
                "is the address of [rtmp] too",
            ));
        }
        Ok(RtmpSettings {
            listen: rtmp.enabled.then_some(rtmp.listen),
            listen_tls: self.rtmps.enabled.then_some(self.rtmps.listen),
            limits: IngestLimits {
                connections_max: within(
                    table,
                    "connections_max",
                    rtmp.connections_max,
                    1..=100_000,
                )?,
                connections_per_address_max: within(
                    table,
                    "connections_per_address_max",
                    rtmp.connections_per_address_max,
                    1..=100_000,
                )?,
                handshake_timeout: milliseconds(
                    table,
                    "handshake_timeout_ms",
                    rtmp.handshake_timeout_ms,
                    100..=60_000,
                )?,
                publish_timeout: milliseconds(
                    table,
                    "publish_timeout_ms",
                    rtmp.publish_timeout_ms,
                    100..=60_000,
                )?,
                idle_timeout: milliseconds(
                    table,
                    "idle_timeout_ms",
                    rtmp.idle_timeout_ms,
                    1_000..=600_000,
                )?,
                picture_timeout: milliseconds(
                    table,
                    "picture_timeout_ms",
                    rtmp.picture_timeout_ms,
                    1_000..=600_000,
                )?,
                ..IngestLimits::default()
            },
        })
    }

    /// Found missing here rather than when a broadcaster has gone.
    fn resolve_slate(&self) -> Result<Option<PathBuf>, Invalid> {
        let slate = &self.publish.slate;
        if slate.as_os_str().is_empty() {
            return Ok(None);
        }
        if !slate.is_file() {
            let at = KeyPath::new("publish").key("slate");
            return Err(Invalid::new(at, "is no file that can be read"));
        }
        Ok(Some(slate.clone()))
    }

    fn resolve_tls(&self) -> Result<TlsSettings, Invalid> {
        let tls = &self.tls;
        let empty = |path: &PathBuf| path.as_os_str().is_empty();
        match (empty(&tls.certificate_file), empty(&tls.key_file)) {
            (false, false) => Ok(TlsSettings::Files {
                certificate: tls.certificate_file.clone(),
                private_key: tls.key_file.clone(),
            }),
            (true, true) if !empty(&tls.self_signed_dir) => {
                Ok(TlsSettings::SelfSigned(tls.self_signed_dir.clone()))
            }
            (true, true) => Err(Invalid::new(
                KeyPath::new("tls").key("self_signed_dir"),
                "is empty, and there is no certificate_file either",
            )),
            (true, false) | (false, true) => Err(Invalid::new(
                KeyPath::new("tls").key("certificate_file"),
                "certificate_file and key_file go together",
            )),
        }
    }

    fn resolve_http(&self) -> Result<HttpSettings, Invalid> {
        let http = &self.http;
        let table = "http";
        Ok(HttpSettings {
            listen: http.listen,
            connections_max: within(
                table,
                "connections_max",
                http.connections_max,
                1..=1_000_000,
            )?,
            // Below 8 KiB hyper refuses to run at all.
            header_bytes_max: within(
                table,
                "header_bytes_max",
                http.header_bytes_max,
                8_192..=1_048_576,
            )?,
            header_read_timeout: milliseconds(
                table,
                "header_read_timeout_ms",
                http.header_read_timeout_ms,
                1_000..=600_000,
            )?,
            concurrent_streams_max: within(
                table,
                "concurrent_streams_max",
                http.concurrent_streams_max,
                1..=100_000,
            )?,
            keep_alive: milliseconds(table, "keep_alive_ms", http.keep_alive_ms, 1_000..=600_000)?,
            held_requests_max: within(
                table,
                "held_requests_max",
                http.held_requests_max,
                1..=1_000_000,
            )?,
            relays_max: within(table, "relays_max", http.relays_max, 0..=1_000_000)?,
        })
    }

    fn resolve_streams(&self) -> Result<Vec<StreamSettings>, Invalid> {
        let mut names = HashSet::new();
        let mut keys = HashSet::new();
        for (index, stream) in self.streams.iter().enumerate() {
            let at = |key| KeyPath::new("streams").index(index).key(key);
            if !is_name(&stream.name, 64) {
                return Err(Invalid::new(at("name"), name_reason(64)));
            }
            if !names.insert(stream.name.as_str()) {
                return Err(Invalid::new(at("name"), "is another stream's name too"));
            }
            let key = stream.publish_key.expose();
            if !(8..=256).contains(&key.len())
                || !key.bytes().all(|byte| is_name_byte(byte) || byte == b'.')
            {
                let reason = "must be 8 to 256 of a-z, A-Z, 0-9, \"-\", \"_\", \".\"";
                return Err(Invalid::new(at("publish_key"), reason));
            }
            if !keys.insert(key) {
                return Err(Invalid::new(
                    at("publish_key"),
                    "is another stream's key too",
                ));
            }
        }
        Ok(self
            .streams
            .iter()
            .map(|stream| StreamSettings {
                name: stream.name.clone(),
                publish_key: stream.publish_key.clone(),
                title: Some(stream.title.clone()).filter(|title| !title.is_empty()),
            })
            .collect())
    }

    fn resolve_rules(&self) -> Result<RuleBook, Invalid> {
        let mut book = RuleBook {
            default: self.ingest_rules.resolve(&KeyPath::new("ingest_rules"))?,
            ..RuleBook::default()
        };
        for (index, stream) in self.streams.iter().enumerate() {
            let at = KeyPath::new("streams").index(index).key("rules");
            let rules = stream.rules.over(&self.ingest_rules).resolve(&at)?;
            book.by_stream.insert(stream.name.clone(), rules);
        }
        Ok(book)
    }

    fn resolve_ladder(&self) -> Result<Vec<LadderRung>, Invalid> {
        if self.ladder.is_empty() || self.ladder.len() > RUNGS_MAX {
            return Err(Invalid::new(
                KeyPath::new("ladder"),
                format!("must have 1 to {RUNGS_MAX} rungs"),
            ));
        }
        let mut names = HashSet::new();
        let mut above = u32::MAX;
        let mut variants = HashSet::new();
        let mut device = None;
        for (index, rung) in self.ladder.iter().enumerate() {
            let at = |key| KeyPath::new("ladder").index(index).key(key);
            if !is_name(&rung.name, 32) || rung.name == AUDIO_NAME {
                let reason = format!("{}, and not \"{AUDIO_NAME}\"", name_reason(32));
                return Err(Invalid::new(at("name"), reason));
            }
            if !names.insert(rung.name.as_str()) {
                return Err(Invalid::new(at("name"), "is another rung's name too"));
            }
            // H.264 4:2:0 has chroma for every second line only.
            if !(16..=4_320).contains(&rung.height) || rung.height % 2 != 0 {
                return Err(Invalid::new(at("height"), "must be even, 16 to 4320"));
            }
            let codec = rung.encoder.codec();
            if rung.height > above || !variants.insert((rung.height, codec)) {
                return Err(Invalid::new(
                    at("height"),
                    "must be below that of the rung before, or the same in another codec",
                ));
            }
            above = rung.height;
            let kind = rung.encoder.device_kind();
            if kind.is_some() && *device.get_or_insert(kind) != kind {
                return Err(Invalid::new(
                    at("encoder"),
                    "a ladder has VA-API rungs or QSV rungs, not both",
                ));
            }
            if !(50..=100_000).contains(&rung.video_bitrate_kbps) {
                return Err(Invalid::new(
                    at("video_bitrate_kbps"),
                    "must be 50 to 100000",
                ));
            }
        }
        self.ladder
            .iter()
            .enumerate()
            .map(|(index, rung)| {
                Ok(LadderRung {
                    name: rung.name.clone(),
                    height: rung.height,
                    video_bitrate_kbps: rung.video_bitrate_kbps,
                    encoder: rung.encoder,
                    preset: self.resolve_preset(index, rung)?,
                })
            })
            .collect()
    }

    /// A rung's own preset, or its encoder's default.
    fn resolve_preset(&self, index: usize, rung: &RungConfig) -> Result<String, Invalid> {
        let encoder = rung.encoder;
        if rung.preset.is_empty() {
            let preset = encoder.default_preset().unwrap_or(&self.transcode.preset);
            return Ok(preset.to_owned());
        }
        if encoder.presets().contains(&rung.preset.as_str()) {
            return Ok(rung.preset.clone());
        }
        let reason = match encoder.presets() {
            [] => format!("{} has no presets", encoder.as_str()),
            presets => format!(
                "must be one of {} for {}",
                presets.join(", "),
                encoder.as_str()
            ),
        };
        let key = KeyPath::new("ladder").index(index).key("preset");
        Err(Invalid::new(key, reason))
    }

    fn resolve_transcode(&self, ladder: Vec<LadderRung>) -> Result<TranscodeSettings, Invalid> {
        let transcode = &self.transcode;
        let table = "transcode";
        let bytes = 1_048_576..=1_073_741_824;
        if transcode.ffmpeg.as_os_str().is_empty() {
            return Err(Invalid::new(KeyPath::new(table).key("ffmpeg"), "is empty"));
        }
        let presets = Encoder::X264.presets();
        if !presets.contains(&transcode.preset.as_str()) {
            return Err(Invalid::new(
                KeyPath::new(table).key("preset"),
                format!("must be one of {}", presets.join(", ")),
            ));
        }
        let jobs_max = within(table, "jobs_max", transcode.jobs_max, 0..=10_000)?;
        Ok(TranscodeSettings {
            ffmpeg: transcode.ffmpeg.clone(),
            threads: within(table, "threads", transcode.threads, 0..=64)?,
            hardware: Hardware {
                device: transcode.device.clone(),
                gpu: within(table, "gpu", transcode.gpu, 0..=63)?,
            },
            tone_mapping: transcode.tone_mapping,
            passthrough: transcode.passthrough,
            queue_bytes_max: within(
                table,
                "queue_bytes_max",
                transcode.queue_bytes_max,
                bytes.clone(),
            )?,
            lag_max: milliseconds(table, "lag_max_ms", transcode.lag_max_ms, 1_000..=60_000)?,
            replay_bytes_max: within(table, "replay_bytes_max", transcode.replay_bytes_max, bytes)?,
            restart_pause_max: milliseconds(
                table,
                "restart_pause_max_ms",
                transcode.restart_pause_max_ms,
                100..=60_000,
            )?,
            failures_max: within(table, "failures_max", transcode.failures_max, 1..=1_000)?,
            jobs_max: NonZeroUsize::new(jobs_max).unwrap_or_else(Jobs::per_core),
            shed: self.resolve_shed()?,
            ladder,
        })
    }

    fn resolve_shed(&self) -> Result<ShedSettings, Invalid> {
        let transcode = &self.transcode;
        let table = "transcode";
        let lag = transcode.shed_lag_ms;
        if lag != 0 && !(250..=60_000).contains(&lag) {
            return Err(Invalid::new(
                KeyPath::new(table).key("shed_lag_ms"),
                "must be 0, or 250 to 60000",
            ));
        }
        let settle = within(
            table,
            "shed_settle_seconds",
            transcode.shed_settle_seconds,
            1..=3_600,
        )?;
        Ok(ShedSettings {
            lag: Duration::from_millis(lag),
            settle: Duration::from_secs(settle),
        })
    }

    fn resolve_packaging(&self) -> Result<PackagingSettings, Invalid> {
        let packaging = &self.packaging;
        let table = "packaging";
        if let Some(segments) = packaging.window_segments {
            return Err(Invalid::new(
                KeyPath::new(table).key("window_segments"),
                format!(
                    "has become window_seconds: {segments} segments are {}",
                    segments.saturating_mul(2)
                ),
            ));
        }
        let seconds = |key, value, range| within(table, key, value, range).map(Duration::from_secs);
        Ok(PackagingSettings {
            latency: packaging.latency,
            window: seconds("window_seconds", packaging.window_seconds, 12..=14_400)?,
            removed_max: seconds("removed_seconds", packaging.removed_seconds, 6..=14_400)?,
            thumbnails: self.thumbnails.resolve()?,
            window_bytes_max: within(
                table,
                "window_bytes_max",
                packaging.window_bytes_max,
                16_777_216..=68_719_476_736,
            )?,
            linger: seconds("linger_seconds", packaging.linger_seconds, 0..=3_600)?,
            state_dir: Some(packaging.state_dir.clone())
                .filter(|directory| !directory.as_os_str().is_empty()),
        })
    }

    fn check_filters_are_there(&self, there: bool) -> Result<(), Invalid> {
        if self.filter_registry.enabled && !there {
            return Err(Invalid::new(
                KeyPath::new("filter_registry").key("enabled"),
                "needs filters.enabled: the registry tries uploads in this process",
            ));
        }
        let lacks = |table| {
            Invalid::new(
                KeyPath::new(table).key("auth"),
                "is \"filters\", but filters.enabled is false",
            )
        };
        if self.publish.auth == PublishAuth::Filters && !there {
            return Err(lacks("publish"));
        }
        if self.playback.auth == PlaybackAuth::Filters && !there {
            return Err(lacks("playback"));
        }
        Ok(())
    }

    fn resolve_playback(&self) -> Result<PlaybackSettings, Invalid> {
        let secrets = &self.playback.token_keys;
        let at = KeyPath::new("playback").key("token_keys");
        let keys = secrets.iter().enumerate().map(|(index, secret)| {
            Key::new(None, secret.expose().as_bytes())
                .map_err(|error| Invalid::new(at.clone().index(index), error.to_string()))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        match self.playback.auth {
            PlaybackAuth::Open => Ok(PlaybackSettings::Open),
            PlaybackAuth::Signed => Err(Invalid::new(
                KeyPath::new("playback").key("auth"),
                "\"signed\" has become \"filters\": push the filter `auth`, which takes the same tokens",
            )),
            PlaybackAuth::Filters => Keyring::new(keys)
                .map(|keyring| PlaybackSettings::Filters {
                    tiers: Arc::new(keyring.for_tiers()),
                })
                .map_err(|error| Invalid::new(at, error.to_string())),
        }
    }
}

fn within<T>(
    table: &'static str,
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T, Invalid>
where
    T: PartialOrd + std::fmt::Display,
{
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Invalid::new(
        KeyPath::new(table).key(key),
        format!("must be {} to {}", range.start(), range.end()),
    ))
}

fn milliseconds(
    table: &'static str,
    key: &'static str,
    value: u64,
    range: RangeInclusive<u64>,
) -> Result<Duration, Invalid> {
    within(table, key, value, range).map(Duration::from_millis)
}

fn seconds(
    table: &'static str,
    key: &'static str,
    value: u64,
    range: RangeInclusive<u64>,
) -> Result<Duration, Invalid> {
    within(table, key, value, range).map(Duration::from_secs)
}

fn is_name(name: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&name.len()) && name.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn name_reason(length_max: usize) -> String {
    format!("must be 1 to {length_max} of a-z, A-Z, 0-9, \"-\", \"_\"")
}
