//! A refusal as Weir words it (`application/problem+json`), and whether to come again.

use std::time::Duration;

use serde::Deserialize;

/// What an answer that is no success says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The status and its code, for people.
    pub(crate) why: String,
    /// The same again may go well.
    pub(crate) may_pass: bool,
    /// After so long, as the server asks.
    pub(crate) after: Option<Duration>,
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    code: String,
    retry_after_ms: Option<u64>,
}

impl Problem {
    /// `retry_after` is the header field.
    pub(crate) fn read(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        let seconds = retry_after.and_then(|value| value.trim().parse().ok());
        let milliseconds = body.retry_after_ms.map(Duration::from_millis);
        Self {
            why: format!("{status} {}", body.code).trim_end().to_owned(),
            // 502 and 504 are of a gateway that cannot reach who decides: as if nobody could be.
            may_pass: matches!(status, 429 | 502 | 503 | 504),
            after: milliseconds.or_else(|| seconds.map(Duration::from_secs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_again() {
        let after = |field, body: &str| Problem::read(429, field, body.as_bytes()).after;
        let seconds = Duration::from_secs;
        assert_eq!(after(None, ""), None);
        assert_eq!(after(Some("2"), ""), Some(seconds(2)));
        assert_eq!(after(Some("Sun, 22 Nov 2026 06:00:00 GMT"), ""), None);
        let body = r#"{"code":"too-many","retry_after_ms":1500}"#;
        assert_eq!(after(Some("2"), body), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn some_problems_pass() {
        for status in [429, 502, 503, 504] {
            assert!(Problem::read(status, None, b"").may_pass);
        }
        for status in [400, 401, 402, 403, 404, 409, 422, 500] {
            assert!(!Problem::read(status, None, b"{}").may_pass);
        }
        let problem = Problem::read(402, None, br#"{"code":"insufficient","title":"x"}"#);
        assert_eq!(problem.why, "402 insufficient");
    }
}
