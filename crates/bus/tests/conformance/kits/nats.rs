use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bus::nats::{self, Credentials, NatsOptions, StoreOptions};
use bus::{EdgeBus, EdgeInbox, EdgeName, HubBus, HubInbox, Store};
use prometheus::Registry;
use settings::Secret;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{EdgeSetup, Kit, TOKEN, until};

pub(crate) struct NatsKit {
    hub: HubBus,
    inbox: HubInbox,
    registry: Registry,
    server: Server,
}

/// A nats-server, killed at the end.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Child,
    directory: TempDir,
}

impl Server {
    /// With a token.
    async fn new() -> Self {
        Self::with(&["--auth", TOKEN]).await
    }

    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let directory = TempDir::new().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let child = Self::spawn(port, &directory, &arguments);
        let server = Self {
            port,
            child,
            directory,
            arguments,
        };
        server.ready().await;
        server
    }

    fn spawn(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
        Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .args(arguments)
            .arg("-js")
            .arg("-sd")
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server: scripts/setup.sh test installs it")
    }

    async fn ready(&self) {
        let ready = async || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            let mut hello = [0; 4];
            stream.read_exact(&mut hello).await.ok()?;
            (&hello == b"INFO").then_some(())
        };
        // A server that starts tells nobody when it listens: it is asked again.
        while ready().await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn start(&mut self) {
        self.child = Self::spawn(self.port, &self.directory, &self.arguments);
        self.ready().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl NatsKit {
    fn options(port: u16, token: &str) -> NatsOptions {
        let url = format!("nats://127.0.0.1:{port}");
        let token = Credentials::Token(Secret::new(token));
        let mut options = NatsOptions::new(vec![url], token);
        options.message_bytes_max = Self::MESSAGE_BYTES_MAX;
        options.backoff_min = Duration::from_millis(20);
        options.backoff_max = Duration::from_millis(200);
        options
    }
}

impl Kit for NatsKit {
    async fn new() -> Self {
        let server = Server::new().await;
        let registry = Registry::new();
        let (hub, inbox) = nats::hub(Self::options(server.port, TOKEN), &registry).unwrap();
        until(|| hub.is_up()).await;
        Self {
            hub,
            inbox,
            registry,
            server,
        }
    }

    fn hub(&mut self) -> (&HubBus, &mut HubInbox) {
        (&self.hub, &mut self.inbox)
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn edge(&mut self, setup: EdgeSetup, registry: &Registry) -> (EdgeBus, EdgeInbox) {
        let mut options = Self::options(self.server.port, setup.token);
        options.message_bytes_max = setup.message_bytes_max;
        options.inbox_bytes_max = setup.inbox_bytes_max;
        options.rooms_max = setup.rooms_max;
        nats::edge(options, EdgeName::new(setup.name).unwrap(), registry).unwrap()
    }

    async fn cut(&mut self) {
        self.server.kill();
    }

    async fn restore(&mut self) {
        self.server.start().await;
    }

    fn store(&self) -> Store {
        let options = StoreOptions {
            value_bytes_max: Self::VALUE_BYTES_MAX,
            timeout: Duration::from_secs(2),
            ..StoreOptions::default()
        };
        nats::store(Self::options(self.server.port, TOKEN), options).unwrap()
    }

    async fn restart_store(&mut self) {
        self.server.kill();
        self.server.start().await;
    }

    async fn break_store(&mut self) {
        self.server.kill();
    }

    async fn mend_store(&mut self) {
        self.server.start().await;
    }
}
