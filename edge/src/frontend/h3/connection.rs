//! One viewer's connection, from its handshake to its goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use limits::frames::{Budget, RESETS as RESETS_OF_H2};
use limits::{Debt, Rate};
use parking_lot::Mutex;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::{HttpProxy, ProxyHttp};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use transport::h3::{Code, ConnectionError, Delivery, Incoming, Refusal, Server};
use transport::quic::Handshake;

use super::session::{Addresses, Session};
use super::{Options, stopping};
use crate::frontend::early::early;
use crate::frontend::metrics::RefusedReason;
use crate::frontend::{Early, Metrics};

/// Heads that may be malformed, late or cut off before the connection is closed. A client that
/// goes on sending them attacks (RFC 9114 section 10.5).
const REFUSALS_MAX: usize = 1000;
/// Answers that a client may give up, a second and at once, before its connection is closed: each has
/// cost work. What HTTP/2 clients may reset.
const RESETS: Budget = RESETS_OF_H2;
/// QUIC returns a stream's credit before our task has noticed its end, so that slightly more
/// tasks than open streams are normal; many more mean a client that opens and resets.
const REQUEST_TASKS_PER_STREAM: u32 = 2;
/// After the GOAWAY, time for requests that crossed it to come and be rejected properly.
const GOAWAY_LINGER_MIN: Duration = Duration::from_millis(50);
/// The same, in round trips.
const GOAWAY_LINGER_ROUND_TRIPS: u32 = 3;

/// What all connections share.
pub(super) struct Viewers<P> {
    proxy: Arc<HttpProxy<P>>,
    pub(super) metrics: Metrics,
    pub(super) options: Options,
    handshaking: AtomicUsize,
}

/// A handshake in progress, counted.
struct Handshaking<P> {
    viewers: Arc<Viewers<P>>,
    began: Instant,
}

/// What all requests of a connection share.
struct Viewer<P> {
    viewers: Arc<Viewers<P>>,
    addresses: Addresses,
    shutdown: ShutdownWatch,
    /// Of a connection whose 0-RTT data are taken.
    early: Option<Early>,
    tasks: Arc<Semaphore>,
    refusals: Semaphore,
    /// What the client owes for answers that it gave up.
    resets: Mutex<Debt>,
    /// Raised when it owes too much.
    is_flooding: Notify,
}

impl<P> Viewers<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    pub(super) fn new(proxy: Arc<HttpProxy<P>>, metrics: Metrics, options: Options) -> Self {
        Self {
            proxy,
            metrics,
            options,
            handshaking: AtomicUsize::new(0),
        }
    }

    /// Handshakes in progress.
    pub(super) fn handshaking(&self) -> usize {
        self.handshaking.load(Ordering::Relaxed)
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(
        self: Arc<Self>,
        incoming: quinn::Incoming,
        port: u16,
        shutdown: ShutdownWatch,
    ) {
        let peer = incoming.remote_address();
        let handshake = Handshaking::new(&self);
        let begun = timeout(self.options.handshake_timeout, self.shake_hands(incoming)).await;
        let (connection, zero_rtt) = match begun {
            Ok(Ok(begun)) => begun,
            Ok(Err(e)) => {
                tracing::debug!(%peer, error = %e, "QUIC handshake failed");
                return;
            }
            Err(_elapsed) => {
                self.metrics.refused(RefusedReason::TooSlow);
                return;
            }
        };
        let data = connection
            .handshake_data()
            .and_then(|it| it.downcast::<Handshake>().ok());
        if let Some(agreed) = data.and_then(|data| data.agreed) {
            let group = Some(agreed.group);
            self.metrics.shook_hands("quic", group, agreed.resumed);
        }
        let _open = self.metrics.connection("h3");
        let early = zero_rtt.map(|complete| handshake.go_on(connection.clone(), complete));
        if let Err(e) = self.serve_requests(connection, early, port, shutdown).await
            && !e.is_h3_no_error()
        {
            tracing::debug!(%peer, error = %e, "HTTP/3 connection ended");
        }
    }

    /// Ends with the handshake, or when 0-RTT data are taken.
    async fn shake_hands(
        &self,
        incoming: quinn::Incoming,
    ) -> Result<(quinn::Connection, Option<quinn::ZeroRttAccepted>), quinn::ConnectionError> {
        let mut connecting = incoming.accept()?;
        if self.options.early_data {
            let data = connecting.handshake_data().await?;
            if data.downcast::<Handshake>().is_ok_and(|it| it.is_early) {
                match connecting.into_0rtt() {
                    Ok((connection, complete)) => return Ok((connection, Some(complete))),
                    // Only clients get here.
                    Err(still) => connecting = still,
                }
            }
        }
        Ok((connecting.await?, None))
    }

    async fn serve_requests(
        self: Arc<Self>,
        connection: quinn::Connection,
        early: Option<Early>,
        port: u16,
        mut shutdown: ShutdownWatch,
    ) -> Result<(), ConnectionError> {
        let streams_max = self.options.transport.bidi_streams_max;
        let tasks_max = streams_max.saturating_mul(REQUEST_TASKS_PER_STREAM);
        let viewer = Arc::new(Viewer {
            addresses: Addresses::new(&connection, port),
            shutdown: shutdown.clone(),
            tasks: Arc::new(Semaphore::new(tasks_max as usize)),
            refusals: Semaphore::new(REFUSALS_MAX),
            resets: Mutex::default(),
            is_flooding: Notify::new(),
            viewers: Arc::clone(&self),
            early,
        });
        let mut server =
            Server::handshake(connection.clone(), self.options.requests.clone()).await?;
        loop {
            let incoming = tokio::select! {
                incoming = server.accept() => incoming?,
                () = viewer.is_flooding.notified() => {
                    self.options.limits.attacked("h3_resets");
                    let code = quinn::VarInt::from_u64(Code::H3_EXCESSIVE_LOAD.value());
                    connection.close(code.unwrap_or(quinn::VarInt::MAX), b"too many resets");
                    return Ok(());
                }
                () = stopping(&mut shutdown) => {
                    drain(&mut server, &connection, &viewer, tasks_max).await?;
                    self.metrics.refused_by(RefusedReason::Draining, server.rejected());
                    return Ok(());
                }
            };
            match incoming {
                Some(incoming) if viewer.refusals.available_permits() > 0 => {
                    viewer.spawn(incoming);
                }
                Some(_) => return Ok(()),
                // The client sends no more; what it asked for is still on its way.
                None => {
                    viewer.idle(tasks_max).await;
                    return Ok(());
                }
            }
        }
    }
}

/// Says goodbye: requests in flight complete, later ones are rejected. The caller's deadline is
/// the bound.
async fn drain<P>(
    server: &mut Server,
    connection: &quinn::Connection,
    viewer: &Viewer<P>,
    tasks_max: u32,
) -> Result<(), ConnectionError>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    server.goaway().await?;
    let linger = GOAWAY_LINGER_MIN.max(connection.rtt() * GOAWAY_LINGER_ROUND_TRIPS);
    let idle = async {
        sleep(linger).await;
        viewer.idle(tasks_max).await;
    };
    let limit = timeout(viewer.viewers.options.drain_timeout.get(), idle);
    tokio::pin!(limit);
    loop {
        tokio::select! {
            _ = &mut limit => return Ok(()),
            incoming = server.accept() => match incoming? {
                Some(incoming) => incoming.reject(),
                None => {
                    let _ = limit.await;
                    return Ok(());
                }
            },
        }
    }
}

impl<P> Viewer<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    /// Waits until no request is in flight.
    async fn idle(&self, tasks_max: u32) {
        // An error means that the semaphore was closed, which nobody does.
        let _ = self.tasks.acquire_many(tasks_max).await;
    }

    fn spawn(self: &Arc<Self>, incoming: Incoming) {
        let Ok(permit) = Arc::clone(&self.tasks).try_acquire_owned() else {
            self.refuse(RefusedReason::TooManyRequests);
            incoming.reject();
            return;
        };
        let viewer = Arc::clone(self);
        tokio::spawn(async move { viewer.serve(incoming, permit).await });
    }

    async fn serve(&self, incoming: Incoming, permit: OwnedSemaphorePermit) {
        let metrics = &self.viewers.metrics;
        let _in_progress = metrics.h3_request();
        let mut request = match incoming.resolve().await {
            Ok(request) => request,
            Err(refusal) => {
                tracing::debug!(peer = %self.addresses.peer, %refusal, "HTTP/3 request refused");
                self.refuse(match refusal {
                    Refusal::FieldsTooLarge { .. } | Refusal::FrameTooLarge => {
                        RefusedReason::TooLarge
                    }
                    Refusal::HeadTimeout => RefusedReason::TooSlow,
                    _ => RefusedReason::Malformed,
                });
                return;
            }
        };
        if request.is_early
            && let Some(early) = &self.early
        {
            request.head.extensions_mut().insert(early.clone());
        }
        let delivery = request.response.delivery();
        let write_timeout = self.viewers.options.write_timeout;
        match Session::open(request, &self.addresses, write_timeout, metrics.clone()).await {
            Ok(session) => {
                metrics.h3_requests.inc();
                let session = ServerSession::new_custom(Box::new(session));
                self.viewers
                    .proxy
                    .process_new_http(session, &self.shutdown)
                    .await;
            }
            Err(reason) => {
                tracing::debug!(peer = %self.addresses.peer, %reason, "HTTP/3 request malformed");
                self.refuse(RefusedReason::Malformed);
            }
        }
        // The connection must not close before the client has the last byte.
        if matches!(delivery.await, Delivery::Stopped(_)) {
            self.given_up();
        }
        drop(permit);
    }

    /// The client does not want what it asked for.
    fn given_up(&self) {
        let now = self.viewers.options.limits.now();
        let Some(rate) = Rate::new(RESETS.per_second, RESETS.burst) else {
            return;
        };
        if self.resets.lock().take(rate, 1, now).is_err() {
            self.is_flooding.notify_one();
        }
    }

    fn refuse(&self, reason: RefusedReason) {
        self.viewers.metrics.refused(reason);
        if let Ok(permit) = self.refusals.try_acquire() {
            permit.forget();
        }
    }
}

impl<P> Handshaking<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    fn new(viewers: &Arc<Viewers<P>>) -> Self {
        viewers.handshaking.fetch_add(1, Ordering::Relaxed);
        Self {
            viewers: Arc::clone(viewers),
            began: Instant::now(),
        }
    }

    /// 0-RTT data are taken meanwhile. A client that does not complete its handshake in time is cut off.
    fn go_on(self, connection: quinn::Connection, complete: quinn::ZeroRttAccepted) -> Early {
        let metrics = &self.viewers.metrics;
        metrics.h3_early.inc();
        let (completion, early) = early();
        let within = self.viewers.options.handshake_timeout;
        let left = within.saturating_sub(self.began.elapsed());
        tokio::spawn(async move {
            if timeout(left, complete).await.is_err() {
                self.viewers.metrics.refused(RefusedReason::TooSlow);
                connection.close(quinn::VarInt::from_u32(0), b"handshake timeout");
            } else if connection.close_reason().is_none() {
                completion.complete();
            }
        });
        early
    }
}

impl<P> Drop for Handshaking<P> {
    fn drop(&mut self) {
        self.viewers.handshaking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Addresses {
    fn new(connection: &quinn::Connection, port: u16) -> Self {
        let peer = connection.remote_address();
        // A dual-stack socket reports IPv4 clients as ::ffff:a.b.c.d.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let local = connection
            .local_ip()
            .map(|ip| SocketAddr::new(ip.to_canonical(), port));
        Self { peer, local }
    }
}
