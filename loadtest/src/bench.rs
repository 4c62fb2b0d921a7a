//! The benchmark: cached objects, with the edge beside nginx and Caddy in one run with one client; a
//! live stream; filters; a chat room beside nchan and Socket.IO.
//!
//! Every server gets the same certificate, the same objects and the same two cores. The runs are
//! interleaved, so that a machine that grows slow grows slow for all.

pub mod chat;
mod contestant;
pub mod filters;
mod live;
mod objects;
mod parent;
mod report;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;

use crate::client::{Client, Protocol, Trust};
use crate::load;

pub use chat::{ChatServer, ChatSettings, Chats, Shape, Weir};
pub use contestant::EdgeCommand;
pub use filters::Filters;
pub use live::Live;
pub use report::{Cell, Report};

use contestant::Contestant;
use objects::Object;

/// How the benchmark is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The edge under test; without it, only the others run.
    pub edge: Option<EdgeCommand>,
    /// The origin whose live stream is measured; without it, none is.
    pub origin: Option<PathBuf>,
    /// The operator's program; without it, or without edge or origin, no filters are measured.
    pub weirctl: Option<PathBuf>,
    /// Where the filters are that ship.
    pub filters: PathBuf,
    /// How the chat room is measured.
    pub chat: ChatSettings,
    /// Nothing but this.
    pub only: Option<Section>,
    /// Repetitions of every cell.
    pub repetitions: usize,
    /// Measured time of one run.
    pub duration: Duration,
    /// Load before it.
    pub warm_up: Duration,
    /// The first of a few free ports on 127.0.0.1.
    pub base_port: u16,
    /// Where configurations, certificates and logs go.
    pub directory: PathBuf,
}

/// A part of the benchmark that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// A chat room. Only when it is asked for: it takes minutes, and needs more programs.
    Chat,
    /// A live stream.
    Live,
    /// Filters.
    Filters,
    /// Cached objects, beside other servers.
    Objects,
}

impl FromStr for Section {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "chat" => Ok(Self::Chat),
            "live" => Ok(Self::Live),
            "filters" => Ok(Self::Filters),
            "objects" => Ok(Self::Objects),
            _ => Err(format!("'{text}' is none of chat, live, filters, objects")),
        }
    }
}

impl Settings {
    fn wants(&self, section: Section) -> bool {
        self.only.is_none_or(|only| only == section)
    }
}

/// The directory names under which objects are asked; a stream as any other.
const STREAM_PATH: &str = "/live/bench/720p";

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs all sections that are wanted and for which there are programs.
pub async fn run(settings: &Settings) -> anyhow::Result<Report> {
    let directory = &settings.directory;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    let objects = objects::all();
    let certificates = Certificates::create(directory)?;
    let mut report = Report::new(settings);
    if settings.wants(Section::Live)
        && let Some(origin) = &settings.origin
    {
        report.live = Some(
            live::run(settings, origin)
                .await
                .context("the live stream")?,
        );
    }
    if settings.wants(Section::Filters) {
        match filters::Programs::of(settings)? {
            Some(programs) => {
                let measured = filters::run(settings, &programs, &certificates, &objects).await;
                report.filters = Some(measured.context("filters")?);
            }
            None => anyhow::ensure!(
                settings.only.is_none(),
                "filters need the programs of an edge, an origin and weirctl"
            ),
        }
    }
    if settings.only == Some(Section::Chat) {
        let measured = chat::run(settings, &certificates).await;
        report.chats = Some(measured.context("the chat room")?);
    }
    if settings.wants(Section::Objects) {
        compare(settings, &certificates, &objects, &mut report).await?;
    }
    Ok(report)
}

/// Runs every server, protocol and object, several times in turn.
async fn compare(
    settings: &Settings,
    certificates: &Certificates,
    objects: &[Object],
    report: &mut Report,
) -> anyhow::Result<()> {
    let parent = parent::Parent::start(objects, settings.base_port).await?;
    let contestants = contestant::start_all(settings, certificates, &parent, objects).await?;
    for repetition in 0..settings.repetitions {
        for object in objects {
            for protocol in Protocol::ALL {
                for contestant in contestants.iter().filter(|c| c.speaks(protocol)) {
                    let result = measure(settings, contestant, protocol, object)
                        .await
                        .with_context(|| {
                            format!("{} over {protocol}, {}", contestant.name, object.name)
                        })?;
                    tracing::info!(
                        server = contestant.name,
                        object = object.name,
                        repetition,
                        "{result}"
                    );
                    report.add(contestant.name, object.name, result);
                }
            }
        }
    }
    Ok(())
}

async fn measure(
    settings: &Settings,
    contestant: &Contestant,
    protocol: Protocol,
    object: &Object,
) -> anyhow::Result<load::Report> {
    let url = contestant.url(protocol, &object.path);
    check(&url, protocol, object).await?;
    let (connections, streams) = object.concurrency(protocol);
    let plan = load::Plan {
        url,
        protocol,
        trust: Trust::Insecure,
        fields: Vec::new(),
        expected: None,
        connections,
        streams,
        pause: Duration::ZERO,
        warm_up: settings.warm_up,
        duration: settings.duration,
        server_pids: vec![contestant.pid()],
    };
    load::run(&plan).await
}

/// The comparison means nothing unless every server sends the same bytes.
async fn check(url: &str, protocol: Protocol, object: &Object) -> anyhow::Result<()> {
    let (_, path) = crate::client::Target::split(url)?;
    let client = Client::connect(url, protocol, &Trust::Insecure).await?;
    let fetched = client.fetch(&path, &[]).await?;
    client.close();
    anyhow::ensure!(
        fetched.status == 200 && fetched.is_whole() && fetched.body == object.body,
        "{url} answered {} with {} bytes ({:?}), not the object's {}: {:.200}",
        fetched.status,
        fetched.body.len(),
        fetched.broken,
        object.body.len(),
        fetched.text()
    );
    Ok(())
}

/// One certificate for all.
struct Certificates {
    chain: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn create(directory: &Path) -> anyhow::Result<Self> {
        let directory = directory.join("certificates");
        std::fs::create_dir_all(&directory)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        transport::tls::Identity::self_signed(&directory, &names)?;
        // One file holds the chain and the key; nginx and Caddy take it for both.
        let identity = directory.join("identity.pem");
        Ok(Self {
            chain: identity.clone(),
            key: identity,
        })
    }
}
