//! When a stored response may be used (RFC 9111 4.2 to 4.2.4, 5.2.1; RFC 5861).

use std::time::Duration;

use http::header::HeaderName;

use super::directives::RequestDirectives;

/// The terms on which a response is kept; fixed when it arrives or is validated. `resident` is the
/// time since then, from a monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The freshness lifetime, counted from its generation (4.2.1).
    pub lifetime: Duration,
    /// Its age when it arrived (4.2.3).
    pub age_at_receipt: Duration,
    /// Not to be used stale without validation, whatever else allows it (4.2.4).
    pub forbids_stale: bool,
    /// Not to be used without validation at all (5.2.2.4).
    pub no_cache: bool,
    /// After freshness, while a new one is fetched.
    pub stale_while_revalidate: Duration,
    /// After freshness, when the parents fail or answer 500, 502, 503 or 504.
    pub stale_if_error: Duration,
    /// After freshness, when no parent answers at all (4.2.4, "disconnected").
    pub stale_if_disconnected: Duration,
    /// Fields that are not kept with it.
    pub fields_not_kept: Vec<HeaderName>,
}

/// What to do with a stored response for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Use it.
    Fresh,
    /// Use it though it is stale: the client takes that.
    Stale,
    /// Use it though it is stale, and fetch a new one (RFC 5861 3).
    WhileRevalidate,
    /// It has to be validated: it is stale.
    ValidateStale,
    /// It has to be validated: the request wants it.
    ValidateRequest,
}

impl Terms {
    /// The age to serve it with (4.2.3, `current_age`).
    pub fn age(&self, resident: Duration) -> Duration {
        self.age_at_receipt.saturating_add(resident)
    }

    /// What remains of its freshness, in seconds; negative when it is stale (RFC 9211 2.4).
    pub fn ttl_seconds(&self, resident: Duration) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let age = self.age(resident);
        match self.lifetime.checked_sub(age) {
            Some(left) => seconds(left),
            None => -seconds(age.saturating_sub(self.lifetime)),
        }
    }

    /// Whether it is fresh when it arrives.
    pub fn is_fresh_on_arrival(&self) -> bool {
        !self.no_cache && self.lifetime > self.age_at_receipt
    }

    /// Judges it for a request. `marked`: somebody has marked it stale (a soft purge).
    pub fn reuse(&self, resident: Duration, marked: bool, request: &RequestDirectives) -> Reuse {
        if self.no_cache {
            return Reuse::ValidateStale;
        }
        if request.no_cache {
            return Reuse::ValidateRequest;
        }
        let age = self.age(resident);
        // A reload asks for `max-age=0`, and means also what came in this very second.
        if let Some(most) = request.max_age
            && (most.is_zero() || age > most)
        {
            return Reuse::ValidateRequest;
        }
        let left = self.lifetime.saturating_sub(age);
        if !left.is_zero() && !marked {
            return match request.min_fresh {
                Some(wanted) if left < wanted => Reuse::ValidateRequest,
                _ => Reuse::Fresh,
            };
        }
        // Who wants it fresh for a while does not take it stale.
        if self.forbids_stale || request.min_fresh.is_some() {
            return Reuse::ValidateStale;
        }
        let stale_for = age.saturating_sub(self.lifetime);
        if !marked && request.max_stale.is_some_and(|most| stale_for <= most) {
            return Reuse::Stale;
        }
        if stale_for < self.stale_while_revalidate {
            return Reuse::WhileRevalidate;
        }
        Reuse::ValidateStale
    }

    /// Whether it may stand in for a failure: `disconnected` if no parent answered, else a 5xx.
    pub fn covers_failure(&self, resident: Duration, disconnected: bool) -> bool {
        if self.forbids_stale {
            return false;
        }
        let stale_for = self.age(resident).saturating_sub(self.lifetime);
        stale_for < self.stale_if_error || (disconnected && stale_for < self.stale_if_disconnected)
    }

    /// How long after its arrival it can be of use, without a validator.
    pub fn useful_for(&self) -> Duration {
        let stale = self
            .stale_while_revalidate
            .max(self.stale_if_error)
            .max(self.stale_if_disconnected);
        self.lifetime
            .saturating_add(stale)
            .saturating_sub(self.age_at_receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn terms() -> Terms {
        Terms {
            lifetime: s(10),
            age_at_receipt: s(2),
            forbids_stale: false,
            no_cache: false,
            stale_while_revalidate: s(3),
            stale_if_error: s(20),
            stale_if_disconnected: s(30),
            fields_not_kept: Vec::new(),
        }
    }

    fn asked() -> RequestDirectives {
        RequestDirectives::default()
    }

    #[test]
    fn fresh_then_stale_on_terms() {
        let terms = terms();
        let reuse = |resident| terms.reuse(s(resident), false, &asked());
        assert_eq!(reuse(7), Reuse::Fresh);
        assert_eq!(reuse(8), Reuse::WhileRevalidate);
        assert_eq!(reuse(11), Reuse::ValidateStale);
        assert_eq!((terms.ttl_seconds(s(3)), terms.ttl_seconds(s(11))), (5, -3));
        assert!(terms.covers_failure(s(27), false) && !terms.covers_failure(s(28), false));
        assert!(terms.covers_failure(s(37), true) && !terms.covers_failure(s(38), true));
        assert_eq!(terms.useful_for(), s(38));
    }

    #[test]
    fn marked_it_is_stale_at_once() {
        let terms = terms();
        assert_eq!(terms.reuse(s(0), true, &asked()), Reuse::WhileRevalidate);
        let takes_stale = RequestDirectives {
            max_stale: Some(Duration::MAX),
            ..asked()
        };
        let bare = Terms {
            stale_while_revalidate: s(0),
            ..terms
        };
        assert_eq!(bare.reuse(s(0), true, &takes_stale), Reuse::ValidateStale);
    }

    #[test]
    fn what_forbids_stale_is_obeyed() {
        let strict = Terms {
            forbids_stale: true,
            ..terms()
        };
        let takes_stale = RequestDirectives {
            max_stale: Some(Duration::MAX),
            ..asked()
        };
        assert_eq!(
            strict.reuse(s(8), false, &takes_stale),
            Reuse::ValidateStale
        );
        assert!(!strict.covers_failure(s(8), true));
        let unusable = Terms {
            no_cache: true,
            ..terms()
        };
        assert_eq!(unusable.reuse(s(0), false, &asked()), Reuse::ValidateStale);
        assert!(!unusable.is_fresh_on_arrival());
    }

    #[test]
    fn requests_may_ask_for_more_or_less() {
        let asks = |change: fn(&mut RequestDirectives)| {
            let mut request = asked();
            change(&mut request);
            request
        };
        let table = [
            (asks(|r| r.no_cache = true), 0, Reuse::ValidateRequest),
            (asks(|r| r.max_age = Some(s(0))), 0, Reuse::ValidateRequest),
            (asks(|r| r.max_age = Some(s(5))), 3, Reuse::Fresh),
            (asks(|r| r.max_age = Some(s(5))), 4, Reuse::ValidateRequest),
            (asks(|r| r.min_fresh = Some(s(5))), 3, Reuse::Fresh),
            (
                asks(|r| r.min_fresh = Some(s(5))),
                4,
                Reuse::ValidateRequest,
            ),
            (asks(|r| r.max_stale = Some(s(4))), 12, Reuse::Stale),
            (asks(|r| r.max_stale = Some(s(4))), 13, Reuse::ValidateStale),
        ];
        for (request, resident, expect) in table {
            let reuse = terms().reuse(s(resident), false, &request);
            assert_eq!(reuse, expect, "{request:?} at {resident}");
        }
    }
}
