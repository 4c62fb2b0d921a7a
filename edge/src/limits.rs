//! What one client, token, stream or tenant may take, and what is done with those who attack.
//!
//! The counting is the crate `limits`, pure. Here it is given a clock, keys that nobody can guess,
//! the settings, and metrics. Refusing is the front doors' and the pipeline's business: a connection
//! before its handshake, a request before any filter, the cache and the parents.

/// Figures.
mod metrics;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use limits::{Key, Rate, Table, Untaken};
use prometheus::Registry;
use telemetry::metrics::RegisterError;

use metrics::Metrics;

/// A scope whose answers wait for longer than this takes no further requests: who waits keeps
/// memory.
const OVERDUE_MAX: Duration = Duration::from_secs(2);

/// `[limits]`, checked.
#[derive(Clone, Debug)]
pub struct LimitsSettings {
    /// HTTP/3 connections.
    pub h3_connections_max: usize,
    /// Concurrent requests on one HTTP/2 or HTTP/3 connection.
    pub requests_per_connection_max: u32,
    /// From a request's first byte to the end of its head.
    pub head_timeout: Duration,
    /// QUIC handshakes in progress from which on clients have to prove their address.
    pub unvalidated_handshakes_max: usize,
    /// Who is not limited.
    pub exempt: Vec<IpNet>,
    /// Bits of an IPv6 address that are one client.
    pub ipv6_prefix: u8,
    /// Places of each table.
    pub keys_max: usize,
    /// Connections of one address at once.
    pub connections_per_ip_max: Option<u32>,
    /// Of one address.
    pub ip: ScopeLimits,
    /// Of one credential.
    pub token: ScopeLimits,
    /// Of one stream.
    pub stream: ScopeLimits,
    /// Of one tenant.
    pub tenant: ScopeLimits,
}

/// What one key of a scope may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScopeLimits {
    /// Requests.
    pub requests: Option<Rate>,
    /// Body bytes.
    pub bytes: Option<Rate>,
}

impl ScopeLimits {
    fn is_off(self) -> bool {
        self.requests.is_none() && self.bytes.is_none()
    }
}

impl Default for LimitsSettings {
    /// Nothing is limited but time.
    fn default() -> Self {
        Self {
            h3_connections_max: 100_000,
            requests_per_connection_max: 256,
            head_timeout: Duration::from_secs(10),
            unvalidated_handshakes_max: 1_000,
            exempt: Vec::new(),
            ipv6_prefix: 64,
            keys_max: 1,
            connections_per_ip_max: None,
            ip: ScopeLimits::default(),
            token: ScopeLimits::default(),
            stream: ScopeLimits::default(),
            tenant: ScopeLimits::default(),
        }
    }
}

/// Whose limit it is; a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A client's address, or its IPv6 network.
    Ip,
    /// A stream.
    Stream,
    /// A host of a site, or the tenant of all streams here.
    Tenant,
    /// The credential that a request presents.
    Token,
}

impl Scope {
    const ALL: [Self; 4] = [Self::Ip, Self::Stream, Self::Tenant, Self::Token];

    /// Label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Stream => "stream",
            Self::Tenant => "tenant",
            Self::Token => "token",
        }
    }
}

/// The limits of one edge. Clones share them, those that are [adopted](Limits::adopt) later too.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    inner: Arc<ArcSwap<Inner>>,
}

#[derive(Debug)]
struct Inner {
    settings: LimitsSettings,
    ip: ScopeTable,
    stream: ScopeTable,
    tenant: ScopeTable,
    token: ScopeTable,
    /// Whether any request or byte is limited.
    is_on: bool,
    started: Instant,
    hasher: RandomState,
    metrics: Metrics,
}

#[derive(Debug)]
struct ScopeTable {
    scope: Scope,
    limits: ScopeLimits,
    table: Arc<Table>,
}

impl Default for Inner {
    fn default() -> Self {
        Self::new(LimitsSettings::default(), Metrics::default())
    }
}

impl Inner {
    fn new(settings: LimitsSettings, metrics: Metrics) -> Self {
        let table = |scope, limits: ScopeLimits| ScopeTable {
            scope,
            limits,
            table: Arc::new(Table::new(settings.keys_max)),
        };
        let ip = table(Scope::Ip, settings.ip);
        let stream = table(Scope::Stream, settings.stream);
        let tenant = table(Scope::Tenant, settings.tenant);
        let token = table(Scope::Token, settings.token);
        let scopes = [&ip, &stream, &tenant, &token];
        Self {
            is_on: scopes.iter().any(|scope| !scope.limits.is_off()),
            ip,
            stream,
            tenant,
            token,
            started: Instant::now(),
            hasher: RandomState::new(),
            metrics,
            settings,
        }
    }

    /// Other limits over the same tables: whoever owes something still does.
    fn with(&self, settings: LimitsSettings) -> Self {
        let table = |known: &ScopeTable, limits: ScopeLimits| ScopeTable {
            scope: known.scope,
            limits,
            table: Arc::clone(&known.table),
        };
        let ip = table(&self.ip, settings.ip);
        let stream = table(&self.stream, settings.stream);
        let tenant = table(&self.tenant, settings.tenant);
        let token = table(&self.token, settings.token);
        let scopes = [&ip, &stream, &tenant, &token];
        Self {
            is_on: scopes.iter().any(|scope| !scope.limits.is_off()),
            ip,
            stream,
            tenant,
            token,
            started: self.started,
            hasher: self.hasher.clone(),
            metrics: self.metrics.clone(),
            settings,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        let exempt = &self.settings.exempt;
        exempt.iter().any(|network| network.contains(&ip))
    }

    fn key(&self, of: impl Hash) -> Key {
        Key(self.hasher.hash_one(of))
    }

    fn ip_key(&self, ip: IpAddr) -> Key {
        match ip {
            IpAddr::V4(ip) => self.key((4_u8, ip.to_bits())),
            IpAddr::V6(ip) => {
                let rest = u32::from(128_u8.saturating_sub(self.settings.ipv6_prefix));
                let network = ip.to_bits().checked_shr(rest).unwrap_or(0);
                self.key((6_u8, network))
            }
        }
    }

    fn scope(&self, scope: Scope) -> &ScopeTable {
        match scope {
            Scope::Ip => &self.ip,
            Scope::Stream => &self.stream,
            Scope::Tenant => &self.tenant,
            Scope::Token => &self.token,
        }
    }
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client.
    pub ip: Option<IpAddr>,
    /// The first credential that it presents.
    pub token: Option<&'a str>,
    /// What it asks for.
    pub stream: Option<&'a str>,
    /// Whose that is.
    pub tenant: &'a str,
}

/// A request that is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose limit it was.
    pub scope: Scope,
    /// Whether it is the bandwidth.
    pub is_bandwidth: bool,
    /// After how long another request will be let in.
    pub retry_after: Duration,
}

impl Refused {
    /// What is logged: which limit.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match (self.scope, self.is_bandwidth) {
            (Scope::Ip, false) => "limit-ip-requests",
            (Scope::Ip, true) => "limit-ip-bytes",
            (Scope::Stream, false) => "limit-stream-requests",
            (Scope::Stream, true) => "limit-stream-bytes",
            (Scope::Tenant, false) => "limit-tenant-requests",
            (Scope::Tenant, true) => "limit-tenant-bytes",
            (Scope::Token, false) => "limit-token-requests",
            (Scope::Token, true) => "limit-token-bytes",
        }
    }
}

/// The keys of a request, as far as there are limits for them.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    of: [Option<(Scope, Key)>; Scope::ALL.len()],
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = (Scope, Key)> + '_ {
        self.of.iter().copied().flatten()
    }
}

impl Limits {
    /// The limits of a node.
    ///
    /// # Errors
    /// A metric whose name is taken: a bug.
    pub fn new(settings: LimitsSettings, registry: &Registry) -> Result<Self, RegisterError> {
        let metrics = Metrics::new(registry)?;
        let inner = Arc::new(Inner::new(settings, metrics));
        registry.register(Box::new(metrics::Tables::new(&inner)?))?;
        Ok(Self::of(inner))
    }

    fn of(inner: Arc<Inner>) -> Self {
        Self {
            inner: Arc::new(ArcSwap::new(inner)),
        }
    }

    /// These limits, whatever is adopted later.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self::of(self.inner.load_full())
    }

    /// Limits with other settings, over the same counts. `keys_max` stays what it was.
    #[must_use]
    pub fn with(&self, settings: LimitsSettings) -> Self {
        Self::of(Arc::new(self.inner.load().with(settings)))
    }

    /// Takes the limits of `next` from now on, in all clones.
    pub fn adopt(&self, next: &Self) {
        self.inner.store(next.inner.load_full());
    }

    /// Whether any request or byte is limited.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.inner.load().is_on
    }

    /// For a request's first byte to the end of its head.
    #[must_use]
    pub fn head_timeout(&self) -> Duration {
        self.inner.load().settings.head_timeout
    }

    /// How long the limits are there: what the pure cores take for the time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner.load().now()
    }

    /// Counts an attack that was ended, by its kind: a label.
    pub fn attacked(&self, kind: &'static str) {
        let inner = self.inner.load();
        inner.metrics.attacks.with_label_values(&[kind]).inc();
    }

    /// Lets in a connection of an address until what is returned is dropped; `None`: it has as many
    /// as may be, which has been counted.
    #[must_use]
    pub fn connect(&self, ip: IpAddr) -> Option<Held> {
        let inner = self.inner.load();
        let ip = ip.to_canonical();
        let free = Held(None);
        let Some(most) = inner.settings.connections_per_ip_max else {
            return Some(free);
        };
        if inner.is_exempt(ip) {
            return Some(free);
        }
        let key = inner.ip_key(ip);
        match inner.ip.table.connect(key, most, inner.now()) {
            Ok(true) => Some(Held(Some((Arc::clone(&inner), key)))),
            Ok(false) => Some(free),
            Err(_) => {
                inner.metrics.refused("connections", Scope::Ip);
                None
            }
        }
    }

    /// Whether an address has half of its connections: whoever claims to be it should prove that
    /// before more are counted, or a stranger could use up what is left.
    #[must_use]
    pub fn is_crowded(&self, ip: IpAddr) -> bool {
        let inner = self.inner.load();
        let ip = ip.to_canonical();
        inner.settings.connections_per_ip_max.is_some_and(|most| {
            !inner.is_exempt(ip) && inner.ip.table.connections(inner.ip_key(ip)) >= most.div_ceil(2)
        })
    }

    /// Counts a request, unless it is refused. What is let in paces its answer by the permit.
    ///
    /// # Errors
    /// The limit that it is over.
    pub fn request(&self, asked: &Asked<'_>) -> Result<Option<Permit>, Refused> {
        let inner = &*self.inner.load();
        if !inner.is_on {
            return Ok(None);
        }
        let ip = asked.ip.map(|ip| ip.to_canonical());
        if ip.is_some_and(|ip| inner.is_exempt(ip)) {
            return Ok(None);
        }
        let on = |scope| !inner.scope(scope).limits.is_off();
        let keyed = |scope, key: Option<Key>| key.map(|key| (scope, key));
        let of_text = |scope, text: Option<&str>| {
            let text = text.filter(|_| on(scope));
            keyed(scope, text.map(|text| inner.key(text)))
        };
        let keys = Keys {
            of: [
                ip.filter(|_| on(Scope::Ip))
                    .map(|ip| (Scope::Ip, inner.ip_key(ip))),
                of_text(Scope::Token, asked.token),
                of_text(Scope::Stream, asked.stream),
                of_text(Scope::Tenant, Some(asked.tenant)),
            ],
        };
        let now = inner.now();
        for (scope, key) in keys.iter() {
            inner
                .scope(scope)
                .request(key, now)
                .inspect_err(|refused| {
                    let limit = if refused.is_bandwidth {
                        "bytes"
                    } else {
                        "requests"
                    };
                    inner.metrics.refused(limit, scope);
                })?;
        }
        let paces = |scope| inner.scope(scope).limits.bytes.is_some();
        Ok(keys.iter().any(|(scope, _)| paces(scope)).then(|| Permit {
            inner: Arc::clone(inner),
            keys,
        }))
    }
}

impl ScopeTable {
    fn request(&self, key: Key, now: Duration) -> Result<(), Refused> {
        let refused = |is_bandwidth, retry_after| Refused {
            scope: self.scope,
            is_bandwidth,
            retry_after,
        };
        if let Some(rate) = self.limits.bytes {
            let overdue = self.table.bytes_overdue(key, rate, now);
            if overdue > OVERDUE_MAX {
                return Err(refused(true, overdue));
            }
        }
        let Some(rate) = self.limits.requests else {
            return Ok(());
        };
        let taken = self.table.request(key, rate, now);
        taken.map_err(|untaken| match untaken {
            Untaken::Requests(after) => refused(false, after),
            Untaken::Connections => refused(false, Duration::ZERO),
        })
    }
}

/// A connection that counts for its address until this is dropped.
#[derive(Debug)]
pub struct Held(Option<(Arc<Inner>, Key)>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((inner, key)) = &self.0 {
            inner.ip.table.release(*key);
        }
    }
}

/// A request that was let in, and whose answer's bytes count.
#[derive(Clone, Debug)]
pub struct Permit {
    inner: Arc<Inner>,
    keys: Keys,
}

impl Permit {
    /// Counts bytes that are about to be sent, and waits until they may be.
    pub async fn pace(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let now = self.inner.now();
        let mut longest = (Duration::ZERO, Scope::Ip);
        for (scope, key) in self.keys.iter() {
            let table = self.inner.scope(scope);
            if let Some(rate) = table.limits.bytes {
                let wait = table.table.bytes(key, rate, bytes, now);
                if wait > longest.0 {
                    longest = (wait, scope);
                }
            }
        }
        let (wait, scope) = longest;
        if !wait.is_zero() {
            self.inner.metrics.paced(scope, wait);
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests;
