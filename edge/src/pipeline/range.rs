//! Answers a range from a whole body, streams' objects and sites' responses alike.

use bytes::Bytes;
use cache_policy::{RangeDecision, decide_range, unsatisfied_content_range};
use http::{HeaderMap, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;

/// What to send of `body`, the whole one of a 200, when `request` may ask for a range of it:
/// `response` becomes a 206 or a 416 then (RFC 9110 14.2).
///
/// # Errors
/// Fields that pingora refuses: a defect.
pub(super) fn apply_range(
    request: &HeaderMap,
    response: &mut ResponseHeader,
    body: Bytes,
) -> Result<Bytes> {
    let length = body.len() as u64;
    match decide_range(request, &response.headers, length) {
        RangeDecision::Full | RangeDecision::Ignored => Ok(body),
        RangeDecision::Partial(range) => {
            response.set_status(StatusCode::PARTIAL_CONTENT)?;
            response.insert_header(header::CONTENT_RANGE, range.content_range(length))?;
            Ok(slice(&body, range.first, range.len()))
        }
        RangeDecision::Unsatisfiable => {
            response.set_status(StatusCode::RANGE_NOT_SATISFIABLE)?;
            response.insert_header(header::CONTENT_RANGE, unsatisfied_content_range(length))?;
            Ok(Bytes::new())
        }
    }
}

fn slice(body: &Bytes, first: u64, length: u64) -> Bytes {
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(body.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    body.slice(first..first.saturating_add(length).min(body.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_body() {
        for (range, status, body, told) in [
            (None, 200, "0123456789", None),
            (Some("bytes=2-4"), 206, "234", Some("bytes 2-4/10")),
            (Some("bytes=8-99"), 206, "89", Some("bytes 8-9/10")),
            (Some("bytes=-1"), 206, "9", Some("bytes 9-9/10")),
            (Some("bytes=10-"), 416, "", Some("bytes */10")),
            (Some("lines=1-2"), 200, "0123456789", None),
        ] {
            let mut request = HeaderMap::new();
            if let Some(range) = range {
                request.insert(header::RANGE, range.parse().unwrap());
            }
            let mut response = ResponseHeader::build(StatusCode::OK, None).unwrap();
            let whole = Bytes::from_static(b"0123456789");
            let sent = apply_range(&request, &mut response, whole).unwrap();
            assert_eq!(
                (response.status.as_u16(), &*sent),
                (status, body.as_bytes())
            );
            let content_range = response.headers.get(header::CONTENT_RANGE);
            assert_eq!(content_range.map(|it| it.to_str().unwrap()), told);
        }
    }
}
