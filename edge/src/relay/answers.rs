//! Answers from what a parent has told, on the terms of an answer to a request for the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use live_relay::{Answer, PartFrame};

use crate::cache::Fill;
use crate::cache::object::{Object, ObjectHead};
use crate::problem::{self, Problem};
use crate::upstream::head_of;

/// Fills a key.
pub(super) fn write(fill: Fill, answer: Answer) {
    let (head, pieces) = match answer {
        Answer::Playlist {
            frame,
            text,
            seconds,
        } => (playlist(&frame.fields, seconds, &text), vec![text]),
        Answer::Media(parts) => {
            let Some(first) = parts.first() else {
                return;
            };
            let length = parts.iter().map(|part| part.body.len() as u64).sum();
            let head = head_of(StatusCode::OK, &first.fields, Some(length));
            (head, parts.iter().map(|part| part.body.clone()).collect())
        }
        Answer::Refuse(rejection) => {
            let status = StatusCode::from_u16(rejection.status());
            let status = status.unwrap_or(StatusCode::BAD_REQUEST);
            let body = Bytes::from(problem::body(status, &rejection.to_string(), None));
            (refusal(status, body.len()), vec![body])
        }
        // Not an answer. Dropping the duty tells those who wait.
        Answer::Hold | Answer::AskParent => return,
    };
    let mut fill = fill;
    fill.writer().head(head);
    for piece in pieces {
        if fill.writer().push(piece).is_err() {
            return;
        }
    }
    fill.complete();
}

/// A Part for the cache.
pub(super) fn part(part: &PartFrame) -> Arc<Object> {
    let length = Some(part.body.len() as u64);
    let head = head_of(StatusCode::OK, &part.fields, length);
    Arc::new(Object::new(head, part.body.clone()))
}

fn playlist(fields: &HeaderMap, seconds: u32, text: &Bytes) -> ObjectHead {
    let mut fields = fields.clone();
    if let Ok(lifetime) = HeaderValue::try_from(format!("max-age={seconds}")) {
        fields.insert(header::CACHE_CONTROL, lifetime);
    }
    head_of(StatusCode::OK, &fields, Some(text.len() as u64))
}

/// Of a refusal, which is for those who wait for it and nobody else: it may be right a moment later.
fn refusal(status: StatusCode, length: usize) -> ObjectHead {
    let mut headers = HeaderMap::new();
    Problem::write_headers(&mut headers);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    ObjectHead {
        status,
        headers,
        content_length: Some(length as u64),
        age_at_receipt: Duration::ZERO,
        received_at: Instant::now(),
        fresh_for: Duration::ZERO,
        own_error: true,
    }
}
