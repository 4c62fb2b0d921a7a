//! Publishers: many RTMP connections that send one recording in real time, again and again, whether or not
//! the server keeps up, and players that tell how late its parts are. It encodes nothing.
//!
//! Speaks plain RTMP; RTMPS is not spoken.

mod recording;
mod report;
mod send;
mod session;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::client::{Protocol, Trust};
use crate::cpu;

pub use crate::histogram::Spread;
pub use report::{Report, Server, Watched};

use report::{Sent, Used};

/// Most publishers of a run.
pub const PUBLISHERS_MAX: usize = 2_000;

/// Longest run; timestamps stay below those that need an extended field (4.6 hours).
pub const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// Least time between two drops of a connection.
const FLAP_MIN: Duration = Duration::from_secs(1);

/// Most delay that can be asked for.
pub const JITTER_MAX: Duration = Duration::from_secs(5);

/// What stands for a publisher's number in patterns.
pub const NUMBER: &str = "{n}";

/// Who publishes what, where to, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `rtmp://host:port/app`.
    pub url: String,
    /// The publish key of each, with [`NUMBER`] for 1, 2, 3...
    pub key_pattern: String,
    /// How many.
    pub publishers: usize,
    /// How many begin per second.
    pub ramp: f64,
    /// What they send: an FLV file that begins with a keyframe.
    pub recording: PathBuf,
    /// Each frame leaves up to so much later than it is due, at random. The order stays.
    pub jitter: Duration,
    /// Each connection is dropped without a word after about so long, and comes back.
    pub flap: Option<Duration>,
    /// After so long.
    pub flap_pause: Duration,
    /// For how long, from when all have begun.
    pub duration: Duration,
    /// A playlist of each, with [`NUMBER`]: how late its parts are. None: nobody watches.
    pub watch: Option<String>,
    /// Over which protocol.
    pub protocol: Protocol,
    /// Whose certificate is good enough.
    pub trust: Trust,
    /// Processes of the servers, which are charged with their children.
    pub server_pids: Vec<u32>,
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=PUBLISHERS_MAX).contains(&self.publishers),
            "1 to {PUBLISHERS_MAX} publishers"
        );
        ensure!(
            self.ramp.is_finite() && self.ramp > 0.0,
            "the ramp is no rate"
        );
        ensure!(
            self.ramp_time().saturating_add(self.duration) <= DURATION_MAX,
            "longer than {DURATION_MAX:?}"
        );
        ensure!(self.jitter <= JITTER_MAX, "jitter above {JITTER_MAX:?}");
        ensure!(
            self.flap
                .is_none_or(|flap| (FLAP_MIN..=DURATION_MAX).contains(&flap)),
            "flaps are {FLAP_MIN:?} to {DURATION_MAX:?} apart"
        );
        for pattern in [Some(&self.key_pattern), self.watch.as_ref()] {
            ensure!(
                self.publishers == 1 || pattern.is_none_or(|pattern| pattern.contains(NUMBER)),
                "'{}' has no {NUMBER}",
                pattern.map_or("", String::as_str)
            );
        }
        Ok(())
    }

    fn ramp_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.publishers as f64 / self.ramp).unwrap_or(Duration::MAX)
    }
}

/// Publishes, and watches.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    crate::process::allow_files(plan.publishers * 4 + 64)?;
    let recording = recording::read(&plan.recording)
        .with_context(|| format!("the recording {}", plan.recording.display()))?;
    let recording = Arc::new(recording);
    let address = session::Address::resolve(&plan.url).await?;
    let sent = Arc::new(Mutex::new(Sent::default()));
    let begun = Instant::now();
    let until = begun + plan.ramp_time() + plan.duration;
    let mut publishers = JoinSet::new();
    let mut watchers = JoinSet::new();
    for index in 0..plan.publishers {
        let due = begun + Duration::from_secs_f64(index as f64 / plan.ramp);
        let number = (index + 1).to_string();
        let publisher = send::Publisher {
            address: address.clone(),
            key: plan.key_pattern.replace(NUMBER, &number),
            recording: Arc::clone(&recording),
            sent: Arc::clone(&sent),
            jitter: plan.jitter,
            flap: plan.flap,
            flap_pause: plan.flap_pause,
            due,
            until,
            random: send::Random::new(index as u64),
        };
        publishers.spawn(publisher.run());
        if let Some(pattern) = &plan.watch {
            let play = crate::play::Plan {
                url: pattern.replace(NUMBER, &number),
                protocol: plan.protocol,
                trust: plan.trust.clone(),
                duration: Duration::ZERO,
            };
            watchers.spawn(watch::watch(play, due, until));
        }
    }
    tokio::time::sleep_until((begun + plan.ramp_time()).into()).await;
    let from = Used::now(&plan.server_pids)?;
    sent.lock().measure();
    tokio::time::sleep_until(until.into()).await;
    let used = Used::now(&plan.server_pids)?.since(&from);
    let resident = plan.server_pids.iter();
    let resident = resident
        .map(|&pid| cpu::resident_bytes_of_tree(pid).ok())
        .collect();
    while let Some(ended) = publishers.join_next().await {
        ended?;
    }
    let mut watched = Vec::new();
    while let Some(seen) = watchers.join_next().await {
        watched.push(seen?);
    }
    let sent = std::mem::take(&mut *sent.lock());
    Ok(Report::new(
        plan,
        &recording,
        sent,
        &watched,
        (used, resident),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            url: "rtmp://127.0.0.1/live".to_owned(),
            key_pattern: "k-{n}".to_owned(),
            publishers: 2,
            ramp: 20.0,
            recording: PathBuf::new(),
            jitter: Duration::ZERO,
            flap: None,
            flap_pause: Duration::ZERO,
            duration: Duration::from_secs(30),
            watch: None,
            protocol: Protocol::H2,
            trust: Trust::Insecure,
            server_pids: Vec::new(),
        }
    }

    #[test]
    fn times_that_do_not_end_are_refused() {
        plan().check().unwrap();
        let edits: [fn(&mut Plan); 5] = [
            |plan| plan.ramp = 1e-300,
            |plan| plan.ramp = f64::NAN,
            |plan| plan.duration = Duration::MAX,
            |plan| plan.flap = Some(Duration::MAX),
            |plan| plan.jitter = Duration::MAX,
        ];
        for edit in edits {
            let mut plan = plan();
            edit(&mut plan);
            assert!(plan.check().is_err(), "{plan:?}");
        }
    }
}
