//! Puts an edge together from its settings, and runs it.

/// Ends the process once nobody is being served.
mod drain;
/// What it listens on.
mod sockets;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bus::config::{BusSettings, LINK_MESSAGE_BYTES_MAX};
use bus::{BusError, EdgeBus, EdgeInbox, EdgeName};
use cache_policy::CacheName;
use filter_registry::config::RegistryAddress;
use filter_registry::node::{self, FilterNode, NodeError, NodeOptions};
use http::HeaderValue;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use telemetry::traces::{Traces, TracesError};
use telemetry::{BuildInfo, Health, Registry};
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transport::quic::takeover::Switch;

use crate::access_log::AccessLogMetrics;
use crate::admin::{self, Admin, Facts, NodeFilters, Relay, RelayError};
use crate::cache::Cache;
use crate::config::{ListenSettings, Loaded, PlaybackAuth, RoomsSettings, Settings};
use crate::control::{ControlApi, ControlError};
use crate::frontend::{self, Grace, h3, tcp};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::pipeline::Filters;
use crate::relay;
use crate::reload::snapshot::{Lasting, Unusable};
use crate::reload::{self, Reloader};
use crate::rooms::{self, Rooms};
use crate::sites::Sites;
use crate::streams::Streams;
use crate::tls::{self, Tls, TlsError};
use crate::upgrade::giving::{Program, Upgrader};
use crate::upgrade::taking::{TakeError, Taking};
use crate::upgrade::{self, notify};
use crate::upstream::parent::ParentUrl;
use drain::Drain;
use sockets::Sockets;

/// Between two looks at whether the edge can be connected to.
const LISTENING_TICK: Duration = Duration::from_millis(50);
/// Between two readings of the cache's figures.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// pingora sleeps for so long before it ends a process that drains.
const PINGORA_GRACE: Duration = Duration::from_secs(2 * 3600);
/// Names of the readiness conditions.
const LISTENING: &str = "listening";
const FILTERS: &str = "filters";
/// An edge that everybody may watch waits so long for its first filters; another one as long as it
/// takes, and says so every time.
const FILTERS_WAIT: Duration = Duration::from_secs(10);

/// What the command line says beside the configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the configuration is read again.
    pub file: Option<PathBuf>,
    /// Where the id of the process that serves is written.
    pub pid_file: Option<PathBuf>,
    /// What another process hands over.
    pub taking: Option<Taking>,
}

/// Why an edge could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
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
    /// The way to the collector of traces.
    #[error("traces: {0}")]
    Traces(#[from] TracesError),
    /// What another process hands over.
    #[error(transparent)]
    Taking(#[from] TakeError),
    /// Something that the configuration names, such as the file of the access log.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Runs an edge until it is told to stop. Returns only if it could not start.
///
/// # Errors
/// See [`StartError`]: an address in use, a certificate that cannot be read.
#[expect(
    clippy::too_many_lines,
    reason = "the order in which an edge comes to life"
)]
pub fn run(loaded: Loaded, options: Options) -> Result<std::convert::Infallible, StartError> {
    let settings = &loaded.settings;
    let Options {
        file,
        pid_file,
        mut taking,
    } = options;
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
    let (hangups, upgrades) = {
        let _within = runtime.enter();
        (
            signal(SignalKind::hangup())?,
            signal(SignalKind::user_defined2())?,
        )
    };
    let tls = Tls::load(settings, tls::Metrics::new(&registry)?)?;
    // pingora panics on an address in use, far from here.
    let sockets = Sockets::open(settings.listen, taking.as_mut())?;
    let generation = taking.as_ref().map_or(0, Taking::generation);
    let upgrade_metrics = upgrade::Metrics::new(&registry)?;
    let upgrader = Upgrader::new(
        Program::running(),
        generation,
        sockets.to_give(settings.listen)?,
        upgrade_metrics.clone(),
    );
    let (_, switch) = sockets.udp.for_handover()?;

    let metrics = Metrics::new(&registry)?;
    let frontend_metrics = frontend::Metrics::new(&registry)?;
    let parts = Parts::new(
        settings,
        generation,
        &tls,
        &registry,
        metrics.clone(),
        &runtime,
    )?;
    let grace = Grace::from(settings.drain_grace);
    let first = parts.lasting.snapshot(None, loaded.clone())?;
    let limits = parts.lasting.limits.clone();
    let reload_metrics = reload::Metrics::new(&registry)?;
    let reloader = Reloader::new(file, parts.lasting, first, grace.clone(), reload_metrics);
    let mut server = server(settings);
    let proxy = frontend::shared_proxy(
        &server.configuration,
        reloader.live(),
        settings.limits.requests_per_connection_max,
    );
    let tcp_options = tcp::Options {
        https: vec![settings.listen.https],
        http: settings.listen.http.into_iter().collect(),
        tiers: settings.listen.tiers.zip(tls.tiers()).map(tcp::Tiers::from),
        proxies: settings.proxy_protocol_from.clone(),
        threads: Some(settings.threads.tcp),
        limits: limits.clone(),
        bound: sockets.tcp,
        accepting: Some(upgrader.accepting()),
    };
    let tcp = tcp::service(
        Arc::clone(&proxy),
        tls.certificates(),
        frontend_metrics.clone(),
        &tcp_options,
    )
    .map_err(TlsError::from)?;
    let h3 = h3::service_on(
        sockets.udp,
        proxy,
        tls.certificates(),
        frontend_metrics.clone(),
        h3_options(settings, limits, grace.clone()),
    )?;
    server.add_service(tcp);
    server.add_service(h3);

    drop(tcp_options);
    if let Some(taking) = &mut taking {
        if let Some(node) = reloader.lasting().node.clone() {
            let auth = settings.playback.auth;
            runtime.block_on(tell_when_filtered(node, auth, health.clone()));
        }
        taking.ready()?;
    }
    let pages = admin(settings, &tls, &reloader, &health, generation)?;
    let pages = admin::router(Arc::new(pages));
    let accepting = upgrader.accepting();
    serve_admin(sockets.admin, &runtime, registry, &health, pages, accepting)?;
    runtime.spawn(read_figures(reloader.clone(), upgrade_metrics, switch));
    announce(settings, &tls);
    runtime.spawn(reloader.clone().follow(hangups, tls.clone()));
    runtime.spawn(upgrader.clone().follow(upgrades));
    let every = settings.tls.reload_every;
    runtime.spawn(tls.watch(every, health.clone()));
    runtime.spawn(tell_when_listening(
        settings.listen,
        health.clone(),
        taking,
        pid_file.clone(),
    ));
    if let Some(node) = reloader.lasting().node.clone()
        && generation == 0
    {
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
        connections: ["h1", "h2", "h3"].map(|it| frontend_metrics.connections(it)),
        grace,
        reloader,
        runtime: runtime.handle().clone(),
        upgrader,
        pid_file,
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
        // Longer than any: `Drain` ends the process before.
        grace_period_seconds: Some(PINGORA_GRACE.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    server
}

/// What lasts as long as the process, and what makes it run.
struct Parts {
    lasting: Lasting,
    rooms_runtime: Option<Runtime>,
}

impl Parts {
    fn new(
        settings: &Settings,
        generation: u64,
        tls: &Tls,
        registry: &Registry,
        metrics: Metrics,
        runtime: &Runtime,
    ) -> Result<Self, StartError> {
        let handle = runtime.handle().clone();
        let node = start_node(settings, registry, runtime)?.map(Arc::new);
        let rooms = start_rooms(settings, generation, node.as_deref(), registry)?;
        let (rooms, rooms_runtime) = rooms.unzip();
        let alt_svc = frontend::alt_svc(settings.listen.https.port());
        let lasting = Lasting {
            name: CacheName::new(&settings.node_name)?,
            alt_svc: HeaderValue::from_str(&alt_svc).ok(),
            cache: Cache::new(settings.cache),
            pages: Arc::new(Pages::embedded()),
            node,
            rooms,
            sites: Sites::new(
                Vec::new(),
                settings.sites_limits,
                &settings.node_name,
                metrics.clone(),
                handle.clone(),
            ),
            limits: Limits::new(settings.limits.clone(), registry)?,
            certificate: tls.parents(),
            streams: Streams::new(registry, settings.streams)?,
            metrics,
            relay_metrics: relay::Metrics::new(registry)?,
            log_metrics: AccessLogMetrics::new(registry)?,
            traces: start_traces(settings, registry, &handle)?,
            runtime: handle,
        };
        Ok(Self {
            lasting,
            rooms_runtime,
        })
    }
}

/// Spans for a collector, if there is one.
fn start_traces(
    settings: &Settings,
    registry: &Registry,
    runtime: &Handle,
) -> Result<Traces, TracesError> {
    match settings.traces.clone() {
        Some(traces) => Traces::start(traces, registry, runtime),
        None => Ok(Traces::off()),
    }
}

fn admin(
    settings: &Settings,
    tls: &Tls,
    reloader: &Reloader,
    health: &Health,
    generation: u64,
) -> Result<Admin, StartError> {
    let relay = match settings.filters.as_ref().map(|filters| &filters.registry) {
        Some(RegistryAddress::Remote { url, ca_file, .. }) => {
            Some(Relay::new(url, ca_file.as_deref())?)
        }
        Some(RegistryAddress::Own) | None => None,
    };
    let lasting = reloader.lasting();
    Ok(Admin {
        facts: Facts::new(settings, generation),
        reloader: reloader.clone(),
        started: SystemTime::now(),
        health: health.clone(),
        cache: lasting.cache.clone(),
        tls: Some(tls.clone()),
        metrics: lasting.metrics.clone(),
        filters: lasting.node.clone().map(NodeFilters::new),
        relay,
        pages: Arc::clone(&lasting.pages),
    })
}

/// Rooms, and the link to their hubs.
fn start_rooms(
    settings: &Settings,
    generation: u64,
    node: Option<&FilterNode>,
    registry: &Registry,
) -> Result<Option<(Rooms, Runtime)>, StartError> {
    let threads = settings.threads.rooms;
    let (Some(mut settings), Some(node)) = (settings.rooms.clone(), node) else {
        return Ok(None);
    };
    // The process before keeps its link until its members have gone: a hub has one link of each name.
    if generation > 0
        && let Ok(name) = EdgeName::new(&format!("{}.{generation}", settings.edge.as_str()))
    {
        settings.edge = name;
    }
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

fn h3_options(settings: &Settings, limits: Limits, grace: Grace) -> h3::Options {
    let mut options = h3::Options::new(settings.listen.https);
    options.threads = settings.threads.quic;
    options.connections_max = settings.limits.h3_connections_max;
    options.drain_timeout = grace;
    options.write_timeout = settings.write_timeout;
    options.unvalidated_handshakes_max = settings.limits.unvalidated_handshakes_max;
    options.limits = limits;
    options.early_data = settings.tls.early_data;
    options.transport.bidi_streams_max = settings.limits.requests_per_connection_max;
    options
}

fn serve_admin(
    listener: std::net::TcpListener,
    runtime: &Runtime,
    registry: Registry,
    health: &Health,
    pages: axum::Router,
    mut accepting: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let listener = {
        let _within = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    // It stays to the last moment, which is how a drain is watched, unless another process has it.
    let until = async move {
        if accepting.wait_for(|accepting| !accepting).await.is_err() {
            std::future::pending().await
        }
    };
    let health = health.clone();
    runtime.spawn(async move {
        let served = telemetry::admin::serve(listener, registry, health, pages, until);
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
        pid = std::process::id(),
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
async fn tell_when_listening(
    listen: ListenSettings,
    health: Health,
    taking: Option<Taking>,
    pid_file: Option<PathBuf>,
) {
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
    if let Some(mut taking) = taking {
        taking.listening();
    }
    notify::serving(pid_file.as_deref());
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
async fn read_figures(reloader: Reloader, upgrades: upgrade::Metrics, switch: Arc<Switch>) {
    let Lasting {
        cache,
        sites,
        streams,
        metrics,
        ..
    } = reloader.lasting();
    let mut every = tokio::time::interval(FIGURES_EVERY);
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    loop {
        every.tick().await;
        cache.memory().settle();
        metrics.memory_bytes.set(gauge(cache.memory().bytes()));
        metrics.memory_objects.set(gauge(cache.memory().objects()));
        metrics.flights.set(gauge(cache.flights() as u64));
        streams.settle(Instant::now());
        upgrades.read(&switch);
        sites.store().settle();
        metrics.sites_bytes.set(gauge(sites.store().bytes()));
        metrics
            .sites_resources
            .set(gauge(sites.store().resources()));
        metrics.sites_flights.set(gauge(sites.flights() as u64));
    }
}
