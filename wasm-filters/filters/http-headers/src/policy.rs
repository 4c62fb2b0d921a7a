//! The manifest's `config`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Fields;
use crate::cors::Cors;

/// Fields that frame a message or belong to a connection: a node refuses an answer that touches one.
const UNTOUCHABLE: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// How long a node may do the same without asking, in milliseconds.
    #[serde(default = "cache_ms_default")]
    pub(crate) cache_ms: u32,
    pub(crate) cors: Option<Cors>,
    pub(crate) security: Option<Security>,
    /// The first that matches is followed.
    #[serde(default)]
    redirects: Vec<Redirect>,
    /// Response fields by path, applied in order.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
}

/// What every answer says to browsers. Each can be taken away for a path, or set to something else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Security {
    /// `Strict-Transport-Security`, in seconds, over TLS only. 0: none.
    hsts_s: u32,
    referrer_policy: String,
    /// Empty: none.
    frame_options: String,
    content_security_policy: String,
    permissions_policy: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Redirect {
    /// A path; `/old/*` is every path below.
    from: String,
    /// A path or a URL. A `*` at its end stands for what `from`'s stood for.
    to: String,
    #[serde(default = "status_default")]
    status: u16,
    /// Whether the query goes along.
    #[serde(default = "yes")]
    keep_query: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// A path; `/live/*` is every path below.
    path: String,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) remove: Vec<String>,
}

fn cache_ms_default() -> u32 {
    60_000
}

fn status_default() -> u16 {
    308
}

fn yes() -> bool {
    true
}

impl Default for Security {
    fn default() -> Self {
        Self {
            hsts_s: 0,
            referrer_policy: "strict-origin-when-cross-origin".to_owned(),
            // The player is there to be embedded.
            frame_options: String::new(),
            content_security_policy: String::new(),
            permissions_policy: String::new(),
        }
    }
}

impl Security {
    pub(crate) fn write(&self, tls: bool, fields: &mut Fields) {
        fields.set("x-content-type-options", "nosniff");
        if tls && self.hsts_s > 0 {
            fields.set(
                "strict-transport-security",
                &format!("max-age={}", self.hsts_s),
            );
        }
        for (name, value) in [
            ("referrer-policy", &self.referrer_policy),
            ("x-frame-options", &self.frame_options),
            ("content-security-policy", &self.content_security_policy),
            ("permissions-policy", &self.permissions_policy),
        ] {
            if !value.is_empty() {
                fields.set(name, value);
            }
        }
    }
}

impl Policy {
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        let policy: Self = serde_json::from_str(document).map_err(|error| error.to_string())?;
        if let Some(cors) = &policy.cors {
            cors.check()?;
        }
        policy.redirects.iter().try_for_each(Redirect::check)?;
        policy.routes.iter().try_for_each(Route::check)?;
        Ok(policy)
    }

    /// Status and location.
    pub(crate) fn redirect(&self, path: &str, query: &str) -> Option<(u16, String)> {
        self.redirects.iter().find_map(|redirect| {
            let mut location = redirect.location(path)?;
            if redirect.keep_query && !query.is_empty() {
                location.push(if location.contains('?') { '&' } else { '?' });
                location.push_str(query);
            }
            Some((redirect.status, location))
        })
    }
}

impl Redirect {
    fn check(&self) -> Result<(), String> {
        let from = &self.from;
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return Err(format!(
                "redirects: {} of '{from}' is no redirect",
                self.status
            ));
        }
        if self.to.ends_with('*') && !from.ends_with('*') {
            return Err(format!(
                "redirects: '{from}' has no * for the one in '{}'",
                self.to
            ));
        }
        // A trusted name at the end of `to` would be joined by whatever a stranger asks for:
        // https://example.com* and /.evil.test make https://example.com.evil.test.
        let open = self.to.ends_with('*') && !self.to.ends_with("/*");
        if open || !(self.to.starts_with('/') || self.to.contains("://")) {
            return Err(format!(
                "redirects: '{}' is no path and no URL, or lacks a / before *",
                self.to
            ));
        }
        Ok(())
    }

    fn location(&self, path: &str) -> Option<String> {
        let Some(prefix) = self.from.strip_suffix('*') else {
            return (self.from == path).then(|| self.to.clone());
        };
        let rest = path.strip_prefix(prefix)?;
        match self.to.strip_suffix('*') {
            // "//evil.test" in a Location is another host (RFC 3986 4.2).
            Some("/") => Some(format!("/{}", rest.trim_start_matches(['/', '\\']))),
            Some(to) => Some(format!("{to}{rest}")),
            None => Some(self.to.clone()),
        }
    }
}

impl Route {
    fn check(&self) -> Result<(), String> {
        let path = &self.path;
        for name in self.set.keys().chain(&self.remove) {
            let token = |byte: u8| byte == b'-' || byte == b'_' || byte.is_ascii_alphanumeric();
            if name.is_empty() || !name.bytes().all(token) || *name != name.to_ascii_lowercase() {
                return Err(format!(
                    "routes: '{name}' of '{path}' is no field name in lower case"
                ));
            }
            if UNTOUCHABLE.contains(&name.as_str()) {
                return Err(format!(
                    "routes: '{name}' of '{path}' is the node's business"
                ));
            }
        }
        match self.set.values().find(|it| it.contains(char::is_control)) {
            Some(value) => Err(format!("routes: {value:?} of '{path}' is no field value")),
            None => Ok(()),
        }
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => self.path == path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        let document = r#"{"redirects":[
            {"from":"/","to":"/watch/","status":302},
            {"from":"/hls/*","to":"/live/*"},
            {"from":"/up/*","to":"/*"},
            {"from":"/away/*","to":"https://example.com/*","keep_query":false},
            {"from":"/page/*","to":"/other?x=1","status":307}]}"#;
        let policy = Policy::parse(document).expect("a policy");
        for (path, query, expect) in [
            ("/", "", Some((302, "/watch/"))),
            (
                "/hls/demo/index.m3u8",
                "a=b",
                Some((308, "/live/demo/index.m3u8?a=b")),
            ),
            ("/up//evil.test/", "", Some((308, "/evil.test/"))),
            ("/up/\\evil.test/", "", Some((308, "/evil.test/"))),
            ("/away/x", "a=b", Some((308, "https://example.com/x"))),
            ("/page/1", "y=2", Some((307, "/other?x=1&y=2"))),
            ("/live/demo", "", None),
        ] {
            let expect = expect.map(|(status, to): (u16, &str)| (status, to.to_owned()));
            assert_eq!(policy.redirect(path, query), expect, "{path}");
        }
    }

    #[test]
    fn mistakes() {
        for (document, reason) in [
            (
                r#"{"redirects":[{"from":"/a","to":"/b","status":200}]}"#,
                "200",
            ),
            (r#"{"redirects":[{"from":"/a","to":"/b/*"}]}"#, "has no *"),
            (
                r#"{"redirects":[{"from":"/a*","to":"https://x.test*"}]}"#,
                "lacks a /",
            ),
            (
                r#"{"routes":[{"path":"/","set":{"Content-Length":"1"}}]}"#,
                "lower case",
            ),
            (
                r#"{"routes":[{"path":"/","remove":["content-length"]}]}"#,
                "node's business",
            ),
            (
                r#"{"routes":[{"path":"/","set":{"x":"a\nb"}}]}"#,
                "field value",
            ),
            (
                r#"{"cors":{"origins":["*"],"credentials":true}}"#,
                "without *",
            ),
            (r#"{"security":{"hsts":1}}"#, "unknown field"),
        ] {
            let error = Policy::parse(document).expect_err(document);
            assert!(error.contains(reason), "{document}: {error}");
        }
    }
}
