//! One line of the access log.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The longest host that is written, in bytes.
const HOST_BYTES_MAX: usize = 255;
/// The longest method that is written, in bytes.
const METHOD_BYTES_MAX: usize = 32;
/// The longest path that is written, in bytes.
const PATH_BYTES_MAX: usize = 1024;
/// The longest user agent that is written, in bytes.
const USER_AGENT_BYTES_MAX: usize = 256;

/// A request and its answer. Every field is in every line; what is not known is null.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// When the request was read, RFC 3339 with milliseconds, UTC.
    time: String,
    /// The edge, `node.name`.
    pub node: &'a str,
    /// The id that a tier or a proxy passed on, or one made here.
    pub request_id: &'a str,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    /// `h1`, `h2` or `h3`.
    pub protocol: &'static str,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Body bytes handed to the protocol.
    pub bytes: u64,
    /// From the request read to the answer's end, in milliseconds.
    pub duration_ms: f64,
    /// From the request read to the answer's head handed over, in milliseconds.
    pub ttfb_ms: Option<f64>,
    /// `hit`, `miss`, `collapsed` or `none`.
    pub cache: &'static str,
    /// What was asked for: `part`, `playlist`, ...
    pub kind: &'static str,
    /// The stream.
    pub stream: Option<&'a str>,
    /// Whose it is.
    pub tenant: Option<&'a str>,
    /// Another edge asked.
    pub tier: bool,
    /// Why it was not admitted.
    pub refused: Option<&'static str>,
    /// The trace, if the request is traced: 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// How the answer broke off: whose fault, and what; never a text from outside.
    pub error: Option<String>,
    user_agent: Option<&'a str>,
    /// As much of it as `access_log.client` lets through.
    pub client: Option<IpAddr>,
}

/// What a record takes from a request's head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The authority, or the field Host.
    pub host: &'a str,
    /// The path of the URL.
    pub path: &'a str,
    /// The field User-Agent.
    pub user_agent: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// A record of what `head` asked for at `time`.
    #[must_use]
    pub fn new(time: SystemTime, request_id: &'a str, head: Head<'a>) -> Self {
        Self {
            time: rfc3339(time),
            node: "",
            request_id,
            method: short(head.method, METHOD_BYTES_MAX),
            host: short(host_of(head.host), HOST_BYTES_MAX),
            path: short(path_of(head.path), PATH_BYTES_MAX),
            protocol: "",
            status: None,
            bytes: 0,
            duration_ms: 0.0,
            ttfb_ms: None,
            cache: "none",
            kind: "",
            stream: None,
            tenant: None,
            tier: false,
            refused: None,
            trace_id: None,
            error: None,
            user_agent: head
                .user_agent
                .map(|agent| short(agent, USER_AGENT_BYTES_MAX)),
            client: None,
        }
    }

    /// The line, with its end.
    pub(super) fn line(&self) -> String {
        // Fails only for maps with keys that are no text.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// An authority may hold a user and a password (RFC 3986 section 3.2.1).
fn host_of(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// What may be logged of a URL's path.
///
/// No path that is served here has any of these characters; behind them somebody may have put a parameter, encoded
/// or not.
#[must_use]
pub fn path_of(path: &str) -> &str {
    let end = path.find(['%', ';', '?', '#', '&', '=']);
    path.get(..end.unwrap_or(path.len())).unwrap_or_default()
}

fn short(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or_default()
}

/// RFC 3339 section 5.6, UTC, milliseconds.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days of eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + late;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc3339() {
        for (millis, expect) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (1_795_377_845_678, "2026-11-22T20:04:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), expect);
        }
        assert_eq!(
            rfc3339(UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000Z"
        );
    }

    #[test]
    fn a_line_is_one_object_of_the_documented_fields() {
        let agent = "é".repeat(200);
        let head = Head {
            method: "GET",
            host: "user:secret@example.org:8443",
            path: "/live/a\u{7f}\"\n;token=secret",
            user_agent: Some(&agent),
        };
        let mut record = Record::new(UNIX_EPOCH, "id-1", head);
        record.node = "leaf";
        record.client = Some([192, 0, 2, 0].into());
        let line = record.line();
        assert!(!line.contains("secret") && line.ends_with("}\n"), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["host"], "example.org:8443");
        assert_eq!(object["path"], "/live/a\u{7f}\"\n");
        assert_eq!(object["user_agent"].as_str().unwrap().len(), 256);
        assert_eq!(object["client"], "192.0.2.0");
        let documented = include_str!("../../../docs/seeing.md");
        for name in object.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn parameters_in_a_path_are_left_out() {
        for (path, expect) in [
            ("/live/a/720p/7.1.m4s", "/live/a/720p/7.1.m4s"),
            ("/live/a%3Ftoken=x", "/live/a"),
            ("/live/a;token=x/b", "/live/a"),
            ("/token=x", "/token"),
            ("", ""),
        ] {
            assert_eq!(path_of(path), expect);
        }
        assert_eq!(short(&"a".repeat(2000), PATH_BYTES_MAX).len(), 1024);
    }
}
