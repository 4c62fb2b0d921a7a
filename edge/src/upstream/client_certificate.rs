//! The certificate that this edge shows to its parents, replaceable while it runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::CertKey;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use transport::tls::{Identity, LoadIdentityError};

use crate::config::PemPair;

/// What is shown to parents from now on. Clones share it.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    current: Arc<ArcSwap<Numbered>>,
}

#[derive(Debug)]
struct Numbered {
    shown: ShownCertificate,
    /// Connections that were made with one are not used with the next. pingora itself compares
    /// serial numbers, which two authorities may both give.
    number: u64,
}

/// A certificate and its key, as pingora takes them.
pub struct ShownCertificate {
    identity: Identity,
    pingora: Arc<CertKey>,
}

impl ShownCertificate {
    /// Of PEM texts. What pingora would panic on is refused.
    ///
    /// # Errors
    /// Texts that are no chain and its key.
    pub fn of(pair: &PemPair, certificate: &[u8], key: &[u8]) -> Result<Self, LoadIdentityError> {
        let identity = Identity::from_pem((&pair.certificate, certificate), (&pair.key, key))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| LoadIdentityError::Read {
            path: pair.key.clone(),
            source,
        })?;
        // pingora takes keys as bytes, and looks what they are when it connects.
        let bytes = key.secret_der().to_vec();
        PrivateKeyDer::try_from(bytes.clone()).map_err(|reason| LoadIdentityError::Key {
            path: pair.key.clone(),
            source: rustls::Error::General(reason.to_owned()),
        })?;
        let chain = identity.chain().map(<[u8]>::to_vec).collect();
        let pingora = Arc::new(CertKey::new(chain, bytes));
        Ok(Self { identity, pingora })
    }

    /// The same, as a server would have it.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl ClientCertificate {
    /// Shows `shown`.
    #[must_use]
    pub fn new(shown: ShownCertificate) -> Self {
        let current = Numbered { shown, number: 1 };
        Self {
            current: Arc::new(ArcSwap::from_pointee(current)),
        }
    }

    /// Shows `shown` on every connection that is made from now on, and uses no other.
    pub fn replace(&self, shown: ShownCertificate) {
        let number = self.current.load().number + 1;
        self.current.store(Arc::new(Numbered { shown, number }));
    }

    /// The same for a connection that pingora does not make.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        self.current.load().shown.identity.client_resolver()
    }

    pub(super) fn show_to(&self, peer: &mut HttpPeer) {
        let current = self.current.load();
        peer.client_cert_key = Some(Arc::clone(&current.shown.pingora));
        peer.group_key = current.number;
    }
}

/// Without the key.
impl fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.identity, f)
    }
}
