//! Sites: foreign origins in front of which this edge is a shared HTTP cache (RFC 9111).
//!
//! A request belongs to a site by its host. It knows nothing of viewers' connections:
//! `pipeline::site` reads requests and writes answers. What may be stored and used is decided by
//! `cache_policy::shared`.

/// Asking a site's parents.
pub mod fetch;
/// Who fetches what, and who waits for it.
pub mod flights;
/// One fetch for all who wait.
mod lead;
/// What is kept.
pub mod store;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cache_policy::shared::{Exchange, Policy, RequestDirectives, Reuse, Verdict, freshen, receive};
use http::{HeaderMap, Method};
use moka::sync::Cache as Moka;
use telemetry::traces::Link;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::upstream::UpstreamSettings;
use crate::upstream::parents::{NoAnswer, Parents};
use fetch::Passed;
use flights::{Flights, Place, Waiter};
use store::{Found, Key, Store, Stored};

/// How long requests for a resource whose answer was one client's are not made to wait for each
/// other.
const PASS_MEMO: Duration = Duration::from_secs(30);
/// Such resources, and resources that nobody answers for, that are remembered.
const MEMOS_MAX: u64 = 65_536;

/// One site, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSettings {
    /// Its hosts in lower case; `*` for those of no other site.
    pub hosts: Vec<String>,
    /// Its parents and how to ask them.
    pub upstream: UpstreamSettings,
    /// Responses kept for one URL.
    pub variants_max: usize,
    /// The longest request body taken.
    pub request_body_bytes_max: usize,
    /// The longest query taken.
    pub query_bytes_max: usize,
    /// Whether `Cache-Control` and `Pragma` of requests count.
    pub request_directives: bool,
    /// How long a response is used past its freshness when no parent answers.
    pub stale_if_disconnected: Duration,
}

/// Bounds of what sites share.
#[derive(Clone, Copy, Debug)]
pub struct SitesLimits {
    /// Bytes kept, all sites together.
    pub memory_bytes: u64,
    /// Bytes of the largest response kept; larger ones are passed on.
    pub object_bytes_max: u64,
    /// Resources being fetched at once.
    pub flights_max: usize,
}

/// One site at work.
#[derive(Debug)]
pub struct Site {
    settings: SiteSettings,
    parents: Parents,
    policy: Policy,
}

/// Sites by the hosts of requests.
#[derive(Debug, Default)]
struct ByHost {
    named: HashMap<String, Arc<Site>>,
    /// That of the hosts of no other.
    other: Option<Arc<Site>>,
}

/// All sites. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sites {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    by_host: ByHost,
    store: Arc<Store>,
    flights: Arc<Flights>,
    /// Resources whose answers are not shared.
    passed: Moka<Key, ()>,
    /// Resources that nobody answered for a moment ago.
    failed: Moka<Key, Problem>,
    limits: SitesLimits,
    /// As it stands in `Via`.
    name: String,
    metrics: Metrics,
    runtime: Handle,
}

/// A request as it goes to a parent: no field of the client's connection is left in it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// What stands in `Host`.
    pub authority: String,
    /// Fields of the client's, and this hop's.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The client's request, if it is traced.
    pub trace: Option<Link>,
}

/// What a look at the cache says.
#[derive(Debug)]
pub enum Look {
    /// Use this.
    Hit(Arc<Stored>, Reuse),
    /// Use this though it is stale: its parents failed a moment ago.
    Instead(Arc<Stored>),
    /// The parents failed a moment ago.
    Failed(Problem),
    /// Nobody fetches it: to be led, with what is to be validated.
    Miss(Miss),
    /// Responses to this are one client's.
    Pass,
}

/// Why something has to be fetched.
#[derive(Debug)]
pub struct Miss {
    /// Stored, but to be validated, and why.
    pub stale: Option<(Arc<Stored>, Reuse)>,
    /// Others are stored that do not match the request.
    pub has_variants: bool,
}

/// A place in a flight, and for its leader the way to an answer that is not shared.
#[derive(Debug)]
pub enum Joined {
    /// A flight ended since the last look: this is what a look says now. Never a miss.
    Known(Look),
    /// Somebody is fetching it already.
    Waiting(Waiter),
    /// This request made it begin.
    Leading(Waiter, oneshot::Receiver<Passed>),
    /// As many are being fetched as may.
    Full,
}

impl Sites {
    /// Makes the sites work. `name` is this edge's in `Via` and `Surrogate-Capability`.
    pub fn new(
        settings: Vec<SiteSettings>,
        limits: SitesLimits,
        name: &str,
        metrics: Metrics,
        runtime: Handle,
    ) -> Self {
        let sites = settings
            .into_iter()
            .map(|settings| Arc::new(Site::new(settings, name, metrics.clone())));
        let by_host = ByHost::new(sites);
        Self {
            inner: Arc::new(Inner {
                store: Arc::new(Store::new(limits.memory_bytes)),
                flights: Arc::new(Flights::new(limits.flights_max)),
                passed: Moka::builder()
                    .max_capacity(MEMOS_MAX)
                    .time_to_live(PASS_MEMO)
                    .build(),
                failed: failures(by_host.error_memo()),
                by_host,
                limits,
                name: name.to_owned(),
                metrics,
                runtime,
            }),
        }
    }

    /// Other sites over the same store and flights. Those that stay as they are keep their parents'
    /// connections; what is stored of one that goes is evicted in its time.
    #[must_use]
    pub fn with(&self, settings: Vec<SiteSettings>) -> Self {
        let known = &self.inner;
        let all = known.by_host.all();
        let sites = settings.into_iter().map(|settings| {
            match all.iter().find(|site| site.settings == settings) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Site::new(settings, &known.name, known.metrics.clone())),
            }
        });
        let by_host = ByHost::new(sites);
        let error_memo = by_host.error_memo();
        Self {
            inner: Arc::new(Inner {
                store: Arc::clone(&known.store),
                flights: Arc::clone(&known.flights),
                passed: known.passed.clone(),
                failed: if error_memo == known.by_host.error_memo() {
                    known.failed.clone()
                } else {
                    failures(error_memo)
                },
                by_host,
                limits: known.limits,
                name: known.name.clone(),
                metrics: known.metrics.clone(),
                runtime: known.runtime.clone(),
            }),
        }
    }

    /// Authorities of all parents of sites, some more than once.
    pub fn parents(&self) -> Vec<String> {
        let all = self.inner.by_host.all();
        let parents = all.iter().flat_map(|site| site.parents.iter());
        parents.map(|it| it.authority().to_owned()).collect()
    }

    /// The site of an authority (`Host` or `:authority`), port and all.
    pub fn find(&self, authority: &str) -> Option<Arc<Site>> {
        let sites = &self.inner.by_host;
        let host = host_of(authority);
        let known = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            sites.named.get(&host.to_ascii_lowercase())
        } else {
            sites.named.get(host)
        };
        known.or(sites.other.as_ref()).cloned()
    }

    /// As it stands in `Via`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Bytes of the largest response kept.
    pub fn object_bytes_max(&self) -> usize {
        usize::try_from(self.inner.limits.object_bytes_max).unwrap_or(usize::MAX)
    }

    /// What is kept.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Resources being fetched.
    pub fn flights(&self) -> usize {
        self.inner.flights.count()
    }

    /// Looks for an answer to a GET or HEAD.
    pub fn look(&self, key: &Key, request: &HeaderMap, directives: &RequestDirectives) -> Look {
        let now = Instant::now();
        let found = self.inner.store.find(key, request);
        let has_variants = !matches!(found, Found::Nothing);
        let stored = match found {
            Found::Match(stored) => Some(stored),
            Found::Nothing | Found::Others => None,
        };
        let mut stale = None;
        if let Some(stored) = stored {
            match stored.reuse(now, directives) {
                reuse @ (Reuse::Fresh | Reuse::Stale | Reuse::WhileRevalidate) => {
                    return Look::Hit(stored, reuse);
                }
                reuse @ (Reuse::ValidateStale | Reuse::ValidateRequest) => {
                    stale = Some((stored, reuse));
                }
            }
        }
        if let Some(problem) = self.inner.failed.get(key) {
            return match stale {
                Some((stored, _)) if stored.covers_failure(now, true) => Look::Instead(stored),
                _ => Look::Failed(problem),
            };
        }
        if self.inner.passed.contains_key(key) {
            return Look::Pass;
        }
        Look::Miss(Miss {
            stale,
            has_variants,
        })
    }

    /// Whether somebody is fetching the answer to such a request now.
    pub fn is_in_flight(&self, key: &Key, request: &HeaderMap) -> bool {
        self.inner.flights.has(&self.inner.place(key, request))
    }

    /// Joins the flight of a resource, or starts it. `outgoing` is the client's request;
    /// what it asks for that only one client can want (conditions, a range) is left out.
    pub fn join(
        &self,
        site: &Arc<Site>,
        key: &Key,
        outgoing: &Outgoing,
        directives: &RequestDirectives,
    ) -> Joined {
        let place = self.inner.place(key, &outgoing.headers);
        let mut stale = None;
        let known = || match self.look(key, &outgoing.headers, directives) {
            Look::Miss(miss) => {
                stale = miss.stale.map(|(stored, _)| stored);
                None
            }
            look => Some(look),
        };
        match self.inner.flights.join(place, known) {
            flights::Join::Known(look) => Joined::Known(look),
            flights::Join::Waiting(waiter) => Joined::Waiting(waiter),
            flights::Join::Full => Joined::Full,
            flights::Join::Leading(guard, waiter) => {
                let passed = self.lead(site, key, outgoing, stale, guard);
                Joined::Leading(waiter, passed)
            }
        }
    }

    /// Makes a flight for a stored response that is used meanwhile, unless there is one, or was.
    pub fn revalidate(
        &self,
        site: &Arc<Site>,
        key: &Key,
        outgoing: &Outgoing,
        directives: &RequestDirectives,
    ) {
        let place = self.inner.place(key, &outgoing.headers);
        let mut stale = None;
        let done = || match self.look(key, &outgoing.headers, directives) {
            Look::Hit(stored, Reuse::WhileRevalidate) if self.may_ask(key) => {
                stale = Some(stored);
                None
            }
            _ => Some(()),
        };
        if let flights::Join::Leading(guard, _) = self.inner.flights.join(place, done) {
            self.lead(site, key, outgoing, stale, guard);
        }
    }

    fn lead(
        &self,
        site: &Arc<Site>,
        key: &Key,
        outgoing: &Outgoing,
        stale: Option<Arc<Stored>>,
        guard: flights::Guard,
    ) -> oneshot::Receiver<Passed> {
        let (pass, passed) = oneshot::channel();
        let lead = lead::Lead {
            site: Arc::clone(site),
            key: Arc::clone(key),
            outgoing: for_all(outgoing),
            stale,
            guard,
            pass,
        };
        let inner = Arc::clone(&self.inner);
        self.inner.runtime.spawn(lead::run(inner, lead));
        passed
    }

    /// Asks for one client alone.
    ///
    /// # Errors
    /// Why no parent answered.
    pub async fn pass(&self, site: &Arc<Site>, outgoing: Outgoing) -> Result<Passed, NoAnswer> {
        let (head, answered) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        let site = Arc::clone(site);
        self.inner.runtime.spawn(async move {
            match fetch::ask(&site, &outgoing).await {
                Ok(answer) => {
                    let (passed, body) = fetch::channel(&answer);
                    if head.send(Ok(passed)).is_ok() {
                        fetch::stream(&inner, &site, answer, body).await;
                    }
                }
                Err(no_answer) => {
                    let _ = head.send(Err(no_answer));
                }
            }
        });
        answered.await.unwrap_or(Err(NoAnswer::Closed))
    }

    /// Keeps the answer that a POST was given for its own URL (RFC 9110 9.3.3).
    pub fn keep(&self, site: &Site, key: &Key, stored: Stored) {
        let most = site.settings.variants_max;
        self.inner.store.insert(key, Arc::new(stored), most);
    }

    /// A HEAD was answered: what is stored for a GET takes its fields over, or is outdated
    /// (RFC 9111 4.3.5).
    pub fn head_answered(&self, site: &Site, key: &Key, request: &HeaderMap, passed: &Passed) {
        let store = &self.inner.store;
        let Found::Match(stored) = store.find(key, request) else {
            return;
        };
        let length = passed.content_length;
        let is_same = passed.status == stored.status
            && length.is_none_or(|length| length == stored.body.len() as u64);
        let merged = is_same
            .then(|| freshen(&stored.headers, &passed.headers).ok())
            .flatten();
        let Some(merged) = merged else {
            if passed.status.is_success() {
                store.purge_url(key, true);
            }
            return;
        };
        let exchange = Exchange {
            method: &Method::GET,
            request,
            status: passed.status,
            response: &merged,
            now: SystemTime::now(),
            response_delay: passed.delay,
        };
        if let Verdict::Store(terms, _) = receive(&exchange, site.policy()) {
            let body = stored.body.clone();
            self.keep(
                site,
                key,
                Stored::new(stored.status, &merged, body, terms, request),
            );
        }
    }

    /// Whether nothing speaks against asking for it now: its parents did not fail a moment ago.
    fn may_ask(&self, key: &Key) -> bool {
        !self.inner.failed.contains_key(key)
    }

    /// An answer that may be kept after all: the next request leads a flight again.
    pub fn no_longer_passed(&self, key: &Key) {
        self.inner.passed.invalidate(key);
    }

    /// Outdates what is stored for a URL, and what is being fetched for it is not kept.
    pub fn invalidate(&self, key: &Key) {
        self.inner.flights.forget(|flying| flying == key);
        self.inner.store.remove(key);
    }

    /// Forgets what is kept under `url`, or marks it stale if `soft`; how many responses.
    pub fn purge_url(&self, url: &str, soft: bool) -> u64 {
        let key: Key = url.into();
        self.inner.flights.forget(|flying| *flying == key);
        self.inner.failed.invalidate(&key);
        self.inner.passed.invalidate(&key);
        self.inner.store.purge_url(&key, soft)
    }

    /// The same for what carries a surrogate key. It looks at everything: for operators.
    pub fn purge_key(&self, surrogate_key: &str, soft: bool) -> u64 {
        // Nobody knows yet which keys a response in flight will have.
        self.inner.flights.forget(|_| true);
        self.inner.store.purge_key(surrogate_key, soft)
    }
}

impl Inner {
    fn place(&self, key: &Key, request: &HeaderMap) -> Place {
        Place {
            key: Arc::clone(key),
            secondary: self.store.secondary(key, request),
        }
    }
}

impl ByHost {
    fn new(sites: impl Iterator<Item = Arc<Site>>) -> Self {
        let mut by_host = Self::default();
        for site in sites {
            for host in &site.settings.hosts {
                if host == "*" {
                    by_host.other = Some(Arc::clone(&site));
                } else {
                    by_host.named.insert(host.clone(), Arc::clone(&site));
                }
            }
        }
        by_host
    }

    /// Each as often as it has hosts.
    fn all(&self) -> Vec<&Arc<Site>> {
        self.other.iter().chain(self.named.values()).collect()
    }

    fn error_memo(&self) -> Duration {
        let memos = self.all().into_iter();
        let longest = memos.map(|site| site.settings.upstream.error_memo).max();
        longest.unwrap_or_default()
    }
}

/// Resources that nobody answered for, remembered for `error_memo`.
fn failures(error_memo: Duration) -> Moka<Key, Problem> {
    Moka::builder()
        .max_capacity(MEMOS_MAX)
        .time_to_live(error_memo)
        .build()
}

impl Site {
    fn new(settings: SiteSettings, name: &str, metrics: Metrics) -> Self {
        Self {
            parents: Parents::new(&settings.upstream, None, metrics),
            policy: Policy {
                targeted_fields: vec![
                    cache_policy::shared::CDN_CACHE_CONTROL,
                    cache_policy::shared::SURROGATE_CONTROL,
                ],
                device: name.to_owned(),
                stale_if_disconnected: settings.stale_if_disconnected,
            },
            settings,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }

    /// What the cache adds to the RFCs for it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// A request whose answer can serve everybody who asks for the same: whole, and unconditionally.
fn for_all(outgoing: &Outgoing) -> Outgoing {
    use http::header;
    let mut outgoing = outgoing.clone();
    for name in [
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::RANGE,
    ] {
        outgoing.headers.remove(name);
    }
    outgoing
}

/// The host of an authority, without its port.
fn host_of(authority: &str) -> &str {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|at| at + 2),
        None => authority.find(':'),
    };
    end.and_then(|end| authority.get(..end))
        .unwrap_or(authority)
}

#[cfg(test)]
mod tests;
