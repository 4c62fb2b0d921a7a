//! Whether a response may be stored, and for how long (RFC 9111 3 and 4.2).

use std::time::{Duration, SystemTime};

use http::header::{RETRY_AFTER, VARY};
use http::{HeaderMap, StatusCode};

use crate::control::CacheControl;
use crate::freshness::{Freshness, corrected_initial_age, freshness_lifetime};
use crate::syntax::{parse_delta_seconds, split_list};

/// The longest an error is kept, whatever the parent says: a 404 may be a part that is about to
/// appear, and must not hide it.
pub const ERROR_LIFETIME_MAX: Duration = Duration::from_secs(1);

/// The shortest an error is kept, whatever the parent says: everybody who waits for the same
/// object asks again at the same moment, and the parent is to see one of them.
pub const ERROR_LIFETIME_MIN: Duration = Duration::from_millis(100);

/// The circumstances in which a response arrived.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// The wall clock then.
    pub now: SystemTime,
    /// See [`corrected_initial_age`].
    pub response_delay: Duration,
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreDecision {
    /// Keep it and serve it to others on these terms.
    Storable(Storable),
    /// Hand it to those who wait for it and forget it.
    NotStorable(NotStorable),
}

/// The terms on which a response is kept.
///
/// They are fixed when the response arrives. Later, `resident` is the time since then, taken
/// from a monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storable {
    /// How long it is fresh from its arrival on.
    pub fresh_for: Duration,
    /// Its age at its arrival.
    pub age_at_store: Duration,
    /// How much longer it may be served while a new one is fetched.
    pub stale_while_revalidate: Duration,
    /// How much longer it may be served when the parent fails.
    pub stale_if_error: Duration,
}

/// Why a response may not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotStorable {
    /// It was stale on arrival and may not be served stale.
    AlreadyStale,
    /// It is not final (1xx).
    Interim,
    /// It would have to be revalidated before every use.
    NoCache,
    /// It says how long it is fresh in no way, and its status allows no guess.
    NoLifetime,
    /// `no-store`.
    NoStore,
    /// It is a part of an object (206) or no object at all (304).
    Partial,
    /// `private`.
    Private,
    /// `Vary: *`.
    VaryAll,
}

impl NotStorable {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyStale => "already_stale",
            Self::Interim => "interim",
            Self::NoCache => "no_cache",
            Self::NoLifetime => "no_lifetime",
            Self::NoStore => "no_store",
            Self::Partial => "partial",
            Self::Private => "private",
            Self::VaryAll => "vary_all",
        }
    }
}

impl Storable {
    /// The age to serve it with (RFC 9111 4.2.3, `current_age`). `Age` takes whole seconds of it.
    pub fn age(&self, resident: Duration) -> Duration {
        self.age_at_store.saturating_add(resident)
    }

    /// Whether it may still be served.
    pub fn freshness(&self, resident: Duration) -> Freshness {
        if let Some(ttl) = self.fresh_for.checked_sub(resident)
            && !ttl.is_zero()
        {
            return Freshness::Fresh { ttl };
        }
        let stale_for = resident.saturating_sub(self.fresh_for);
        if stale_for < self.stale_while_revalidate {
            Freshness::StaleWhileRevalidate
        } else if stale_for < self.stale_if_error {
            Freshness::StaleIfError
        } else {
            Freshness::Expired
        }
    }

    /// What remains of its freshness in whole seconds, negative when stale: `ttl` of
    /// `Cache-Status` (RFC 9211 2.4).
    pub fn ttl_seconds(&self, resident: Duration) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match self.fresh_for.checked_sub(resident) {
            Some(left) => seconds(left),
            None => -seconds(resident.saturating_sub(self.fresh_for)),
        }
    }

    /// How long after its arrival nothing allows it to be served any more.
    pub fn kept_for(&self) -> Duration {
        self.fresh_for
            .saturating_add(self.stale_while_revalidate.max(self.stale_if_error))
    }
}

/// Decides on the response to a GET made from a cache key.
///
/// Relies on both habits named in the crate's documentation: since nothing of the viewer's
/// request reaches the parent, every `Vary` but `*` matches (RFC 9111 4.1), and a request
/// without the viewer's credentials is outside RFC 9111 3.5.
///
/// Errors (400 and up) are kept for at least [`ERROR_LIFETIME_MIN`] even if they say `max-age=0`
/// or arrive stale, and at most for [`ERROR_LIFETIME_MAX`]; `no-store` and `private` are obeyed
/// for them too, `no-cache` is not.
pub fn decide_store(status: StatusCode, headers: &HeaderMap, received: Received) -> StoreDecision {
    let control = CacheControl::from_headers(headers);
    if let Some(reason) = forbidden(status, headers, &control) {
        return StoreDecision::NotStorable(reason);
    }
    let lifetime = freshness_lifetime(headers, &control, received.now);
    let age_at_store = corrected_initial_age(headers, received.response_delay);
    if is_error(status) {
        let lifetime = lifetime.unwrap_or_else(|| error_lifetime(status, headers));
        return StoreDecision::Storable(Storable {
            fresh_for: lifetime
                .saturating_sub(age_at_store)
                .clamp(ERROR_LIFETIME_MIN, ERROR_LIFETIME_MAX),
            age_at_store,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        });
    }
    let Some(lifetime) = lifetime else {
        return StoreDecision::NotStorable(NotStorable::NoLifetime);
    };
    let storable = with_staleness(lifetime, age_at_store, &control);
    if storable.kept_for().is_zero() {
        return StoreDecision::NotStorable(NotStorable::AlreadyStale);
    }
    StoreDecision::Storable(storable)
}

/// How long an error is kept that does not say so itself; also for errors an edge makes up, as
/// when its parent cannot be reached. Never zero, never above [`ERROR_LIFETIME_MAX`].
pub fn error_lifetime(status: StatusCode, headers: &HeaderMap) -> Duration {
    let retry_after = || {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
        parse_delta_seconds(text.trim())
    };
    let lifetime = match status {
        // These do not change by themselves.
        StatusCode::BAD_REQUEST
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::GONE
        | StatusCode::URI_TOO_LONG
        | StatusCode::NOT_IMPLEMENTED => ERROR_LIFETIME_MAX,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            retry_after().unwrap_or(ERROR_LIFETIME_MAX)
        }
        // A part or a stream that is about to appear, a parent that is about to come back.
        _ => Duration::from_millis(500),
    };
    lifetime.clamp(ERROR_LIFETIME_MIN, ERROR_LIFETIME_MAX)
}

/// What forbids storing, whatever the lifetime (RFC 9111 3).
fn forbidden(
    status: StatusCode,
    headers: &HeaderMap,
    control: &CacheControl,
) -> Option<NotStorable> {
    if status.is_informational() {
        return Some(NotStorable::Interim);
    }
    // 3.3 lets a cache complete partial responses; ours asks for whole objects only.
    if matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        return Some(NotStorable::Partial);
    }
    if control.no_store {
        return Some(NotStorable::NoStore);
    }
    if control.private {
        return Some(NotStorable::Private);
    }
    if varies_on_everything(headers) {
        return Some(NotStorable::VaryAll);
    }
    (control.no_cache && !is_error(status)).then_some(NotStorable::NoCache)
}

fn varies_on_everything(headers: &HeaderMap) -> bool {
    headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|text| split_list(text).any(|member| member == "*"))
}

fn with_staleness(lifetime: Duration, age_at_store: Duration, control: &CacheControl) -> Storable {
    // How late the response already is takes away from how much later it may be served.
    let late_by = age_at_store.saturating_sub(lifetime);
    let extension = |allowed: Option<Duration>| match allowed {
        // 5.2.2.2 and 5.2.2.10: neither directive allows a stale response in a shared cache.
        Some(allowed) if !control.must_revalidate && control.s_maxage.is_none() => {
            allowed.saturating_sub(late_by)
        }
        _ => Duration::ZERO,
    };
    Storable {
        fresh_for: lifetime.saturating_sub(age_at_store),
        age_at_store,
        stale_while_revalidate: extension(control.stale_while_revalidate),
        stale_if_error: extension(control.stale_if_error),
    }
}

fn is_error(status: StatusCode) -> bool {
    status.as_u16() >= 400
}

#[cfg(test)]
mod tests;
