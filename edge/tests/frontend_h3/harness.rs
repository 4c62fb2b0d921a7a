//! A front end of its own per test: a small pipeline, a small origin, clients of all protocols.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use edge::frontend::{self, Metrics, h3, tcp};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::services::background::BackgroundService;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{ProxyHttp, Session};
use prometheus::Registry;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use transport::tls::{ALPN_H2, ALPN_H3, ALPN_HTTP1, Certificates, Identity, client_config};

pub(crate) type H3Client = ::h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;
pub(crate) type H3Stream = ::h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// How long a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn deadline<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("nothing within the deadline")
}

/// The pipeline under test: what it does is in the path.
pub(crate) struct Pipeline {
    /// Each permit lets one `/hold` answer, or one piece of `/pieces` go.
    pub(crate) gate: Arc<Semaphore>,
    /// Told when a `/hold` begins (`true`) and when its client left (`false`).
    held: mpsc::UnboundedSender<bool>,
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Pipeline {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let path = session.req_header().uri.path().to_owned();
        match path.as_str() {
            "/echo" => self.echo(session).await?,
            "/hold" => self.hold(session).await?,
            "/pieces" => self.pieces(session).await?,
            "/post" => self.post(session).await?,
            "/broken-length" => return self.broken(session, Some(100)).await,
            "/broken" => return self.broken(session, None).await,
            "/short" => {
                respond(session, Some(100), "no more than this", &[]).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }

    fn suppress_error_log(&self, _: &Session, _: &(), _: &Error) -> bool {
        true
    }
}

impl Pipeline {
    async fn echo(&self, session: &mut Session) -> Result<()> {
        let head = session.req_header();
        let mut lines = vec![format!("{} {}", head.method, head.uri)];
        for (name, value) in &head.headers {
            lines.push(format!("{name}: {}", value.to_str().unwrap_or("?")));
        }
        let protocol = frontend::protocol(session.as_downstream());
        let extra = [
            ("x-protocol", protocol),
            ("connection", "x-hop"),
            ("x-hop", "must not arrive"),
            ("transfer-encoding", "chunked"),
            ("priority", "u=1"),
        ];
        let extra = if protocol == "h3" {
            &extra[..]
        } else {
            &extra[..1]
        };
        respond(session, None, &lines.join("\n"), extra).await
    }

    /// Waits for the gate or for the client's leaving.
    async fn hold(&self, session: &mut Session) -> Result<()> {
        let _ = self.held.send(true);
        tokio::select! {
            permit = self.gate.acquire() => permit.expect("open").forget(),
            gone = session.as_downstream_mut().read_body_or_idle(true) => {
                let _ = self.held.send(false);
                return Err(gone.expect_err("idle ends with an error"));
            }
        }
        respond(session, Some(4), "held", &[]).await
    }

    async fn pieces(&self, session: &mut Session) -> Result<()> {
        let header = ResponseHeader::build(200, None)?;
        session
            .write_response_header(Box::new(header), false)
            .await?;
        for piece in ["one", "two", "three"] {
            self.gate.acquire().await.expect("open").forget();
            let piece = Bytes::from_static(piece.as_bytes());
            session.write_response_body(Some(piece), false).await?;
        }
        session.write_response_body(None, true).await
    }

    async fn post(&self, session: &mut Session) -> Result<()> {
        let mut body = Vec::new();
        while let Some(piece) = session.read_request_body().await? {
            body.extend_from_slice(&piece);
        }
        let answer = format!("{} bytes of {:?}", body.len(), body.first());
        respond(session, None, &answer, &[]).await
    }

    /// Half an answer, then an error: pingora drops the session without a word.
    async fn broken(&self, session: &mut Session, length: Option<usize>) -> Result<bool> {
        let mut header = ResponseHeader::build(200, None)?;
        if let Some(length) = length {
            header.insert_header("content-length", length)?;
        }
        session
            .write_response_header(Box::new(header), false)
            .await?;
        session
            .write_response_body(Some(Bytes::from_static(b"half")), false)
            .await?;
        Error::e_explain(ErrorType::InternalError, "broken on purpose")
    }
}

async fn respond(
    session: &mut Session,
    length: Option<usize>,
    body: &str,
    fields: &[(&'static str, &'static str)],
) -> Result<()> {
    let mut header = ResponseHeader::build(200, None)?;
    if let Some(length) = length {
        header.insert_header("content-length", length)?;
    }
    for (name, value) in fields {
        header.append_header(*name, *value)?;
    }
    session
        .write_response_header(Box::new(header), false)
        .await?;
    let body = Bytes::copy_from_slice(body.as_bytes());
    session.write_response_body(Some(body), true).await
}

/// A front end that listens, and the hands to move it with.
pub(crate) struct Frontend {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Arc<Semaphore>,
    held: mpsc::UnboundedReceiver<bool>,
    authority: PathBuf,
    shutdown: watch::Sender<bool>,
    h3: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Frontend {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut h3::Options)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let identity = Identity::self_signed(dir.path(), &[]).expect("an identity");
        let certificates = Certificates::from(&identity);
        let metrics = Metrics::new(&Registry::new()).expect("metrics");
        let gate = Arc::new(Semaphore::new(0));
        let (held_sender, held) = mpsc::unbounded_channel();
        let pipeline = Pipeline {
            gate: Arc::clone(&gate),
            held: held_sender,
            origin: origin().await,
        };
        let conf = Arc::new(ServerConf::default());
        let proxy = frontend::shared_proxy(&conf, pipeline, 64);
        let (shutdown, stop) = watch::channel(false);

        let mut options = h3::Options::new("[::]:0".parse().expect("an address"));
        options.drain_timeout = DEADLINE.into();
        adjust(&mut options);
        let service = h3::service(Arc::clone(&proxy), &certificates, metrics.clone(), options);
        let task = service.expect("a service").task();
        let address = task.address();
        let watch: ShutdownWatch = stop.clone();
        let h3 = tokio::spawn(async move { task.start(watch).await });

        // The same port over TCP, as the edge does it.
        let options = tcp::Options {
            https: vec![address],
            ..tcp::Options::default()
        };
        let mut tcp = tcp::service(proxy, &certificates, metrics.clone(), &options).expect("tcp");
        tokio::spawn(async move { tcp.start_service(None, stop, 1).await });
        Self {
            address,
            metrics,
            gate,
            held,
            authority: identity.authority_path().expect("a CA").to_owned(),
            shutdown,
            h3,
            _dir: dir,
        }
    }

    /// A new HTTP/3 connection.
    pub(crate) async fn h3(&self) -> Connection {
        let connection = self.quic().await;
        self.h3_over(connection).await
    }

    /// HTTP/3 over a connection that is there.
    pub(crate) async fn h3_over(&self, connection: quinn::Connection) -> Connection {
        let (mut driver, client) = ::h3::client::new(h3_quinn::Connection::new(connection.clone()))
            .await
            .expect("an HTTP/3 connection");
        let driver = tokio::spawn(async move {
            std::future::poll_fn(|cx| driver.poll_close(cx)).await;
        });
        Connection {
            client,
            connection,
            driver,
        }
    }

    async fn quic(&self) -> quinn::Connection {
        self.try_quic().await.expect("a QUIC handshake")
    }

    pub(crate) async fn try_quic(&self) -> Result<quinn::Connection, quinn::ConnectionError> {
        let server = SocketAddr::new("::1".parse().expect("an address"), self.address.port());
        deadline(self.connecting(server, self.client())).await
    }

    /// What clients are configured like.
    pub(crate) fn client(&self) -> rustls::ClientConfig {
        let tls = client_config(&[ALPN_H3], Some(&self.authority)).expect("tls");
        Arc::unwrap_or_clone(tls)
    }

    /// The authority that clients trust.
    pub(crate) fn authority(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.authority).expect("a CA")
    }

    /// The beginning of a QUIC connection by way of `server`.
    pub(crate) fn connecting(
        &self,
        server: SocketAddr,
        tls: rustls::ClientConfig,
    ) -> quinn::Connecting {
        let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("tls for QUIC");
        let mut endpoint =
            quinn::Endpoint::client("[::]:0".parse().expect("an address")).expect("an endpoint");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        endpoint.connect(server, "localhost").expect("a connection")
    }

    /// One GET over TCP, with the protocol that `alpn` names.
    pub(crate) async fn get_over_tcp(&self, alpn: &[u8], path: &str) -> (StatusCode, String) {
        let tls = client_config(&[alpn], Some(&self.authority)).expect("tls");
        let address = SocketAddr::new("127.0.0.1".parse().expect("ip"), self.address.port());
        let stream = deadline(async {
            loop {
                // pingora binds when its service starts.
                if let Ok(stream) = tokio::net::TcpStream::connect(address).await {
                    return stream;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        let name = "localhost".try_into().expect("a name");
        let connector = tokio_rustls::TlsConnector::from(tls);
        let stream = deadline(connector.connect(name, stream))
            .await
            .expect("tls");
        let stream = hyper_util::rt::TokioIo::new(stream);
        // HTTP/2 makes its authority of the URI, HTTP/1.1 wants a Host.
        let request = match alpn == ALPN_H2 {
            true => Request::get(format!("https://localhost{path}")),
            false => Request::get(path).header("host", "localhost"),
        };
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let response = if alpn == ALPN_H2 {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut client, driver) = hyper::client::conn::http2::handshake(executor, stream)
                .await
                .expect("h2");
            tokio::spawn(driver);
            deadline(client.send_request(request)).await
        } else {
            assert_eq!(alpn, ALPN_HTTP1);
            let (mut client, driver) = hyper::client::conn::http1::handshake(stream)
                .await
                .expect("h1");
            tokio::spawn(driver);
            deadline(client.send_request(request)).await
        };
        let response = response.expect("a response");
        let status = response.status();
        let body = deadline(response.into_body().collect())
            .await
            .expect("a body");
        (
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        )
    }

    /// Waits until `count` requests are held (`true`), or have lost their client (`false`).
    pub(crate) async fn held(&mut self, what: bool, count: usize) {
        for _ in 0..count {
            assert_eq!(deadline(self.held.recv()).await, Some(what));
        }
    }

    /// Waits until no HTTP/3 request is left anywhere.
    pub(crate) async fn assert_no_leak(&self) {
        deadline(async {
            // A gauge tells nobody when it changes: looked at until the deadline.
            while self.in_progress() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn in_progress(&self) -> i64 {
        self.metrics.h3_in_progress.get()
    }

    pub(crate) fn shut_down(&self) {
        self.shutdown.send(true).expect("a front end");
    }

    /// Waits until HTTP/3 has drained.
    pub(crate) async fn drained(&mut self) {
        deadline(&mut self.h3).await.expect("no panic");
    }
}

/// An HTTP/3 client's connection.
pub(crate) struct Connection {
    pub(crate) client: H3Client,
    pub(crate) connection: quinn::Connection,
    pub(crate) driver: JoinHandle<()>,
}

/// How a response ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a FIN, after this body.
    Whole(String),
    /// With a RESET_STREAM.
    Broken(u64),
}

impl Connection {
    /// Sends a GET, with its FIN.
    pub(crate) async fn get(&mut self, path: &str) -> H3Stream {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn send(&mut self, request: http::request::Builder) -> H3Stream {
        let mut stream = self.open(request).await;
        stream.finish().await.expect("a FIN");
        stream
    }

    /// Sends a head, and leaves the request open.
    pub(crate) async fn open(&mut self, request: http::request::Builder) -> H3Stream {
        let request = request.body(()).expect("a request");
        let (mut parts, ()) = request.into_parts();
        if parts.uri.authority().is_none() {
            let uri = format!("https://localhost{}", parts.uri);
            parts.uri = uri.parse().expect("a uri");
        }
        let request = Request::from_parts(parts, ());
        deadline(self.client.send_request(request))
            .await
            .expect("a stream")
    }
}

pub(crate) async fn head(stream: &mut H3Stream) -> http::Response<()> {
    deadline(stream.recv_response()).await.expect("a head")
}

pub(crate) async fn end(stream: &mut H3Stream) -> End {
    let mut body = Vec::new();
    loop {
        match deadline(stream.recv_data()).await {
            Ok(Some(mut piece)) => {
                let length = piece.remaining();
                body.extend_from_slice(&piece.copy_to_bytes(length));
            }
            Ok(None) => return End::Whole(String::from_utf8_lossy(&body).into_owned()),
            Err(::h3::error::StreamError::RemoteTerminate { code, .. }) => {
                return End::Broken(code.value());
            }
            Err(e) => panic!("{e}"),
        }
    }
}

/// An HTTP/1.1 origin that answers with the request that it got.
async fn origin() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|request| async {
                Ok::<_, hyper::Error>(hyper::Response::new(Full::new(describe(request).await?)))
            });
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(stream, answer));
        }
    });
    address
}

async fn describe(request: Request<hyper::body::Incoming>) -> hyper::Result<Bytes> {
    let field = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let host = field("host").unwrap_or("none").to_owned();
    let framing = field("transfer-encoding").unwrap_or("none").to_owned();
    let body = request.into_body().collect().await?.to_bytes().len();
    Ok(format!("{method} {path} host={host} te={framing} body={body}").into())
}
