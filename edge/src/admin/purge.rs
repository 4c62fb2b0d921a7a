//! Forgetting cached objects: `POST /v1/purge`.
//!
//! This node's memory only: an edge below keeps what it has. Weir's own objects go by path or
//! stream, those of sites by URL or surrogate key, and these may be marked stale instead.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use cache_policy::CacheKey;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::{Shared, parse};

/// What to forget: exactly one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Purge {
    /// One object; of a playlist, the answers to all delivery directives, unless the path has some.
    path: Option<String>,
    /// Every object of a stream.
    stream: Option<String>,
    /// Every response of a site to this URL, with scheme, host and query.
    url: Option<String>,
    /// Every response of a site that carries this key (`Surrogate-Key`, `Cache-Tag`).
    surrogate_key: Option<String>,
    /// Responses of sites are marked stale, and may be validated or stand in for a failure.
    soft: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Purged {
    /// Objects that were in memory.
    purged: u64,
}

pub(super) async fn serve(
    State(admin): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Purged>, Refusal> {
    admin.authorise(&headers)?;
    let target = Target::of(parse(body)?)?;
    let cache = admin.cache.clone();
    let sites = admin.reloader.current().edge.sites.clone();
    // It looks at every key, while requests are served on other threads.
    let purge = move || match &target {
        Target::Url { url, soft } => sites.map_or(0, |sites| sites.purge_url(url, *soft)),
        Target::SurrogateKey { key, soft } => sites.map_or(0, |sites| sites.purge_key(key, *soft)),
        own => cache.purge(|key| own.matches(key)),
    };
    let purged = tokio::task::spawn_blocking(purge)
        .await
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the purge failed"))?;
    tracing::info!(purged, "purged on an operator's request");
    Ok(Json(Purged { purged }))
}

/// What a purge that names nothing or two things is told.
const ONE_OF: &str = "give one of path, stream, url and surrogate_key";

#[derive(Debug)]
enum Target {
    /// This very key.
    Exact(CacheKey),
    /// Every key of this path.
    Path(CacheKey),
    /// Every key below this path.
    Below(String),
    /// Responses of sites to this URL.
    Url {
        /// Scheme and host in lower case.
        url: String,
        /// Marked, not forgotten.
        soft: bool,
    },
    /// Responses of sites that carry this key.
    SurrogateKey {
        /// The key.
        key: String,
        /// Marked, not forgotten.
        soft: bool,
    },
}

impl Target {
    fn of(purge: Purge) -> Result<Self, Refusal> {
        let refused = |detail: String| Refusal::new(StatusCode::BAD_REQUEST, detail);
        let soft = purge.soft;
        match (purge.url, purge.surrogate_key) {
            (None, None) => {}
            (Some(url), None) if purge.path.is_none() && purge.stream.is_none() => {
                let url = normal(&url).ok_or_else(|| refused("the url is malformed".to_owned()))?;
                return Ok(Self::Url { url, soft });
            }
            (None, Some(key)) if purge.path.is_none() && purge.stream.is_none() => {
                return Ok(Self::SurrogateKey { key, soft });
            }
            _ => return Err(refused(ONE_OF.to_owned())),
        }
        if soft {
            let detail = "soft is for url and surrogate_key: Weir's own objects are not validated";
            return Err(refused(detail.to_owned()));
        }
        match (purge.path, purge.stream) {
            (Some(url), None) => {
                let (path, query) = match url.split_once('?') {
                    Some((path, query)) => (path, Some(query)),
                    None => (url.as_str(), None),
                };
                let key = CacheKey::new(path, query).map_err(|error| refused(error.to_string()))?;
                Ok(if key.query().is_some() {
                    Self::Exact(key)
                } else {
                    Self::Path(key)
                })
            }
            (None, Some(stream)) if hls::RenditionName::new(&stream).is_ok() => {
                Ok(Self::Below(format!("/live/{stream}/")))
            }
            (None, Some(_)) => Err(refused("no stream can have this name".to_owned())),
            _ => Err(refused(ONE_OF.to_owned())),
        }
    }

    fn matches(&self, key: &CacheKey) -> bool {
        match self {
            Self::Exact(exact) => key == exact,
            Self::Path(path) => key.path() == path.path(),
            Self::Below(below) => key.path().starts_with(below),
            Self::Url { .. } | Self::SurrogateKey { .. } => false,
        }
    }
}

/// A URL as sites keep it: scheme and authority in lower case, and a path.
fn normal(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    if !matches!(scheme.as_str(), "http" | "https") || authority.is_empty() {
        return None;
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    let authority = authority.to_ascii_lowercase();
    Some(format!("{scheme}://{authority}{slash}{target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(purge: &str) -> Vec<&'static str> {
        let target = Target::of(serde_json::from_str(purge).unwrap()).unwrap();
        let keys = [
            "/live/a/index.m3u8",
            "/live/a/720p/index.m3u8",
            "/live/a/720p/index.m3u8?_HLS_msn=7&_HLS_part=1",
            "/live/a/720p/7.m4s",
            "/live/ab/index.m3u8",
        ];
        keys.into_iter()
            .filter(|url| {
                let (path, query) = url.split_once('?').unwrap_or((url, ""));
                target.matches(&CacheKey::new(path, Some(query)).unwrap())
            })
            .collect()
    }

    #[test]
    fn a_stream_is_all_that_is_below_it() {
        assert_eq!(matching(r#"{"stream":"a"}"#).len(), 4);
        assert_eq!(matching(r#"{"stream":"ab"}"#), ["/live/ab/index.m3u8"]);
        assert!(matching(r#"{"stream":"b"}"#).is_empty());
    }

    #[test]
    fn a_path_is_all_its_directives_unless_it_names_some() {
        let playlist = "/live/a/720p/index.m3u8";
        let directed = "/live/a/720p/index.m3u8?_HLS_msn=7&_HLS_part=1";
        assert_eq!(
            matching(r#"{"path":"/live/a/720p/index.m3u8"}"#),
            [playlist, directed]
        );
        assert_eq!(
            matching(r#"{"path":"/live/a/720p/index.m3u8?_HLS_part=1&_HLS_msn=07"}"#),
            [directed]
        );
        assert_eq!(
            matching(r#"{"path":"/live/a/720p/7.m4s?token=x"}"#),
            ["/live/a/720p/7.m4s"]
        );
    }

    #[test]
    fn urls_are_as_sites_keep_them() {
        assert_eq!(normal("HTTP://Host:80/A?b").unwrap(), "http://host:80/A?b");
        assert_eq!(normal("https://host").unwrap(), "https://host/");
        assert_eq!(normal("https://host?q").unwrap(), "https://host/?q");
        assert_eq!(normal("https:///a"), None);
    }

    #[test]
    fn what_names_nothing_or_two_things_is_refused() {
        for purge in [
            "{}",
            r#"{"path":"/a","stream":"a"}"#,
            r#"{"stream":"../a"}"#,
            r#"{"path":"a"}"#,
            r#"{"path":"/a","url":"http://a/"}"#,
            r#"{"url":"http://a/","surrogate_key":"a"}"#,
            r#"{"url":"a/b"}"#,
            r#"{"url":"ftp://a/b"}"#,
            r#"{"stream":"a","soft":true}"#,
        ] {
            let refused = Target::of(serde_json::from_str(purge).unwrap()).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{purge}");
        }
    }
}
