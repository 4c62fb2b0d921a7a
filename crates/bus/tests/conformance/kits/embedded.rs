use std::path::PathBuf;
use std::time::Duration;

use bus::{EdgeBus, EdgeInbox, EdgeName, HubBus, HubInbox, Store, embedded};
use prometheus::Registry;
use settings::Secret;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{EdgeSetup, Kit, TOKEN};

pub(crate) struct EmbeddedKit {
    hub: HubBus,
    inbox: HubInbox,
    registry: Registry,
    hub_port: u16,
    edge_port: u16,
    /// The way from edges to the hub.
    way: Option<AbortOnDropHandle<()>>,
    _server: AbortOnDropHandle<()>,
    directory: TempDir,
}

impl EmbeddedKit {
    fn values(&self) -> PathBuf {
        self.directory.path().join("rooms")
    }
}

impl Kit for EmbeddedKit {
    async fn new() -> Self {
        let mut options = embedded::HubOptions::new(vec![Secret::new("other"), Secret::new(TOKEN)]);
        options.message_bytes_max = Self::MESSAGE_BYTES_MAX;
        let registry = Registry::new();
        let (hub, inbox, router) = embedded::hub(options, &registry).unwrap();
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let hub_port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut kit = Self {
            hub,
            inbox,
            registry,
            hub_port,
            edge_port: 0,
            way: None,
            _server: AbortOnDropHandle::new(server),
            directory: TempDir::new().unwrap(),
        };
        kit.restore().await;
        kit
    }

    fn hub(&mut self) -> (&HubBus, &mut HubInbox) {
        (&self.hub, &mut self.inbox)
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn edge(&mut self, setup: EdgeSetup, registry: &Registry) -> (EdgeBus, EdgeInbox) {
        let url = format!("http://localhost:{}/", self.edge_port);
        let name = EdgeName::new(setup.name).unwrap();
        let mut options = embedded::EdgeOptions::new(url, Secret::new(setup.token), name);
        options.message_bytes_max = setup.message_bytes_max;
        options.inbox_bytes_max = setup.inbox_bytes_max;
        options.rooms_max = setup.rooms_max;
        options.backoff_min = Duration::from_millis(20);
        options.backoff_max = Duration::from_millis(200);
        embedded::edge(options, registry).unwrap()
    }

    async fn cut(&mut self) {
        if let Some(way) = self.way.take() {
            way.abort();
            // Its sockets are closed when it has ended.
            let _ = way.await;
        }
    }

    async fn restore(&mut self) {
        let listener = TcpListener::bind(("::", self.edge_port)).await.unwrap();
        self.edge_port = listener.local_addr().unwrap().port();
        let way = tokio::spawn(pass(listener, self.hub_port));
        self.way = Some(AbortOnDropHandle::new(way));
    }

    fn store(&self) -> Store {
        embedded::store(&self.values(), Self::VALUE_BYTES_MAX).unwrap()
    }

    async fn restart_store(&mut self) {}

    /// Not by permissions: tests may run as root.
    async fn break_store(&mut self) {
        std::fs::rename(self.values(), self.directory.path().join("away")).unwrap();
        std::fs::write(self.values(), "a file").unwrap();
    }

    async fn mend_store(&mut self) {
        std::fs::remove_file(self.values()).unwrap();
        std::fs::rename(self.directory.path().join("away"), self.values()).unwrap();
    }
}

/// Passes connections on, until it is aborted.
async fn pass(listener: TcpListener, port: u16) {
    let mut connections = JoinSet::new();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        let stop = stop.clone();
        connections.spawn(async move {
            let mut to = TcpStream::connect(("::1", port)).await.unwrap();
            tokio::select! {
                () = stop.cancelled() => {}
                _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
            }
        });
    }
}
