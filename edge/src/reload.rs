//! Reading the configuration file again while the edge runs: all of it takes effect, or none.
//!
//! A file that is wrong, or that changes a key which needs another process, changes nothing, so that
//! file and process never differ in silence. What is right becomes a new [`Snapshot`], which is put
//! in the place of the old one; requests that run go on with what they began with.

/// What differs between two configurations.
pub mod diff;
/// What is counted.
mod metrics;
/// What a configuration makes.
pub mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use settings::ConfigError;
use tokio::signal::unix::Signal;

use crate::config;
use crate::frontend::Grace;
use crate::live::Live;
use crate::tls::Tls;
use diff::Change;
pub use metrics::Metrics;
use snapshot::{Lasting, Snapshot, Unusable};

/// The configuration in force, and the way to the next one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<PathBuf>,
    lasting: Lasting,
    current: ArcSwap<Snapshot>,
    live: Live,
    grace: Grace,
    metrics: Metrics,
    /// One at a time.
    reloading: Mutex<()>,
}

/// What became of a file that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The configuration in force.
    pub generation: u64,
    /// What changed; nothing if the file says what is in force.
    pub changes: Vec<Change>,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// There is no file.
    #[error("this edge was started without --config: there is no file to read again")]
    NoFile,
    /// The file is wrong.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// It changes what a running process cannot.
    #[error("{}: {}: needs an upgrade in place or a restart", file.display(), keys.join(", "))]
    NeedsUpgrade {
        /// The file.
        file: PathBuf,
        /// The dotted keys.
        keys: Vec<String>,
    },
    /// Something that it names cannot be had.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl ReloadError {
    /// Label in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NeedsUpgrade { .. } => "needs_upgrade",
            Self::NoFile | Self::Unusable(_) => "unusable",
        }
    }
}

impl Reloader {
    /// Puts the first configuration into force. `grace`: that of a drain.
    pub fn new(
        file: Option<PathBuf>,
        lasting: Lasting,
        first: Snapshot,
        grace: Grace,
        metrics: Metrics,
    ) -> Self {
        let first = Arc::new(first);
        let reloader = Self {
            inner: Arc::new(Inner {
                file,
                lasting,
                live: Live::new(Arc::clone(&first.edge)),
                current: ArcSwap::new(Arc::clone(&first)),
                grace,
                metrics,
                reloading: Mutex::new(()),
            }),
        };
        reloader.inner.put_in_force(&first);
        reloader
    }

    /// What pingora calls.
    #[must_use]
    pub fn live(&self) -> Live {
        self.inner.live.clone()
    }

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.inner.current.load_full()
    }

    /// What lasts whatever the configuration.
    #[must_use]
    pub fn lasting(&self) -> &Lasting {
        &self.inner.lasting
    }

    /// Reads the file again, and says in the log and in metrics what became of it. It reads files:
    /// not to be called where others wait.
    ///
    /// # Errors
    /// Why nothing changed.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let inner = &self.inner;
        let _alone = inner.reloading.lock();
        let outcome = inner.reload();
        match &outcome {
            Ok(reloaded) if reloaded.changes.is_empty() => {
                inner.metrics.reloaded("unchanged");
                tracing::info!(
                    generation = reloaded.generation,
                    "the configuration is unchanged"
                );
            }
            Ok(reloaded) => {
                inner.metrics.reloaded("applied");
                for Change { key, old, new } in &reloaded.changes {
                    tracing::info!(key, old, new, "the configuration changes");
                }
                tracing::info!(
                    generation = reloaded.generation,
                    changes = reloaded.changes.len(),
                    "the configuration was reloaded"
                );
            }
            Err(error) => {
                inner.metrics.reloaded(error.as_str());
                tracing::error!(%error, "the configuration was not reloaded: nothing changed");
            }
        }
        outcome
    }

    /// Reloads at each signal, the files of certificates and keys as well. Ends with the process.
    pub async fn follow(self, mut signals: Signal, tls: Tls) {
        while signals.recv().await.is_some() {
            let (reloader, tls) = (self.clone(), tls.clone());
            let reload = tokio::task::spawn_blocking(move || {
                // Said in the log.
                let _ = reloader.reload();
                let _ = tls.reload(true);
            });
            if reload.await.is_err() {
                tracing::error!("reloading failed: nothing changed");
            }
        }
    }
}

impl Inner {
    fn reload(&self) -> Result<Reloaded, ReloadError> {
        let Some(file) = &self.file else {
            return Err(ReloadError::NoFile);
        };
        let loaded = config::read(Some(file))?;
        let old = self.current.load_full();
        let changes = diff::changes(
            (&old.loaded.config, &old.loaded.table),
            (&loaded.config, &loaded.table),
        );
        let stuck = changes.iter().filter(|change| !change.is_live());
        let keys: Vec<String> = stuck.map(|change| change.key.clone()).collect();
        if !keys.is_empty() {
            let file = file.clone();
            return Err(ReloadError::NeedsUpgrade { file, keys });
        }
        if changes.is_empty() {
            let generation = old.generation;
            return Ok(Reloaded {
                generation,
                changes,
            });
        }
        let next = Arc::new(self.lasting.snapshot(Some(&old), loaded)?);
        self.put_in_force(&next);
        // Subscriptions to parents that are none any more end when nobody asks for them; edges below
        // are told to come again, and come to the new ones.
        if !old.edge.relay.is(&next.edge.relay) {
            old.edge.relay.drain();
        }
        let parents = next.parents();
        for gone in old.parents() {
            if !parents.contains(&gone) {
                self.lasting.metrics.parent_gone(&gone);
            }
        }
        Ok(Reloaded {
            generation: next.generation,
            changes,
        })
    }

    /// From here on nothing fails.
    fn put_in_force(&self, next: &Arc<Snapshot>) {
        if let (Some(node), Some(key)) = (&self.lasting.node, &next.playback_key) {
            node.replace_playback_key(key);
        }
        self.lasting.limits.adopt(&next.edge.limits);
        self.live.replace(Arc::clone(&next.edge));
        self.grace.set(next.loaded.settings.drain_grace);
        self.current.store(Arc::clone(next));
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.generation.set(gauge(next.generation));
        self.metrics.loaded.set(gauge(unix_seconds(next.loaded_at)));
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
