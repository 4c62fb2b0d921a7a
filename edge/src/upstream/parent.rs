//! One parent: another edge or an origin, reached through pingora's pooled connector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use parking_lot::Mutex;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::ALPN;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::standing::{Availability, Failure, Standing};

use super::client_certificate::ClientCertificate;
use super::refusal;

/// How long looked-up addresses of a parent's host name are used.
const ADDRESSES_LIFETIME: Duration = Duration::from_secs(30);
/// Addresses of one host name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Idle connections to a parent are closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections kept idle per parent.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// A validated parent address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentUrl {
    /// TLS or not.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a string is not a parent's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a parent's URL: {reason}")]
pub struct ParentUrlError {
    url: String,
    reason: &'static str,
}

impl ParentUrl {
    /// Parses `http://host[:port]` or `https://host[:port]`, without a path.
    ///
    /// # Errors
    /// Anything else, with the reason.
    pub fn parse(url: &str) -> Result<Self, ParentUrlError> {
        let error = |reason| ParentUrlError {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|_| error("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(error("the scheme has to be http or https")),
        };
        if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return Err(error("a path or query has no meaning here"));
        }
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(error("no host"));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
        })
    }

    /// `host:port` as it stands in a `Host` field.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Display for ParentUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// How parents are connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectSettings {
    /// Certificates to trust beside the system's, as a PEM file.
    pub ca_file: Option<String>,
    /// Bound on TCP and TLS handshakes together.
    pub connect_timeout: Duration,
    /// Concurrent requests on one HTTP/2 connection.
    pub streams_per_connection_max: usize,
    /// Speak HTTP/2 with prior knowledge to `http://` parents (RFC 9113 §3.3).
    pub h2c: bool,
    /// An HTTP/2 PING is sent this often on a connection in use, so that a dead one is noticed.
    pub ping_interval: Duration,
    /// Requests that may wait for one parent's answers at once.
    pub requests_max: usize,
}

/// One parent and the connections to it.
pub struct Parent {
    /// Where it is.
    pub url: ParentUrl,
    authority: String,
    settings: ConnectSettings,
    /// It is asked only when none of the others is up.
    pub backup: bool,
    certificate: Option<ClientCertificate>,
    connector: Connector,
    state: Mutex<State>,
    requests: Arc<Semaphore>,
    lost: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    addresses: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    standing: Standing,
    /// It last answered anything.
    alive_at: Option<Instant>,
    /// When it was last asked why it does not answer.
    explained: Option<Instant>,
}

/// A request's place among those that one parent has at once, and word of the parent's death.
#[derive(Debug)]
pub struct Place {
    lost: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Returns when the parent is found to be dead, with others that can be asked. Cancel-safe.
    pub async fn parent_lost(&mut self) {
        if self.lost.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// A request's turn on a connection.
pub struct Turn {
    /// The session to write the request to and read the answer from.
    pub session: HttpSession,
    /// The connection had served others before.
    pub reused: bool,
    peer: Box<HttpPeer>,
}

impl Turn {
    /// Gives up what is read from `parent`. An HTTP/2 connection outlives a stream that ended
    /// early; an HTTP/1.1 one goes with it.
    pub async fn end(mut self, parent: &Parent) {
        if matches!(self.session, HttpSession::H2(_)) {
            self.session.shutdown().await;
            parent.give_back(self).await;
        }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

impl Parent {
    /// A parent without connections yet. It is shown `certificate`, if it speaks TLS.
    pub fn new(
        url: ParentUrl,
        backup: bool,
        settings: ConnectSettings,
        certificate: Option<ClientCertificate>,
    ) -> Self {
        let mut options = ConnectorOptions::new(IDLE_CONNECTIONS_MAX);
        options.ca_file.clone_from(&settings.ca_file);
        Self {
            authority: url.authority(),
            backup,
            connector: Connector::new(Some(options)),
            certificate: certificate.filter(|_| url.tls),
            url,
            requests: Arc::new(Semaphore::new(settings.requests_max)),
            settings,
            state: Mutex::new(State::default()),
            lost: watch::Sender::new(()),
        }
    }

    /// Whether it is this one, connected to in this way.
    pub fn is(&self, url: &ParentUrl, backup: bool, settings: &ConnectSettings) -> bool {
        self.url == *url && self.backup == backup && self.settings == *settings
    }

    /// `host:port` for the `Host` field.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether to ask it.
    pub fn availability(&self, now: Instant) -> Availability {
        self.state.lock().standing.availability(now)
    }

    /// Takes the turn to try it, when it fell and it is time to: one caller at a time does.
    pub fn tries(&self, now: Instant) -> bool {
        self.state.lock().standing.tries(now)
    }

    /// A place for one more request; `None` when it has as many as it may.
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some(Place {
            lost: self.lost.subscribe(),
            _permit: permit,
        })
    }

    /// Requests that wait for it, or read from it.
    pub fn requests(&self) -> usize {
        self.settings.requests_max - self.requests.available_permits()
    }

    /// It answered. `true` if it had fallen.
    pub fn succeeded(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.alive_at = Some(now);
        state.standing.succeeded()
    }

    /// It did not. `true` if it falls with that.
    pub fn failed(&self, failure: Failure, now: Instant) -> bool {
        self.state.lock().standing.failed(failure, now)
    }

    /// How long ago it answered anything; `None`: never.
    pub fn silent_for(&self, now: Instant) -> Option<Duration> {
        let alive_at = self.state.lock().alive_at;
        alive_at.map(|at| now.saturating_duration_since(at))
    }

    /// Tells all who wait for it that they wait in vain.
    pub fn lose(&self) {
        self.lost.send_replace(());
    }

    /// Gets a connection, pooled or new, trying each address of the host.
    ///
    /// # Errors
    /// The last address's failure.
    pub async fn turn(&self) -> pingora_error::Result<Turn> {
        let mut last = None;
        for address in self.addresses().await? {
            let peer = Box::new(self.peer(address));
            match self.connector.get_http_session(peer.as_ref()).await {
                Ok((session, reused)) => {
                    self.reached(address);
                    return Ok(Turn {
                        session,
                        reused,
                        peer,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        self.state.lock().looked_up = None;
        Err(last.unwrap_or_else(|| {
            Error::explain(ErrorType::ConnectError, "the host name has no address")
        }))
    }

    /// Gives a connection back after an answer was read to its end, or after an HTTP/2 stream
    /// ended in any way (the connection outlives the stream).
    pub async fn give_back(&self, turn: Turn) {
        self.connector
            .release_http_session(turn.session, turn.peer.as_ref(), Some(IDLE_TIMEOUT))
            .await;
    }

    /// Finds out, for the log, why this parent ended a connection without an answer. Now and then.
    pub fn explain_refusal(&self) {
        if !self.url.tls {
            return;
        }
        let now = Instant::now();
        let mut state = self.state.lock();
        let is_soon = |at| now.duration_since(at) < refusal::ASK_EVERY;
        if state.explained.is_some_and(is_soon) {
            return;
        }
        state.explained = Some(now);
        tokio::spawn(refusal::explain(
            self.url.clone(),
            self.settings.ca_file.clone(),
            self.certificate.clone(),
            self.settings.connect_timeout,
        ));
    }

    async fn addresses(&self) -> pingora_error::Result<Vec<SocketAddr>> {
        let now = Instant::now();
        {
            let state = self.state.lock();
            let known = state
                .looked_up
                .is_some_and(|at| now.duration_since(at) < ADDRESSES_LIFETIME);
            if known && !state.addresses.is_empty() {
                return Ok(state.addresses.clone());
            }
        }
        let found = tokio::time::timeout(
            self.settings.connect_timeout,
            tokio::net::lookup_host((self.url.host.as_str(), self.url.port)),
        )
        .await
        .map_err(|_| Error::explain(ErrorType::ConnectTimedout, "looking up the host name"))?
        .map_err(|error| {
            Error::because(ErrorType::ConnectError, "looking up the host name", error)
        })?;
        let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
        let mut state = self.state.lock();
        state.addresses.clone_from(&addresses);
        state.looked_up = Some(now);
        Ok(addresses)
    }

    /// Remembers which address answered, so that it is tried first from now on.
    fn reached(&self, address: SocketAddr) {
        let mut state = self.state.lock();
        if let Some(place) = state.addresses.iter().position(|known| *known == address) {
            state.addresses.swap(0, place);
        }
    }

    fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.url.tls, self.url.host.clone());
        let options = &mut peer.options;
        options.alpn = match (self.url.tls, self.settings.h2c) {
            (true, _) => ALPN::H2H1,
            (false, true) => ALPN::H2,
            (false, false) => ALPN::H1,
        };
        options.connection_timeout = Some(self.settings.connect_timeout);
        options.total_connection_timeout = Some(self.settings.connect_timeout);
        options.max_h2_streams = self.settings.streams_per_connection_max;
        options.h2_ping_interval = Some(self.settings.ping_interval);
        if let Some(certificate) = &self.certificate {
            certificate.show_to(&mut peer);
        }
        peer
    }
}

impl std::fmt::Debug for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parent")
            .field("url", &self.url.to_string())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::ParentUrl;

    #[test]
    fn urls() {
        let url = |text: &str| ParentUrl::parse(text).map(|url| url.to_string());
        assert_eq!(url("https://a.example").unwrap(), "https://a.example:443");
        assert_eq!(
            url("http://127.0.0.1:8080/").unwrap(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(url("https://[::1]:8444").unwrap(), "https://[::1]:8444");
        for bad in [
            "ftp://a",
            "a:80",
            "https://a/path",
            "https://a?x",
            "",
            "https://",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
