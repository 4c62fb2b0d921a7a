//! A registry of filters under test: settings of its nodes, a client, and things to push.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use filter_registry::wire::{Activate, NewVersion, Overview, Pushed, VersionRef};
use filter_registry::{Client, ClientOptions};
use toml::{Table, Value};
use wasm_filters::manifest::{Digest, FilterName, Hook, Manifest, VersionId};

use crate::edge::Edge;
use crate::node::Settings;
use crate::origin::Origin;
use crate::parent::Parent;
use crate::wait;

/// Bearer token of an operator named `tests`.
pub const OPERATOR_TOKEN: &str = "operator-token-for-tests";
/// Bearer token of the nodes.
pub const NODE_TOKEN: &str = "node-token-for-tests";
/// `[admin] token` of edges.
pub const ADMIN_TOKEN: &str = "admin-token-for-tests";

/// Nodes may take as long to follow on a machine that compiles meanwhile.
const FOLLOW_WITHIN: Duration = Duration::from_secs(30);

/// An origin that keeps a registry and runs filters.
pub fn origin_settings() -> Settings {
    let token = |name: &str, token: &str, role: &str| {
        Value::Table(Table::from_iter([
            ("name".to_owned(), name.into()),
            ("token".to_owned(), token.into()),
            ("role".to_owned(), role.into()),
        ]))
    };
    let tokens = Value::Array(vec![
        token("tests", OPERATOR_TOKEN, "operator"),
        token("nodes", NODE_TOKEN, "node"),
    ]);
    Settings::default()
        .set("filters", "enabled", true)
        .set("filters", "state_dir", "filters")
        .set("filter_registry", "enabled", true)
        .set("filter_registry", "dir", "registry")
        .set("filter_registry", "tokens", tokens)
}

/// An edge that follows `registry`, the origin's admin listener.
pub fn edge_settings(registry: &str) -> Settings {
    Settings::default()
        .set("filters", "enabled", true)
        .set("filters", "state_dir", "filters")
        .set("filters", "registry", registry)
        .set("filters", "token", NODE_TOKEN)
        .set("admin", "token", ADMIN_TOKEN)
}

/// A component and its manifest.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What it is.
    pub manifest: Manifest,
    /// The component.
    pub wasm: Bytes,
}

impl Filter {
    /// A filter that ships, as `make filters` left it in `target/filters`.
    pub fn shipped(name: &str) -> anyhow::Result<Self> {
        let at = |extension| -> PathBuf {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/filters");
            PathBuf::from(root).join(format!("{name}.{extension}"))
        };
        let manifest = std::fs::read_to_string(at("toml"))
            .with_context(|| format!("the filter {name} is not built: make filters"))?;
        Ok(Self {
            manifest: toml::from_str(&manifest)?,
            wasm: std::fs::read(at("wasm"))?.into(),
        })
    }

    /// A guest of `wasm-filters/guests`, which `make guests` built, as the filter `name`.
    pub fn guest(
        guest: &str,
        name: &str,
        hooks: &[Hook],
        config: serde_json::Value,
    ) -> anyhow::Result<Self> {
        let root = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../wasm-filters/guests/target/wasm32-wasip2/release"
        );
        let path = PathBuf::from(root).join(format!("{}.wasm", guest.replace('-', "_")));
        let wasm = std::fs::read(&path)
            .with_context(|| format!("{} is not built: make guests", path.display()))?;
        let mut manifest = Manifest::new(name.parse()?, "1.0.0", hooks.to_vec());
        // Room for a machine that compiles meanwhile.
        manifest.limits.deadline_ms = 1000;
        manifest.config = config;
        Ok(Self {
            manifest,
            wasm: wasm.into(),
        })
    }

    /// With another configuration, and without the samples that belong to the old one.
    #[must_use]
    pub fn configured(mut self, config: serde_json::Value) -> Self {
        self.manifest.config = config;
        self.manifest.samples.clear();
        self
    }

    /// The filter's name.
    pub fn name(&self) -> &FilterName {
        &self.manifest.name
    }
}

/// An operator at work.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The registry's client.
    pub client: Client,
}

impl Operator {
    /// Of the registry that an origin keeps.
    pub fn of(origin: &Origin) -> anyhow::Result<Self> {
        Self::with(&origin.admin_url(), OPERATOR_TOKEN)
    }

    /// With another token.
    pub fn with(url: &str, token: &str) -> anyhow::Result<Self> {
        let client = Client::new(&ClientOptions {
            url: url.to_owned(),
            token: settings::Secret::new(token),
            ca_file: None,
        })?;
        Ok(Self { client })
    }

    /// Uploads a version; it is not active.
    pub async fn push(&self, filter: &Filter) -> anyhow::Result<Pushed> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.client.put_blob(filter.wasm.clone()).await?;
        let version = NewVersion {
            manifest: filter.manifest.clone(),
            component: Digest::of(&filter.wasm),
            serial: u64::try_from(since.as_millis())?,
            signature: None,
        };
        Ok(self.client.push(&version).await?)
    }

    /// Makes a version active at once, without a bake time.
    pub async fn activate(&self, name: &FilterName, number: u32) -> anyhow::Result<()> {
        self.activate_baking(name, number, 0).await
    }

    /// Makes a version active, and has the nodes watch it for a time.
    pub async fn activate_baking(
        &self,
        name: &FilterName,
        number: u32,
        bake_ms: u64,
    ) -> anyhow::Result<()> {
        let activate = Activate {
            version: VersionRef::Number(number),
            percent: None,
            bake_ms: Some(bake_ms),
            if_generation: None,
        };
        self.client.activate(name, &activate).await?;
        Ok(())
    }

    /// Uploads a version, activates it, and waits until `nodes` report that they run it.
    pub async fn deploy(&self, filter: &Filter, nodes: usize) -> anyhow::Result<Pushed> {
        let pushed = self.push(filter).await?;
        self.activate(filter.name(), pushed.number).await?;
        self.active_on(filter.name(), pushed.id, nodes).await?;
        Ok(pushed)
    }

    /// Waits until as many nodes report a version as active.
    pub async fn active_on(
        &self,
        name: &FilterName,
        id: VersionId,
        nodes: usize,
    ) -> anyhow::Result<()> {
        let what = format!("{nodes} nodes run {name} {id}");
        wait::until(&what, FOLLOW_WITHIN, async || {
            let active = active(&self.client.overview().await?, name);
            let count = active.values().filter(|active| **active == id).count();
            Ok((count >= nodes).then_some(()))
        })
        .await
    }
}

/// What each node reports as the active version of a filter.
pub fn active(overview: &Overview, name: &FilterName) -> BTreeMap<String, VersionId> {
    let nodes = overview.nodes.iter();
    nodes
        .filter_map(|(node, overview)| {
            let report = overview.report.filters.get(name)?;
            Some((node.to_string(), report.active?))
        })
        .collect()
}

/// An origin with a registry, and edges that follow it, in front of a parent that is no origin.
#[derive(Debug)]
pub struct Fleet {
    /// Keeps the registry; publishes nothing.
    pub origin: Origin,
    /// Where the edges fetch.
    pub parent: Parent,
    /// They follow the registry.
    pub edges: Vec<Edge>,
    /// At the registry.
    pub operator: Operator,
}

impl Fleet {
    /// Starts as many edges, with `settings` laid over.
    pub async fn start(edges: usize, settings: &Settings) -> anyhow::Result<Self> {
        let origin = Origin::start_with(&origin_settings().overlaid(settings)).await?;
        let parent = Parent::start().await?;
        let following = edge_settings(&origin.admin_url()).overlaid(settings);
        let names: Vec<String> = (1..=edges).map(|number| format!("edge-{number}")).collect();
        let urls = [parent.url()];
        let starting = names
            .iter()
            .map(|name| Edge::start_with(name, &urls, &following));
        let edges = futures::future::try_join_all(starting).await?;
        Ok(Self {
            operator: Operator::of(&origin)?,
            origin,
            parent,
            edges,
        })
    }

    /// All that run filters: the edges and the origin.
    pub fn nodes(&self) -> usize {
        self.edges.len() + 1
    }
}
