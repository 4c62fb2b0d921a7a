//! A server's identity: certificate chain, key and ticket keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use base64::Engine;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

use super::self_signed::{self, SelfSignError};
use super::{TlsConfigError, provider, server_config};

/// Certificate chain and private key of a server, checked to belong together.
///
/// Cheap to clone; clones share the ticket keys.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    ticketer: Arc<dyn ProducesTickets>,
    leaf: Arc<Leaf>,
    authority_path: Option<PathBuf>,
}

/// What the leaf says.
struct Leaf {
    spki_sha256: [u8; 32],
    not_before: SystemTime,
    not_after: SystemTime,
    /// DNS names of the subject, in lower case, without a dot at the end.
    names: Vec<String>,
    /// Whether it holds addresses.
    has_addresses: bool,
}

/// An identity that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadIdentityError {
    /// A certificate of the chain is not one of X.509, or the leaf is of no use.
    #[error("a certificate of {path} cannot be used: {reason}")]
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
        let read = |path: &Path| {
            fs::read(path).map_err(|source| LoadIdentityError::Read {
                path: path.to_owned(),
                source: pem::Error::Io(source),
            })
        };
        let (chain, private) = (read(certificates)?, read(key)?);
        Self::from_pem((certificates, &chain), (key, &private))
    }

    /// The same, of what was read already. The paths only name the files in errors.
    pub fn from_pem(
        certificates: (&Path, &[u8]),
        key: (&Path, &[u8]),
    ) -> Result<Self, LoadIdentityError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| LoadIdentityError::Read { path, source }
        };
        let chain = CertificateDer::pem_slice_iter(certificates.1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(error(certificates.0))?;
        let private = PrivateKeyDer::from_pem_slice(key.1).map_err(error(key.0))?;
        Self::new(chain, private, certificates.0, key.0)
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
        let unusable = |reason: String| LoadIdentityError::Certificate {
            path: certificates_path.to_owned(),
            reason,
        };
        let leaf = Leaf::parse(leaf).map_err(unusable)?;
        for certificate in chain.iter().skip(1) {
            X509Certificate::from_der(certificate).map_err(|e| unusable(e.to_string()))?;
        }
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|source| {
            LoadIdentityError::Key {
                path: key_path.to_owned(),
                source,
            }
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            ticketer: rustls::crypto::ring::Ticketer::new()
                .map_err(LoadIdentityError::TicketKeys)?,
            leaf: Arc::new(leaf),
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
        server_config(self.cert_resolver(), &self.ticketer, alpn)
    }

    /// The identity as a certificate resolver, for listeners that build their own configuration.
    #[must_use]
    pub fn cert_resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }

    /// The identity as that of a client.
    #[must_use]
    pub fn client_resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }

    /// Base64 of the SHA-256 of the leaf's SubjectPublicKeyInfo: the value of Chromium's
    /// `--ignore-certificate-errors-spki-list`.
    #[must_use]
    pub fn spki_sha256_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.leaf.spki_sha256)
    }

    /// When the leaf expires.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.leaf.not_after
    }

    /// When the leaf begins to be valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.leaf.not_before
    }

    /// The DNS names that the leaf is for (subjectAltName, RFC 5280 section 4.2.1.6), in lower case;
    /// `*.` begins a wildcard.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.leaf.names
    }

    /// Whether the leaf is for any name or address. Without one, no client of today accepts it
    /// (RFC 9525 section 2: the common name does not count).
    #[must_use]
    pub fn is_for_somebody(&self) -> bool {
        self.leaf.has_addresses || !self.leaf.names.is_empty()
    }

    /// The chain in DER, leaf first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.certified.cert.iter().map(AsRef::as_ref)
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    pub(super) fn ticketer(&self) -> &Arc<dyn ProducesTickets> {
        &self.ticketer
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
            .field("names", &self.leaf.names)
            .field("not_after", &self.leaf.not_after)
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

fn time(time: ASN1Time) -> SystemTime {
    // Before 1970 is as expired as 1970.
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

impl Leaf {
    fn parse(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, leaf) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
        let alternatives = leaf.subject_alternative_name().map_err(|e| e.to_string())?;
        let mut names = Vec::new();
        let mut has_addresses = false;
        for name in alternatives.map_or(&[][..], |it| &it.value.general_names) {
            match name {
                GeneralName::DNSName(name) => {
                    names.push(name.trim_end_matches('.').to_ascii_lowercase());
                }
                GeneralName::IPAddress(_) => has_addresses = true,
                _ => {}
            }
        }
        Ok(Self {
            spki_sha256: spki_sha256(&leaf),
            not_before: time(leaf.validity().not_before),
            not_after: time(leaf.validity().not_after),
            names,
            has_addresses,
        })
    }
}
