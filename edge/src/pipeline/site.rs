//! Answers requests for sites: look, wait or ask, answer. What may be used is `cache_policy`'s to
//! say, fetching is `sites`'.

/// Reading requests.
mod request;
/// Writing answers.
mod respond;

use std::sync::Arc;
use std::time::SystemTime;

use cache_policy::shared::{Exchange, RequestDirectives, Reuse, Sharing, Verdict, receive};
use cache_policy::{CacheStatus, Forward};
use http::{Method, StatusCode, header};
use pingora_error::Result;
use pingora_proxy::Session;

use super::EdgeProxy;
use super::early::is_behind;
use super::log::{Context, Outcome};
use super::room::read_body;
use crate::problem::Problem;
use crate::sites::fetch::Passed;
use crate::sites::flights::{Landed, Shared, Stands, Waiter};
use crate::sites::store::{Key, Stored};
use crate::sites::{Joined, Look, Miss, Outgoing, Site, Sites};
use crate::upstream::parents::NoAnswer;
pub(super) use request::of;

/// A request for a site, as the stages here see it.
struct Asked<'a> {
    sites: &'a Sites,
    site: &'a Arc<Site>,
    key: Key,
    outgoing: Outgoing,
    directives: RequestDirectives,
}

/// What this edge does with a request, so far as it is told.
#[derive(Clone, Copy)]
struct Told {
    status: CacheStatus,
    outcome: Outcome,
}

impl EdgeProxy {
    /// A request whose host is a site's.
    pub(super) async fn respond_site(
        &self,
        session: &mut Session,
        context: &mut Context,
        sites: &Sites,
        site: &Arc<Site>,
    ) -> Result<()> {
        let (key, mut outgoing) = match request::outgoing(session, sites, site) {
            Ok(read) => read,
            Err(problem) => return self.respond_problem(session, context, problem).await,
        };
        outgoing.trace = context.link();
        if !session.as_downstream_mut().is_body_done() && request::has_body(session) {
            if request::expects_continue(session) {
                session
                    .as_downstream_mut()
                    .write_continue_response()
                    .await?;
            }
            match read_body(session, site.settings().request_body_bytes_max).await? {
                Ok(body) => outgoing.body = body,
                Err(problem) => return self.respond_problem(session, context, problem).await,
            }
        }
        let mut directives = RequestDirectives::default();
        if site.settings().request_directives {
            directives = RequestDirectives::of(&outgoing.headers);
        }
        let asked = Asked {
            sites,
            site,
            key,
            outgoing,
            directives,
        };
        let method = &asked.outgoing.method;
        if !matches!(*method, Method::GET | Method::HEAD) || !asked.outgoing.body.is_empty() {
            return self
                .pass_site(session, context, asked, Forward::Method)
                .await;
        }
        // These are the origin's to judge (RFC 9111 4.3.2).
        let headers = &asked.outgoing.headers;
        if headers.contains_key(header::IF_MATCH)
            || headers.contains_key(header::IF_UNMODIFIED_SINCE)
        {
            return self
                .pass_site(session, context, asked, Forward::Request)
                .await;
        }
        let look = sites.look(&asked.key, headers, &asked.directives);
        self.look_site(session, context, asked, look).await
    }

    async fn look_site(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: Asked<'_>,
        look: Look,
    ) -> Result<()> {
        let Asked { sites, key, .. } = &asked;
        match look {
            Look::Hit(stored, reuse) => {
                let is_early = is_behind(&asked.outgoing.headers);
                if reuse == Reuse::WhileRevalidate && !is_early {
                    // The flight goes on without anybody who waits for it.
                    sites.revalidate(asked.site, key, &asked.outgoing, &asked.directives);
                }
                let told = hit(&stored, reuse);
                self.respond_stored(session, context, &asked, &stored, told)
                    .await
            }
            Look::Instead(stored) => {
                let told = instead(&stored, Outcome::Hit);
                self.respond_stored(session, context, &asked, &stored, told)
                    .await
            }
            Look::Failed(problem) => self.respond_problem(session, context, problem).await,
            _ if asked.directives.only_if_cached => {
                let problem = Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "nothing is stored that answers this, and the request forbids to ask",
                );
                self.respond_problem(session, context, problem).await
            }
            Look::Pass => {
                self.pass_site(session, context, asked, Forward::Bypass)
                    .await
            }
            Look::Miss(miss) => self.miss_site(session, context, asked, miss).await,
        }
    }

    async fn miss_site(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: Asked<'_>,
        miss: Miss,
    ) -> Result<()> {
        let reason = reason(&miss);
        let headers = &asked.outgoing.headers;
        let nothing_known = miss.stale.is_none() && !asked.sites.is_in_flight(&asked.key, headers);
        let wants_part = headers.contains_key(header::RANGE);
        // A part of something that nobody has is no reason to fetch the whole.
        if asked.outgoing.method == Method::HEAD || (wants_part && nothing_known) {
            return self.pass_site(session, context, asked, reason).await;
        }
        // What a proxy in front says is early may be answered 425, which is for nobody else.
        if asked.directives.no_store || is_behind(headers) {
            return self
                .pass_site(session, context, asked, Forward::Request)
                .await;
        }
        let joined = asked
            .sites
            .join(asked.site, &asked.key, &asked.outgoing, &asked.directives);
        let (waiter, passed) = match joined {
            // Not a miss, so this comes here once.
            Joined::Known(look) => {
                return Box::pin(self.look_site(session, context, asked, look)).await;
            }
            Joined::Waiting(waiter) => (waiter, None),
            Joined::Leading(waiter, passed) => (waiter, Some(passed)),
            Joined::Full => {
                self.metrics.flights_rejected.inc();
                let problem = Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "this edge is fetching as many objects as it may",
                );
                return self.respond_problem(session, context, problem).await;
            }
        };
        let is_leader = passed.is_some();
        match self.land(session, waiter).await? {
            Landed::Stored(stored, stands) if is_leader || stored.matches(headers) => {
                let told = stood(&stored, stands, reason, is_leader);
                self.respond_stored(session, context, &asked, &stored, told)
                    .await
            }
            Landed::Shared(shared) if is_leader || shared.answers(headers) => {
                let told = flown(&shared, reason, is_leader);
                self.respond_shared(session, context, &asked, shared, told)
                    .await
            }
            Landed::Failed(problem) => self.respond_problem(session, context, problem).await,
            Landed::Stored(..) | Landed::Shared(_) => {
                self.pass_site(session, context, asked, reason).await
            }
            Landed::Pass => {
                let Some(passed) = passed else {
                    return self
                        .pass_site(session, context, asked, Forward::Bypass)
                        .await;
                };
                match self.wait(session, passed).await? {
                    Ok(passed) => {
                        context.outcome = Outcome::Miss;
                        let status = CacheStatus::forwarded(reason);
                        self.respond_passed(session, context, &asked, passed, status)
                            .await
                    }
                    Err(_) => {
                        let problem = NoAnswer::Closed.problem();
                        self.respond_problem(session, context, problem).await
                    }
                }
            }
        }
    }

    async fn land(&self, session: &mut Session, mut waiter: Waiter) -> Result<Landed> {
        let landed = self.wait(session, waiter.landed()).await?;
        Ok(landed.unwrap_or_else(|| Landed::Failed(NoAnswer::Closed.problem())))
    }

    /// Asks for this client alone, and does what follows from the answer.
    async fn pass_site(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: Asked<'_>,
        reason: Forward,
    ) -> Result<()> {
        self.metrics
            .sites_passed
            .with_label_values(&[reason.as_str()])
            .inc();
        if asked.directives.only_if_cached {
            let problem = Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "this is not answered from the cache, and the request forbids to ask",
            );
            return self.respond_problem(session, context, problem).await;
        }
        let outgoing = asked.outgoing.clone();
        let passed = asked.sites.pass(asked.site, outgoing);
        let passed = match self.wait(session, passed).await? {
            Ok(passed) => passed,
            Err(no_answer) => {
                let problem = no_answer.problem();
                return self.respond_problem(session, context, problem).await;
            }
        };
        self.learn(&asked, &passed);
        let status = CacheStatus::forwarded(reason);
        self.respond_passed(session, context, &asked, passed, status)
            .await
    }

    /// What an answer that was passed on says of what is stored.
    fn learn(&self, asked: &Asked<'_>, passed: &Passed) {
        let Asked {
            sites,
            site,
            key,
            outgoing,
            ..
        } = asked;
        match outgoing.method {
            Method::HEAD => sites.head_answered(site, key, &outgoing.headers, passed),
            Method::GET => {
                let verdict = receive(&exchange(outgoing, passed), site.policy());
                if matches!(verdict, Verdict::Store(_, Sharing::All)) {
                    sites.no_longer_passed(key);
                }
            }
            _ => {
                for key in request::outdated(outgoing, key, passed) {
                    sites.invalidate(&key);
                }
            }
        }
    }
}

fn exchange<'a>(outgoing: &'a Outgoing, passed: &'a Passed) -> Exchange<'a> {
    Exchange {
        method: &outgoing.method,
        request: &outgoing.headers,
        status: passed.status,
        response: &passed.headers,
        now: SystemTime::now(),
        response_delay: passed.delay,
    }
}

fn reason(miss: &Miss) -> Forward {
    match &miss.stale {
        Some((_, Reuse::ValidateRequest)) => Forward::Request,
        Some(_) => Forward::Stale,
        None if miss.has_variants => Forward::VaryMiss,
        None => Forward::UriMiss,
    }
}

fn hit(stored: &Stored, reuse: Reuse) -> Told {
    let status = CacheStatus::hit().ttl_seconds(stored.ttl(std::time::Instant::now()));
    let status = match reuse {
        Reuse::WhileRevalidate => status.detail("stale-while-revalidate"),
        Reuse::Stale => status.detail("max-stale"),
        Reuse::Fresh | Reuse::ValidateStale | Reuse::ValidateRequest => status,
    };
    Told {
        status,
        outcome: Outcome::Hit,
    }
}

fn instead(stored: &Stored, outcome: Outcome) -> Told {
    let status = match outcome {
        Outcome::Hit => CacheStatus::hit(),
        _ => CacheStatus::forwarded(Forward::Stale),
    };
    let ttl = stored.ttl(std::time::Instant::now());
    Told {
        status: status.ttl_seconds(ttl).detail("stale-if-error"),
        outcome,
    }
}

fn stood(stored: &Stored, stands: Stands, reason: Forward, is_leader: bool) -> Told {
    let outcome = if is_leader {
        Outcome::Miss
    } else {
        Outcome::Collapsed
    };
    match stands {
        Stands::InsteadOfFailure => instead(stored, outcome),
        Stands::Validated => Told {
            status: CacheStatus::forwarded(reason)
                .fwd_status(StatusCode::NOT_MODIFIED)
                .ttl_seconds(stored.ttl(std::time::Instant::now()))
                .stored(true)
                .collapsed(!is_leader),
            outcome,
        },
    }
}

fn flown(shared: &Shared, reason: Forward, is_leader: bool) -> Told {
    let mut status = CacheStatus::forwarded(reason)
        .stored(shared.stored)
        .collapsed(!is_leader);
    if shared.stored {
        status = status.ttl_seconds(shared.ttl);
    }
    Told {
        status,
        outcome: if is_leader {
            Outcome::Miss
        } else {
            Outcome::Collapsed
        },
    }
}
