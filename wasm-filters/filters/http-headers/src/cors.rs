//! Cross-origin requests (the Fetch standard, "HTTP-CORS protocol").

use serde::Deserialize;

use crate::Fields;
use crate::exports::weir::filter::http::{Request, ResponseHead};

const ANYBODY: &str = "*";

/// Which pages' scripts may read the answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cors {
    /// `https://example.com`, `https://*.example.com` for all below it, or `*`.
    origins: Vec<String>,
    /// Whether browsers may send cookies along. Not with `*`.
    #[serde(default)]
    credentials: bool,
    /// How long browsers keep a preflight's answer, in seconds.
    max_age_s: Option<u32>,
    /// Response fields that scripts may read, besides those they always may.
    #[serde(default)]
    expose: Vec<String>,
}

impl Cors {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.origins.is_empty() {
            return Err("cors: origins is empty".to_owned());
        }
        // A browser refuses that pair, and to answer with the asker's own origin instead would
        // open everybody's cookies to everybody.
        if self.credentials && self.is_open() {
            return Err("cors: credentials need a list of origins without *".to_owned());
        }
        let is_origin = |it: &&String| *it == ANYBODY || is_origin(it);
        match self.origins.iter().find(|it| !is_origin(it)) {
            Some(it) => Err(format!(
                "cors: '{it}' is no origin: https://host, without a path"
            )),
            None => Ok(()),
        }
    }

    /// A preflight is answered by the node, which calls us with its answer as with any other.
    pub(crate) fn write(&self, request: &Request, response: &ResponseHead, fields: &mut Fields) {
        let allowed = if self.is_open() {
            Some(ANYBODY)
        } else {
            // From now on the answer depends on who asks, and caches on the way must know it,
            // even where it is a refusal.
            fields.set("vary", &vary_with_origin(response));
            request
                .client
                .origin
                .as_deref()
                .filter(|it| self.admits(it))
        };
        let Some(origin) = allowed else {
            // What the node or the origin says about CORS would let in who is not on our list.
            fields.remove("access-control-allow-origin");
            fields.remove("access-control-allow-credentials");
            return;
        };
        fields.set("access-control-allow-origin", origin);
        if self.credentials {
            fields.set("access-control-allow-credentials", "true");
        }
        if !self.expose.is_empty() {
            fields.set("access-control-expose-headers", &self.expose.join(", "));
        }
        if let (Some(seconds), "OPTIONS") = (self.max_age_s, request.method.as_str()) {
            fields.set("access-control-max-age", &seconds.to_string());
        }
    }

    fn is_open(&self) -> bool {
        self.origins.iter().any(|it| it == ANYBODY)
    }

    fn admits(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|pattern| match pattern.split_once('*') {
                // No slash or colon in between: else a port or a path would pass for a subdomain.
                Some((start, end)) => {
                    let inner = origin
                        .strip_prefix(start)
                        .and_then(|it| it.strip_suffix(end));
                    inner.is_some_and(|it| !it.is_empty() && !it.contains(['/', ':', '@']))
                }
                None => pattern == origin,
            })
    }
}

fn is_origin(pattern: &str) -> bool {
    let host = pattern
        .strip_prefix("https://")
        .or_else(|| pattern.strip_prefix("http://"));
    host.is_some_and(|host| {
        let plain = host.strip_prefix("*.").unwrap_or(host);
        !plain.is_empty() && !plain.contains(['/', '*', '?', '#', '@', ' '])
    })
}

fn vary_with_origin(response: &ResponseHead) -> String {
    let fields = response
        .headers
        .iter()
        .filter(|it| it.key.eq_ignore_ascii_case("vary"));
    let mut names: Vec<&str> = fields
        .flat_map(|it| it.value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if !names
        .iter()
        .any(|name| *name == "*" || name.eq_ignore_ascii_case("origin"))
    {
        names.push("Origin");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::request;
    use crate::weir::filter::types::Attr;

    fn written(cors: &str, method: &str, origin: Option<&str>) -> Vec<String> {
        let cors: Cors = serde_json::from_str(cors).expect(cors);
        cors.check().expect("fit for use");
        let vary = Attr {
            key: "vary".to_owned(),
            value: "accept-encoding".to_owned(),
        };
        let response = ResponseHead {
            status: 200,
            headers: vec![vary],
        };
        let mut fields = Fields::default();
        cors.write(
            &request(method, "/live/demo/index.m3u8", origin),
            &response,
            &mut fields,
        );
        let set = fields
            .set
            .into_iter()
            .map(|it| format!("{}: {}", it.key, it.value));
        set.chain(fields.remove.into_iter().map(|it| format!("-{it}")))
            .collect()
    }

    #[test]
    fn open_to_all() {
        let cors = r#"{"origins":["*"],"max_age_s":600,"expose":["age","cache-status"]}"#;
        let get = written(cors, "GET", Some("https://a.test"));
        assert_eq!(
            get,
            [
                "access-control-allow-origin: *",
                "access-control-expose-headers: age, cache-status",
            ]
        );
        assert_eq!(
            written(cors, "OPTIONS", None)[2..],
            ["access-control-max-age: 600"]
        );
    }

    #[test]
    fn a_list() {
        let cors = r#"{"origins":["https://a.test","https://*.b.test"],"credentials":true}"#;
        for good in ["https://a.test", "https://x.b.test", "https://x.y.b.test"] {
            assert_eq!(
                written(cors, "GET", Some(good)),
                [
                    "vary: accept-encoding, Origin".to_owned(),
                    format!("access-control-allow-origin: {good}"),
                    "access-control-allow-credentials: true".to_owned(),
                ]
            );
        }
        for bad in [
            "https://a.test.evil.test",
            "http://a.test",
            "https://b.test",
            "https://.b.test",
            "https://evil.test/.b.test",
            "https://evil.test:1.b.test",
            "null",
        ] {
            // `.b.test` alone is no subdomain.
            assert_eq!(
                written(cors, "GET", Some(bad)),
                [
                    "vary: accept-encoding, Origin",
                    "-access-control-allow-origin",
                    "-access-control-allow-credentials",
                ],
                "{bad}"
            );
        }
        assert_eq!(written(cors, "GET", None).len(), 3);
    }

    #[test]
    fn mistakes() {
        for (cors, reason) in [
            (r#"{"origins":[]}"#, "empty"),
            (r#"{"origins":["*"],"credentials":true}"#, "without *"),
            (r#"{"origins":["a.test"]}"#, "'a.test' is no origin"),
            (r#"{"origins":["https://a.test/"]}"#, "no origin"),
            (r#"{"origins":["https://*"]}"#, "no origin"),
        ] {
            let cors: Cors = serde_json::from_str(cors).expect(cors);
            let error = cors.check().expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }
}
