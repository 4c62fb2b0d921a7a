//! Cached requests through an active chain of filters, beside the same requests without one.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::super::STREAM_PATH;
use super::Bench;
use super::artifact::{AUTH, FIELD, HEADERS, VALUE};
use super::fleet::{Edge, Fleet, Follows};
use crate::bench::report::median;
use crate::client::{Client, Protocol, Target, Trust};
use crate::load::{self, Fields};

/// The first port of this measurement, after the benchmark's first.
const PORT: u16 = 11;

/// Which filters a request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// None: the edge has filters switched off.
    None,
    /// `http-headers`, on the request and on the response.
    Headers,
    /// The same, and `auth` decides who may watch.
    AuthAndHeaders,
}

impl Chain {
    /// All of them, in the order of their edges.
    pub const ALL: [Self; 3] = [Self::None, Self::Headers, Self::AuthAndHeaders];

    fn follows(self) -> Follows {
        match self {
            Self::None => Follows::Nothing,
            Self::Headers => Follows::Open,
            Self::AuthAndHeaders => Follows::Guarded,
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Headers => "http-headers",
            Self::AuthAndHeaders => "auth + http-headers",
        })
    }
}

/// All runs over one protocol through one chain.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// The chain.
    pub chain: Chain,
    /// The protocol.
    pub protocol: Protocol,
    /// One report per repetition, in the order they ran.
    pub runs: Vec<load::Report>,
}

impl Cost {
    pub(super) fn median(&self, value: impl Fn(&load::Report) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }
}

/// Runs every chain over every protocol, several times in turn.
pub(super) async fn run(bench: &Bench<'_>) -> anyhow::Result<Vec<Cost>> {
    let settings = bench.settings;
    let port = settings.base_port + PORT;
    let edges = Chain::ALL.map(Chain::follows);
    let fleet = Fleet::start(bench, "cost", port, &edges).await?;
    let shipped = &bench.programs.shipped;
    fleet.deploy(shipped, &[AUTH, HEADERS]).await?;
    // Each connection is a viewer with a token of its own, in the cookie that an edge sets.
    let (viewers, _) = bench.object.concurrency(Protocol::H1);
    let stream = stream_of(STREAM_PATH)?;
    let tokens = fleet.tokens(stream, viewers).await?;
    let viewers: Vec<Fields> = tokens.iter().map(|token| cookie(token)).collect();
    let mut costs: Vec<Cost> = Vec::new();
    for repetition in 0..settings.repetitions {
        for protocol in Protocol::ALL {
            for (chain, edge) in Chain::ALL.into_iter().zip(&fleet.edges) {
                let run = measure(bench, edge, chain, protocol, &viewers)
                    .await
                    .with_context(|| format!("{chain} over {protocol}"))?;
                tracing::info!(filters = %chain, repetition, "{run}");
                let same = |cost: &&mut Cost| cost.chain == chain && cost.protocol == protocol;
                match costs.iter_mut().find(same) {
                    Some(cost) => cost.runs.push(run),
                    None => costs.push(Cost {
                        chain,
                        protocol,
                        runs: vec![run],
                    }),
                }
            }
        }
    }
    costs.sort_by_key(|cost| cost.protocol);
    Ok(costs)
}

async fn measure(
    bench: &Bench<'_>,
    edge: &Edge,
    chain: Chain,
    protocol: Protocol,
    viewers: &[Fields],
) -> anyhow::Result<load::Report> {
    let url = edge.url(&bench.object.path);
    let viewer = viewers.first().context("no viewer")?;
    check(bench, &url, chain, protocol, viewer).await?;
    let (connections, streams) = bench.object.concurrency(protocol);
    // The client looks for one field in every run, so that it costs the same in all.
    let (field, value) = match chain {
        Chain::None => ("content-type", bench.object.content_type),
        Chain::Headers | Chain::AuthAndHeaders => (FIELD, VALUE),
    };
    let plan = load::Plan {
        url,
        protocol,
        trust: Trust::Insecure,
        fields: viewers.to_vec(),
        expected: Some((field.to_owned(), value.to_owned())),
        connections,
        streams,
        pause: Duration::ZERO,
        warm_up: bench.settings.warm_up,
        duration: bench.settings.duration,
        server_pids: vec![edge.pid()],
    };
    let report = load::run(&plan).await?;
    ensure!(
        report.errors == 0,
        "{} errors, such as {:?}",
        report.errors,
        report.failures
    );
    Ok(report)
}

/// The comparison means nothing unless the chain acts, and unless no other one does.
async fn check(
    bench: &Bench<'_>,
    url: &str,
    chain: Chain,
    protocol: Protocol,
    viewer: &Fields,
) -> anyhow::Result<()> {
    let (_, path) = Target::split(url)?;
    let client = Client::connect(url, protocol, &Trust::Insecure).await?;
    let fields: Vec<(&str, &str)> = viewer
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let admitted = client.fetch(&path, &fields).await?;
    let stranger = client.fetch(&path, &[]).await?;
    client.close();
    ensure!(
        admitted.status == 200 && admitted.is_whole() && admitted.body == bench.object.body,
        "{url} answered {} to a viewer with a token: {:.200}",
        admitted.status,
        admitted.text()
    );
    let acted = (chain != Chain::None).then_some(VALUE);
    ensure!(
        admitted.header(FIELD) == acted,
        "{FIELD} is {:?}, not {acted:?}",
        admitted.header(FIELD)
    );
    let expected = match chain {
        Chain::AuthAndHeaders => 401,
        Chain::None | Chain::Headers => 200,
    };
    ensure!(
        stranger.status == expected,
        "{url} answered {} to a viewer without a token",
        stranger.status
    );
    Ok(())
}

/// What a viewer's requests carry.
pub(super) fn cookie(token: &str) -> Fields {
    vec![("cookie".to_owned(), format!("weir_token={token}"))]
}

/// The stream's name in `/live/NAME/...`.
pub(super) fn stream_of(path: &str) -> anyhow::Result<&str> {
    path.split('/').nth(2).context("a path without a stream")
}
