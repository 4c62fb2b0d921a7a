//! TLS of clients: whom they trust.

use std::path::Path;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

use crate::error::BusError;

/// Trusts the PEM certificates of the file, or the system's without one; HTTP/1.1 or no ALPN.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, BusError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let broken = |reason: String| BusError::File {
            path: path.to_owned(),
            reason,
        };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| broken(error.to_string()))?;
        for certificate in certificates {
            roots.add(certificate)?;
        }
        if roots.is_empty() {
            return Err(broken("no certificate in it".to_owned()));
        }
    } else {
        let system = rustls_native_certs::load_native_certs()
            .map_err(|error| BusError::Options(format!("the system's certificates: {error}")))?;
        roots.add_parsable_certificates(system);
        if roots.is_empty() {
            let reason = "the system has no certificate authorities, and no ca_file is named";
            return Err(BusError::Options(reason.to_owned()));
        }
    }
    // The process's own, which knows more key exchanges than ring.
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
