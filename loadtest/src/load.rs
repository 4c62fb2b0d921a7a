//! Closed-loop load: a fixed number of requests in flight, for a fixed time.
//!
//! Every stream asks again as soon as its answer is whole. It measures a server's cost and its
//! throughput, not its latency under a given rate: the latencies are those at saturation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::client::{Client, Protocol, Trust};
use crate::cpu;

/// Most requests in flight that one run may hold.
pub const IN_FLIGHT_MAX: usize = 20_000;

/// Longest run.
pub const DURATION_MAX: Duration = Duration::from_secs(600);

/// How many latencies one stream keeps; a longer run goes on counting, but not these.
const LATENCIES_PER_STREAM_MAX: usize = 2_000_000;

/// How many distinct failures are described; the rest is only counted.
const FAILURES_DESCRIBED_MAX: usize = 5;

/// Header fields of a request: names and values.
pub type Fields = Vec<(String, String)>;

/// What to ask, how hard and how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server; the URL's path is what is asked.
    pub url: String,
    /// Over which protocol.
    pub protocol: Protocol,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// Header fields of the requests: each connection takes the next of these sets, in turn.
    pub fields: Vec<Fields>,
    /// A field that every answer must have, and its value; an answer without it is an error.
    pub expected: Option<(String, String)>,
    /// How many connections.
    pub connections: usize,
    /// Requests in flight per connection; 1 for HTTP/1.1.
    pub streams: usize,
    /// How long each waits between an answer and its next request; zero for not at all.
    pub pause: Duration,
    /// Load that does not count, before the load that does.
    pub warm_up: Duration,
    /// Load that counts.
    pub duration: Duration,
    /// Processes whose CPU time is charged to the requests, children included.
    pub server_pids: Vec<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The protocol asked.
    pub protocol: Protocol,
    /// Whole 200 answers inside the measured time.
    pub requests: u64,
    /// Everything else: other statuses, broken bodies, no answer.
    pub errors: u64,
    /// What the first few errors were.
    pub failures: Vec<String>,
    /// The measured time.
    pub seconds: f64,
    /// Whole answers per second.
    pub requests_per_second: f64,
    /// Body megabytes (10^6) per second.
    pub megabytes_per_second: f64,
    /// Median latency of a whole answer, in microseconds.
    pub p50_us: u32,
    /// 99th percentile.
    pub p99_us: u32,
    /// CPU time of this client per request, in microseconds.
    pub client_cpu_us_per_request: f64,
    /// CPU time of the server per request, in microseconds, when its processes were named.
    pub server_cpu_us_per_request: Option<f64>,
    /// CPU seconds of the server per gigabyte (10^9) of body, likewise.
    pub server_cpu_s_per_gigabyte: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.0} req/s, {:.1} MB/s, p50 {} us, p99 {} us, client {:.1} us/req",
            self.protocol,
            self.requests_per_second,
            self.megabytes_per_second,
            self.p50_us,
            self.p99_us,
            self.client_cpu_us_per_request,
        )?;
        if let (Some(us), Some(s)) = (
            self.server_cpu_us_per_request,
            self.server_cpu_s_per_gigabyte,
        ) {
            write!(f, ", server {us:.1} us/req ({s:.2} CPU s/GB)")?;
        }
        write!(f, ", {} errors in {:.1} s", self.errors, self.seconds)?;
        for failure in &self.failures {
            write!(f, "\n  error: {failure}")?;
        }
        Ok(())
    }
}

/// Totals at one moment.
struct Mark {
    at: Instant,
    requests: u64,
    bytes: u64,
    client_cpu: Duration,
    server_cpu: Duration,
}

/// What all streams write to.
#[derive(Default)]
struct Shared {
    requests: AtomicU64,
    bytes: AtomicU64,
    measuring: AtomicBool,
    stop: AtomicBool,
}

/// One stream's own results, merged at the end.
#[derive(Default)]
struct Tally {
    latencies_us: Vec<u32>,
    errors: u64,
    failures: Vec<String>,
}

/// Runs the plan. Fails when no connection can be opened; errors of requests are counted.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    ensure!(
        plan.connections > 0 && plan.streams > 0,
        "connections and streams must be at least 1"
    );
    ensure!(
        plan.connections * plan.streams <= IN_FLIGHT_MAX,
        "more than {IN_FLIGHT_MAX} requests in flight"
    );
    ensure!(
        plan.warm_up + plan.duration <= DURATION_MAX,
        "longer than {DURATION_MAX:?}"
    );
    ensure!(
        plan.protocol != Protocol::H1 || plan.streams == 1,
        "HTTP/1.1 has one stream per connection"
    );
    let (_, path) = crate::client::Target::split(&plan.url)?;
    let shared = Arc::new(Shared::default());
    let clients =
        Client::connect_many(&plan.url, plan.protocol, &plan.trust, plan.connections).await?;
    let mut streams = JoinSet::new();
    let none = vec![Fields::new()];
    let sets = if plan.fields.is_empty() {
        &none
    } else {
        &plan.fields
    };
    for (client, fields) in clients.iter().zip(sets.iter().cycle()) {
        let question = Arc::new(Question {
            path: path.clone(),
            fields: fields.clone(),
            expected: plan.expected.clone(),
            pause: plan.pause,
        });
        for _ in 0..plan.streams {
            let shared = Arc::clone(&shared);
            streams.spawn(ask(client.clone(), Arc::clone(&question), shared));
        }
    }
    tokio::time::sleep(plan.warm_up).await;
    let start = mark(plan, &shared)?;
    shared.measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(plan.duration).await;
    shared.measuring.store(false, Ordering::Relaxed);
    let end = mark(plan, &shared)?;
    shared.stop.store(true, Ordering::Relaxed);
    let tallies = streams.join_all().await;
    for client in &clients {
        client.close();
    }
    Ok(report(plan, &start, &end, tallies))
}

/// What one stream asks, over and over.
struct Question {
    path: String,
    fields: Fields,
    expected: Option<(String, String)>,
    pause: Duration,
}

/// One stream: asks until told to stop.
async fn ask(client: Client, question: Arc<Question>, shared: Arc<Shared>) -> Tally {
    let mut tally = Tally::default();
    let fields: Vec<(&str, &str)> = question
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    while !shared.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        match whole(&client, &question, &fields).await {
            Ok(bytes) => {
                shared.requests.fetch_add(1, Ordering::Relaxed);
                shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                let keep = tally.latencies_us.len() < LATENCIES_PER_STREAM_MAX;
                if keep && shared.measuring.load(Ordering::Relaxed) {
                    let us = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
                    tally.latencies_us.push(us);
                }
            }
            Err(failure) => {
                tally.errors += 1;
                if tally.failures.len() < FAILURES_DESCRIBED_MAX {
                    tally.failures.push(failure);
                }
                // A server that refuses at once must not turn this into a busy loop.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if !question.pause.is_zero() {
            tokio::time::sleep(question.pause).await;
        }
    }
    tally
}

async fn whole(
    client: &Client,
    question: &Question,
    fields: &[(&str, &str)],
) -> Result<u64, String> {
    let mut response = client
        .get(&question.path, fields)
        .await
        .map_err(|e| e.to_string())?;
    let status = response.status();
    let missed = question
        .expected
        .as_ref()
        .filter(|(name, value)| response.header(name) != Some(value));
    let mut bytes = 0;
    while let Some(data) = response.chunk().await.map_err(|e| e.to_string())? {
        bytes += data.len() as u64;
    }
    match missed {
        _ if status != http::StatusCode::OK => Err(format!("status {status}")),
        Some((name, value)) => Err(format!("an answer without {name}: {value}")),
        None => Ok(bytes),
    }
}

fn mark(plan: &Plan, shared: &Shared) -> anyhow::Result<Mark> {
    let mut server_cpu = Duration::ZERO;
    for &pid in &plan.server_pids {
        server_cpu += cpu::time_of_tree(pid)?;
    }
    Ok(Mark {
        at: Instant::now(),
        requests: shared.requests.load(Ordering::Relaxed),
        bytes: shared.bytes.load(Ordering::Relaxed),
        client_cpu: cpu::own_time()?,
        server_cpu,
    })
}

fn report(plan: &Plan, start: &Mark, end: &Mark, tallies: Vec<Tally>) -> Report {
    let seconds = (end.at - start.at).as_secs_f64();
    let requests = end.requests - start.requests;
    let bytes = end.bytes - start.bytes;
    let per_request = |cpu: Duration| cpu.as_secs_f64() * 1e6 / requests.max(1) as f64;
    let server_cpu = end.server_cpu - start.server_cpu;
    let measured = !plan.server_pids.is_empty() && requests > 0;
    let mut latencies: Vec<u32> = Vec::new();
    let mut errors = 0;
    let mut failures: Vec<String> = Vec::new();
    for tally in tallies {
        latencies.extend(tally.latencies_us);
        errors += tally.errors;
        failures.extend(tally.failures);
    }
    failures.sort_unstable();
    failures.dedup();
    failures.truncate(FAILURES_DESCRIBED_MAX);
    latencies.sort_unstable();
    Report {
        protocol: plan.protocol,
        requests,
        errors,
        failures,
        seconds,
        requests_per_second: requests as f64 / seconds,
        megabytes_per_second: bytes as f64 / 1e6 / seconds,
        p50_us: percentile(&latencies, 50),
        p99_us: percentile(&latencies, 99),
        client_cpu_us_per_request: per_request(end.client_cpu - start.client_cpu),
        server_cpu_us_per_request: measured.then(|| per_request(server_cpu)),
        server_cpu_s_per_gigabyte: (measured && bytes > 0)
            .then(|| server_cpu.as_secs_f64() / (bytes as f64 / 1e9)),
    }
}

/// The value that `percent` of the sorted values do not exceed; 0 when there are none.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&values, 50), 100);
        assert_eq!(percentile(&values, 99), 198);
        assert_eq!(percentile(&[7_u32], 99), 7);
        assert_eq!(percentile::<u32>(&[], 50), 0);
    }
}
