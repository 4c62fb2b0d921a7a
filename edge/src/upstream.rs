//! The parents' side: fills flights, and turns every failure into an answer that can be shared.
//!
//! A fill runs in a task of its own on the upstream runtime, never in a viewer's: no viewer's
//! slowness or leaving touches it (ARCHITECTURE.md, "The edge").

/// What this edge says of itself to its parents.
mod authorization;
/// Which parents to ask, and in which order.
pub mod choice;
/// What this edge shows to its parents.
pub mod client_certificate;
/// One fetch: asking, and reading an answer into a flight.
mod fetch;
/// One parent and the connections to it.
pub mod parent;
/// Several parents: attempts, and failover.
pub mod parents;
/// Looks whether parents are alive that owe answers, or have fallen.
mod probe;
/// Why a parent ends connections without an answer.
mod refusal;
/// How a parent stands.
pub mod standing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use telemetry::traces::Link;
use tokio::runtime::Handle;

use crate::cache::Fill;
use crate::metrics::Metrics;
pub use authorization::authorization;
pub use fetch::head_of;

use choice::Choice;
use client_certificate::ClientCertificate;
use parent::{ConnectSettings, Parent, ParentUrl};
use parents::{Answer, NoAnswer, Parents, Request};
use standing::Availability;

/// Parents and how to ask them.
#[derive(Clone, Debug, PartialEq)]
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
    /// That request, if it is traced.
    pub trace: Option<Link>,
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
        let inner = Arc::new(Inner {
            parents: Parents::new(&settings, certificate, metrics.clone()),
            settings,
            metrics,
            runtime,
        });
        probe::spawn(&inner);
        Self { inner }
    }

    /// Other parents, or other ways to ask them. What is being filled goes on as it began, and
    /// parents that stay as they are keep their connections.
    pub fn with(
        &self,
        settings: UpstreamSettings,
        certificate: Option<&ClientCertificate>,
    ) -> Self {
        let known = &self.inner;
        let inner = Arc::new(Inner {
            parents: known.parents.with(&settings, certificate),
            settings,
            metrics: known.metrics.clone(),
            runtime: known.runtime.clone(),
        });
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

    /// Each parent's authority.
    pub fn authorities(&self) -> impl Iterator<Item = String> + '_ {
        let parents = self.inner.parents.iter();
        parents.map(|parent| parent.authority().to_owned())
    }

    /// Starts filling. Returns at once; the outcome is the flight's.
    pub fn spawn_fill(&self, fill: Fill, asking: Asking) {
        let inner = Arc::clone(&self.inner);
        self.inner
            .runtime
            .spawn(async move { inner.fill(fill, asking).await });
    }

    /// Fills; the status that a parent gave. To be run to its end.
    pub async fn fill(&self, fill: Fill, asking: Asking) -> Option<StatusCode> {
        self.inner.fill(fill, asking).await
    }

    /// Asks for something that is not kept. To be run to its end.
    ///
    /// # Errors
    /// No parent answered.
    pub async fn ask(&self, target: &str, asking: &Asking) -> Result<Answer, NoAnswer> {
        let request = Request {
            method: &Method::GET,
            target,
            authority: None,
            headers: &asking.fields(),
            body: Bytes::new(),
            trace: asking.trace.as_ref(),
        };
        self.inner.parents.ask(&request).await
    }

    /// Notes that a parent has just said something, unasked.
    pub fn heard(&self, parent: &Parent) {
        self.inner.parents.succeeded(parent);
    }
}
