//! The parents' side: fills flights, and turns every failure into an answer that can be shared.
//!
//! A fill runs in a task of its own on the upstream runtime, never in a viewer's: no viewer's
//! slowness or leaving touches it (ARCHITECTURE.md, "The edge").

/// What this edge shows to its parents.
pub mod client_certificate;
/// One fetch: attempts, failover, reading an answer into a flight.
mod fetch;
/// One parent and the connections to it.
pub mod parent;
/// Why a parent ends connections without an answer.
mod refusal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::cache::Fill;
use crate::metrics::Metrics;
use client_certificate::ClientCertificate;
use parent::{ConnectSettings, Parent, ParentUrl, Parents};

/// Parents and how to ask them.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// In order of preference.
    pub parents: Vec<ParentUrl>,
    /// How to connect.
    pub connect: ConnectSettings,
    /// From a request sent to the head of its answer.
    pub head_timeout: Duration,
    /// The longest silence inside a body.
    pub body_timeout: Duration,
    /// How long a failure answers those who ask for the same object.
    pub error_memo: Duration,
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
        let parents = settings
            .parents
            .iter()
            .map(|url| {
                let certificate = certificate.cloned();
                Parent::new(url.clone(), settings.connect.clone(), certificate)
            })
            .collect();
        Self {
            inner: Arc::new(Inner {
                parents,
                settings,
                metrics,
                runtime,
            }),
        }
    }

    /// Each parent's URL, and whether it is asked first: false for a moment after it could not be
    /// reached.
    pub fn parents(&self) -> impl Iterator<Item = (String, bool)> + '_ {
        let now = Instant::now();
        let parents = self.inner.parents.iter();
        parents.map(move |parent| (parent.url.to_string(), !parent.is_down(now)))
    }

    /// Starts filling. Returns at once; the outcome is the flight's.
    ///
    /// `authorization` is this edge's own for the parent, when playback is signed.
    pub fn spawn_fill(&self, fill: Fill, authorization: Option<String>) {
        let inner = Arc::clone(&self.inner);
        self.inner
            .runtime
            .spawn(async move { inner.fill(fill, authorization).await });
    }
}
