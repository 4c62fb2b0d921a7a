//! What a filter that loops without end on one path does to the viewers of all others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::task::JoinSet;

use super::Bench;
use super::artifact::Artifact;
use super::fleet::{Edge, Fleet, Follows};
use crate::bench::report::median;
use crate::client::{Client, Protocol, Trust};
use crate::load;

/// The first port of this measurement, after the benchmark's first.
const PORT: u16 = 30;

/// The filter's name, and that of its component.
const NAME: &str = "loops";

/// The filter, which `weirctl` builds.
const SOURCE: &str = include_str!("../../../guests/loops.rs");

/// Of such a path the filter makes no end.
const PATH: &str = "/live/loops/720p/index.m3u8";

/// How long its build may take.
const BUILD_TIMEOUT: Duration = Duration::from_secs(300);

/// Connections of the other viewers.
const CONNECTIONS: usize = 8;

/// Requests in flight on each.
const STREAMS: usize = 4;

/// Between an answer and the next request: altogether a fifth of what the edge can do.
const PAUSE: Duration = Duration::from_millis(4);

/// Who asks for the path meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attack {
    /// Each asks again as soon as it has an answer.
    pub attackers: usize,
    /// Whether the node stops to call a filter that keeps failing, as it does by default.
    pub breaker: bool,
}

/// In turn; those with a breaker after the others, for it is part of the manifest.
const ATTACKS: [Attack; 4] = [
    Attack {
        attackers: 0,
        breaker: false,
    },
    Attack {
        attackers: 1,
        breaker: false,
    },
    Attack {
        attackers: 4,
        breaker: false,
    },
    Attack {
        attackers: 4,
        breaker: true,
    },
];

/// What the other viewers saw.
#[derive(Debug, Clone, Serialize)]
pub struct Looping {
    /// Under which attack.
    pub attack: Attack,
    /// One report per repetition, in the order they ran.
    pub runs: Vec<load::Report>,
    /// Requests of the attackers that were answered, whatever the answer.
    pub attacks: u64,
}

impl Looping {
    pub(super) fn median(&self, value: impl Fn(&load::Report) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }
}

/// Runs every attack several times.
pub(super) async fn run(bench: &Bench<'_>, component: PathBuf) -> anyhow::Result<Vec<Looping>> {
    let port = bench.settings.base_port + PORT;
    let fleet = Fleet::start(bench, "looping", port, &[Follows::Open]).await?;
    let edge = fleet.edges.first().context("no edge")?;
    let mut results: Vec<Looping> = Vec::new();
    for breaker in [false, true] {
        let manifest = bench.directory.join(format!("breaker-{breaker}.toml"));
        std::fs::write(&manifest, manifest_text(breaker))?;
        let artifact = Artifact {
            name: NAME,
            component: component.clone(),
            manifest,
        };
        fleet.registry.push_for_good(&artifact).await?;
        for repetition in 0..bench.settings.repetitions {
            for attack in ATTACKS.into_iter().filter(|a| a.breaker == breaker) {
                let (run, attacks) = measure(bench, edge, attack).await?;
                tracing::info!(attack.attackers, breaker, repetition, attacks, "{run}");
                match results.iter_mut().find(|result| result.attack == attack) {
                    Some(result) => {
                        result.runs.push(run);
                        result.attacks += attacks;
                    }
                    None => results.push(Looping {
                        attack,
                        runs: vec![run],
                        attacks,
                    }),
                }
            }
        }
    }
    Ok(results)
}

/// Has `weirctl` make a project, puts the source into it, and has it built.
pub(super) async fn build(bench: &Bench<'_>) -> anyhow::Result<PathBuf> {
    let project = bench.directory.join(NAME);
    let weirctl = async |arguments: &[&str]| {
        let output = tokio::process::Command::new(&bench.programs.weirctl)
            .args(arguments)
            .arg(&project)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(BUILD_TIMEOUT, output)
            .await
            .context("it took too long")??;
        ensure!(
            output.status.success(),
            "weirctl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::Ok(())
    };
    weirctl(&["filter", "new", NAME, "--hook", "http", "--dir"]).await?;
    std::fs::write(project.join("src/lib.rs"), SOURCE)?;
    weirctl(&["filter", "build"]).await?;
    Ok(project.join(format!("target/wasm32-wasip2/release/{NAME}.wasm")))
}

/// The limits are the defaults: 10 ms of processor time for a call.
fn manifest_text(breaker: bool) -> String {
    let breaker = if breaker {
        ""
    } else {
        "disable_after = false\n"
    };
    format!(
        "name = \"{NAME}\"\nversion = \"1.0.0\"\nhooks = [\"http.request\"]\n\
         routes = [\"/live/loops/*\"]\n{breaker}"
    )
}

async fn measure(
    bench: &Bench<'_>,
    edge: &Edge,
    attack: Attack,
) -> anyhow::Result<(load::Report, u64)> {
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut attackers = JoinSet::new();
    for _ in 0..attack.attackers {
        let client = Client::connect(&edge.url(""), Protocol::H3, &Trust::Insecure).await?;
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        attackers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if client.fetch(PATH, &[]).await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                // A breaker lets requests pass at once: no busy loop then.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            client.close();
        });
    }
    let plan = load::Plan {
        url: edge.url(&bench.object.path),
        protocol: Protocol::H3,
        trust: Trust::Insecure,
        fields: Vec::new(),
        expected: None,
        connections: CONNECTIONS,
        streams: STREAMS,
        pause: PAUSE,
        warm_up: bench.settings.warm_up,
        duration: bench.settings.duration,
        server_pids: vec![edge.pid()],
    };
    let report = load::run(&plan).await?;
    stop.store(true, Ordering::Relaxed);
    while attackers.join_next().await.is_some() {}
    let attacks = answered.load(Ordering::Relaxed);
    ensure!(
        attack.attackers == 0 || attacks > 0,
        "no request of an attacker was answered"
    );
    Ok((report, attacks))
}
