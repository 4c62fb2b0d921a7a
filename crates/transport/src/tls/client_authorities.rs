//! Who signs the certificates of clients that have to show one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Authorities of clients' certificates, at least one.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<RootCertStore>);

/// Authorities that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthoritiesError {
    /// A certificate is not one of an authority, or is malformed.
    #[error("a certificate of {path} cannot be an authority: {source}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in {path}")]
    None {
        /// The file.
        path: PathBuf,
    },
    /// The file is not PEM.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
}

impl ClientAuthorities {
    /// Of PEM text; `path` only names the file in errors.
    ///
    /// # Errors
    /// See [`ClientAuthoritiesError`].
    pub fn from_pem(path: &Path, text: &[u8]) -> Result<Self, ClientAuthoritiesError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|source| ClientAuthoritiesError::Read {
                path: path.to_owned(),
                source,
            })?;
            roots
                .add(certificate)
                .map_err(|source| ClientAuthoritiesError::Authority {
                    path: path.to_owned(),
                    source,
                })?;
        }
        if roots.is_empty() {
            return Err(ClientAuthoritiesError::None {
                path: path.to_owned(),
            });
        }
        Ok(Self(Arc::new(roots)))
    }

    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.0
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientAuthorities")
            .field(&self.0.len())
            .finish()
    }
}
