//! A server's identity: certificate chain, key and ticket keys.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::self_signed::{self, SelfSignError};
use super::{TlsConfigError, ring_provider};

/// Certificate chain and private key of a server, checked to belong together.
///
/// Cheap to clone; clones share the ticket keys.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    ticketer: Arc<dyn ProducesTickets>,
    spki_sha256: [u8; 32],
    not_after: SystemTime,
    authority_path: Option<PathBuf>,
}

/// An identity that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadIdentityError {
    /// The leaf is not an X.509 certificate.
    #[error("the first certificate of {path} is malformed: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The key does not fit the certificate, or is of a kind that ring does not support.
    #[error("the key of {path} cannot be used with its certificate: {source}")]
    Key {
        /// The file of the key.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The file holds no certificate.
    #[error("no certificate in {path}")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read, or is not PEM.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// No random ticket keys could be made.
    #[error("cannot make ticket keys: {0}")]
    TicketKeys(rustls::Error),
}

impl Identity {
    /// Loads a PEM chain (leaf first) and its PEM key.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, LoadIdentityError> {
        let read_certificates = |source| LoadIdentityError::Read {
            path: certificates.to_owned(),
            source,
        };
        let chain = CertificateDer::pem_file_iter(certificates)
            .map_err(read_certificates)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(read_certificates)?;
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|source| LoadIdentityError::Read {
                path: key.to_owned(),
                source,
            })?;
        Self::new(chain, private, certificates, key)
    }

    /// The identity kept in `directory`, made there if it is missing, damaged, lacks one of
    /// `names`, or expires soon.
    ///
    /// Valid for localhost, 127.0.0.1, ::1, this host's name and `names` (DNS names or IP
    /// addresses). Its authority's certificate is `ca.pem` in `directory`, for clients to trust;
    /// the authority's key is thrown away after its one signature.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Self, SelfSignError> {
        self_signed::load_or_create(directory, names)
    }

    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        certificates_path: &Path,
        key_path: &Path,
    ) -> Result<Self, LoadIdentityError> {
        let leaf = chain
            .first()
            .ok_or_else(|| LoadIdentityError::NoCertificate {
                path: certificates_path.to_owned(),
            })?;
        let (spki_sha256, not_after) = {
            let (_, parsed) =
                X509Certificate::from_der(leaf).map_err(|e| LoadIdentityError::Certificate {
                    path: certificates_path.to_owned(),
                    reason: e.to_string(),
                })?;
            (spki_sha256(&parsed), not_after(&parsed))
        };
        let certified = CertifiedKey::from_der(chain, key, &ring_provider()).map_err(|source| {
            LoadIdentityError::Key {
                path: key_path.to_owned(),
                source,
            }
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            ticketer: rustls::crypto::ring::Ticketer::new()
                .map_err(LoadIdentityError::TicketKeys)?,
            spki_sha256,
            not_after,
            authority_path: None,
        })
    }

    pub(super) fn with_authority(mut self, path: PathBuf) -> Self {
        self.authority_path = Some(path);
        self
    }

    /// A server configuration (TLS 1.2 and 1.3) that offers the protocols `alpn`, best first.
    ///
    /// Tickets are stateless, from keys that rotate every six hours and are shared by every
    /// configuration of this identity.
    pub fn server_config(
        &self,
        alpn: &[&[u8]],
    ) -> Result<Arc<rustls::ServerConfig>, TlsConfigError> {
        let mut config = rustls::ServerConfig::builder_with_provider(ring_provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.cert_resolver());
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config.ticketer = Arc::clone(&self.ticketer);
        Ok(Arc::new(config))
    }

    /// The identity as a certificate resolver, for listeners that build their own configuration.
    #[must_use]
    pub fn cert_resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }

    /// Base64 of the SHA-256 of the leaf's SubjectPublicKeyInfo: the value of Chromium's
    /// `--ignore-certificate-errors-spki-list`.
    #[must_use]
    pub fn spki_sha256_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.spki_sha256)
    }

    /// When the leaf expires.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The certificate of the self-made authority; `None` for a loaded identity.
    #[must_use]
    pub fn authority_path(&self) -> Option<&Path> {
        self.authority_path.as_deref()
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("spki_sha256", &self.spki_sha256_base64())
            .field("not_after", &self.not_after)
            .field("authority_path", &self.authority_path)
            .finish_non_exhaustive()
    }
}

fn spki_sha256(certificate: &X509Certificate<'_>) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.public_key().raw);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

fn not_after(certificate: &X509Certificate<'_>) -> SystemTime {
    let seconds = certificate.validity().not_after.timestamp();
    // Before 1970 is as expired as 1970.
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
