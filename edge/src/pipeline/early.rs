//! Requests that somebody may have recorded and repeat: 0-RTT data, here or at a proxy in front
//! (RFC 8470).
//!
//! **Nothing that changes anything is done for them, and no filter and no parent is asked.** GETs of
//! streams and pages are answered out of memory, or from a flight that another request has begun. Where
//! that does not do, a request waits for its client's handshake, or is answered 425 if that is a proxy's.
//! So no parent is ever sent `Early-Data` by this edge of its own.

use std::time::Instant;

use cache_policy::CacheKey;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::EdgeProxy;
use super::log::Context;
use super::route::Route;
use crate::cache::Lookup;
use crate::config::PlaybackAuth;
use crate::frontend::Early;
use crate::problem::Problem;

/// RFC 8470 section 5.1.
const EARLY_DATA: HeaderName = HeaderName::from_static("early-data");

/// Who may have been early.
#[derive(Clone, Debug)]
pub(super) enum Haste {
    /// The client: its handshake may become complete.
    Client(Early),
    /// Somebody in front of the proxy that sent this.
    Behind,
}

/// What becomes of a request that is early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It may be treated as any other.
    Yes,
    /// It has been answered.
    Answered,
}

/// What an early look has found.
#[derive(Debug)]
pub(super) enum Looked {
    /// A parent may be asked.
    Ask,
    /// It is here, or on its way.
    Known(Lookup),
    /// The request has been answered.
    Answered,
}

impl Haste {
    pub(super) fn of(request: &RequestHeader) -> Option<Self> {
        if let Some(early) = request.extensions.get::<Early>()
            && early.is_open()
        {
            return Some(Self::Client(early.clone()));
        }
        is_behind(&request.headers).then_some(Self::Behind)
    }
}

/// Whether a proxy in front says that it is early.
pub(super) fn is_behind(headers: &HeaderMap) -> bool {
    headers.get_all(EARLY_DATA).iter().any(|value| value == "1")
}

/// Whether it only reads, and something that no filter has to be asked about because of what it is.
fn is_safe(request: &RequestHeader, route: &Route) -> bool {
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let lengths = request.headers.get_all(header::CONTENT_LENGTH);
    let has_body = lengths.iter().any(|length| length != "0")
        || request.headers.contains_key(header::TRANSFER_ENCODING);
    let is_reading = matches!(
        route,
        Route::Object { .. } | Route::Page | Route::Refused(_)
    );
    is_read && !has_body && is_reading
}

impl EdgeProxy {
    /// Lets a request for what is this edge's own go on, or answers it.
    pub(super) async fn hold_early(
        &self,
        session: &mut Session,
        context: &mut Context,
        route: &Route,
    ) -> Result<Settled> {
        let Some(haste) = &context.early else {
            return Ok(Settled::Yes);
        };
        let haste = haste.clone();
        if !is_safe(session.req_header(), route) {
            return self.respond_too_early(session, context).await;
        }
        let asks_filters = context.filtering.is_some()
            || (self.playback.auth != PlaybackAuth::Open && context.stream.is_some());
        if asks_filters {
            return self.settle(session, context, haste).await;
        }
        if !matches!(route, Route::Object { .. }) {
            self.metrics.early("served");
        }
        Ok(Settled::Yes)
    }

    /// A request for a site: nobody but its origin knows what a GET does there.
    pub(super) async fn hold_early_of_site(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Settled> {
        match context.early.clone() {
            Some(haste @ Haste::Client(_)) => {
                let request = session.req_header();
                if !matches!(request.method, Method::GET | Method::HEAD) {
                    return self.respond_too_early(session, context).await;
                }
                self.settle(session, context, haste).await
            }
            // The origin is told as this edge was.
            Some(Haste::Behind) | None => Ok(Settled::Yes),
        }
    }

    /// What can be had without asking a parent, if this request may ask none.
    pub(super) async fn look_early(
        &self,
        session: &mut Session,
        context: &mut Context,
        key: &CacheKey,
    ) -> Result<Looked> {
        let Some(haste) = context.early.clone() else {
            return Ok(Looked::Ask);
        };
        if let Some(known) = self.cache.look(key, Instant::now()) {
            self.metrics.early("served");
            return Ok(Looked::Known(known));
        }
        Ok(match self.settle(session, context, haste).await? {
            Settled::Yes => Looked::Ask,
            Settled::Answered => Looked::Answered,
        })
    }

    /// Waits for the client's handshake.
    async fn settle(
        &self,
        session: &mut Session,
        context: &mut Context,
        haste: Haste,
    ) -> Result<Settled> {
        let Haste::Client(early) = haste else {
            return self.respond_too_early(session, context).await;
        };
        if self.wait(session, early.completed()).await? {
            context.early = None;
            self.metrics.early("waited");
            return Ok(Settled::Yes);
        }
        self.respond_too_early(session, context).await
    }

    async fn respond_too_early(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Settled> {
        self.metrics.early("too_early");
        context.refused = Some("too_early");
        let problem = Problem::new(
            StatusCode::TOO_EARLY,
            "this is not done before the handshake is complete: send it again then",
        );
        self.respond_problem(session, context, problem).await?;
        Ok(Settled::Answered)
    }
}
