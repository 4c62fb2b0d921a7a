//! Answers that the edge writes itself, as `application/problem+json` (RFC 9457).

use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Its media type.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Status.
    pub status: StatusCode,
    /// One sentence for the caller. Holds nothing of the request.
    pub detail: &'static str,
    /// What a 405 names as the methods there are (RFC 9110 section 10.2.1).
    pub allow: Option<&'static str>,
}

impl Problem {
    /// An error with a sentence that says what to change or expect.
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            allow: None,
        }
    }

    /// Only the methods `allow` are served here.
    pub fn method(allow: &'static str, detail: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        }
    }

    /// The JSON body.
    pub fn body(&self) -> String {
        body(self.status, self.detail, None)
    }

    /// The fields that go with the body: type, no storing, CORS (players read the status).
    pub fn write_headers(headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
    }
}

/// A JSON body. `code` is for programs and stays as it is, where `detail` may change.
pub fn body(status: StatusCode, detail: &str, code: Option<&str>) -> String {
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(code), Some(fields)) = (code, body.as_object_mut()) {
        fields.insert("code".to_owned(), code.into());
    }
    body.to_string()
}
