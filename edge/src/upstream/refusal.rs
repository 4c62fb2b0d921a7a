//! Why a parent ends connections without an answer.
//!
//! Over TLS 1.3 a client is done before the parent has seen its certificate (RFC 8446 section 4.4.2): a
//! parent that wants one, or another one, says so by an alert, and HTTP/2 reports a broken pipe. So
//! a connection of our own is made, and what comes in place of the first byte is read.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use transport::tls::{ALPN_H2, ALPN_HTTP1, client_config};

use super::client_certificate::ClientCertificate;
use super::parent::ParentUrl;

/// Between two such connections to a parent.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(10);

/// Logs why `url` refuses this edge, if it does within `within`.
pub(super) async fn explain(
    url: ParentUrl,
    ca_file: Option<String>,
    certificate: Option<ClientCertificate>,
    within: Duration,
) {
    let refusal = tokio::time::timeout(within, connect(&url, ca_file, certificate));
    if let Ok(Err(error)) = refusal.await {
        tracing::warn!(parent = %url, %error, "the parent refuses this edge");
    }
}

async fn connect(
    url: &ParentUrl,
    ca_file: Option<String>,
    certificate: Option<ClientCertificate>,
) -> io::Result<()> {
    let config = client_config(&[ALPN_H2, ALPN_HTTP1], ca_file.as_deref().map(Path::new));
    let mut config = rustls::ClientConfig::clone(&*config.map_err(io::Error::other)?);
    if let Some(certificate) = certificate {
        config.client_auth_cert_resolver = certificate.resolver();
    }
    let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    stream.read_u8().await?;
    Ok(())
}
