//! The register of names: one for guests and accounts, so that nobody looks like somebody else.
//!
//! Guests' names are kept on disk. Accounts' are in their store, and told to the register when it
//! opens: another origin's that come later are not known here.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use super::names::{NameError, Names};
use crate::clock::unix_ms;

/// Names are written to disk this often, if they changed.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Who is called what.
#[derive(Debug)]
pub(crate) struct Register {
    names: Mutex<Kept>,
    file: PathBuf,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Kept {
    names: Names,
    changed: bool,
}

impl Register {
    pub(super) async fn open(
        file: PathBuf,
        reserved: impl Iterator<Item = String>,
        metrics: Metrics,
    ) -> Self {
        let mut names: Names = match tokio::fs::read(&file).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the names of guests cannot be read: they are free again");
                Names::default()
            }),
            Err(_) => Names::default(),
        };
        names.reserve(reserved);
        metrics.names.set(gauge(names.len()));
        Self {
            names: Mutex::new(Kept {
                names,
                changed: false,
            }),
            file,
            metrics,
        }
    }

    /// Writes names to disk now and then, and at the end.
    pub(super) async fn keep(&self, stop: CancellationToken) {
        loop {
            let is_over = tokio::time::timeout(KEEP_EVERY, stop.cancelled())
                .await
                .is_ok();
            self.write().await;
            if is_over {
                return;
            }
        }
    }

    async fn write(&self) {
        let bytes = {
            let mut kept = self.names.lock();
            kept.names.sweep(unix_ms());
            self.metrics.names.set(gauge(kept.names.len()));
            if !std::mem::take(&mut kept.changed) {
                return;
            }
            serde_json::to_vec(&kept.names).unwrap_or_default()
        };
        let part = self.file.with_extension("part");
        let written = async {
            tokio::fs::write(&part, bytes).await?;
            tokio::fs::rename(&part, &self.file).await
        };
        if let Err(error) = written.await {
            self.names.lock().changed = true;
            tracing::warn!(%error, "the names of guests cannot be written; trying again");
        }
    }

    /// A guest takes a name, in place of `before`. Returns it as it is shown.
    pub(super) fn take(
        &self,
        user: &str,
        name: &str,
        before: Option<&str>,
        lifetime: Duration,
    ) -> Result<String, NameError> {
        let (now, until) = (unix_ms(), after(lifetime));
        let mut kept = self.names.lock();
        let name = kept.names.take(user, name, now, until)?;
        if let Some(before) = before.filter(|before| *before != name) {
            kept.names.release(user, before);
            // Two spellings of one name: the release took the new one away.
            kept.names.take(user, &name, now, until)?;
        }
        kept.changed = true;
        Ok(name)
    }

    /// Whoever an operator names is called so, and nobody else. Whether it can be.
    pub(super) fn hold(&self, user: &str, name: &str, lifetime: Duration) -> bool {
        let mut kept = self.names.lock();
        let is_given = kept.names.give(user, name, unix_ms(), after(lifetime));
        kept.changed |= is_given;
        is_given
    }

    /// Gives back what a guest was called.
    pub(super) fn forget(&self, user: &str) {
        let mut kept = self.names.lock();
        kept.changed |= kept.names.forget(user);
    }

    /// An account, or one that is to be, is called so until it gives the name back. Returns the name as
    /// it is shown.
    pub(crate) fn own(&self, owner: &str, name: &str) -> Result<String, NameError> {
        self.names.lock().names.own(owner, name, unix_ms())
    }

    /// The name goes from one owner to another.
    pub(crate) fn pass_on(&self, from: &str, to: &str, name: &str) {
        self.names.lock().names.pass_on(from, to, name);
    }

    /// Names of accounts that are there already: they are theirs, whatever guests are called.
    pub(crate) fn recall<'a>(&self, names: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut kept = self.names.lock();
        for (owner, name) in names {
            kept.names.recall(owner, name);
        }
    }

    /// An account gives a name back. What it keeps may be another spelling of the same.
    pub(crate) fn disown(&self, owner: &str, name: &str, kept: Option<&str>) {
        self.names.lock().names.disown(owner, name, kept);
    }
}

fn after(lifetime: Duration) -> u64 {
    unix_ms().saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
