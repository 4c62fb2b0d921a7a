//! Cached requests through an active chain of filters, beside the same requests without one.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::super::STREAM_PATH;
use super::super::objects::Object;
use super::Bench;
use super::artifact::{AUTH, FIELD, FIELDS, HEADERS, VALUE};
use super::fleet::{Edge, Fleet, Follows};
use crate::bench::report::median;
use crate::client::{Client, Protocol, Target, Trust};
use crate::load::{self, Fields};

/// The first port of this measurement, after the benchmark's first.
const PORT: u16 = 11;

/// The edges: one without filters, one that runs them for everybody, one that asks who may watch.
const EDGES: [Follows; 3] = [Follows::Nothing, Follows::Open, Follows::Guarded];

/// Which filters a request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// None: the edge has filters switched off.
    None,
    /// None either, but the parent's answer has the fields that `http-headers` would set: what they
    /// cost by themselves, on both sides.
    SameAnswer,
    /// `http-headers`, on the request and on the response.
    Headers,
    /// The same, and `auth` decides who may watch.
    AuthAndHeaders,
}

impl Chain {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::SameAnswer,
        Self::Headers,
        Self::AuthAndHeaders,
    ];

    /// Which of [`EDGES`] has it.
    fn edge(self) -> usize {
        match self {
            Self::None | Self::SameAnswer => 0,
            Self::Headers => 1,
            Self::AuthAndHeaders => 2,
        }
    }

    fn object<'a>(self, bench: &Bench<'a>) -> &'a Object {
        match self {
            Self::SameAnswer => bench.answered,
            _ => bench.object,
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::SameAnswer => "none, the parent sends the fields",
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
    let fleet = Fleet::start(bench, "cost", port, &EDGES).await?;
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
            for chain in Chain::ALL {
                let edge = fleet.edges.get(chain.edge()).context("no edge")?;
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
    let object = chain.object(bench);
    let url = edge.url(&object.path);
    let viewer = viewers.first().context("no viewer")?;
    check(object, &url, chain, protocol, viewer).await?;
    let (connections, streams) = object.concurrency(protocol);
    // The client looks for one field in every run, so that it costs the same in all.
    let (field, value) = match chain {
        Chain::None => ("content-type", object.content_type),
        _ => (FIELD, VALUE),
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
    object: &Object,
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
        admitted.status == 200 && admitted.is_whole() && admitted.body == object.body,
        "{url} answered {} to a viewer with a token: {:.200}",
        admitted.status,
        admitted.text()
    );
    for (name, value) in FIELDS {
        let found: Vec<_> = admitted.headers.get_all(*name).iter().collect();
        // The edge has an opinion of its own about CORS.
        let is_right = match chain {
            Chain::None => *name != FIELD || found.is_empty(),
            _ => found == [value],
        };
        ensure!(is_right, "{chain}: {name} is {found:?}, not {value:?}");
    }
    let expected = match chain {
        Chain::AuthAndHeaders => 401,
        Chain::None | Chain::SameAnswer | Chain::Headers => 200,
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
