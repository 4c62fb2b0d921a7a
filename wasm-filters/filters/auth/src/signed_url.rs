//! Signed URLs: `?expires=...&scope=...&signature=...`, made by an operator's own site.
//!
//! ```text
//! signature = base64url(HMAC-SHA256(key, "weir-url-v1\n" expires "\n" scope "\n"))
//! expires   = seconds of Unix time, in decimal; from then on the URL opens nothing
//! scope     = a path that begins and ends with "/": it opens the streams at and below it.
//!             "/live/demo/" is one stream, "/live/" all of the app, "/" everything
//! ```
//!
//! A player asks for parts of the stream by URLs that no longer carry the query. The answer hence
//! gives the node a cookie, `url.<expires>.<base64url(scope)>.<signature>`, which says the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::playback::decode;
use crate::refusal::Refusal;
use crate::weir::filter::types::Attr;

const COOKIE_PREFIX: &str = "url.";
const SCOPE_BYTES_MAX: usize = 512;

/// What a signed URL says; its signature has not been looked at yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedUrl {
    expires: String,
    scope: String,
    signature: String,
}

impl SignedUrl {
    /// None: the query has no signature.
    pub(crate) fn from_query(query: &[Attr]) -> Option<Self> {
        let field = |key: &str| {
            let found = query.iter().find(|attr| attr.key == key)?;
            Some(found.value.clone())
        };
        Some(Self {
            signature: field("signature")?,
            expires: field("expires").unwrap_or_default(),
            scope: field("scope").unwrap_or_default(),
        })
    }

    /// None: some other kind of credential.
    pub(crate) fn from_cookie(value: &str) -> Option<Result<Self, Refusal>> {
        let fields: Vec<&str> = value.strip_prefix(COOKIE_PREFIX)?.split('.').collect();
        let [expires, scope, signature] = fields[..] else {
            return Some(Err(Refusal::Malformed));
        };
        let scope = decode(scope).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Some(scope.map(|scope| Self {
            scope,
            expires: expires.to_owned(),
            signature: signature.to_owned(),
        }))
    }

    pub(crate) fn cookie(&self) -> String {
        let scope = URL_SAFE_NO_PAD.encode(&self.scope);
        format!("{COOKIE_PREFIX}{}.{scope}.{}", self.expires, self.signature)
    }

    /// What is signed. None of the fields can hold the line feed that separates them.
    pub(crate) fn canonical(&self) -> Result<String, Refusal> {
        let Self { expires, scope, .. } = self;
        let digits = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        let path = scope.starts_with('/') && scope.ends_with('/') && scope.len() <= SCOPE_BYTES_MAX;
        if !digits || !path || scope.contains(char::is_control) {
            return Err(Refusal::Malformed);
        }
        Ok(format!("weir-url-v1\n{expires}\n{scope}\n"))
    }

    pub(crate) fn signature(&self) -> Result<Vec<u8>, Refusal> {
        decode(&self.signature)
    }

    /// To be called when the signature has been found right. Returns the end, in seconds.
    pub(crate) fn open(&self, app: &str, stream: &str, now_ms: u64) -> Result<u64, Refusal> {
        let expires: u64 = self.expires.parse().map_err(|_| Refusal::Malformed)?;
        if now_ms / 1000 >= expires {
            return Err(Refusal::Expired);
        }
        // The slash at the end keeps /live/demo/ from opening /live/demo2.
        if !format!("/{app}/{stream}/").starts_with(&self.scope) {
            return Err(Refusal::WrongStream);
        }
        Ok(expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(expires: &str, scope: &str) -> SignedUrl {
        let attr = |key: &str, value: &str| Attr {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let query = [
            attr("expires", expires),
            attr("scope", scope),
            attr("signature", "c2ln"),
        ];
        SignedUrl::from_query(&query).expect("it has a signature")
    }

    #[test]
    fn what_is_signed() {
        let signed = url("100", "/live/demo/");
        assert_eq!(
            signed.canonical().as_deref(),
            Ok("weir-url-v1\n100\n/live/demo/\n")
        );
        assert_eq!(signed.signature().as_deref(), Ok(&b"sig"[..]));
        assert_eq!(SignedUrl::from_cookie(&signed.cookie()), Some(Ok(signed)));
        for (expires, scope) in [
            ("", "/"),
            ("+1", "/"),
            ("1", ""),
            ("1", "/live"),
            ("1", "live/"),
            ("1", "/a\n/"),
        ] {
            assert!(
                url(expires, scope).canonical().is_err(),
                "{expires} {scope:?}"
            );
        }
        assert_eq!(SignedUrl::from_query(&[]), None);
        assert_eq!(SignedUrl::from_cookie("eyJ.x.y"), None);
        assert_eq!(
            SignedUrl::from_cookie("url.1.x"),
            Some(Err(Refusal::Malformed))
        );
    }

    #[test]
    fn scopes() {
        for (scope, expect) in [
            ("/live/demo/", Ok(100)),
            ("/live/", Ok(100)),
            ("/", Ok(100)),
            ("/live/de/", Err(Refusal::WrongStream)),
            ("/live/demo/x/", Err(Refusal::WrongStream)),
            ("/other/", Err(Refusal::WrongStream)),
        ] {
            assert_eq!(
                url("100", scope).open("live", "demo", 99_999),
                expect,
                "{scope}"
            );
        }
        assert_eq!(
            url("100", "/").open("live", "demo", 100_000),
            Err(Refusal::Expired)
        );
        let endless = "9".repeat(30);
        assert_eq!(
            url(&endless, "/").open("live", "demo", 0),
            Err(Refusal::Malformed)
        );
    }
}
