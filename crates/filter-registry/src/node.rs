//! A node that runs filters, put together from its settings: keys, countries, host, agent, and for
//! an origin the registry itself.
//!
//! Edges and origins differ in what they ask of the host, not in how it comes to its filters.

mod keys;

use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use http::{HeaderMap, HeaderName};
use settings::Secret;
use wasm_filters::compile::CompileOptions;
use wasm_filters::country::{CountryCode, CountryDatabase, CountryError, country_of};
use wasm_filters::engine::EngineOptions;
use wasm_filters::host::{Host, HostError, HostOptions};
use wasm_filters::keys::KeyRing;
use wasm_filters::manifest::Limits;

use crate::agent::{Agent, AgentError, AgentHandle, AgentOptions, HostNode};
use crate::api::{ApiOptions, router};
use crate::client::{Client, ClientError, ClientOptions};
use crate::config::{FiltersSettings, RegistryAddress, RegistrySettings};
use crate::registry::{Registry, RegistryError, RegistryOptions};
use crate::source::Source;
use crate::store::StoreError;
use crate::store::files::FileStore;
use crate::wire::{NodeName, NotANodeName};

pub use keys::{KeysError, PlaybackKey, playback_key};

/// What a node is, beside its settings of filters.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Under which name it reports.
    pub name: String,
    /// "edge", "origin".
    pub role: &'static str,
    /// The key [`PLAYBACK_KEY`](crate::config::PLAYBACK_KEY); may be empty.
    pub playback_secrets: Vec<Secret>,
    /// The registry that this process keeps.
    pub registry: Option<RegistrySettings>,
}

/// Why a node's filters cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The agent.
    #[error("filters: {0}")]
    Agent(#[from] AgentError),
    /// The registry's address or certificates.
    #[error("filters.registry: {0}")]
    Client(#[from] ClientError),
    /// The database of countries.
    #[error("filters.country_database: {0}")]
    Country(#[from] CountryError),
    /// The directory of this node's filters.
    #[error("filters.state_dir: {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The host.
    #[error("filters: {0}")]
    Host(#[from] HostError),
    /// The key ring.
    #[error("filters.keys: {0}")]
    Keys(#[from] KeysError),
    /// The node's name.
    #[error("the node's name: {0}")]
    Name(#[from] NotANodeName),
    /// It is to follow its own registry and has none: a bug of the configuration's checks.
    #[error("filters.registry is empty, and this process keeps none")]
    NoRegistry,
    /// The registry that this process keeps.
    #[error("filter_registry: {0}")]
    Registry(#[from] RegistryError),
    /// The registry's directory.
    #[error("filter_registry.dir: {0}")]
    Store(#[from] StoreError),
}

/// What a node knows of requests, to be told to filters.
#[derive(Debug)]
pub struct Viewpoint {
    tenant: String,
    country_header: Option<HeaderName>,
    countries: Option<CountryDatabase>,
    /// The first half of request ids: of this start of the process.
    start: u32,
    requests: AtomicU64,
}

impl Viewpoint {
    /// What filters see as the tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The viewer's country, by the trusted field or the database.
    pub fn country(&self, ip: IpAddr, headers: &HeaderMap) -> Option<CountryCode> {
        if self.country_header.is_none() && self.countries.is_none() {
            return None;
        }
        let field = self.country_header.as_ref();
        let field = field.and_then(|name| headers.get(name)?.to_str().ok());
        country_of(field, self.countries.as_ref(), ip)
    }

    /// An id for one request; unique in this process, and most likely among all.
    pub fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{number:x}", self.start)
    }
}

/// A running node.
#[derive(Debug)]
pub struct FilterNode {
    /// Runs the filters.
    pub host: Host,
    /// What it knows of requests.
    pub viewpoint: Arc<Viewpoint>,
    /// Follows the registry, for as long as this is there.
    pub agent: AgentHandle,
    /// The API of the registry that this process keeps, for its admin listener.
    pub api: Option<Router>,
    ring: Arc<KeyRing>,
}

impl FilterNode {
    /// Puts another key in the place of [`PLAYBACK_KEY`](crate::config::PLAYBACK_KEY). Answers of
    /// auth filters that are remembered stay as they are.
    pub fn replace_playback_key(&self, key: &PlaybackKey) {
        self.ring.set(&key.0, key.1.as_ref());
    }
}

/// Starts a node's filters: within a tokio runtime, which then drives them.
///
/// # Errors
/// A key, a file or a directory that cannot be used. A registry that is away is none: the node
/// starts with what it had.
pub async fn start(
    settings: FiltersSettings,
    options: NodeOptions,
    metrics: &prometheus::Registry,
) -> Result<FilterNode, NodeError> {
    let name = NodeName::from_str(&options.name)?;
    private_directory(&settings.state_dir)?;
    let ring = keys::ring(&settings.keys, &options.playback_secrets)?;
    let host = Host::new(host_options(&settings), Arc::clone(&ring), metrics)?;
    keys::keep_fresh(&ring, &settings.keys)?;
    tokio::spawn(host.run());
    let node = HostNode::new(host.clone());
    let kept = match options.registry {
        Some(kept) => Some(open_registry(kept, &node, metrics).await?),
        None => None,
    };
    let (registry, api) = kept.map_or((None, None), |(registry, api)| (Some(registry), Some(api)));
    let source: Arc<dyn Source> = match settings.registry {
        RegistryAddress::Own => Arc::new(registry.ok_or(NodeError::NoRegistry)?),
        RegistryAddress::Remote {
            url,
            token,
            ca_file,
        } => Arc::new(Client::new(&ClientOptions {
            url,
            token,
            ca_file,
        })?),
    };
    let agent = AgentOptions {
        node: name,
        role: options.role.to_owned(),
        state_dir: settings.state_dir.join("copy"),
        signatures: settings.signatures,
    };
    let agent = Agent::start(agent, Arc::new(node), source, metrics).await?;
    let countries = settings.country_database.map(CountryDatabase::open);
    let viewpoint = Viewpoint {
        tenant: settings.tenant,
        country_header: settings.country_header,
        countries: countries.transpose()?,
        start: rand::random(),
        requests: AtomicU64::new(0),
    };
    Ok(FilterNode {
        host,
        viewpoint: Arc::new(viewpoint),
        agent,
        api,
        ring,
    })
}

async fn open_registry(
    settings: RegistrySettings,
    node: &HostNode,
    metrics: &prometheus::Registry,
) -> Result<(Registry, Router), NodeError> {
    let store = FileStore::open(&settings.dir).await?;
    let options = RegistryOptions {
        signatures: settings.signatures,
        ..RegistryOptions::default()
    };
    let vetting = Arc::new(node.clone());
    let registry = Registry::open(Arc::new(store), options, vetting, metrics).await?;
    let api = ApiOptions {
        tokens: settings.tokens,
        ..ApiOptions::default()
    };
    Ok((registry.clone(), router(registry, api)))
}

fn host_options(settings: &FiltersSettings) -> HostOptions {
    let memory_bytes = usize::try_from(settings.instance_memory_bytes_max).unwrap_or(usize::MAX);
    HostOptions {
        engine: EngineOptions {
            instances_max: settings.instances_max,
            memory_bytes_max: memory_bytes,
            ..EngineOptions::default()
        },
        compile: CompileOptions {
            cache_dir: Some(settings.state_dir.join("code")),
            ..CompileOptions::default()
        },
        caps: Limits {
            memory_bytes: settings.instance_memory_bytes_max,
            ..Limits::NODE_MAX
        },
        grants_bytes_max: settings.grants_bytes_max,
        kv_bytes_max: settings.kv_bytes_max,
        ..HostOptions::default()
    }
}

/// Compiled code lies in it, which runs in this process.
fn private_directory(path: &Path) -> Result<(), NodeError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|source| NodeError::Directory {
        path: path.to_owned(),
        source,
    })
}
