//! The life of a request, whichever protocol brought it.
//!
//! pingora's `ProxyHttp` is the phase table and this file is the whole of it: every phase calls a
//! stage below. HTTP/1.1 and HTTP/2 come from pingora's listeners, HTTP/3 from `frontend::h3`;
//! nothing past the frontend knows which.
//!
//! | stage | decides |
//! |---|---|
//! | `site` | whether the host is a foreign origin's: then none of the stages below is asked, but those of `site` |
//! | `strict`, `limit` | whether it is HTTP that everybody reads alike, and whether this client, token, stream, tenant may ask now |
//! | `route` | what is asked for, by method and URL alone |
//! | `early` | whether it may be a repetition of what somebody recorded: then it only reads, from memory |
//! | `filter` | takes the table of filters; runs the `http.request` chain, which may change the URL or answer |
//! | `admit` | whether this viewer may have it: a tier's token, a cached grant, or the `auth` chain |
//! | `cache::lookup` | hit, join a flight, or lead one (`relay` fills it with what parents told, or `upstream` asks) |
//! | `respond`, `reply` | writes the answer, whole or as it arrives; every head passes the `http.response` chain |
//! | `log`, `trace` | counts it, and says where its time went |

/// Who may have an object.
mod admit;
/// What the control API answers.
mod control;
/// What may have been recorded and repeated.
mod early;
/// Filters of requests and answers.
mod filter;
/// What can be given, and giving it.
mod gifts;
/// What a client, a token, a stream, a tenant may take.
mod limit;
/// Counting and access logs.
mod log;
/// Parts of bodies.
mod range;
/// Handing streams on.
mod relay;
/// Answers that filters decide.
mod reply;
/// Writing answers.
mod respond;
/// The doors of rooms.
mod room;
/// Understanding URLs.
pub mod route;
/// Foreign origins.
mod site;
/// HTTP/1.1 that two readers may read differently.
mod strict;
/// Spans of traced requests.
mod trace;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use cache_policy::{CacheKey, CacheName};
use http::StatusCode;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use telemetry::traces::Traces;

use crate::access_log::AccessLog as JsonLog;
use crate::cache::{Cache, Lookup};
use crate::clock;
use crate::config::{AccessLog, PlaybackSettings};
use crate::frontend::in_request;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::problem::Problem;
use crate::relay::LiveRelay;
use crate::rooms::Rooms;
use crate::sites::Sites;
use crate::streams::Streams;
use crate::upstream::{Asking, authorization};
use admit::Admission;
use early::{Haste, Looked, Settled};
pub use filter::Filters;
use filter::{AfterRequest, Begun};
pub use log::Context;
use route::{Kind, Route};

/// Everything the stages share.
#[derive(Debug)]
pub struct EdgeProxy {
    /// Name in `Cache-Status`.
    pub name: CacheName,
    /// `Alt-Svc` for answers over TCP, if HTTP/3 is served.
    pub alt_svc: Option<http::HeaderValue>,
    /// Memory and flights.
    pub cache: Cache,
    /// Parents, and what they tell of streams unasked.
    pub relay: LiveRelay,
    /// The edge's own pages.
    pub pages: Arc<Pages>,
    /// Who may watch.
    pub playback: PlaybackSettings,
    /// Whether tiers have a listener of their own, and are believed nowhere else.
    pub tiers_show_certificates: bool,
    /// The filters that run here; `None`: none.
    pub filters: Option<Filters>,
    /// Rooms; `None`: none.
    pub rooms: Option<Rooms>,
    /// Foreign origins; `None`: none.
    pub sites: Option<Sites>,
    /// What viewers may take.
    pub limits: Limits,
    /// Figures.
    pub metrics: Metrics,
    /// What is counted by stream.
    pub streams: Streams,
    /// Which requests are logged, for people.
    pub access_log: AccessLog,
    /// The access log for machines; `None`: none.
    pub json_log: Option<JsonLog>,
    /// Which requests are traced, and where spans go.
    pub traces: Traces,
    /// A viewer who takes nothing for this long is dropped.
    pub write_timeout: std::time::Duration,
}

#[async_trait]
impl ProxyHttp for EdgeProxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(&self.metrics)
    }

    /// No pingora modules: answers are small and shared, or media that does not compress.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let downstream = session.as_downstream_mut();
        downstream.set_write_timeout(Some(self.write_timeout));
        // A client that sends its next request early is not a client that left.
        downstream.set_pipelining_enabled(true);
        in_request(downstream, true);
        self.begin_trace(session, context);
        if let Some(fault) = strict::fault(session) {
            self.respond_fault(session, context, fault).await?;
            return Ok(true);
        }
        self.answer(session, context).await?;
        Ok(true)
    }

    /// Never reached: `request_filter` answers everything. Requests that pass through uncached
    /// will start here.
    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        Err(Error::new(ErrorType::HTTPStatus(404)))
    }

    /// The answer was begun: what is left is to break it off, which dropping the session does.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let mut error_code = 0;
        if session.response_written().is_none() && context.viewer_is_there(error) {
            error_code = 500;
            let problem = Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "this edge failed; its log says why",
            );
            if let Err(error) = self.respond_problem(session, context, problem).await {
                tracing::debug!(%error, "writing an error answer");
            }
        }
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true // `logging` below says it, once and with the request.
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        self.log(session, error, context);
        self.end_trace(session, error, context);
        if !context.upgraded {
            in_request(session.as_downstream(), false);
        }
    }
}

impl EdgeProxy {
    async fn answer(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        context.early = Haste::of(session.req_header());
        if let Some(sites) = &self.sites
            && let Some(site) = site::of(session, sites)
        {
            context.kind = Kind::Site;
            let tenant = site.settings().hosts.first();
            let tenant = tenant.map_or("*", String::as_str);
            if let Some(refused) = self.limit(session, context, tenant) {
                return self.respond_limited(session, context, refused).await;
            }
            if self.hold_early_of_site(session, context).await? == Settled::Answered {
                return Ok(());
            }
            return self.respond_site(session, context, sites, &site).await;
        }
        let mut route = route_of(session);
        context.stream = route.stream().map(str::to_owned);
        if let Some(refused) = self.limit(session, context, self.tenant()) {
            return self.respond_limited(session, context, refused).await;
        }
        match self.begin(session, &route) {
            Begun::Unfiltered => {}
            Begun::Tier => context.tier = true,
            Begun::Filtered(filtering) => context.filtering = Some(filtering),
        }
        context.stream = route.take_stream();
        if self.hold_early(session, context, &route).await? == Settled::Answered {
            return Ok(());
        }
        let is_preflight = matches!(route, Route::Preflight | Route::ControlPreflight);
        if context.filtering.is_some() && !is_preflight {
            match self.filter_request(session, context).await? {
                AfterRequest::On => {}
                AfterRequest::Rerouted => {
                    route = route_of(session);
                    context.stream = route.take_stream();
                }
                AfterRequest::Answered(reply) => {
                    return self.respond_reply(session, context, &reply).await;
                }
                AfterRequest::Broken(problem) => {
                    return self.respond_problem(session, context, problem).await;
                }
            }
        }
        self.respond(session, context, route).await
    }

    /// What the filters of requests have let through.
    async fn respond(
        &self,
        session: &mut Session,
        context: &mut Context,
        route: Route,
    ) -> Result<()> {
        match route {
            Route::Object { kind, key, .. } => {
                context.kind = kind;
                self.answer_object(session, context, &key).await
            }
            Route::Page => {
                context.kind = Kind::Page;
                self.respond_page(session, context).await
            }
            Route::Preflight => self.respond_preflight(session, context).await,
            Route::Control => {
                context.kind = Kind::Control;
                self.respond_control(session, context).await
            }
            Route::ControlPreflight => self.respond_control_preflight(session, context).await,
            Route::Relay { .. } => {
                context.kind = Kind::Relay;
                self.respond_relay(session, context).await
            }
            Route::Room { room, door } => {
                context.kind = Kind::Room;
                self.respond_room(session, context, &room, door).await
            }
            Route::Refused(problem) => self.respond_problem(session, context, problem).await,
        }
    }

    /// An object of a stream, for whoever may have it.
    async fn answer_object(
        &self,
        session: &mut Session,
        context: &mut Context,
        key: &CacheKey,
    ) -> Result<()> {
        if let (Some(rooms), Some(stream)) = (&self.rooms, &context.stream)
            && rooms.is_off(stream)
        {
            context.refused = Some("stopped");
            let problem = Problem::new(StatusCode::NOT_FOUND, "this stream was stopped");
            return self.respond_problem(session, context, problem).await;
        }
        match self.admit(session.req_header(), context).await {
            Admission::Admitted { set_cookie } => context.set_cookie = set_cookie,
            Admission::Refused(refusal) => {
                return self.respond_refusal(session, context, &refusal).await;
            }
            Admission::Redirect(to) => {
                return self.respond_redirect(session, context, &to).await;
            }
        }
        context.stage("admitted");
        let lookup = match self.look_early(session, context, key).await? {
            Looked::Ask => self.look_up(key, context),
            Looked::Known(lookup) => lookup,
            Looked::Answered => return Ok(()),
        };
        self.serve(session, context, lookup).await
    }

    fn look_up(&self, key: &CacheKey, context: &Context) -> Lookup {
        let admitted = Instant::now();
        let lookup = self.cache.lookup(key, admitted);
        self.metrics.stages.looked_up(context.started, admitted);
        lookup
    }

    async fn serve(
        &self,
        session: &mut Session,
        context: &mut Context,
        lookup: Lookup,
    ) -> Result<()> {
        match lookup {
            Lookup::Hit(object) => self.respond_hit(session, context, &object).await,
            Lookup::Joined(reader) => self.respond_flight(session, context, reader, None).await,
            Lookup::Leader {
                mut writer,
                reader,
                stale,
            } => {
                let stream = context.stream.as_deref();
                let authorization = self
                    .playback
                    .keys
                    .as_ref()
                    .and_then(|keys| authorization(&keys.tiers, stream, clock::unix_seconds()));
                let request_id = self.passed_on_id(session.req_header(), context);
                let trace = context.link();
                if let Some(trace) = &trace {
                    writer.writer().led_by(trace.clone());
                }
                let asking = Asking {
                    authorization,
                    request_id,
                    trace,
                };
                self.relay.lead(writer, asking);
                self.respond_flight(session, context, reader, Some(stale))
                    .await
            }
            Lookup::Full => {
                self.metrics.flights_rejected.inc();
                let problem = Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "this edge is fetching as many objects as it may",
                );
                self.respond_problem(session, context, problem).await
            }
        }
    }
}

fn route_of(session: &Session) -> Route {
    let request = session.req_header();
    Route::of(&request.method, request.uri.path(), request.uri.query())
}
