//! The running origin: binds, wires, serves, drains.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use filter_registry::node::{FilterNode, NodeError, NodeOptions};
use telemetry::metrics::{BuildInfo, RegisterError};
use telemetry::traces::{Traces, TracesError};
use telemetry::{Health, Registry};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transport::tls::{Identity, LoadIdentityError, SelfSignError};

use crate::config::{PlaybackSettings, PublishAuth, Settings, TlsSettings};
use crate::control::{self, Control, ControlError, Opened};
use crate::filters::Filters;
use crate::health;
use crate::ingest::{Ingest, Transport};
use crate::metrics::Metrics;
use crate::numbers::Numbers;
use crate::packager::{Shows, Studio, WallClock};
use crate::publish::Streams;
use crate::rooms::{Counts, Hubs, RoomsError, Started};
use crate::serve::{self, Gate};
use crate::thumbnails::Thumbnails;
use crate::transcode::{Abilities, Jobs};
use crate::window::Catalog;

/// The admin pages stay up this long into a drain's end, so that the last metrics can be read.
const ADMIN_CONDITION: &str = "listeners";
/// The filters that ran before, or the registry's first word, are there.
const FILTERS_CONDITION: &str = "filters";
/// The name under which an origin reports to the registry.
const NODE_NAME: &str = "weir-origin";

/// Why the origin could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port could not be opened.
    #[error("cannot listen for {what} on {address}: {source}")]
    Bind {
        /// Which listener.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The way to the collector of traces.
    #[error("traces: {0}")]
    Traces(#[from] TracesError),
    /// Accounts, or the ledger.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The filters, or their registry.
    #[error(transparent)]
    Filters(#[from] NodeError),
    /// A metric is registered twice: a bug.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
    /// The rooms.
    #[error(transparent)]
    Rooms(#[from] RoomsError),
    /// The certificate files cannot be used.
    #[error("certificate: {0}")]
    Identity(#[from] LoadIdentityError),
    /// The self-signed certificate could not be made.
    #[error("self-signed certificate: {0}")]
    SelfSigned(#[from] SelfSignError),
    /// The directory `packaging.state_dir` cannot be used.
    #[error("packaging.state_dir {}: {source}", directory.display())]
    State {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// rustls refused the configuration.
    #[error("TLS: {0}")]
    Tls(String),
}

/// An origin whose ports are open. Nothing is served before [`App::run`].
#[derive(Debug)]
pub struct App {
    settings: Settings,
    rtmp: Option<TcpListener>,
    rtmps: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
    http: TcpListener,
    admin: TcpListener,
    registry: Registry,
    metrics: Metrics,
    health: Health,
    filters: Option<FilterNode>,
    catalog: Catalog,
    counts: Counts,
    numbers: Numbers,
    rooms: Option<Started>,
    control: Option<control::Started>,
}

/// Where an [`App`] listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// RTMP.
    pub rtmp: Option<SocketAddr>,
    /// RTMPS.
    pub rtmps: Option<SocketAddr>,
    /// HTTP for edges and players.
    pub http: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
}

impl App {
    /// Opens every port and registers every metric.
    pub async fn bind(settings: Settings) -> Result<Self, StartError> {
        let registry = telemetry::metrics::registry(BuildInfo {
            binary: "weir-origin",
            version: env!("CARGO_PKG_VERSION"),
        })?;
        let metrics = Metrics::register(&registry)?;
        let health = Health::new();
        health.set_ready(ADMIN_CONDITION, false);
        let rtmp = match settings.rtmp.listen {
            Some(address) => Some(bind("RTMP", address).await?),
            None => None,
        };
        let rtmps = match settings.rtmp.listen_tls {
            Some(address) => {
                let config = tls_config(&settings.tls)?;
                Some((bind("RTMPS", address).await?, config))
            }
            None => None,
        };
        let filters = start_filters(&settings, &registry).await?;
        if let Some(node) = &filters {
            health.set_ready(FILTERS_CONDITION, false);
            let (mut status, health) = (node.agent.watch(), health.clone());
            tokio::spawn(async move {
                // It fails only when the agent has gone, and with it the process.
                if status.wait_for(|status| status.settled).await.is_ok() {
                    health.set_ready(FILTERS_CONDITION, true);
                }
            });
        }
        let (catalog, counts) = (Catalog::default(), Counts::default());
        let state_dir = settings.packaging.state_dir.as_deref();
        let numbers = Numbers::open(state_dir).map_err(|source| StartError::State {
            directory: state_dir.map(Path::to_owned).unwrap_or_default(),
            source,
        })?;
        // Rooms publish the keys of accounts, which share names with guests: first the stores are opened.
        let opened = match settings.control.clone() {
            Some(control) => Some(Control::open(control, &registry).await?),
            None => None,
        };
        let accounts = opened.as_ref().map(Opened::accounts);
        let rooms = match settings.rooms.clone() {
            Some(rooms) => {
                let (catalog, counts) = (catalog.clone(), counts.clone());
                let directory = opened.as_ref().map(Opened::directory).unwrap_or_default();
                let started = Hubs::start(rooms, accounts, directory, catalog, counts, &registry);
                Some(started.await?)
            }
            None => None,
        };
        let control = match (opened, &rooms) {
            (Some(opened), Some(rooms)) => Some(opened.start(rooms.hubs.clone()).await?),
            _ => None,
        };
        Ok(Self {
            catalog,
            counts,
            numbers,
            rooms,
            control,
            filters,
            rtmp,
            rtmps,
            http: bind("HTTP", settings.http.listen).await?,
            admin: bind("admin", settings.admin_listen).await?,
            settings,
            registry,
            metrics,
            health,
        })
    }

    /// Where it listens; ports that were 0 are those the system chose.
    pub fn addresses(&self) -> io::Result<Addresses> {
        let local = |listener: &TcpListener| listener.local_addr();
        Ok(Addresses {
            rtmp: self.rtmp.as_ref().map(local).transpose()?,
            rtmps: self
                .rtmps
                .as_ref()
                .map(|(listener, _)| local(listener))
                .transpose()?,
            http: local(&self.http)?,
            admin: local(&self.admin)?,
        })
    }

    /// Serves until `shutdown`, then drains within the configured time: streams end with
    /// EXT-X-ENDLIST, held requests are answered, connections close.
    #[expect(
        clippy::too_many_lines,
        reason = "the order in which an origin comes to life"
    )]
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), StartError> {
        let catalog = self.catalog;
        let (hubs, public, admin_rooms) = spawn_rooms(self.rooms);
        let (control, public, admin_rooms) = with_control(self.control, public, admin_rooms);
        let stop_http = CancellationToken::new();
        let stop_ingest = CancellationToken::new();
        let stop_lingering = CancellationToken::new();
        let broadcasts = TaskTracker::new();
        let numbers = self.numbers;
        let keeping = tokio::spawn(numbers.clone().keep());
        let studio = Studio {
            transcode: self.settings.transcode.clone(),
            abilities: Abilities::default(),
            jobs: Jobs::new(self.settings.transcode.jobs_max, self.metrics.jobs()),
            packaging: self.settings.packaging.clone(),
            thumbnails: Thumbnails::new(
                self.settings.packaging.thumbnails,
                self.settings.transcode.ffmpeg.clone(),
            ),
            catalog: catalog.clone(),
            metrics: self.metrics.clone(),
            herald: control.as_ref().map(Control::herald).unwrap_or_default(),
            numbers: numbers.clone(),
            wall_clock: WallClock::System,
            reconnect_grace: self.settings.publish.reconnect_grace,
            slate: self.settings.publish.slate.clone(),
            shutdown: stop_lingering.clone(),
            tasks: broadcasts.clone(),
            shows: Shows::default(),
        };
        let left_behind = studio.revive();
        let start = Box::new(move |claim| studio.begin(claim));
        let filters = self.filters.as_ref();
        let filters =
            filters.map(|node| Filters::new(node.host.clone(), Arc::clone(&node.viewpoint)));
        let gate = gate(&self.settings.playback, filters.as_ref());
        let publish = filters.filter(|_| self.settings.publish.auth == PublishAuth::Filters);
        let admission = control
            .as_ref()
            .map(|control| (control.admission(), control.directory()));
        let streams = Streams::admitting(
            &self.settings.streams,
            publish,
            admission,
            (
                self.settings.publish.second_publisher,
                self.settings.publish.reconnect_grace,
            ),
            start,
        );
        streams.expect(left_behind);
        if let Some(control) = &control {
            control.attend(streams.clone());
        }
        let limits = self.settings.rtmp.limits;
        let health = self.metrics.health.clone();
        let rules = self.settings.ingest_rules.clone();
        let ingest = Ingest::new(
            limits,
            rules,
            streams.clone(),
            health.clone(),
            &self.registry,
        )?;
        let listeners = TaskTracker::new();
        spawn_ingest(&listeners, ingest, self.rtmp, self.rtmps, &stop_ingest);
        let traces = match self.settings.traces.clone() {
            Some(traces) => Traces::start(traces, &self.registry, &Handle::current())?,
            None => Traces::off(),
        };
        let router = serve::router(
            &self.settings.http,
            &self.settings.packaging,
            gate,
            catalog,
            self.counts,
            (self.metrics.clone(), traces.clone()),
        )
        .merge(public);
        listeners.spawn(serve::serve(
            self.http,
            router,
            self.settings.http.clone(),
            self.metrics.http_connections.clone(),
            stop_http.clone(),
        ));
        let stop_admin = CancellationToken::new();
        tokio::spawn(health.clone().run(stop_admin.clone()));
        let admin = tokio::spawn(telemetry::admin::serve(
            self.admin,
            self.registry.clone(),
            self.health.clone(),
            self.filters
                .as_ref()
                .and_then(|node| node.api.clone())
                .unwrap_or_default()
                .merge(admin_rooms)
                .merge(health::router(health.clone(), self.settings.admin_token)),
            stop_admin.clone().cancelled_owned(),
        ));
        self.health.set_ready(ADMIN_CONDITION, true);

        shutdown.cancelled().await;
        tracing::info!("draining");
        self.health.start_draining();
        let drained = async {
            // In this order: a stream's end is still answered to whoever waits for it.
            streams.drain();
            stop_lingering.cancel();
            broadcasts.close();
            broadcasts.wait().await;
            keeping.abort();
            numbers.flush().await;
            if let Some(control) = &control {
                control.fall_silent().await;
            }
            if let Some(hubs) = hubs {
                hubs.stop().await;
            }
            stop_ingest.cancel();
            stop_http.cancel();
            listeners.close();
            listeners.wait().await;
            traces.flush().await;
            // What is being asked is answered first.
            if let Some(control) = control {
                control.stop().await;
            }
        };
        drain(drained, self.settings.drain_timeout).await;
        stop_admin.cancel();
        drop(admin);
        Ok(())
    }
}

/// Runs the filters, if there are to be any.
async fn start_filters(
    settings: &Settings,
    metrics: &Registry,
) -> Result<Option<FilterNode>, StartError> {
    let Some(filters) = settings.filters.clone() else {
        return Ok(None);
    };
    let options = NodeOptions {
        name: NODE_NAME.to_owned(),
        role: "origin",
        playback_secrets: settings.playback_secrets.clone(),
        registry: settings.filter_registry.clone(),
    };
    Ok(Some(
        filter_registry::node::start(filters, options, metrics).await?,
    ))
}

/// What edges and operators reach of the rooms.
fn spawn_rooms(started: Option<Started>) -> (Option<Hubs>, Router, Router) {
    let Some(started) = started else {
        return (None, Router::new(), Router::new());
    };
    let Started {
        hubs,
        inbox,
        public,
        admin,
    } = started;
    tokio::spawn(hubs.clone().run(inbox));
    (Some(hubs), public, admin)
}

/// Accounts and gifts beside the rooms, on both listeners.
fn with_control(
    started: Option<control::Started>,
    public: Router,
    admin: Router,
) -> (Option<Control>, Router, Router) {
    match started {
        Some(started) => (
            Some(started.control),
            public.merge(started.public),
            admin.merge(started.admin),
        ),
        None => (None, public, admin),
    }
}

fn gate(playback: &PlaybackSettings, filters: Option<&Filters>) -> Gate {
    match playback {
        PlaybackSettings::Open => Gate::Open,
        PlaybackSettings::Filters { tiers } => Gate::Filters {
            tiers: Arc::clone(tiers),
            filters: filters.cloned(),
        },
    }
}

async fn drain(drained: impl Future<Output = ()>, within: Duration) {
    match tokio::time::timeout(within, drained).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => tracing::warn!(?within, "the drain took too long; leaving the rest"),
    }
}

fn spawn_ingest(
    listeners: &TaskTracker,
    ingest: Ingest,
    rtmp: Option<TcpListener>,
    rtmps: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
    stop: &CancellationToken,
) {
    if let Some(listener) = rtmp {
        let ingest = ingest.clone();
        listeners.spawn(ingest.serve(listener, Transport::Plain, stop.clone()));
    }
    if let Some((listener, config)) = rtmps {
        listeners.spawn(ingest.serve(listener, Transport::Tls(config), stop.clone()));
    }
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Bind {
        what,
        address,
        source,
    })
}

fn tls_config(settings: &TlsSettings) -> Result<Arc<rustls::ServerConfig>, StartError> {
    let identity = match settings {
        TlsSettings::Files {
            certificate,
            private_key,
        } => Identity::load(certificate, private_key)?,
        TlsSettings::SelfSigned(directory) => Identity::self_signed(directory, &[])?,
    };
    // RTMPS has no ALPN protocol of its own.
    identity
        .server_config(&[])
        .map_err(|error| StartError::Tls(error.to_string()))
}
