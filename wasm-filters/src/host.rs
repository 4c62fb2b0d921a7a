//! All filters of a node: what a server calls, and what the registry's agent and an operator change.
//!
//! ```text
//! agent ── prepare ─▶ check ─▶ compile in a child ─▶ load ─▶ probe ─▶ Arc<LoadedVersion>
//!       └─ apply ──▶ rollout of each filter ─▶ Table ─▶ swapped in
//! request ── snapshot ─▶ Arc<Table>, kept to its end ─▶ authorize, on_request, on_response, ...
//! ```
//!
//! **A request never fails because of a change.** It goes on with the table that it began with, and
//! the versions in it are there until it lets go.

mod ask;
mod auth;
mod calls;
mod http;
mod prepare;
mod room;
mod state;
mod status;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast;

use crate::compile::{CompileOptions, CompilerError};
use crate::contract::{chat, gifts, types};
use crate::engine::{EngineError, EngineOptions, FilterEngine};
use crate::grants::{GrantKey, Granted, Revocation, RevocationError};
use crate::keys::KeyRing;
use crate::log_ring::LogLine;
use crate::manifest::{FilterName, Limits, VersionDocument, VersionId};
use crate::rollout::{Desired, TakenBack};
use crate::table::Table;
use crate::version::LoadedVersion;

pub use calls::{
    AuthAnswer, AuthCall, CallInfo, ChatAnswer, ChatVerdict, Client, Credential, Denial,
    DenialKind, FieldEdits, GiftAnswer, HttpCall, Reply, RequestAnswer, RequestEdits,
    ResponseAnswer, ResponseCall, ResponseEdits,
};
pub use prepare::{Rejected, Stage};
pub use room::CATALOG_ITEMS_MAX;
pub(crate) use state::Inner;
pub use state::{HostEvent, RollbackError};
pub use status::{FilterStatus, HookStatus, HostStatus, VersionStatus};

/// What a node wants of one filter. Make the versions with [`Host::prepare`].
pub type FilterRouting = Desired<Arc<LoadedVersion>>;

/// How often a watched version is judged, and what has grown old is let go.
pub const JUDGE_EVERY: Duration = Duration::from_secs(1);
/// Events that wait for a slow reader of [`Host::events`]; older ones are lost to it.
pub const EVENTS_MAX: usize = 256;

/// How a host is made.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The engine that runs all filters.
    pub engine: EngineOptions,
    /// How components are compiled.
    pub compile: CompileOptions,
    /// Most that a manifest may ask for.
    pub caps: Limits,
    /// The time that all filters of a hook have together for one request.
    pub chain_budget: Duration,
    /// Most bytes of grants that are kept.
    pub grants_bytes_max: u64,
    /// Most denials that are kept.
    pub denials_max: u64,
    /// Most bytes of answers of `http` filters that are kept.
    pub memo_bytes_max: u64,
    /// Most bytes of all filters' `kv`.
    pub kv_bytes_max: u64,
    /// Most shadow calls at a time.
    pub shadow_calls_max: usize,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            compile: CompileOptions::default(),
            caps: Limits::NODE_MAX,
            // Twice what one filter has by default.
            chain_budget: Duration::from_millis(100),
            grants_bytes_max: 64 << 20,
            denials_max: 100_000,
            memo_bytes_max: 16 << 20,
            kv_bytes_max: 64 << 20,
            shadow_calls_max: 64,
        }
    }
}

/// A host that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The compiler.
    #[error(transparent)]
    Compiler(#[from] CompilerError),
    /// A name of a metric is taken: a bug.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The system has no random bytes for a secret.
    #[error("the system gives no random bytes")]
    Random,
}

/// All filters of a node. Clones are the same host.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

impl Host {
    /// A host without filters. `keys` is what `crypto` finds keys in.
    ///
    /// # Errors
    /// The engine, the compiler's directory, or the metrics cannot be had.
    pub fn new(
        options: HostOptions,
        keys: Arc<KeyRing>,
        registry: &prometheus::Registry,
    ) -> Result<Self, HostError> {
        Inner::new(options, keys, registry).map(|inner| Self { inner })
    }

    /// Does what [`Self::tick`] does, once a second, for as long as the host is there: to be spawned once.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        let inner = Arc::downgrade(&self.inner);
        async move {
            let mut interval = tokio::time::interval(JUDGE_EVERY);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let Some(inner) = inner.upgrade() else { break };
                inner.tick(Instant::now());
            }
        }
    }

    /// Judges watched versions and takes back what does worse; lets go of instances that nobody calls
    /// and of `kv` that has expired.
    pub fn tick(&self, now: Instant) {
        self.inner.tick(now);
    }

    /// Makes a version ready: checks, compiles, loads and probes it. It is called by nobody before
    /// [`Self::apply`].
    ///
    /// # Errors
    /// The stage at which it was refused, and the reason.
    pub async fn prepare(
        &self,
        document: VersionDocument,
        wasm: Bytes,
    ) -> Result<Arc<LoadedVersion>, Rejected> {
        self.inner.prepare(document, wasm).await
    }

    /// Takes over what is desired of all filters: those that are not in it are gone. Requests that
    /// have begun go on as they began.
    pub fn apply(&self, desired: BTreeMap<FilterName, FilterRouting>, now: Instant) {
        self.inner.apply(desired, now);
    }

    /// What a request routes by. It takes one at its start and keeps it to its end.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Table> {
        self.inner.table.load_full()
    }

    /// The grant that an equal request was given, if it still holds: the fast path of a media
    /// request, which says when it began. Counts as a grant that was given again.
    #[must_use]
    pub fn cached_grant(&self, key: &GrantKey, now: Instant) -> Option<Arc<Granted>> {
        self.inner.cached_grant(key, now)
    }

    /// Whether a grant that something long-lived rests on has been revoked since.
    #[must_use]
    pub fn is_revoked(&self, granted: &Granted, now_unix_ms: u64) -> bool {
        self.inner.grants.is_revoked(granted, now_unix_ms)
    }

    /// Asks who may do something: the cache, else the chain, once for all who ask the same now.
    pub async fn authorize(&self, table: &Table, call: AuthCall<'_>) -> AuthAnswer {
        self.inner.authorize(table, &call).await
    }

    /// Shows the head of a request to the filters of its route.
    pub async fn on_request(&self, table: &Table, call: HttpCall<'_>) -> RequestAnswer {
        self.inner.on_request(table, call).await
    }

    /// Shows the head of a response to the filters of its route, in the reverse of their order.
    pub async fn on_response(&self, table: &Table, call: ResponseCall<'_>) -> ResponseAnswer {
        self.inner.on_response(table, call).await
    }

    /// Shows a message to the chat filters.
    pub async fn on_message(
        &self,
        table: &Table,
        info: CallInfo<'_>,
        message: chat::Message,
    ) -> ChatAnswer {
        self.inner.on_message(table, &info, message).await
    }

    /// Tells the chat filters that somebody has come. Returns their commands, in order.
    pub async fn on_join(
        &self,
        table: &Table,
        info: CallInfo<'_>,
        who: &types::User,
    ) -> Vec<types::Command> {
        self.inner.presence::<true>(table, &info, who).await
    }

    /// Tells the chat filters that somebody has gone. Returns their commands, in order.
    pub async fn on_leave(
        &self,
        table: &Table,
        info: CallInfo<'_>,
        who: &types::User,
    ) -> Vec<types::Command> {
        self.inner.presence::<false>(table, &info, who).await
    }

    /// What somebody can give: the catalogues of all gift filters, at most [`CATALOG_ITEMS_MAX`].
    pub async fn catalog(
        &self,
        table: &Table,
        info: CallInfo<'_>,
        viewer: &types::User,
    ) -> Vec<gifts::Item> {
        self.inner.catalog(table, &info, viewer).await
    }

    /// Asks the gift filters, one after the other, what a gift does.
    pub async fn on_gift(
        &self,
        table: &Table,
        info: CallInfo<'_>,
        gift: &gifts::Gift,
    ) -> GiftAnswer {
        self.inner.on_gift(table, &info, gift).await
    }

    /// Takes grants back, at once. The same revocation again changes nothing.
    ///
    /// # Errors
    /// It names nothing, or too many are in force.
    pub fn revoke(&self, revocation: &Revocation, now_unix_ms: u64) -> Result<(), RevocationError> {
        self.inner.grants.revoke(revocation, now_unix_ms)
    }

    /// Takes the newest version of a filter back on this node: its canary where there is one, else
    /// the active version. It stays so until another activation is desired.
    ///
    /// # Errors
    /// There is no such filter, or nothing to go back to.
    pub fn rollback(
        &self,
        filter: &FilterName,
        reason: &str,
    ) -> Result<TakenBack<VersionId>, RollbackError> {
        self.inner.rollback(filter, reason)
    }

    /// How all filters do.
    #[must_use]
    pub fn status(&self) -> HostStatus {
        self.inner.status()
    }

    /// Lines of a filter with a number above `after`, oldest first.
    #[must_use]
    pub fn logs(&self, filter: &FilterName, after: u64) -> Vec<LogLine> {
        self.inner.log.lines(filter, after)
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.inner.events.subscribe()
    }

    /// The engine: for tools that load versions themselves.
    #[must_use]
    pub fn engine(&self) -> &FilterEngine {
        &self.inner.engine
    }
}
