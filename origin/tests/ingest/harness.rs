//! An ingest on port 0, and a client that speaks RTMP by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use origin::config::{Secret, StreamSettings};
use origin::health::{Healths, IngestRules};
use origin::ingest::{Ingest, IngestLimits, RuleBook, Transport};
use origin::publish::{Claim, Streams};
use prometheus::Registry;
use rtmp::amf0::decode_all;
use rtmp::chunk::{ChunkLimits, ChunkReader, message_type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{HANDSHAKE_ANSWER_BYTES, Mux, publish};

pub(crate) const KEY: &str = "demo-key";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    claims: mpsc::UnboundedReceiver<Claim>,
    registry: Registry,
    health: Healths,
}

impl Server {
    pub(crate) async fn start(limits: IngestLimits) -> Self {
        Self::start_with(limits, Transport::Plain).await
    }

    pub(crate) async fn start_with(limits: IngestLimits, transport: Transport) -> Self {
        Self::start_under(limits, IngestRules::default(), transport).await
    }

    /// The same, where publishers have to keep to rules.
    pub(crate) async fn start_under(
        limits: IngestLimits,
        rules: IngestRules,
        transport: Transport,
    ) -> Self {
        let (started, claims) = mpsc::unbounded_channel();
        let settings = StreamSettings {
            name: "demo".to_owned(),
            publish_key: Secret::new(KEY),
            title: None,
        };
        let start = Box::new(move |claim| started.send(claim).unwrap());
        let streams = Streams::new(&[settings], None, start);
        let registry = Registry::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let health = Healths::register(&registry).unwrap();
        let rules = RuleBook {
            default: rules,
            ..RuleBook::default()
        };
        let ingest = Ingest::new(limits, rules, streams, health.clone(), &registry).unwrap();
        let serving = tokio::spawn(ingest.serve(listener, transport, shutdown.clone()));
        Self {
            address,
            shutdown,
            serving,
            claims,
            registry,
            health,
        }
    }

    /// The stream of the next accepted publish.
    pub(crate) async fn claim(&mut self) -> Claim {
        let claim = timeout(PATIENCE, self.claims.recv()).await;
        claim.expect("a publish is accepted in time").unwrap()
    }

    pub(crate) fn nothing_claimed(&mut self) -> bool {
        self.claims.try_recv().is_err()
    }

    /// Connections ended for `reason`.
    pub(crate) fn closed(&self, reason: &str) -> u64 {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|f| f.name() == "origin_ingest_connections_closed_total");
        let Some(family) = family else { return 0 };
        let of_reason = family
            .get_metric()
            .iter()
            .filter(|metric| metric.get_label()[0].value() == reason);
        of_reason.map(|m| m.get_counter().get_value() as u64).sum()
    }

    /// Waits until `count` connections have ended for `reason`.
    #[track_caller]
    pub(crate) fn ended(&self, reason: &str, count: u64) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            while self.closed(reason) < count {
                let late = Instant::now() > deadline;
                assert!(!late, "{caller}: {reason}: {}", self.all_closed());
                // A counter tells nobody when it changes: looked at until the deadline.
                sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits until a counter with these labels counts something.
    pub(crate) async fn counted(&self, name: &str, labels: &[(&str, &str)]) {
        self.has(name, |metric| {
            let own = |(name, value): &(&str, &str)| {
                let mut all = metric.get_label().iter();
                all.any(|label| label.name() == *name && label.value() == *value)
            };
            labels.iter().all(own) && metric.get_counter().get_value() > 0.0
        })
        .await;
    }

    /// Waits until health shows a figure above 0.
    pub(crate) async fn judged(&self, name: &str) {
        let stop = CancellationToken::new();
        let judging = tokio::spawn(self.health.clone().run(stop.clone()));
        self.has(name, |metric| metric.get_gauge().get_value() > 0.0)
            .await;
        stop.cancel();
        judging.await.unwrap();
    }

    async fn has(&self, name: &str, is: impl Fn(&prometheus::proto::Metric) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let families = self.registry.gather();
            let family = families.iter().find(|family| family.name() == name);
            if family.is_some_and(|family| family.get_metric().iter().any(&is)) {
                return;
            }
            assert!(Instant::now() < deadline, "{name}: {}", self.all_closed());
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn all_closed(&self) -> String {
        format!("{:?}", self.registry.gather())
    }
}

/// Limits small enough to be waited for.
pub(crate) fn impatient() -> IngestLimits {
    IngestLimits {
        handshake_timeout: Duration::from_millis(300),
        publish_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(300),
        connections_per_address_max: 256,
        ..IngestLimits::default()
    }
}

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) mux: Mux,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self {
            socket: TcpStream::connect(server.address).await.unwrap(),
            mux: Mux::new(),
        }
    }

    /// Connects and asks to publish, without waiting for the answer.
    pub(crate) async fn publish(server: &Server, key: &str) -> Self {
        let mut client = Self::connect(server).await;
        let bytes = publish(&mut client.mux, "live", key);
        client.socket.write_all(&bytes).await.unwrap();
        client
    }

    /// Reads to the end; gives the status codes that the server sent.
    pub(crate) async fn codes_to_the_end(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.socket.read_to_end(&mut bytes)).await;
        read.expect("the server closes in time").unwrap();
        let mut reader = ChunkReader::new(ChunkLimits::PUBLISHER);
        let mut rest = &bytes[HANDSHAKE_ANSWER_BYTES..];
        let mut codes = Vec::new();
        while let Some(message) = reader.read(&mut rest).unwrap() {
            if message.type_id == message_type::COMMAND_AMF0 {
                let values = decode_all(&message.payload).unwrap();
                codes.extend(values.iter().find_map(|value| {
                    let code = value.property("code")?.as_str()?;
                    Some(code.to_owned())
                }));
            }
        }
        codes
    }
}

/// An identity for RTMPS, made in a directory that goes with it.
pub(crate) fn tls() -> (tempfile::TempDir, Arc<rustls::ServerConfig>) {
    let directory = tempfile::tempdir().unwrap();
    let identity = transport::tls::Identity::self_signed(directory.path(), &[]).unwrap();
    let config = identity.server_config(&[]).unwrap();
    (directory, config)
}
