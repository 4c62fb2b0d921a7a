//! Certificates made for a test, and TLS clients that say what they were shown.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use parking_lot::Mutex;
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an authority's certificates are good unless a test says otherwise.
const LIFE: Duration = Duration::from_secs(90 * DAY_SECONDS);
const DAY_SECONDS: u64 = 24 * 3600;

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name would be taken for each other, and found out by their signatures.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("Authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// Writes its certificate.
    pub fn write(&self, directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let path = directory.join(name);
        std::fs::write(&path, &self.pem)?;
        Ok(path)
    }

    /// A certificate for servers and clients.
    pub fn issue(&self, names: &[&str]) -> anyhow::Result<Leaf> {
        self.issue_for(names, LIFE)
    }

    /// The same, of a life of 90 days of which so much is left.
    pub fn issue_for(&self, names: &[&str], left: Duration) -> anyhow::Result<Leaf> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let now = SystemTime::now();
        params.not_before = (now + left - LIFE - Duration::from_secs(60)).into();
        params.not_after = (now + left).into();
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        Ok(Leaf {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Leaf {
    /// The certificate as it goes over the wire.
    pub fn der(&self) -> anyhow::Result<CertificateDer<'static>> {
        Ok(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)
    }

    /// Writes `NAME.pem` and `NAME.key`, each beside the old one and then over it.
    pub fn write(&self, directory: &Path, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        for (path, text) in [(&certificate, &self.certificate), (&key, &self.key)] {
            let new = path.with_extension("new");
            std::fs::write(&new, text)?;
            std::fs::rename(&new, path)?;
        }
        Ok((certificate, key))
    }
}

/// A client that keeps tickets, and never asks for more than a handshake and an answer.
#[derive(Debug)]
pub struct Visitor {
    tcp: Arc<ClientConfig>,
    quic: quinn::ClientConfig,
    verifier: Arc<Witness>,
}

/// What a visitor was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The leaf, of this handshake or of the one that was resumed.
    pub leaf: CertificateDer<'static>,
    /// Whether it resumed a session.
    pub resumed: bool,
}

impl Visitor {
    /// Trusts `authority`, whatever the name.
    pub fn new(authority: &Authority) -> anyhow::Result<Self> {
        Self::showing(authority, None)
    }

    /// The same, with a certificate of its own.
    pub fn showing(authority: &Authority, leaf: Option<&Leaf>) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes())?)?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = Arc::new(Witness {
            inner: inner.build()?,
            seen: Mutex::new(0),
        });
        let config = |alpn: &[u8]| -> anyhow::Result<ClientConfig> {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::<Witness>::clone(&verifier));
            let mut config = match leaf {
                Some(leaf) => {
                    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())?;
                    builder.with_client_auth_cert(vec![leaf.der()?], key)?
                }
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok(config)
        };
        let mut quic = config(b"h3")?;
        // Takes what the server would let it have.
        quic.enable_early_data = true;
        let quic = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(quic)?));
        Ok(Self {
            tcp: Arc::new(config(b"http/1.1")?),
            quic,
            verifier,
        })
    }

    /// A handshake and a request over TCP, on 127.0.0.1, asking for `name`; for an address no name
    /// is sent.
    pub async fn over_tcp(&self, port: u16, name: &str) -> anyhow::Result<Seen> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        self.over(stream, name).await
    }

    /// The same over a connection that is there.
    pub async fn over(&self, stream: TcpStream, name: &str) -> anyhow::Result<Seen> {
        let before = *self.verifier.seen.lock();
        let server = ServerName::try_from(name.to_owned())?;
        let connector = TlsConnector::from(Arc::clone(&self.tcp));
        let mut stream = connector.connect(server, stream).await?;
        let request = format!("GET /nothing HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        // Tickets come before the answer.
        stream.read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 404"), "{answer:?}");
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(|chain| chain.first());
        Ok(Seen {
            leaf: leaf.context("no certificate")?.clone(),
            resumed: *self.verifier.seen.lock() == before,
        })
    }

    /// A handshake over QUIC.
    pub async fn over_quic(&self, port: u16, name: &str) -> anyhow::Result<Seen> {
        let before = *self.verifier.seen.lock();
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connecting = endpoint.connect_with(self.quic.clone(), to, name)?;
        let connection = match connecting.into_0rtt() {
            Ok(_) => anyhow::bail!("the server's ticket allows 0-RTT data"),
            Err(connecting) => connecting.await?,
        };
        // The server's control stream begins after its tickets.
        connection.accept_uni().await?;
        let chain = connection.peer_identity().context("no certificate")?;
        let chain = chain.downcast::<Vec<CertificateDer<'static>>>();
        let chain = chain.map_err(|_| anyhow::anyhow!("not a chain"))?;
        let seen = Seen {
            leaf: chain.first().context("no certificate")?.clone(),
            resumed: *self.verifier.seen.lock() == before,
        };
        connection.close(0x100_u32.into(), b"");
        endpoint.wait_idle().await;
        Ok(seen)
    }
}

/// Counts the certificates that were looked at: a resumed session shows none.
#[derive(Debug)]
struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    seen: Mutex<usize>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        use rustls::Error::InvalidCertificate;

        *self.seen.lock() += 1;
        let (chain, ocsp) = (intermediates, ocsp_response);
        let verified = self
            .inner
            .verify_server_cert(end_entity, chain, server_name, ocsp, now);
        match verified {
            Err(InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
