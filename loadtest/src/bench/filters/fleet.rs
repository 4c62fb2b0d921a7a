//! The nodes: an origin that keeps the registry, and edges, some of which follow it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::super::START_TIMEOUT;
use super::Bench;
use super::artifact::Artifact;
use super::registry::{NODE_TOKEN, OPERATOR_TOKEN, Registry};
use crate::process::Process;

/// What viewers' tokens are signed with.
const SECRET: &str = "a-secret-of-the-benchmark-of-32-bytes-and-more";

/// What an edge does with filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// It has none: the shipped defaults.
    Nothing,
    /// It runs what is active; everybody may watch.
    Open,
    /// It runs what is active, and asks the auth filters who may watch.
    Guarded,
}

/// A running edge.
pub(super) struct Edge {
    pub(super) name: String,
    port: u16,
    config: PathBuf,
    process: Process,
}

impl Edge {
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// All nodes of one measurement; they stop when this is dropped.
pub(super) struct Fleet {
    pub(super) edges: Vec<Edge>,
    pub(super) registry: Registry,
    program: PathBuf,
    _origin: Process,
}

impl Fleet {
    /// Starts an origin and one edge for each of `edges`. Takes two ports for each of them from
    /// `port` on.
    pub(super) async fn start(
        bench: &Bench<'_>,
        name: &str,
        port: u16,
        edges: &[Follows],
    ) -> anyhow::Result<Self> {
        let directory = bench.directory.join(name);
        std::fs::create_dir_all(&directory)?;
        let origin = start_origin(bench, &directory, port).await?;
        let url = format!("http://127.0.0.1:{}", port + 1);
        let mut started = Vec::new();
        let ports = (port + 2..).step_by(2);
        for ((number, follows), port) in (1..).zip(edges).zip(ports) {
            let name = format!("edge-{number}");
            started.push(start_edge(bench, &directory, &url, name, port, *follows).await?);
        }
        let followers = started
            .iter()
            .zip(edges)
            .filter(|(_, follows)| **follows != Follows::Nothing)
            .map(|(edge, _)| edge.name.clone())
            .collect();
        Ok(Self {
            registry: Registry::new(url, bench.programs.weirctl.clone(), followers).await?,
            edges: started,
            program: bench.programs.edge.clone(),
            _origin: origin,
        })
    }

    /// Pushes and activates shipped filters, as an operator would.
    pub(super) async fn deploy(
        &self,
        shipped: &Path,
        names: &[&'static str],
    ) -> anyhow::Result<()> {
        for name in names {
            let artifact = Artifact::shipped(shipped, name)?;
            self.registry.push(&artifact).await?;
        }
        Ok(())
    }

    /// Tokens for a stream, each unlike the others, signed by the edge's own program.
    pub(super) async fn tokens(&self, stream: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let edge = self.edges.last().context("no edge")?;
        let mut tokens = Vec::with_capacity(count);
        for number in 0..count {
            let output = tokio::process::Command::new(&self.program)
                .arg("--config")
                .arg(&edge.config)
                .args(["token", stream, "--seconds"])
                .arg((3600 + number).to_string())
                .kill_on_drop(true)
                .output()
                .await?;
            anyhow::ensure!(
                output.status.success(),
                "weir-edge token: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            tokens.push(String::from_utf8(output.stdout)?.trim().to_owned());
        }
        Ok(tokens)
    }
}

async fn start_origin(bench: &Bench<'_>, directory: &Path, port: u16) -> anyhow::Result<Process> {
    let (http, admin) = (port, port + 1);
    let at = directory.display();
    let text = format!(
        "[rtmp]\nenabled = false\n\
         [http]\nlisten = \"127.0.0.1:{http}\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         [playback]\ntoken_keys = [\"{SECRET}\"]\n\
         [filters]\nenabled = true\nstate_dir = \"{at}/origin\"\n\
         [filter_registry]\nenabled = true\ndir = \"{at}/registry\"\n\
         [[filter_registry.tokens]]\nname = \"bench\"\ntoken = \"{OPERATOR_TOKEN}\"\nrole = \"operator\"\n\
         [[filter_registry.tokens]]\nname = \"nodes\"\ntoken = \"{NODE_TOKEN}\"\nrole = \"node\"\n\
         [drain]\ngrace_seconds = 1\n"
    );
    let config = directory.join("origin.toml");
    std::fs::write(&config, text)?;
    let (program, log) = (&bench.programs.origin, directory.join("origin.log"));
    start(program, "weir-origin", &config, &log, &[http, admin]).await
}

async fn start_edge(
    bench: &Bench<'_>,
    directory: &Path,
    registry: &str,
    name: String,
    port: u16,
    follows: Follows,
) -> anyhow::Result<Edge> {
    let (https, admin) = (port, port + 1);
    let mut text = format!(
        "[node]\nname = \"{name}\"\n\
         [listen]\nhttps = \"127.0.0.1:{https}\"\nadmin = \"127.0.0.1:{admin}\"\n\
         [tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n\
         [parents]\nurls = [\"http://{}\"]\n\
         [drain]\ngrace_seconds = 1\n",
        bench.certificates.chain.display(),
        bench.certificates.key.display(),
        bench.parent.address
    );
    if follows != Follows::Nothing {
        let auth = match follows {
            Follows::Guarded => "filters",
            Follows::Open | Follows::Nothing => "open",
        };
        text.push_str(&format!(
            "[playback]\nauth = \"{auth}\"\ntoken_keys = [\"{SECRET}\"]\n\
             [filters]\nenabled = true\nregistry = \"{registry}\"\ntoken = \"{NODE_TOKEN}\"\n\
             state_dir = \"{}/{name}\"\n",
            directory.display()
        ));
    }
    let config = directory.join(format!("{name}.toml"));
    std::fs::write(&config, text)?;
    let log = directory.join(format!("{name}.log"));
    let ports = [https, admin];
    Ok(Edge {
        process: start(&bench.programs.edge, &name, &config, &log, &ports).await?,
        name,
        port,
        config,
    })
}

async fn start(
    program: &Path,
    name: &str,
    config: &Path,
    log: &Path,
    ports: &[u16],
) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.arg("--config").arg(config);
    let mut process = Process::spawn(name, &mut command, log)?.terminated_on_drop();
    for port in ports {
        process
            .listening(&format!("127.0.0.1:{port}"), START_TIMEOUT)
            .await?;
    }
    Ok(process)
}
