//! Certificates by the name that a client asks for (SNI, RFC 6066 section 3), replaceable while
//! servers run.
//!
//! Reads no files: who watches them calls [`Certificates::replace`]. Every handshake looks anew, over
//! TCP and QUIC alike; connections that are there know nothing of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use super::client_authorities::ClientAuthorities;
use super::identity::Identity;
use super::sessions::Sessions;
use super::{TlsConfigError, provider, server_config};

/// What rustls says when [`Certificates`] has nothing for a client. It sends `access_denied`, where
/// RFC 6066 section 3 asks for `unrecognized_name`; our streams put that right.
pub(crate) const NO_CERTIFICATE: &str = "no server certificate chain resolved";

/// Whether a handshake failed because no certificate is for the name that the client wants.
#[must_use]
pub fn is_unknown_name(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::General(it) if it == NO_CERTIFICATE)
}

/// The certificates of a server's listeners, and the keys of its session tickets. Clones share both.
#[derive(Clone)]
pub struct Certificates {
    shared: Arc<Shared>,
    tickets: Arc<dyn ProducesTickets>,
}

struct Shared {
    table: ArcSwap<Table>,
    strict: bool,
}

/// Which certificate is for which name.
struct Table {
    /// For clients that name nothing that is known here.
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what is behind `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// `first` is shown to clients that ask for no name, or for one that no certificate is for;
    /// with `strict` they are refused with the alert `unrecognized_name`. Of several certificates for
    /// a name the first counts. Tickets are those of `first`: made in memory.
    #[must_use]
    pub fn new(first: &Identity, others: &[Identity], strict: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                table: ArcSwap::from_pointee(Table::new(first, others)),
                strict,
            }),
            tickets: Arc::clone(first.ticketer()),
        }
    }

    /// Sessions are resumed by tickets of `tickets` instead.
    #[must_use]
    pub fn with_tickets(self, tickets: Arc<dyn ProducesTickets>) -> Self {
        Self { tickets, ..self }
    }

    /// From now on handshakes show these.
    pub fn replace(&self, first: &Identity, others: &[Identity]) {
        self.shared.table.store(Arc::new(Table::new(first, others)));
    }

    /// A server configuration (TLS 1.2 and 1.3) that offers the protocols `alpn`, best first.
    ///
    /// It takes no 0-RTT data: they can be replayed (RFC 8446 section 8).
    ///
    /// # Errors
    /// Versions that the crypto provider does not have: a defect.
    pub fn server_config(
        &self,
        alpn: &[&[u8]],
    ) -> Result<Arc<rustls::ServerConfig>, TlsConfigError> {
        server_config(self.resolver(), &self.tickets, alpn)
    }

    /// The same for QUIC, with 0-RTT data (RFC 8446 section 2.3), and sessions that are resumed once, on
    /// this node: those of `sessions`, instead of tickets.
    ///
    /// # Errors
    /// As above.
    pub fn server_config_early(
        &self,
        alpn: &[&[u8]],
        sessions: Arc<Sessions>,
    ) -> Result<Arc<rustls::ServerConfig>, TlsConfigError> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(self.resolver());
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config.session_storage = sessions;
        // RFC 9001 section 4.6.1: QUIC's flow control is the limit.
        config.max_early_data_size = u32::MAX;
        Ok(Arc::new(config))
    }

    /// The same for clients that have to show a certificate which one of `authorities` signed, for
    /// client authentication (RFC 5280 section 4.2.1.12).
    ///
    /// Sessions are not resumed: a ticket would be good in place of a certificate, also of one whose
    /// authority has been taken out since.
    ///
    /// # Errors
    /// Authorities that cannot be used.
    pub fn server_config_for(
        &self,
        alpn: &[&[u8]],
        authorities: &ClientAuthorities,
    ) -> Result<Arc<rustls::ServerConfig>, TlsConfigError> {
        let roots = Arc::clone(authorities.roots());
        let verifier: Arc<dyn ClientCertVerifier> =
            WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| TlsConfigError::ClientAuthorities(error.to_string()))?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.resolver());
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::<Shared>::clone(&self.shared)
    }
}

/// One certificate, for every client.
impl From<&Identity> for Certificates {
    fn from(identity: &Identity) -> Self {
        Self::new(identity, &[], false)
    }
}

impl ResolvesServerCert for Shared {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let found = hello.server_name().and_then(|name| table.find(name));
        match found {
            Some(found) => Some(Arc::clone(found)),
            None if self.strict => None,
            None => Some(Arc::clone(&table.first)),
        }
    }
}

impl Table {
    fn new(first: &Identity, others: &[Identity]) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for identity in std::iter::once(first).chain(others) {
            for name in identity.names() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcard, rest),
                    None => (&mut exact, name.as_str()),
                };
                // A name with a `*` elsewhere is nobody's (RFC 9525 section 6.3).
                if !name.contains('*') {
                    let key = identity.certified();
                    names
                        .entry(name.to_owned())
                        .or_insert_with(|| Arc::clone(key));
                }
            }
        }
        Self {
            first: Arc::clone(first.certified()),
            exact,
            wildcard,
        }
    }

    /// A wildcard is for exactly one label (RFC 9525 section 6.3).
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        self.exact.get(name).or_else(|| {
            let (label, rest) = name.split_once('.')?;
            self.wildcard.get(rest).filter(|_| !label.is_empty())
        })
    }
}

/// Without keys.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shared, f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.load();
        f.debug_struct("Certificates")
            .field("names", &table.exact.keys())
            .field("wildcards", &table.wildcard.keys())
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}
