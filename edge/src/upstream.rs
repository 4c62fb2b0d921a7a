//! The parents' side: fills flights, and turns every failure into an answer that can be shared.
//!
//! A fill runs in a task of its own on the upstream runtime, never in a viewer's: no viewer's
//! slowness or leaving touches it (ARCHITECTURE.md, "The edge").

/// Which parents to ask, and in which order.
pub mod choice;
/// What this edge shows to its parents.
pub mod client_certificate;
/// One fetch: attempts, failover, reading an answer into a flight.
mod fetch;
/// One parent and the connections to it.
pub mod parent;
/// Looks whether parents are alive that owe answers, or have fallen.
mod probe;
/// Why a parent ends connections without an answer.
mod refusal;
/// How a parent stands.
pub mod standing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::cache::Fill;
use crate::metrics::Metrics;
use choice::{Candidate, Choice};
use client_certificate::ClientCertificate;
use parent::{ConnectSettings, Parent, ParentUrl, Parents};
use standing::{Availability, Failure};

/// Parents and how to ask them.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// In order of preference.
    pub parents: Vec<ParentUrl>,
    /// Asked when none of `parents` is up.
    pub backups: Vec<ParentUrl>,
    /// How the first of `parents` is chosen.
    pub choice: Choice,
    /// Between two looks at a parent that owes answers; zero: none.
    pub probe_interval: Duration,
    /// How to connect.
    pub connect: ConnectSettings,
    /// From a request sent to the head of its answer.
    pub head_timeout: Duration,
    /// The longest silence inside a body.
    pub body_timeout: Duration,
    /// How long a failure answers those who ask for the same object.
    pub error_memo: Duration,
}

/// What a fill says to a parent beside what it asks for.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    /// This edge's own authorization, when playback is signed.
    pub authorization: Option<String>,
    /// Id of the request that the fill was started for.
    pub request_id: Option<String>,
}

/// Fetches objects from parents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parents: Parents,
    settings: UpstreamSettings,
    metrics: Metrics,
    runtime: Handle,
}

impl Upstream {
    /// Fills run on `runtime`; https parents are shown `certificate`.
    pub fn new(
        settings: UpstreamSettings,
        certificate: Option<&ClientCertificate>,
        metrics: Metrics,
        runtime: Handle,
    ) -> Self {
        let connect = &settings.connect;
        let primaries = settings.parents.iter().map(|url| (url, false));
        let backups = settings.backups.iter().map(|url| (url, true));
        let parents: Parents = primaries
            .chain(backups)
            .map(|(url, backup)| {
                Parent::new(url.clone(), backup, connect.clone(), certificate.cloned())
            })
            .collect();
        let inner = Arc::new(Inner {
            parents,
            settings,
            metrics,
            runtime,
        });
        for parent in inner.parents.iter() {
            inner.metrics.parent_up(parent.authority(), true);
        }
        probe::spawn(&inner);
        Self { inner }
    }

    /// Each parent's URL, and whether it is up: false from a failure on until it has answered again.
    pub fn parents(&self) -> impl Iterator<Item = (String, bool)> + '_ {
        let now = Instant::now();
        let parents = self.inner.parents.iter();
        parents.map(move |parent| {
            let up = parent.availability(now) == Availability::Up;
            (parent.url.to_string(), up)
        })
    }

    /// Starts filling. Returns at once; the outcome is the flight's.
    pub fn spawn_fill(&self, fill: Fill, asking: Asking) {
        let inner = Arc::clone(&self.inner);
        self.inner
            .runtime
            .spawn(async move { inner.fill(fill, asking).await });
    }
}

impl Inner {
    /// The parents to ask for `target`, best first.
    fn order(&self, target: &str, now: Instant) -> Vec<&Parent> {
        let probes = self.probes();
        let candidates: Vec<_> = self
            .parents
            .iter()
            .map(|parent| Candidate {
                authority: parent.authority(),
                backup: parent.backup,
                // Where parents are looked at, no viewer's request has to find out.
                availability: match parent.availability(now) {
                    Availability::Trial if probes => Availability::Down,
                    availability => availability,
                },
            })
            .collect();
        let order = choice::order(self.settings.choice, target, &candidates);
        order
            .into_iter()
            .filter_map(|place| self.parents.get(place))
            .collect()
    }

    fn succeeded(&self, parent: &Parent) {
        note_answer(parent, &self.metrics);
    }

    fn failed(&self, parent: &Parent, failure: Failure, reason: &'static str) {
        note_failure(parent, failure, reason, &self.metrics);
    }
}

/// Notes that a parent answered.
pub(crate) fn note_answer(parent: &Parent, metrics: &Metrics) {
    if parent.succeeded(Instant::now()) {
        tracing::info!(parent = %parent.url, "the parent is back");
        metrics.parent_up(parent.authority(), true);
    }
}

/// Notes that a parent did not answer.
pub(crate) fn note_failure(
    parent: &Parent,
    failure: Failure,
    reason: &'static str,
    metrics: &Metrics,
) {
    if parent.failed(failure, Instant::now()) {
        tracing::warn!(parent = %parent.url, reason, "the parent has fallen");
        metrics.parent_up(parent.authority(), false);
        metrics.parent_falls(parent.authority(), reason);
    }
}
