//! Keeps streams from viewers in some countries, with the status that was made for it: 451.
//!
//! Where a viewer is the node says, from a header that it trusts or from its database. The filter
//! sees nothing else of the viewer (`sees = ["country"]`), so that a node needs to ask it once per
//! country and path, not once per viewer.

use std::sync::OnceLock;

use exports::weir::filter::http::{
    Guest, Reply, Request, RequestAction, RequestOutcome, ResponseAction, ResponseHead,
    ResponseOutcome,
};
use exports::weir::filter::lifecycle;
use serde::Deserialize;
use weir::filter::types::{Attr, Context, FilterError};
use weir::filter::{log, metrics};

wit_bindgen::generate!({ path: "../../wit", world: "http-filter" });

struct GeoBlock;
export!(GeoBlock);

static POLICY: OnceLock<Policy> = OnceLock::new();

/// The manifest's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// The first one about a stream decides. A stream without a rule is open to all.
    rules: Vec<Rule>,
    /// What becomes of viewers of whom nobody knows where they are, where there is a rule.
    #[serde(default)]
    unknown: Unknown,
    /// How long a node may keep an answer, in milliseconds.
    #[serde(default = "cache_ms_default")]
    cache_ms: u32,
    /// Who demands it (RFC 7725 4): a URL.
    blocked_by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// `demo`, or `premium-*` for all that begin so.
    stream: String,
    /// Nobody but these countries: ISO 3166-1 alpha-2, upper case.
    allow: Option<Vec<String>>,
    /// Everybody but these.
    deny: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Unknown {
    Allow,
    #[default]
    Block,
}

fn cache_ms_default() -> u32 {
    60_000
}

impl lifecycle::Guest for GeoBlock {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let policy = Policy::parse(&document)?;
        POLICY
            .set(policy)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl Guest for GeoBlock {
    fn on_request(_: Context, request: Request) -> Result<RequestOutcome, FilterError> {
        let policy = POLICY
            .get()
            .ok_or_else(|| FilterError::Internal("not configured".to_owned()))?;
        let country = request.client.country.as_deref();
        let blocked = stream_of(&request.path).is_some_and(|it| policy.blocks(it, country));
        let action = if blocked {
            metrics::count("blocked_total", 1);
            let country = country.unwrap_or("unknown");
            log::log(
                log::Level::Debug,
                &format!("blocked {} from {country}", request.path),
            );
            RequestAction::Respond(policy.refusal())
        } else {
            RequestAction::Next
        };
        Ok(RequestOutcome {
            action,
            cache_ms: policy.cache_ms,
        })
    }

    fn on_response(
        _: Context,
        _: Request,
        _: ResponseHead,
    ) -> Result<ResponseOutcome, FilterError> {
        // The manifest names only `http.request`, but the interface has both.
        Ok(ResponseOutcome {
            action: ResponseAction::Next,
            cache_ms: cache_ms_default(),
        })
    }
}

/// `/live/<stream>/...`
fn stream_of(path: &str) -> Option<&str> {
    let (stream, _) = path.strip_prefix("/live/")?.split_once('/')?;
    Some(stream)
}

impl Policy {
    fn parse(document: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(document).map_err(|error| error.to_string())?;
        policy.rules.iter().try_for_each(Rule::check)?;
        // It goes into a header between these two.
        if policy
            .blocked_by
            .as_deref()
            .is_some_and(|url| url.contains(['<', '>']))
        {
            return Err("blocked_by is no URL".to_owned());
        }
        Ok(policy)
    }

    fn blocks(&self, stream: &str, country: Option<&str>) -> bool {
        let Some(rule) = self.rules.iter().find(|rule| rule.is_about(stream)) else {
            return false;
        };
        match country {
            Some(country) => rule.blocks(country),
            None => self.unknown == Unknown::Block,
        }
    }

    fn refusal(&self) -> Reply {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": "Unavailable For Legal Reasons",
            "status": 451,
            "detail": "this stream may not be shown where you are",
        });
        let mut headers = vec![
            attr("content-type", "application/problem+json"),
            attr("cache-control", "no-store"),
            // Players of other sites read the status.
            attr("access-control-allow-origin", "*"),
        ];
        if let Some(url) = &self.blocked_by {
            headers.push(attr("link", &format!("<{url}>; rel=\"blocked-by\"")));
        }
        Reply {
            status: 451,
            headers,
            body: body.to_string().into_bytes(),
        }
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let stream = &self.stream;
        let ((Some(countries), None) | (None, Some(countries))) = (&self.allow, &self.deny) else {
            return Err(format!("the rule of '{stream}' needs either allow or deny"));
        };
        let is_code =
            |it: &&String| it.len() == 2 && it.bytes().all(|byte| byte.is_ascii_uppercase());
        match countries.iter().find(|it| !is_code(it)) {
            Some(country) => Err(format!("'{country}' is no country: two capitals, as in DE")),
            None => Ok(()),
        }
    }

    fn is_about(&self, stream: &str) -> bool {
        match self.stream.strip_suffix('*') {
            Some(prefix) => stream.starts_with(prefix),
            None => self.stream == stream,
        }
    }

    fn blocks(&self, country: &str) -> bool {
        let names = |list: &Vec<String>| list.iter().any(|it| it == country);
        match (&self.allow, &self.deny) {
            (Some(allow), _) => !names(allow),
            (None, deny) => deny.as_ref().is_some_and(names),
        }
    }
}

fn attr(key: &str, value: &str) -> Attr {
    Attr {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"{"rules":[{"stream":"premium-open","deny":[]},
        {"stream":"premium-*","allow":["DE","AT"]},{"stream":"cup","deny":["GB"]}]}"#;

    #[test]
    fn the_first_rule_about_a_stream_decides() {
        let policy = Policy::parse(RULES).expect("a policy");
        for (stream, country, blocked) in [
            ("premium-1", Some("DE"), false),
            ("premium-1", Some("FR"), true),
            ("premium-1", None, true),
            ("premium-open", Some("FR"), false),
            ("cup", Some("GB"), true),
            ("cup", Some("FR"), false),
            ("cup2", Some("GB"), false),
            ("other", None, false),
        ] {
            assert_eq!(
                policy.blocks(stream, country),
                blocked,
                "{stream} {country:?}"
            );
        }
        let lax = Policy {
            unknown: Unknown::Allow,
            ..policy
        };
        assert!(!lax.blocks("premium-1", None));
    }

    #[test]
    fn paths() {
        assert_eq!(stream_of("/live/demo/index.m3u8"), Some("demo"));
        assert_eq!(stream_of("/live/demo"), None);
        assert_eq!(stream_of("/watch/demo/"), None);
    }

    #[test]
    fn what_is_wrong_is_refused_with_a_reason() {
        for (document, reason) in [
            ("{}", "missing field `rules`"),
            (r#"{"rules":[{"stream":"a"}]}"#, "either allow or deny"),
            (
                r#"{"rules":[{"stream":"a","allow":[],"deny":[]}]}"#,
                "either allow or deny",
            ),
            (
                r#"{"rules":[{"stream":"a","allow":["de"]}]}"#,
                "'de' is no country",
            ),
            (r#"{"rules":[],"unknown":"maybe"}"#, "maybe"),
            (r#"{"rules":[],"blocked_by":"a>b"}"#, "no URL"),
        ] {
            let error = Policy::parse(document).expect_err(document);
            assert!(error.contains(reason), "{document}: {error}");
        }
    }

    #[test]
    fn the_refusal_says_who_demands_it() {
        let policy =
            Policy::parse(r#"{"rules":[],"blocked_by":"https://law.test/7"}"#).expect("one");
        let reply = policy.refusal();
        let link = reply
            .headers
            .iter()
            .find(|it| it.key == "link")
            .expect("a link");
        assert_eq!(link.value, r#"<https://law.test/7>; rel="blocked-by""#);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["status"], 451);
    }
}
