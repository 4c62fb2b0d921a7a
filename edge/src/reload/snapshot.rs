//! What a configuration makes of an edge: parents, sites, limits, keys, in one pipeline.
//!
//! What the configuration did not change is taken over with its connections and counts. Nothing is
//! in force before the whole of it is made.

use std::sync::Arc;
use std::time::SystemTime;

use cache_policy::CacheName;
use filter_registry::node::{FilterNode, PlaybackKey, playback_key};
use http::HeaderValue;
use telemetry::traces::Traces;
use tokio::runtime::Handle;

use crate::access_log::{AccessLog, AccessLogMetrics};
use crate::cache::Cache;
use crate::config::{Loaded, Settings};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::pipeline::{EdgeProxy, Filters};
use crate::relay::{self, LiveRelay};
use crate::rooms::Rooms;
use crate::sites::Sites;
use crate::streams::Streams;
use crate::upstream::Upstream;
use crate::upstream::client_certificate::ClientCertificate;

/// What lasts as long as the process, whatever configurations come.
#[derive(Debug)]
pub struct Lasting {
    /// Name in `Cache-Status`.
    pub name: CacheName,
    /// `Alt-Svc` for answers over TCP.
    pub alt_svc: Option<HeaderValue>,
    /// Memory and flights.
    pub cache: Cache,
    /// The edge's own pages.
    pub pages: Arc<Pages>,
    /// The filters that run here.
    pub node: Option<Arc<FilterNode>>,
    /// Rooms.
    pub rooms: Option<Rooms>,
    /// What sites have in common: store and flights. It has none.
    pub sites: Sites,
    /// What viewers may take, for connections.
    pub limits: Limits,
    /// What is shown to parents.
    pub certificate: Option<ClientCertificate>,
    /// What is counted by stream.
    pub streams: Streams,
    /// Figures.
    pub metrics: Metrics,
    /// Figures of live relays.
    pub relay_metrics: relay::Metrics,
    /// Figures of the access log.
    pub log_metrics: AccessLogMetrics,
    /// Which requests are traced, and where spans go.
    pub traces: Traces,
    /// Where parents are asked.
    pub runtime: Handle,
}

/// A configuration at work.
#[derive(Debug)]
pub struct Snapshot {
    /// Counted from 1 at the start of the process.
    pub generation: u64,
    /// When it came into force.
    pub loaded_at: SystemTime,
    /// What it says.
    pub loaded: Loaded,
    /// What requests go through.
    pub edge: Arc<EdgeProxy>,
    /// Parents.
    pub upstream: Upstream,
    /// All sites, those that are none included.
    pub sites: Sites,
    /// What filters know as the playback key.
    pub playback_key: Option<PlaybackKey>,
}

/// A configuration that is right, and cannot be used here and now.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Unusable {
    /// The dotted key.
    pub key: &'static str,
    /// Why.
    pub reason: String,
}

impl Lasting {
    /// The first configuration of the process, or the one after `old`.
    ///
    /// # Errors
    /// An access log that cannot be opened, or a key that filters do not take.
    pub fn snapshot(&self, old: Option<&Snapshot>, loaded: Loaded) -> Result<Snapshot, Unusable> {
        let settings = &loaded.settings;
        let json_log = self.json_log(old, settings)?;
        let playback_key = match (&self.node, &settings.playback.keys) {
            (None, _) => None,
            (Some(_), keys) => {
                let secrets = keys.as_ref().map_or(&[][..], |keys| &keys.secrets);
                let key = playback_key(secrets).map_err(|error| Unusable {
                    key: "playback.token_keys",
                    reason: error.to_string(),
                })?;
                Some(key)
            }
        };
        let upstream = self.upstream(old, settings);
        let sites = match old {
            Some(old) => old.sites.with(settings.sites.clone()),
            None => self.sites.with(settings.sites.clone()),
        };
        let edge = EdgeProxy {
            name: self.name.clone(),
            alt_svc: self.alt_svc.clone(),
            cache: self.cache.clone(),
            relay: self.relay(old, &loaded, &upstream),
            pages: Arc::clone(&self.pages),
            playback: settings.playback.clone(),
            tiers_show_certificates: settings.listen.tiers.is_some(),
            filters: self.node.as_deref().map(Filters::new),
            rooms: self.rooms.clone(),
            sites: (!settings.sites.is_empty()).then(|| sites.clone()),
            limits: self.limits.with(settings.limits.clone()),
            metrics: self.metrics.clone(),
            streams: self.streams.clone(),
            access_log: settings.log.access,
            json_log,
            traces: self.traces.clone(),
            write_timeout: settings.write_timeout,
        };
        Ok(Snapshot {
            generation: old.map_or(0, |old| old.generation) + 1,
            loaded_at: SystemTime::now(),
            edge: Arc::new(edge),
            upstream,
            sites,
            playback_key,
            loaded,
        })
    }

    fn upstream(&self, old: Option<&Snapshot>, settings: &Settings) -> Upstream {
        let certificate = self.certificate.as_ref();
        let wanted = settings.upstream.clone();
        match old {
            Some(old) if old.loaded.settings.upstream == wanted => old.upstream.clone(),
            Some(old) => old.upstream.with(wanted, certificate),
            None => Upstream::new(
                wanted,
                certificate,
                self.metrics.clone(),
                self.runtime.clone(),
            ),
        }
    }

    fn relay(&self, old: Option<&Snapshot>, loaded: &Loaded, upstream: &Upstream) -> LiveRelay {
        if let Some(old) = old
            && !Snapshot::relay_changes(&old.loaded, loaded)
        {
            return old.edge.relay.clone();
        }
        let keys = loaded.settings.playback.keys.as_ref();
        LiveRelay::new(
            loaded.settings.relay,
            self.cache.clone(),
            upstream.clone(),
            keys.map(|keys| keys.tiers.clone()),
            self.relay_metrics.clone(),
            self.runtime.clone(),
        )
    }

    fn json_log(
        &self,
        old: Option<&Snapshot>,
        settings: &Settings,
    ) -> Result<Option<AccessLog>, Unusable> {
        let Some(wanted) = &settings.access_log else {
            return Ok(None);
        };
        let before = old.and_then(|old| {
            let settings = old.loaded.settings.access_log.as_ref()?;
            Some((settings, old.edge.json_log.as_ref()?))
        });
        if let Some((known, log)) = before
            && (&known.output, known.queue_max) == (&wanted.output, wanted.queue_max)
        {
            return Ok(Some(log.with(wanted)));
        }
        let started = AccessLog::start(wanted, &settings.node_name, &self.log_metrics);
        let log = started.map_err(|error| Unusable {
            key: "access_log.output",
            reason: error.to_string(),
        })?;
        Ok(Some(log))
    }
}

impl Snapshot {
    /// Whether streams have to be subscribed to anew.
    fn relay_changes(old: &Loaded, new: &Loaded) -> bool {
        old.settings.upstream != new.settings.upstream
            || old.settings.relay != new.settings.relay
            || old.config.playback != new.config.playback
    }

    /// Authorities of all parents, some more than once.
    #[must_use]
    pub fn parents(&self) -> Vec<String> {
        let mut parents = self.sites.parents();
        parents.extend(self.upstream.authorities());
        parents
    }
}
