//! TLS: who a server is ([`Identity`], [`Certificates`]), how servers and clients are configured, and
//! a server's stream ([`accept`], [`TlsStream`]) that costs little while it idles.
//!
//! There is one crypto provider in the process: ring, and before its key exchanges X25519MLKEM768, which
//! holds against whoever records today and has a quantum computer later. Listeners of one [`Identity`], or of one
//! [`Certificates`], share one set of rotating ticket keys, so that a client resumes on whichever of
//! them it meets next; nodes share [`tickets`].

mod certificates;
mod client_authorities;
mod hybrid;
mod identity;
mod self_signed;
mod sessions;
mod stream;
/// Session tickets by keys that several nodes share.
pub mod tickets;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::kx_group;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ProducesTickets, ResolvesServerCert};

pub(crate) use certificates::NO_CERTIFICATE;
pub use certificates::{Certificates, is_unknown_name};
pub use client_authorities::{ClientAuthorities, ClientAuthoritiesError};
pub use identity::{Identity, LoadIdentityError};
pub use self_signed::SelfSignError;
pub use sessions::Sessions;
pub use stream::{TlsStream, accept};
pub use watched::{Look, WatchedFiles};

/// ALPN protocol of HTTP/3 (RFC 9114 section 3.1).
pub const ALPN_H3: &[u8] = b"h3";
/// ALPN protocol of HTTP/2 over TLS (RFC 9113 section 3.1).
pub const ALPN_H2: &[u8] = b"h2";
/// ALPN protocol of HTTP/1.1 (RFC 7301 section 6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A rustls configuration that could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// What verifies clients' certificates could not be made of their authorities.
    #[error("authorities of client certificates: {0}")]
    ClientAuthorities(String),
    /// A file of extra certificate authorities could not be read as PEM.
    #[error("cannot read certificate authorities from {path}: {source}")]
    ReadAuthorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file of extra certificate authorities holds none.
    #[error("no certificate in {path}")]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to trust: no extra authority was named and the system has none.
    #[error("no certificate authority to trust: the system's store is empty ({0})")]
    NoSystemAuthorities(String),
    /// rustls refused the configuration.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// Installs [`crypto_provider`] as the process-wide one; later calls change nothing.
///
/// pingora and quinn ask for the process-wide provider. Call this first in `main`.
pub fn install_crypto_provider() {
    // An error only says that a provider is there already: a process has one provider crate.
    let _ = crypto_provider().install_default();
}

/// ring, with the key exchanges X25519MLKEM768, X25519, P-256 and P-384, best first.
///
/// That is the order in which clients offer them. As a server rustls takes the first of what the client
/// offers that is among them, so that a client which lists X25519 first gets it.
#[must_use]
pub fn crypto_provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![
            hybrid::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..rustls::crypto::ring::default_provider()
    }
}

/// Configuration of a client that offers the protocols `alpn`, best first.
///
/// Trusts `extra_authorities` (a PEM file) besides the system's store. Where the system has no
/// store, the extra authorities alone are trusted.
pub fn client_config(
    alpn: &[&[u8]],
    extra_authorities: Option<&Path>,
) -> Result<Arc<rustls::ClientConfig>, TlsConfigError> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let system_error = match system {
        Ok(certificates) => {
            roots.add_parsable_certificates(certificates);
            String::from("no certificate found")
        }
        Err(e) => e.to_string(),
    };
    if let Some(path) = extra_authorities {
        for authority in read_certificates(path)? {
            roots.add(authority)?;
        }
    }
    if roots.is_empty() {
        return Err(TlsConfigError::NoSystemAuthorities(system_error));
    }
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Configuration of a server (TLS 1.2 and 1.3) for any client: certificates of `resolver`, sessions
/// resumed by `tickets`, and the protocols `alpn`, best first.
fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    tickets: &Arc<dyn ProducesTickets>,
    alpn: &[&[u8]],
) -> Result<Arc<rustls::ServerConfig>, TlsConfigError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.ticketer = Arc::clone(tickets);
    Ok(Arc::new(config))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let read = |source| TlsConfigError::ReadAuthorities {
        path: path.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsConfigError::NoAuthority {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto_provider())
}
