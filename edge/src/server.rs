//! Puts an edge together from its settings, and runs it.

/// Ends the process once nobody is being served.
mod drain;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bus::config::{BusSettings, LINK_MESSAGE_BYTES_MAX};
use bus::{BusError, EdgeBus, EdgeInbox};
use cache_policy::CacheName;
use filter_registry::config::RegistryAddress;
use filter_registry::node::{self, FilterNode, NodeError, NodeOptions};
use http::HeaderValue;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use telemetry::{BuildInfo, Health, Registry};
use tokio::runtime::{Handle, Runtime};

use crate::access_log::{AccessLog, AccessLogMetrics};
use crate::admin::{self, Admin, Facts, NodeFilters, Relay, RelayError};
use crate::cache::Cache;
use crate::config::{ListenSettings, PlaybackAuth, RoomsSettings, Settings};
use crate::control::{ControlApi, ControlError};
use crate::frontend::{self, h3, tcp};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::pipeline::{EdgeProxy, Filters};
use crate::relay::{self, LiveRelay};
use crate::rooms::{self, Rooms};
use crate::sites::Sites;
use crate::streams::Streams;
use crate::tls::{self, Tls, TlsError};
use crate::upstream::Upstream;
use crate::upstream::parent::ParentUrl;
use drain::Drain;

/// Between two looks at whether the edge can be connected to.
const LISTENING_TICK: Duration = Duration::from_millis(50);
/// Between two readings of the cache's figures.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// Names of the readiness conditions.
const LISTENING: &str = "listening";
const FILTERS: &str = "filters";
/// An edge that everybody may watch waits so long for its first filters; another one as long as it
/// takes, and says so every time.
const FILTERS_WAIT: Duration = Duration::from_secs(10);

/// Why an edge could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The file of the access log, or its thread.
    #[error("access_log.output: {0}")]
    AccessLog(std::io::Error),
    /// The admin address.
    #[error("cannot listen on {address} (admin): {source}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// What carries rooms.
    #[error("rooms.bus: {0}")]
    Bus(#[from] BusError),
    /// The way to the control API.
    #[error("rooms.ca_file: {0}")]
    Control(#[from] ControlError),
    /// The host of filters, or the agent that follows the registry.
    #[error(transparent)]
    Filters(#[from] NodeError),
    /// HTTP/3.
    #[error("HTTP/3: {0}")]
    H3(#[from] h3::SetupError),
    /// A metric that is registered twice: a bug.
    #[error("metrics: {0}")]
    Metrics(#[from] telemetry::metrics::RegisterError),
    /// `node.name`.
    #[error("node.name: {0}")]
    Name(#[from] cache_policy::CacheNameError),
    /// The way to the registry.
    #[error("filters.registry: {0}")]
    Registry(#[from] RelayError),
    /// A runtime.
    #[error("threads: {0}")]
    Runtime(#[from] std::io::Error),
    /// An address of HTTP/1.1 and HTTP/2 that cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Certificates and keys.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
}

/// Runs an edge until it is told to stop. Returns only if it could not start.
///
/// # Errors
/// See [`StartError`]: an address in use, a certificate that cannot be read.
#[expect(
    clippy::too_many_lines,
    reason = "the order in which an edge comes to life"
)]
pub fn run(settings: Settings) -> Result<std::convert::Infallible, StartError> {
    let registry = telemetry::metrics::registry(BuildInfo {
        binary: "weir-edge",
        version: env!("CARGO_PKG_VERSION"),
    })?;
    let health = Health::new();
    health.set_ready(LISTENING, false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads.upstream)
        .thread_name("upstream")
        .enable_all()
        .build()?;
    let tls = Tls::load(&settings, tls::Metrics::new(&registry)?)?;
    // pingora panics on an address in use, far from here: try each first.
    for address in settings.listen.tcp() {
        std::net::TcpListener::bind(address)
            .map_err(|source| StartError::Tcp { address, source })?;
    }

    let metrics = Metrics::new(&registry)?;
    let frontend_metrics = frontend::Metrics::new(&registry)?;
    let parts = Parts::new(&settings, &tls, metrics.clone(), &registry, &runtime)?;
    let mut server = server(&settings);
    let proxy = frontend::shared_proxy(
        &server.configuration,
        parts.pipeline(&settings)?,
        settings.limits.requests_per_connection_max,
    );
    let tcp_options = tcp::Options {
        https: vec![settings.listen.https],
        http: settings.listen.http.into_iter().collect(),
        tiers: settings.listen.tiers.zip(tls.tiers()).map(tcp::Tiers::from),
        proxies: settings.proxy_protocol_from.clone(),
        threads: Some(settings.threads.tcp),
        limits: parts.limits.clone(),
    };
    let tcp = tcp::service(
        Arc::clone(&proxy),
        tls.certificates(),
        frontend_metrics.clone(),
        &tcp_options,
    )
    .map_err(TlsError::from)?;
    let h3 = h3::service(
        proxy,
        tls.certificates(),
        frontend_metrics.clone(),
        h3_options(&settings, parts.limits.clone()),
    )?;
    server.add_service(tcp);
    server.add_service(h3);

    let pages = admin::router(Arc::new(parts.admin(&settings, &health)?));
    serve_admin(&settings, &runtime, registry, &health, pages)?;
    runtime.spawn(read_figures(
        parts.cache,
        parts.sites,
        parts.streams,
        metrics.clone(),
    ));
    announce(&settings, &tls);
    let every = settings.tls.reload_every;
    runtime.spawn(parts.tls.watch(every, health.clone()));
    runtime.spawn(tell_when_listening(settings.listen, health.clone()));
    if let Some(node) = parts.node {
        health.set_ready(FILTERS, false);
        runtime.spawn(tell_when_filtered(
            node,
            settings.playback.auth,
            health.clone(),
        ));
    }
    let drain = Drain {
        health,
        in_progress: metrics.in_progress,
        h3_in_progress: frontend_metrics.h3_in_progress.clone(),
        grace: settings.drain_grace,
        live_relay: parts.live_relay,
        runtime: runtime.handle().clone(),
        rooms: parts.rooms,
        json_log: parts.json_log,
    };
    server.run(RunArgs {
        shutdown_signal: Box::new(drain),
    });
    drop((runtime, parts.rooms_runtime));
    std::process::exit(0)
}

fn server(settings: &Settings) -> Server {
    let conf = ServerConf {
        threads: settings.threads.tcp,
        grace_period_seconds: Some(settings.drain_grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    server
}

/// What the pipeline and the admin listener share.
struct Parts {
    rooms_runtime: Option<Runtime>,
    tls: Tls,
    cache: Cache,
    metrics: Metrics,
    upstream: Upstream,
    live_relay: LiveRelay,
    pages: Arc<Pages>,
    node: Option<Arc<FilterNode>>,
    rooms: Option<Rooms>,
    streams: Streams,
    json_log: Option<AccessLog>,
    sites: Option<Sites>,
    limits: Limits,
}

impl Parts {
    fn new(
        settings: &Settings,
        tls: &Tls,
        metrics: Metrics,
        registry: &Registry,
        runtime: &Runtime,
    ) -> Result<Self, StartError> {
        let upstream = settings.upstream.clone();
        let shown = tls.parents();
        let handle = runtime.handle().clone();
        let node = start_node(settings, registry, runtime)?.map(Arc::new);
        let rooms = start_rooms(settings, node.as_deref(), registry)?;
        let (rooms, rooms_runtime) = rooms.unzip();
        let json_log = match &settings.access_log {
            Some(log) => {
                let metrics = AccessLogMetrics::new(registry)?;
                Some(
                    AccessLog::start(log, &settings.node_name, metrics)
                        .map_err(StartError::AccessLog)?,
                )
            }
            None => None,
        };
        let cache = Cache::new(settings.cache);
        let upstream = Upstream::new(upstream, shown.as_ref(), metrics.clone(), handle.clone());
        let tiers = settings.playback.keys.as_ref().map(|keys| &keys.tiers);
        let live_relay = LiveRelay::new(
            settings.relay,
            cache.clone(),
            upstream.clone(),
            tiers.cloned(),
            relay::Metrics::new(registry)?,
            handle.clone(),
        );
        Ok(Self {
            streams: Streams::new(registry, settings.streams)?,
            json_log,
            limits: Limits::new(settings.limits.clone(), registry)?,
            rooms,
            rooms_runtime,
            tls: tls.clone(),
            sites: start_sites(settings, &metrics, &handle),
            cache,
            upstream,
            live_relay,
            pages: Arc::new(Pages::embedded()),
            node,
            metrics,
        })
    }

    fn pipeline(&self, settings: &Settings) -> Result<EdgeProxy, StartError> {
        let alt_svc = frontend::alt_svc(settings.listen.https.port());
        Ok(EdgeProxy {
            name: CacheName::new(&settings.node_name)?,
            alt_svc: HeaderValue::from_str(&alt_svc).ok(),
            cache: self.cache.clone(),
            relay: self.live_relay.clone(),
            pages: Arc::clone(&self.pages),
            playback: settings.playback.clone(),
            tiers_show_certificates: settings.listen.tiers.is_some(),
            filters: self.node.as_deref().map(Filters::new),
            rooms: self.rooms.clone(),
            sites: self.sites.clone(),
            limits: self.limits.clone(),
            metrics: self.metrics.clone(),
            streams: self.streams.clone(),
            access_log: settings.log.access,
            json_log: self.json_log.clone(),
            write_timeout: settings.write_timeout,
        })
    }

    fn admin(&self, settings: &Settings, health: &Health) -> Result<Admin, StartError> {
        let relay = match settings.filters.as_ref().map(|filters| &filters.registry) {
            Some(RegistryAddress::Remote { url, ca_file, .. }) => {
                Some(Relay::new(url, ca_file.as_deref())?)
            }
            Some(RegistryAddress::Own) | None => None,
        };
        Ok(Admin {
            facts: Facts::new(settings),
            started: SystemTime::now(),
            health: health.clone(),
            cache: self.cache.clone(),
            sites: self.sites.clone(),
            upstream: self.upstream.clone(),
            tls: Some(self.tls.clone()),
            metrics: self.metrics.clone(),
            filters: self.node.clone().map(NodeFilters::new),
            relay,
            token: settings.admin_token.clone(),
            pages: Arc::clone(&self.pages),
        })
    }
}

/// Foreign origins, if there are any.
fn start_sites(settings: &Settings, metrics: &Metrics, runtime: &Handle) -> Option<Sites> {
    (!settings.sites.is_empty()).then(|| {
        Sites::new(
            settings.sites.clone(),
            settings.sites_limits,
            &settings.node_name,
            metrics.clone(),
            runtime.clone(),
        )
    })
}

/// Rooms, and the link to their hubs.
fn start_rooms(
    settings: &Settings,
    node: Option<&FilterNode>,
    registry: &Registry,
) -> Result<Option<(Rooms, Runtime)>, StartError> {
    let threads = settings.threads.rooms;
    let (Some(settings), Some(node)) = (settings.rooms.clone(), node) else {
        return Ok(None);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("rooms")
        .enable_all()
        .build()?;
    let within = runtime.enter();
    let (bus, inbox) = open_bus(&settings, registry)?;
    let ca_file = settings.ca_file.as_deref();
    let control = ControlApi::new(&settings.origin, &settings.token, ca_file, registry)?;
    let metrics = rooms::Metrics::new(registry)?;
    let sockets = runtime.handle().clone();
    let rooms = Rooms::new(settings, bus, Filters::new(node), control, metrics, sockets);
    runtime.spawn(rooms.clone().run(inbox));
    drop(within);
    Ok(Some((rooms, runtime)))
}

fn open_bus(
    settings: &RoomsSettings,
    registry: &Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    match &settings.bus {
        BusSettings::Embedded => {
            let (token, edge) = (settings.token.clone(), settings.edge.clone());
            let mut options = bus::embedded::EdgeOptions::new(&settings.origin, token, edge);
            options.ca_file.clone_from(&settings.ca_file);
            options.rooms_max = settings.rooms_max;
            options.message_bytes_max = LINK_MESSAGE_BYTES_MAX;
            bus::embedded::edge(options, registry)
        }
        BusSettings::Nats(nats) => {
            let mut options = nats.clone();
            options.rooms_max = settings.rooms_max;
            bus::nats::edge(options, settings.edge.clone(), registry)
        }
    }
}

/// The host of filters, and the agent that makes it follow the registry.
fn start_node(
    settings: &Settings,
    registry: &Registry,
    runtime: &Runtime,
) -> Result<Option<FilterNode>, NodeError> {
    let Some(filters) = settings.filters.clone() else {
        return Ok(None);
    };
    let keys = settings.playback.keys.as_ref();
    let options = NodeOptions {
        name: settings.node_name.clone(),
        role: "edge",
        playback_secrets: keys.map(|keys| keys.secrets.clone()).unwrap_or_default(),
        registry: None,
    };
    runtime
        .block_on(node::start(filters, options, registry))
        .map(Some)
}

fn h3_options(settings: &Settings, limits: Limits) -> h3::Options {
    let mut options = h3::Options::new(settings.listen.https);
    options.threads = settings.threads.quic;
    options.connections_max = settings.limits.h3_connections_max;
    options.drain_timeout = settings.drain_grace;
    options.write_timeout = settings.write_timeout;
    options.unvalidated_handshakes_max = settings.limits.unvalidated_handshakes_max;
    options.limits = limits;
    options.early_data = settings.tls.early_data;
    options.transport.bidi_streams_max = settings.limits.requests_per_connection_max;
    options
}

fn serve_admin(
    settings: &Settings,
    runtime: &Runtime,
    registry: Registry,
    health: &Health,
    pages: axum::Router,
) -> Result<(), StartError> {
    let address = settings.listen.admin;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(address))
        .map_err(|source| StartError::Admin { address, source })?;
    // The admin listener stays to the last moment: it is how a drain is watched.
    let forever = std::future::pending();
    let health = health.clone();
    runtime.spawn(async move {
        let served = telemetry::admin::serve(listener, registry, health, pages, forever);
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin listener stopped");
        }
    });
    Ok(())
}

fn announce(settings: &Settings, tls: &Tls) {
    let list = |urls: &[ParentUrl]| {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        (!urls.is_empty()).then(|| urls.join(" "))
    };
    tracing::info!(
        node = settings.node_name,
        https = %settings.listen.https,
        http = settings.listen.http.map(tracing::field::display),
        tiers = settings.listen.tiers.map(tracing::field::display),
        admin = %settings.listen.admin,
        parents = list(&settings.upstream.parents),
        backups = list(&settings.upstream.backups),
        playback = settings.playback.auth.as_str(),
        filters = settings.filters.is_some(),
        spki = tls.spki_sha256_base64(),
        "edge listening"
    );
}

/// pingora binds its TCP ports in threads of its own and tells nobody: ready is when each takes a
/// connection. The UDP port has been bound before.
async fn tell_when_listening(listen: ListenSettings, health: Health) {
    let mut ticks = tokio::time::interval(LISTENING_TICK);
    for address in listen.tcp() {
        let mut reachable = address;
        if address.ip().is_unspecified() {
            reachable.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        while tokio::net::TcpStream::connect(reachable).await.is_err() {
            ticks.tick().await;
        }
    }
    health.set_ready(LISTENING, true);
}

/// Ready is when the filters that the registry, or the copy of what it said last, wants active are
/// there or cannot be had.
async fn tell_when_filtered(node: Arc<FilterNode>, auth: PlaybackAuth, health: Health) {
    let mut settled = std::pin::pin!(node.agent.settled());
    loop {
        match tokio::time::timeout(FILTERS_WAIT, &mut settled).await {
            Ok(true) => break,
            Ok(false) => {
                tracing::warn!("a filter that is wanted does not run here: see /v1/node/filters");
                break;
            }
            Err(_) if auth == PlaybackAuth::Open => {
                tracing::warn!(
                    "the registry of filters is away and there is no copy of what it said: \
                     ready without filters"
                );
                break;
            }
            Err(_) => tracing::warn!(
                "not ready: playback.auth is \"filters\", the registry is away and there is no \
                 copy of what it said"
            ),
        }
    }
    health.set_ready(FILTERS, true);
}

/// The cache's figures are read, not pushed: nothing on the path of a request does it.
async fn read_figures(cache: Cache, sites: Option<Sites>, streams: Streams, metrics: Metrics) {
    let mut every = tokio::time::interval(FIGURES_EVERY);
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    loop {
        every.tick().await;
        cache.memory().settle();
        metrics.memory_bytes.set(gauge(cache.memory().bytes()));
        metrics.memory_objects.set(gauge(cache.memory().objects()));
        metrics.flights.set(gauge(cache.flights() as u64));
        streams.settle(Instant::now());
        if let Some(sites) = &sites {
            sites.store().settle();
            metrics.sites_bytes.set(gauge(sites.store().bytes()));
            metrics
                .sites_resources
                .set(gauge(sites.store().resources()));
            metrics.sites_flights.set(gauge(sites.flights() as u64));
        }
    }
}
