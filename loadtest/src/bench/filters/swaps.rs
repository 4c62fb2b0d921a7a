//! How long a change of a filter takes until all edges run it, and whether viewers notice.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::task::JoinSet;

use super::super::STREAM_PATH;
use super::Bench;
use super::artifact::{AUTH, Artifact, FIELD, HEADERS, VALUE};
use super::cost::{cookie, stream_of};
use super::fleet::{Fleet, Follows};
use super::registry::Times;
use crate::bench::report::median;
use crate::client::{Client, Protocol, Trust};

/// The first port of this measurement, after the benchmark's first.
const PORT: u16 = 20;

/// How often each change is made.
const REPETITIONS: usize = 5;

/// Between two changes: what went wrong with the last one is to be counted with it.
const SETTLE: Duration = Duration::from_millis(500);

/// How many failures are described; the rest is only counted.
const FAILURES_DESCRIBED_MAX: usize = 5;

/// Who watches meanwhile: one connection of each protocol to each edge, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crowd {
    /// Nobody.
    Nobody,
    /// Each asks again 10 ms after its answer.
    Paced,
    /// Each asks again at once: the processors have nothing left.
    Closed,
}

impl Crowd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nobody, Self::Paced, Self::Closed];

    /// Between an answer and the next request.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::Nobody => None,
            Self::Paced => Some(Duration::from_millis(10)),
            Self::Closed => Some(Duration::ZERO),
        }
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "none",
            Self::Paced => "9, every 10 ms",
            Self::Closed => "9, closed loop",
        })
    }
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A version with the same component and another configuration.
    Configuration,
    /// A version with another component, which every node has to compile.
    Component,
    /// Back to the version before.
    Rollback,
}

impl Change {
    /// In the order in which they are made: what a new component replaced, the rollback brings back.
    pub const ALL: [Self; 3] = [Self::Configuration, Self::Component, Self::Rollback];
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "new configuration",
            Self::Component => "new component",
            Self::Rollback => "rollback",
        })
    }
}

/// One change. Milliseconds since `weirctl` was started.
#[derive(Debug, Clone, Serialize)]
pub struct Swap {
    /// Until the registry had tried and accepted it, or had decided.
    pub accepted_ms: f64,
    /// Until all edges reported it active.
    pub edges_ms: f64,
    /// Until the origin did, too.
    pub everywhere_ms: f64,
    /// Until `weirctl` ended.
    pub told_ms: f64,
    /// Requests of viewers meanwhile, and half a second on.
    pub requests: u64,
    /// Of them, those that failed: no answer, another status, a broken body, the filter's field
    /// missing.
    pub failed: u64,
    /// The longest of them, in milliseconds.
    pub longest_ms: f64,
    /// Whether a node went back by itself afterwards.
    pub taken_back: bool,
}

/// All changes of one kind with the same viewers.
#[derive(Debug, Clone, Serialize)]
pub struct Swaps {
    /// Who watched.
    pub crowd: Crowd,
    /// What was changed.
    pub change: Change,
    /// One for each repetition.
    pub runs: Vec<Swap>,
    /// What the first few failures were.
    pub failures: Vec<String>,
}

impl Swaps {
    pub(super) fn median(&self, value: impl Fn(&Swap) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }

    pub(super) fn max(&self, value: impl Fn(&Swap) -> f64) -> f64 {
        self.runs.iter().map(value).fold(0.0, f64::max)
    }
}

/// Makes every change several times, with each crowd.
pub(super) async fn run(bench: &Bench<'_>) -> anyhow::Result<Vec<Swaps>> {
    let port = bench.settings.base_port + PORT;
    let fleet = Fleet::start(bench, "swaps", port, &[Follows::Guarded; 3]).await?;
    let shipped = &bench.programs.shipped;
    fleet.deploy(shipped, &[AUTH, HEADERS]).await?;
    let tokens = fleet.tokens(stream_of(STREAM_PATH)?, 1).await?;
    let mut operator = Operator {
        bench,
        fleet: &fleet,
        artifact: Artifact::shipped(shipped, HEADERS)?,
        shipped: Artifact::shipped(shipped, HEADERS)?,
        value: VALUE.to_owned(),
        token: tokens.first().context("no token")?.clone(),
        changes: 0,
    };
    let mut swaps = Vec::new();
    for crowd in Crowd::ALL {
        let viewers = operator.viewers(crowd).await?;
        let mut cells = Change::ALL.map(|change| Swaps {
            crowd,
            change,
            runs: Vec::new(),
            failures: Vec::new(),
        });
        for repetition in 0..REPETITIONS {
            for cell in &mut cells {
                let change = cell.change;
                let swap = operator
                    .swap(change, &viewers)
                    .await
                    .with_context(|| format!("{change}, viewers: {crowd}"))?;
                tracing::info!(%change, viewers = %crowd, repetition, ?swap);
                cell.runs.push(swap);
                cell.failures.extend(viewers.take_failures());
                cell.failures.truncate(FAILURES_DESCRIBED_MAX);
            }
        }
        viewers.end().await;
        swaps.extend(cells);
    }
    Ok(swaps)
}

struct Operator<'a> {
    bench: &'a Bench<'a>,
    fleet: &'a Fleet,
    /// What new configurations are made from.
    shipped: Artifact,
    /// What is active after a rollback.
    artifact: Artifact,
    /// What it sets the field to.
    value: String,
    token: String,
    changes: usize,
}

impl Operator<'_> {
    async fn viewers(&self, crowd: Crowd) -> anyhow::Result<Viewers> {
        let mut viewers = Viewers::default();
        if let Some(pause) = crowd.pause() {
            for edge in &self.fleet.edges {
                let url = edge.url("");
                for protocol in Protocol::ALL {
                    let client = Client::connect(&url, protocol, &Trust::Insecure).await?;
                    viewers.add(client, self.bench.object.path.clone(), &self.token, pause);
                }
            }
        }
        Ok(viewers)
    }

    /// Makes one change and waits for it everywhere.
    async fn swap(&mut self, change: Change, viewers: &Viewers) -> anyhow::Result<Swap> {
        self.changes += 1;
        let nonce = format!("{}", self.changes);
        let registry = &self.fleet.registry;
        let directory = &self.bench.directory;
        viewers.start();
        let times = match change {
            Change::Configuration => {
                let (artifact, value) = self.shipped.with_new_configuration(directory, &nonce)?;
                (self.artifact, self.value) = (artifact, value);
                registry.push(&self.artifact).await?
            }
            Change::Component => {
                let artifact = self.artifact.with_new_component(directory, &nonce)?;
                registry.push(&artifact).await?
            }
            Change::Rollback => registry.roll_back(HEADERS).await?,
        };
        self.check().await?;
        tokio::time::sleep(SETTLE).await;
        let wanted = registry.wanted(HEADERS).await?;
        let taken_back = wanted.as_ref() != Some(&times.id);
        Ok(viewers.swap(&times, taken_back))
    }

    /// What is reported has to be so: every edge answers as the version does that is active.
    async fn check(&self) -> anyhow::Result<()> {
        let fields = cookie(&self.token);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        for edge in &self.fleet.edges {
            let client = Client::connect(&edge.url(""), Protocol::H2, &Trust::Insecure).await?;
            let fetched = client.fetch(&self.bench.object.path, &fields).await?;
            client.close();
            ensure!(
                fetched.header(FIELD) == Some(&self.value),
                "{} answers {} with {FIELD} {:?}, not {:?}",
                edge.name,
                fetched.status,
                fetched.header(FIELD),
                self.value
            );
        }
        Ok(())
    }
}

/// Viewers who ask again and again, and what came of it.
#[derive(Default)]
struct Viewers {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    requests: AtomicU64,
    failed: AtomicU64,
    longest_us: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Viewers {
    fn add(&mut self, client: Client, path: String, token: &str, pause: Duration) {
        let shared = Arc::clone(&self.shared);
        let fields = cookie(token);
        self.tasks.spawn(async move {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            while !shared.stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                if let Err(failure) = ask(&client, &path, &fields).await {
                    shared.fail(format!("{}: {failure}", client.protocol()));
                    // A server that refuses at once must not turn this into a busy loop.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.longest_us.fetch_max(took, Ordering::Relaxed);
                shared.requests.fetch_add(1, Ordering::Relaxed);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            client.close();
        });
    }

    /// Forgets what was counted.
    fn start(&self) {
        self.shared.requests.store(0, Ordering::Relaxed);
        self.shared.failed.store(0, Ordering::Relaxed);
        self.shared.longest_us.store(0, Ordering::Relaxed);
    }

    fn swap(&self, times: &Times, taken_back: bool) -> Swap {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Swap {
            accepted_ms: ms(times.accepted),
            edges_ms: ms(times.edges),
            everywhere_ms: ms(times.everywhere),
            told_ms: ms(times.told),
            requests: self.shared.requests.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            longest_ms: self.shared.longest_us.load(Ordering::Relaxed) as f64 / 1e3,
            taken_back,
        }
    }

    fn take_failures(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.failures())
    }

    async fn end(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    fn fail(&self, failure: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures();
        if failures.len() < FAILURES_DESCRIBED_MAX {
            failures.push(failure);
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A panic while pushing leaves a list that is still a list.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(client: &Client, path: &str, fields: &[(&str, &str)]) -> Result<(), String> {
    let fetched = client
        .fetch(path, fields)
        .await
        .map_err(|error| error.to_string())?;
    if let Some(broken) = fetched.broken {
        return Err(broken.to_string());
    }
    if fetched.status != http::StatusCode::OK {
        return Err(format!("status {}", fetched.status));
    }
    if fetched.headers.contains_key(FIELD) {
        Ok(())
    } else {
        Err(format!("an answer without {FIELD}"))
    }
}
