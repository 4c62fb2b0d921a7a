//! TLS on the client's side: whom to trust, and which protocol to ask for.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{ConnectError, Target};

/// Whose certificate is good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's. For loopback and tests: signatures are checked, the chain is not.
    Insecure,
    /// Certificates that this PEM file signs, or contains.
    Ca(PathBuf),
}

/// Client settings that offer exactly one ALPN protocol.
pub(crate) fn config(trust: &Trust, alpn: &[u8]) -> Result<ClientConfig, ConnectError> {
    let tls = |error: &dyn std::fmt::Display| ConnectError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| tls(&e))?;
    let mut config = match trust {
        Trust::Insecure => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(&provider)))
            .with_no_client_auth(),
        Trust::Ca(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| tls(&e))? {
                roots
                    .add(certificate.map_err(|e| tls(&e))?)
                    .map_err(|e| tls(&e))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

/// Performs the TLS handshake on `stream` and insists on `alpn`.
pub(super) async fn handshake(
    stream: TcpStream,
    target: &Target,
    config: ClientConfig,
    alpn: &'static str,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(target.host().to_owned())
        .map_err(|e| ConnectError::Tls(e.to_string()))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|e| ConnectError::Handshake(e.to_string()))?;
    let got = stream.get_ref().1.alpn_protocol();
    // A server without ALPN speaks HTTP/1.1 (RFC 9113 section 3.2 has no other way in).
    if got == Some(alpn.as_bytes()) || (got.is_none() && alpn == "http/1.1") {
        return Ok(stream);
    }
    Err(ConnectError::Alpn {
        wanted: alpn,
        got: got.map(|name| String::from_utf8_lossy(name).into_owned()),
    })
}

/// Connects the TCP socket.
pub(super) async fn tcp(target: &Target) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect(target.resolve().await?).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Accepts every certificate, but still checks that the server holds its key.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
