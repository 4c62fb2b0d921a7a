//! A herd: many clients ask for the same few objects in the same instant.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::{Client, Fetched, RequestError};

/// Most members of a herd.
pub const MEMBERS_MAX: usize = 100_000;

/// How many distinct failures are described; the rest is only counted.
const FAILURES_DESCRIBED_MAX: usize = 10;

/// What the herd was told.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Report {
    /// How many asked.
    pub members: usize,
    /// Answers with a header, by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Whole bodies, any status.
    pub whole: usize,
    /// Bodies that broke off or had the wrong length.
    pub broken: usize,
    /// Requests that never got a header.
    pub unanswered: usize,
    /// Requests that were still open when time was up.
    pub timed_out: usize,
    /// Distinct whole 200 bodies per path.
    pub distinct_bodies: BTreeMap<String, usize>,
    /// The smallest and the largest whole 200 body.
    pub body_bytes: Option<(usize, usize)>,
    /// The first answer to end, in milliseconds from the start.
    pub first_ms: f64,
    /// The last.
    pub last_ms: f64,
    /// What the first few failures were.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every member got a whole answer with `status`.
    pub fn all_whole_with(&self, status: u16) -> bool {
        self.whole == self.members && self.statuses.get(&status) == Some(&self.members)
    }

    /// How many answers had `status`.
    pub fn with_status(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} members: statuses {:?}, {} whole, {} broken, {} unanswered, {} timed out; \
             distinct bodies {:?}, sizes {:?}; first after {:.0} ms, last after {:.0} ms",
            self.members,
            self.statuses,
            self.whole,
            self.broken,
            self.unanswered,
            self.timed_out,
            self.distinct_bodies,
            self.body_bytes,
            self.first_ms,
            self.last_ms,
        )?;
        for failure in &self.failures {
            write!(f, "\n  failure: {failure}")?;
        }
        Ok(())
    }
}

enum Outcome {
    Answer(Box<Fetched>),
    None(RequestError),
    TimedOut,
}

/// Sends `members` requests at once, spread over `clients` and over `paths`, and waits for all of
/// them, but not longer than `patience`.
pub async fn run(
    clients: &[Client],
    paths: &[String],
    members: usize,
    patience: Duration,
) -> anyhow::Result<Report> {
    anyhow::ensure!(members <= MEMBERS_MAX, "more than {MEMBERS_MAX} members");
    anyhow::ensure!(
        !clients.is_empty() && !paths.is_empty() && members > 0,
        "a herd needs clients, paths and members"
    );
    let paths: Vec<Arc<str>> = paths.iter().map(|path| path.as_str().into()).collect();
    let start = Arc::new(Barrier::new(members));
    let mut herd = JoinSet::new();
    // Each client asks for every path in turn: no path belongs to one protocol.
    let pairs = clients.iter().cycle().enumerate().take(members);
    for (index, client) in pairs {
        let round = index / clients.len() + index % clients.len();
        let Some(path) = paths.get(round % paths.len()).map(Arc::clone) else {
            continue;
        };
        let (client, start) = (client.clone(), Arc::clone(&start));
        herd.spawn(async move {
            start.wait().await;
            let began = std::time::Instant::now();
            let outcome = match tokio::time::timeout(patience, client.fetch(&path, &[])).await {
                Ok(Ok(fetched)) => Outcome::Answer(Box::new(fetched)),
                Ok(Err(error)) => Outcome::None(error),
                Err(_) => Outcome::TimedOut,
            };
            (path, outcome, began.elapsed())
        });
    }
    let mut census = Census::default();
    while let Some(member) = herd.join_next().await {
        let (path, outcome, took) = member?;
        census.count(&path, outcome, took);
    }
    Ok(census.report(members))
}

#[derive(Default)]
struct Census {
    report: Report,
    bodies: HashMap<Arc<str>, HashSet<u64>>,
    took: Vec<Duration>,
    failures: BTreeMap<String, usize>,
}

impl Census {
    fn count(&mut self, path: &Arc<str>, outcome: Outcome, took: Duration) {
        self.took.push(took);
        let fetched = match outcome {
            Outcome::Answer(fetched) => fetched,
            Outcome::None(error) => {
                self.report.unanswered += 1;
                *self.failures.entry(error.to_string()).or_default() += 1;
                return;
            }
            Outcome::TimedOut => {
                self.report.timed_out += 1;
                return;
            }
        };
        let status = fetched.status.as_u16();
        *self.report.statuses.entry(status).or_default() += 1;
        if let Some(broken) = &fetched.broken {
            self.report.broken += 1;
            *self.failures.entry(broken.to_string()).or_default() += 1;
            return;
        }
        self.report.whole += 1;
        if status == 200 {
            let mut hasher = DefaultHasher::new();
            fetched.body.hash(&mut hasher);
            let bodies = self.bodies.entry(Arc::clone(path)).or_default();
            bodies.insert(hasher.finish());
            let size = fetched.body.len();
            let (small, large) = self.report.body_bytes.unwrap_or((size, size));
            self.report.body_bytes = Some((small.min(size), large.max(size)));
        }
    }

    fn report(mut self, members: usize) -> Report {
        let ms = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1e3);
        self.report.members = members;
        self.report.first_ms = ms(self.took.iter().min());
        self.report.last_ms = ms(self.took.iter().max());
        self.report.distinct_bodies = self
            .bodies
            .iter()
            .map(|(path, bodies)| (path.to_string(), bodies.len()))
            .collect();
        self.report.failures = self
            .failures
            .into_iter()
            .take(FAILURES_DESCRIBED_MAX)
            .map(|(failure, count)| format!("{count} x {failure}"))
            .collect();
        self.report
    }
}
