//! One fetch: asks the parents, and reads the answer into a flight.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cache_policy::{
    ERROR_LIFETIME_MIN, Received, StoreDecision, age_value, decide_store, strip_for_storage,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::parents::{Answer, Request};
use super::{Asking, Inner};
use crate::access_log::REQUEST_ID;
use crate::cache::Fill;
use crate::cache::flight::FillError;
use crate::cache::object::{Object, ObjectHead};
use crate::problem::Problem;

/// Fields of a parent's answer that say something of that hop alone; this edge writes its own.
const OF_ONE_HOP: [HeaderName; 4] = [
    header::ALT_SVC,
    header::CONTENT_LENGTH,
    header::DATE,
    header::SERVER,
];

impl Asking {
    /// The fields of the request.
    pub(super) fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        // One request serves all: what is to be compressed is compressed here, from this.
        let identity = HeaderValue::from_static("identity");
        fields.insert(header::ACCEPT_ENCODING, identity);
        let own = [
            (header::AUTHORIZATION, &self.authorization),
            (HeaderName::from_static(REQUEST_ID), &self.request_id),
        ];
        for (name, value) in own {
            if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
                fields.insert(name, value);
            }
        }
        fields
    }
}

impl Inner {
    /// The status that a parent gave, if one did.
    pub(super) async fn fill(&self, mut fill: Fill, asking: Asking) -> Option<StatusCode> {
        let request = Request {
            method: &Method::GET,
            target: &fill.key().to_string(),
            authority: None,
            headers: &asking.fields(),
            body: Bytes::new(),
            trace: asking.trace.as_ref(),
        };
        let mut answer = match self.parents.ask(&request).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!(key = %fill.key(), reason = failure.as_str(), "no parent answered");
                self.answer_with_problem(fill, failure.problem());
                return None;
            }
        };
        let status = answer.head.status;
        let head = head_of(status, &answer.head.headers, answer.content_length());
        fill.writer().head(head);
        match self.read_body(&mut answer, &mut fill).await {
            Ok(()) => {
                if fill.complete() {
                    answer.finish().await;
                } else {
                    self.broken(FillError::Broken);
                    answer.end().await;
                }
            }
            Err(error) => {
                let parent = &answer.parent().url;
                tracing::warn!(key = %fill.key(), %parent, %error, "fill broke off");
                self.broken(error);
                let memo = self.memo(Problem::new(
                    StatusCode::BAD_GATEWAY,
                    "the parent's answer broke off",
                ));
                fill.abort(error, Some(memo));
                answer.end().await;
            }
        }
        Some(status)
    }

    async fn read_body(&self, answer: &mut Answer, fill: &mut Fill) -> Result<(), FillError> {
        while let Some(chunk) = answer.read(self.settings.body_timeout).await? {
            self.metrics.fill_bytes.inc_by(chunk.len() as u64);
            fill.writer().push(chunk)?;
        }
        Ok(())
    }

    /// Ends a flight that has no head yet with an answer of this edge's own.
    fn answer_with_problem(&self, mut fill: Fill, problem: Problem) {
        let Object { head, body, .. } = self.memo(problem);
        fill.writer().head(head);
        if fill.writer().push(body).is_ok() {
            fill.complete();
        }
    }

    fn memo(&self, problem: Problem) -> Object {
        let body = problem.body();
        let mut headers = HeaderMap::new();
        Problem::write_headers(&mut headers);
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        let head = ObjectHead {
            status: problem.status,
            headers,
            content_length: Some(body.len() as u64),
            age_at_receipt: Duration::ZERO,
            received_at: Instant::now(),
            fresh_for: self.settings.error_memo,
            own_error: true,
        };
        Object::new(head, Bytes::from(body))
    }

    fn broken(&self, error: FillError) {
        self.metrics
            .broken_fills
            .with_label_values(&[error.as_str()])
            .inc();
    }
}

/// The head of a parent's answer on the terms of RFC 9111.
///
/// An answer that may not be stored is still shared by those who wait for it: everybody was
/// admitted by this edge, and the parent was told nothing of any of them.
pub fn head_of(status: StatusCode, fields: &HeaderMap, content_length: Option<u64>) -> ObjectHead {
    let received = Received {
        now: SystemTime::now(),
        // The time a parent held the request is no age: the answer was made at its end.
        response_delay: Duration::ZERO,
    };
    let terms = decide_store(status, fields, received);
    let (fresh_for, age_at_receipt) = match terms {
        StoreDecision::Storable(terms) => (terms.fresh_for, terms.age_at_store),
        // A parent that is itself in trouble says no-store; its followers must not herd either.
        StoreDecision::NotStorable(_) if status.is_server_error() => {
            (ERROR_LIFETIME_MIN, Duration::ZERO)
        }
        StoreDecision::NotStorable(_) => (Duration::ZERO, age_value(fields)),
    };
    let mut headers = fields.clone();
    strip_for_storage(&mut headers);
    for name in OF_ONE_HOP {
        headers.remove(name);
    }
    ObjectHead {
        status,
        headers,
        content_length,
        age_at_receipt,
        received_at: Instant::now(),
        fresh_for,
        own_error: false,
    }
}
