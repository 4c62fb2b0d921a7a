//! Answers that the edge writes itself, as `application/problem+json` (RFC 9457).

use http::{HeaderMap, HeaderValue, StatusCode, header};

/// An error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Status.
    pub status: StatusCode,
    /// One sentence for the caller. Holds nothing of the request, so nothing has to be escaped.
    pub detail: &'static str,
}

impl Problem {
    /// An error with a sentence that says what to change or expect.
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// The JSON body.
    pub fn body(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
        .to_string()
    }

    /// The fields that go with the body: type, no storing, CORS (players read the status).
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
    }
}
