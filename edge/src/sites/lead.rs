//! One fetch for all who wait: asks, and lands the flight.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_policy::shared::{Exchange, Refusal, Sharing, Terms, Vary, Verdict, freshen, receive};
use http::StatusCode;
use tokio::sync::oneshot;

use super::fetch::{self, Passed, Sink};
use super::flights::{Guard, Landed, Shared, Stands};
use super::store::{Key, Stored, storable_fields};
use super::{Inner, Outgoing, Site};
use crate::cache::flight::{FillError, flight};
use crate::cache::object::ObjectHead;
use crate::upstream::parents::{Answer, NoAnswer};

/// A fetch that is to be made.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) site: Arc<Site>,
    pub(super) key: Key,
    /// Without conditions and range.
    pub(super) outgoing: Outgoing,
    /// What is to be validated.
    pub(super) stale: Option<Arc<Stored>>,
    pub(super) guard: Guard,
    /// To the client that led, for what is its alone.
    pub(super) pass: oneshot::Sender<Passed>,
}

pub(super) async fn run(inner: Arc<Inner>, lead: Lead) {
    let mut conditional = lead.outgoing.clone();
    let validators = lead.stale.as_ref().map(|stored| stored.validators());
    let validators = validators.filter(|validators| !validators.is_empty());
    if let Some(validators) = &validators {
        validators.ask(&mut conditional.headers);
    }
    let mut asked = &conditional;
    let mut answer = fetch::ask(&lead.site, asked).await;
    if let Ok(not_modified) = &answer
        && not_modified.head.status == StatusCode::NOT_MODIFIED
        && validators.is_some()
    {
        if land_validated(&inner, &lead, not_modified) {
            // A 304 has no body: the connection is free at once.
            if let Ok(answer) = answer {
                let _ = fetch::body(&inner, &lead.site, answer, Sink::Nowhere).await;
            }
            return;
        }
        // It was about something else (RFC 9111 4.3.4): ask for that.
        asked = &lead.outgoing;
        answer = fetch::ask(&lead.site, asked).await;
    }
    match answer {
        Ok(answer) => land_answer(&inner, lead, answer).await,
        Err(no_answer) => land_failure(&inner, &lead, no_answer),
    }
}

/// False if the 304 is not about the stored response.
fn land_validated(inner: &Inner, lead: &Lead, answer: &Answer) -> bool {
    let Some(stale) = &lead.stale else {
        return false;
    };
    let Ok(mut merged) = freshen(&stale.headers, &answer.head.headers) else {
        return false;
    };
    // Its age is that of the 304.
    merged.remove(http::header::AGE);
    for age in answer.head.headers.get_all(http::header::AGE) {
        merged.append(http::header::AGE, age.clone());
    }
    let exchange = Exchange {
        method: &lead.outgoing.method,
        request: &lead.outgoing.headers,
        status: stale.status,
        response: &merged,
        now: SystemTime::now(),
        response_delay: answer.delay,
    };
    // What may no longer be stored is nothing to share: it is asked for as a whole.
    let Verdict::Store(terms, _) = receive(&exchange, lead.site.policy()) else {
        inner.store.remove(&lead.key);
        return false;
    };
    let request = &lead.outgoing.headers;
    let stored = Stored::new(stale.status, &merged, stale.body.clone(), terms, request);
    let stored = Arc::new(stored);
    let most = lead.site.settings.variants_max;
    lead.guard
        .keep(|| inner.store.insert(&lead.key, Arc::clone(&stored), most));
    lead.guard.leave();
    lead.guard.land(Landed::Stored(stored, Stands::Validated));
    true
}

fn land_failure(inner: &Inner, lead: &Lead, no_answer: NoAnswer) {
    tracing::warn!(key = %lead.key, reason = no_answer.as_str(), "no parent of the site answered");
    let problem = no_answer.problem();
    inner.failed.insert(Arc::clone(&lead.key), problem);
    let covers = |stored: &&Arc<Stored>| stored.covers_failure(Instant::now(), true);
    let landed = match lead.stale.as_ref().filter(covers) {
        Some(stored) => Landed::Stored(Arc::clone(stored), Stands::InsteadOfFailure),
        None => Landed::Failed(problem),
    };
    lead.guard.leave();
    lead.guard.land(landed);
}

async fn land_answer(inner: &Inner, lead: Lead, answer: Answer) {
    let covers = |stored: &&Arc<Stored>| stored.covers_failure(Instant::now(), false);
    if is_failure(answer.head.status)
        && let Some(stored) = lead.stale.as_ref().filter(covers)
    {
        lead.guard.leave();
        lead.guard
            .land(Landed::Stored(Arc::clone(stored), Stands::InsteadOfFailure));
        return answer.end().await;
    }
    let exchange = Exchange {
        method: &lead.outgoing.method,
        request: &lead.outgoing.headers,
        status: answer.head.status,
        response: &answer.head.headers,
        now: SystemTime::now(),
        response_delay: answer.delay,
    };
    let (terms, sharing) = match receive(&exchange, lead.site.policy()) {
        Verdict::Store(terms, sharing) => (Ok(terms), sharing),
        Verdict::Refuse(refusal, sharing) => (Err(refusal), sharing),
    };
    let most = inner.limits.object_bytes_max;
    let is_large = answer.content_length().is_some_and(|length| length > most);
    if sharing == Sharing::Nobody || is_large {
        return land_pass(inner, lead, answer).await;
    }
    land_shared(inner, lead, answer, terms, sharing).await;
}

/// It is for the client that led: the others go on by themselves, and so do those who come next.
async fn land_pass(inner: &Inner, lead: Lead, answer: Answer) {
    inner.passed.insert(Arc::clone(&lead.key), ());
    lead.guard.leave();
    lead.guard.land(Landed::Pass);
    let (passed, client) = fetch::channel(&answer);
    if lead.pass.send(passed).is_ok() {
        fetch::stream(inner, &lead.site, answer, client).await;
    }
}

async fn land_shared(
    inner: &Inner,
    lead: Lead,
    answer: Answer,
    terms: Result<Terms, Refusal>,
    sharing: Sharing,
) {
    let received_at = Instant::now();
    let (mut writer, place) = flight(inner.limits.object_bytes_max);
    if let Some(trace) = &lead.outgoing.trace {
        writer.led_by(trace.clone());
    }
    let headers = answer.head.headers.clone();
    let status = answer.head.status;
    let age_at_receipt = match &terms {
        Ok(terms) => terms.age_at_receipt,
        Err(_) => Duration::ZERO,
    };
    writer.head(ObjectHead {
        status,
        headers: storable_fields(&headers),
        content_length: answer.content_length(),
        age_at_receipt,
        received_at,
        fresh_for: Duration::ZERO,
        own_error: false,
    });
    let request = &lead.outgoing.headers;
    let mut shared = Shared::new(place, Vary::of(&headers), request, sharing);
    if let Ok(terms) = &terms {
        shared.stored = terms.is_fresh_on_arrival();
        shared.ttl = terms.ttl_seconds(Duration::ZERO);
    }
    // What is stale on arrival is for those who wait by now, and for nobody who comes later.
    if sharing != Sharing::All {
        lead.guard.leave();
        // Nor do they find a flight: what is to be validated has to be there when its client asks again.
        writer.withhold_end();
    }
    lead.guard.land(Landed::Shared(shared));
    let read = fetch::body(inner, &lead.site, answer, Sink::Flight(&mut writer)).await;
    if let Err(error) = read {
        if error == FillError::TooLarge {
            inner.passed.insert(Arc::clone(&lead.key), ());
        }
        tracing::warn!(key = %lead.key, %error, "a site's response broke off");
        return writer.abort(error);
    }
    writer.complete_kept(|object| {
        let Ok(terms) = terms else {
            return;
        };
        let mut stored = Stored::new(status, &headers, object.body.clone(), terms, request);
        stored.received_at = received_at;
        if stored.is_of_use() {
            let most = lead.site.settings.variants_max;
            let stored = Arc::new(stored);
            lead.guard
                .keep(|| inner.store.insert(&lead.key, stored, most));
        }
    });
}

/// RFC 5861 4: what `stale-if-error` counts as one.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
