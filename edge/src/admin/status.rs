//! What this node is and how it is: `GET /v1/status`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use filter_registry::agent::AgentStatus;
use serde::Serialize;

use super::{NodeFilters, Shared};
use crate::cache::CacheLimits;
use crate::config::{ListenSettings, Settings};
use crate::tls::{CertificateStatus, Tls};

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Facts {
    node: String,
    listen: ListenSettings,
    cache: CacheLimits,
    /// Upgrades in place since the first process.
    generation: u64,
}

impl Facts {
    /// Of an edge with these settings, after so many upgrades in place.
    pub fn new(settings: &Settings, generation: u64) -> Self {
        Self {
            node: settings.node_name.clone(),
            listen: settings.listen,
            cache: settings.cache,
            generation,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Status {
    node: String,
    role: &'static str,
    version: &'static str,
    pid: u32,
    /// Upgrades in place since the first process.
    process_generation: u64,
    config: ConfigStatus,
    started_unix_ms: u64,
    uptime_seconds: u64,
    ready: bool,
    draining: bool,
    conditions: BTreeMap<Cow<'static, str>, bool>,
    warnings: BTreeMap<Cow<'static, str>, String>,
    listen: Listen,
    parents: Vec<ParentStatus>,
    certificates: Vec<CertificateStatus>,
    playback: &'static str,
    requests_in_progress: i64,
    cache: CacheFigures,
    filters: FiltersSummary,
}

#[derive(Serialize)]
struct ConfigStatus {
    /// Counted from 1 at the start of the process.
    generation: u64,
    loaded_unix_ms: u64,
}

#[derive(Serialize)]
struct Listen {
    https: SocketAddr,
    http: Option<SocketAddr>,
    tiers: Option<SocketAddr>,
    admin: SocketAddr,
}

#[derive(Serialize)]
struct ParentStatus {
    url: String,
    /// False from its fall on until it answers again.
    reachable: bool,
}

#[derive(Serialize)]
struct CacheFigures {
    bytes: u64,
    bytes_max: u64,
    objects: u64,
    flights: usize,
    flights_max: usize,
}

#[derive(Serialize)]
struct FiltersSummary {
    enabled: bool,
    /// How far this node is with what the registry wants: among it why it is not ready.
    agent: Option<AgentStatus>,
}

pub(super) async fn serve(State(admin): State<Shared>) -> Json<Status> {
    let now = SystemTime::now();
    let readiness = admin.health.readiness();
    let current = admin.reloader.current();
    let parents = current.upstream.parents();
    let memory = admin.cache.memory();
    memory.settle();
    let facts = &admin.facts;
    Json(Status {
        node: facts.node.clone(),
        role: "edge",
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        process_generation: facts.generation,
        config: ConfigStatus {
            generation: current.generation,
            loaded_unix_ms: unix_ms(current.loaded_at),
        },
        started_unix_ms: unix_ms(admin.started),
        uptime_seconds: now
            .duration_since(admin.started)
            .unwrap_or_default()
            .as_secs(),
        ready: readiness.ready,
        draining: readiness.draining,
        conditions: readiness.conditions,
        warnings: readiness.warnings,
        listen: Listen {
            https: facts.listen.https,
            http: facts.listen.http,
            tiers: facts.listen.tiers,
            admin: facts.listen.admin,
        },
        parents: parents
            .map(|(url, reachable)| ParentStatus { url, reachable })
            .collect(),
        certificates: admin
            .tls
            .as_ref()
            .map_or_else(Vec::new, |tls: &Tls| tls.status(now)),
        playback: current.edge.playback.auth.as_str(),
        requests_in_progress: admin.metrics.in_progress.get(),
        cache: CacheFigures {
            bytes: memory.bytes(),
            bytes_max: facts.cache.memory_bytes,
            objects: memory.objects(),
            flights: admin.cache.flights(),
            flights_max: facts.cache.flights_max,
        },
        filters: FiltersSummary {
            enabled: admin.filters.is_some(),
            agent: admin.filters.as_ref().map(NodeFilters::agent),
        },
    })
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
