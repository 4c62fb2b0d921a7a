//! Whether a response may be stored, on which terms, and whether others may have it at all
//! (RFC 9111 3, 3.5, 4.2.1, 4.2.2, 4.2.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    AGE, AUTHORIZATION, CONTENT_LOCATION, COOKIE, DATE, EXPIRES, HeaderMap, HeaderName,
    LAST_MODIFIED, SET_COOKIE,
};
use http::{Method, StatusCode};

use super::directives::{RequestDirectives, ResponseDirectives};
use super::targeted::{Targeted, targeted};
use super::terms::Terms;
use super::vary::Vary;
use crate::syntax::parse_delta_seconds;

/// The longest lifetime that is guessed (4.2.2).
pub const HEURISTIC_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// What part of its time since `Last-Modified` a response is guessed to be fresh (4.2.2).
const HEURISTIC_PART: u32 = 10;

/// RFC 9110 15.1: status codes whose lifetime may be guessed.
const HEURISTIC: [u16; 10] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414];
/// What 501 is as well; apart from the others to keep the list in the order of the RFC.
const NOT_IMPLEMENTED: u16 = 501;

/// Status codes whose caching rules are obeyed here (`must-understand`, 5.2.2.3).
const UNDERSTOOD: [u16; 32] = [
    200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406,
    408, 409, 410, 411, 413, 414, 415, 451, 500, 501, 502, 503, 504,
];

/// What the cache adds to the RFCs.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Targeted fields that count here, the most specific first (RFC 9213 2.2).
    pub targeted_fields: Vec<HeaderName>,
    /// The name of this cache in `Surrogate-Capability`.
    pub device: String,
    /// How long after its freshness a response may be used while no parent answers at all, unless
    /// it forbids that (4.2.4).
    pub stale_if_disconnected: Duration,
}

/// A request that was forwarded, and the head of its response.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Its method.
    pub method: &'a Method,
    /// What the client sent.
    pub request: &'a HeaderMap,
    /// The status of the response.
    pub status: StatusCode,
    /// Its fields.
    pub response: &'a HeaderMap,
    /// The wall clock when it arrived.
    pub now: SystemTime,
    /// From the request sent to the head's arrival.
    pub response_delay: Duration,
}

/// Who may have a response beside the client whose request brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// All who asked for the same meanwhile.
    All,
    /// Those of them without credentials (`Authorization`, `Cookie`), provided that the client had
    /// none either: it is stale on arrival, or an error, and nothing says that it is public.
    Anonymous,
    /// Nobody.
    Nobody,
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request had `Authorization`, and nothing says that others may have the response (3.5).
    Authorization,
    /// Not a method whose responses are stored.
    Method,
    /// Neither a lifetime nor a status that allows a guess (3).
    NoReason,
    /// `no-store`, of the response or of the request.
    NoStore,
    /// 1xx, 206 or 304.
    Partial,
    /// `private`.
    Private,
    /// `must-understand`, and the status is not.
    Status,
    /// `Vary: *`.
    VaryAll,
}

impl Refusal {
    /// The name used in `Cache-Status`, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Method => "method",
            Self::NoReason => "no-reason",
            Self::NoStore => "no-store",
            Self::Partial => "partial",
            Self::Private => "private",
            Self::Status => "status",
            Self::VaryAll => "vary-all",
        }
    }
}

/// What to do with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be stored.
    Store(Terms, Sharing),
    /// It may not.
    Refuse(Refusal, Sharing),
}

/// Judges a response.
pub fn receive(exchange: &Exchange<'_>, policy: &Policy) -> Verdict {
    let response = exchange.response;
    let from_target = targeted(response, &policy.targeted_fields, &policy.device);
    let (directives, expires_counts) = match from_target {
        Targeted::Directives(directives) => (directives, false),
        Targeted::Nothing => (ResponseDirectives::of(response), true),
    };
    if let Some(refusal) = refusal(exchange, &directives, expires_counts) {
        return Verdict::Refuse(refusal, sharing_of_refused(exchange, refusal));
    }
    let date = date(response, &DATE).unwrap_or(exchange.now);
    let lifetime = directives
        .shared_max_age()
        .or_else(|| expires_counts.then(|| expires(response, date)).flatten())
        .or_else(|| heuristic(exchange, &directives, date))
        .unwrap_or_default();
    let age = age(exchange);
    let terms = Terms {
        // 4.2: invalid freshness information is as none; here an age that nobody knows.
        lifetime: if age.is_some() {
            lifetime
        } else {
            Duration::ZERO
        },
        age_at_receipt: age.unwrap_or(exchange.response_delay),
        forbids_stale: directives.forbids_stale(),
        no_cache: directives.no_cache,
        stale_while_revalidate: directives.stale_while_revalidate.unwrap_or_default(),
        stale_if_error: directives.stale_if_error.unwrap_or_default(),
        // `stale-if-error` is the origin's own word on how long.
        stale_if_disconnected: match directives.stale_if_error {
            Some(said) => said,
            None => policy.stale_if_disconnected,
        },
        fields_not_kept: directives.fields_not_kept,
    };
    let sharing = if terms.is_fresh_on_arrival() {
        Sharing::All
    } else {
        anonymous(exchange)
    };
    Verdict::Store(terms, sharing)
}

fn refusal(
    exchange: &Exchange<'_>,
    directives: &ResponseDirectives,
    expires_counts: bool,
) -> Option<Refusal> {
    let status = exchange.status.as_u16();
    let understood = UNDERSTOOD.contains(&status);
    if !matches!(*exchange.method, Method::GET | Method::POST) {
        return Some(Refusal::Method);
    }
    if exchange.status.is_informational() || matches!(status, 206 | 304) {
        return Some(Refusal::Partial);
    }
    if directives.must_understand && !understood {
        return Some(Refusal::Status);
    }
    // 5.2.2.3: who obeys must-understand leaves no-store aside.
    let no_store = directives.no_store && !directives.must_understand;
    if no_store || RequestDirectives::of(exchange.request).no_store {
        return Some(Refusal::NoStore);
    }
    if directives.private {
        return Some(Refusal::Private);
    }
    if Vary::of(exchange.response).is_any() {
        return Some(Refusal::VaryAll);
    }
    let allowed = directives.must_revalidate || directives.public || directives.s_maxage.is_some();
    if exchange.request.contains_key(AUTHORIZATION) && !allowed {
        return Some(Refusal::Authorization);
    }
    let explicit = directives.shared_max_age().is_some()
        || (expires_counts && exchange.response.contains_key(EXPIRES));
    if *exchange.method == Method::POST {
        // RFC 9110 9.3.3: only with explicit freshness and a Content-Location of its own.
        let reusable = explicit && exchange.response.contains_key(CONTENT_LOCATION);
        return (!reusable).then_some(Refusal::Method);
    }
    let reason = explicit || directives.public || may_guess(status);
    (!reason).then_some(Refusal::NoReason)
}

/// An error without a word on caching goes to all who waited for it and have shown nothing that
/// could make it theirs alone. What was refused for any other reason is one client's.
fn sharing_of_refused(exchange: &Exchange<'_>, refusal: Refusal) -> Sharing {
    match refusal {
        Refusal::NoReason if exchange.status.is_server_error() => anonymous(exchange),
        _ => Sharing::Nobody,
    }
}

fn anonymous(exchange: &Exchange<'_>) -> Sharing {
    let theirs = has_credentials(exchange.request) || exchange.response.contains_key(SET_COOKIE);
    if theirs {
        Sharing::Nobody
    } else {
        Sharing::Anonymous
    }
}

impl Sharing {
    /// Whether a client that waited with these fields may have the response.
    pub fn allows(self, request: &HeaderMap) -> bool {
        match self {
            Self::All => true,
            Self::Anonymous => !has_credentials(request),
            Self::Nobody => false,
        }
    }
}

fn has_credentials(request: &HeaderMap) -> bool {
    request.contains_key(AUTHORIZATION) || request.contains_key(COOKIE)
}

fn may_guess(status: u16) -> bool {
    HEURISTIC.contains(&status) || status == NOT_IMPLEMENTED
}

/// 5.3: an invalid date, "0" above all, is a time in the past; so are two of them.
fn expires(response: &HeaderMap, generated: SystemTime) -> Option<Duration> {
    let mut lines = response.get_all(EXPIRES).iter();
    lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let Some(expires) = date(response, &EXPIRES) else {
        return Some(Duration::ZERO);
    };
    Some(expires.duration_since(generated).unwrap_or_default())
}

/// 4.2.2. Not for what sets a cookie: nobody said that others may have it.
fn heuristic(
    exchange: &Exchange<'_>,
    directives: &ResponseDirectives,
    generated: SystemTime,
) -> Option<Duration> {
    let may = directives.public || may_guess(exchange.status.as_u16());
    if !may || exchange.response.contains_key(SET_COOKIE) {
        return None;
    }
    let modified = date(exchange.response, &LAST_MODIFIED)?;
    let unchanged = generated.duration_since(modified).unwrap_or_default();
    Some((unchanged / HEURISTIC_PART).min(HEURISTIC_LIFETIME_MAX))
}

/// 4.2.3, `corrected_initial_age`. `None` where `Age` is no single number: section 5.1 would have
/// the first of several count and ignore what is no number, which can only make a response look
/// younger than it is.
fn age(exchange: &Exchange<'_>) -> Option<Duration> {
    let mut lines = exchange.response.get_all(AGE).iter();
    let value = match (lines.next(), lines.next()) {
        (None, _) => Duration::ZERO,
        (Some(line), None) => parse_delta_seconds(line.to_str().ok()?.trim())?,
        _ => return None,
    };
    let corrected = value.saturating_add(exchange.response_delay);
    let apparent = date(exchange.response, &DATE).map(|date| {
        whole_seconds(exchange.now)
            .duration_since(date)
            .unwrap_or_default()
    });
    Some(corrected.max(apparent.unwrap_or_default()))
}

/// `Date` has whole seconds; what is compared with it has them too, lest everything be born old.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

pub(super) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests;
