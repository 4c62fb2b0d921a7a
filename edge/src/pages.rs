//! The edge's own pages: the built web application, carried inside the binary.
//!
//! It knows no streams: the pages ask `/api/streams` and `/live/` like any other client.

use std::collections::HashMap;
use std::io::Write;

use bytes::Bytes;
use content_coding::{Coding, negotiate};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use rust_embed::RustEmbed;

/// The output of `npm run build` (`make web`).
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Dist;

/// What a page may load: itself, its stream, and the media source that hls.js makes.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Every page and asset, ready to send.
#[derive(Debug)]
pub struct Pages {
    by_path: HashMap<String, Page>,
    watch: Option<Page>,
    studio: Option<Page>,
    /// For operators, on the admin listener; not shown to viewers.
    filters: Option<Page>,
}

/// One page or asset. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Page {
    headers: HeaderMap,
    plain: Bytes,
    gzip: Option<Bytes>,
}

impl Pages {
    /// Loads what was built into the binary, and compresses each text once.
    pub fn embedded() -> Self {
        let mut by_path = HashMap::new();
        for name in Dist::iter() {
            if let Some(file) = Dist::get(&name) {
                let hash = file.metadata.sha256_hash();
                let page = Page::new(&name, Bytes::from(file.data.into_owned()), &hash);
                by_path.insert(format!("/{name}"), page);
            }
        }
        for (file, path) in [("/index.html", "/"), ("/admin.html", "/admin")] {
            if let Some(page) = by_path.remove(file) {
                by_path.insert(path.to_owned(), page);
            }
        }
        let watch = by_path.remove("/watch.html");
        let studio = by_path.remove("/studio.html");
        let filters = by_path.remove("/admin/filters.html");
        Self {
            by_path,
            watch,
            studio,
            filters,
        }
    }

    /// The page at `path`; `/watch/{stream}` is one page for every stream, and so is
    /// `/studio/{stream}`. `/admin` is the staff's: it shows nothing before they have signed in.
    pub fn find(&self, path: &str) -> Option<Page> {
        for (prefix, page) in [("/watch/", &self.watch), ("/studio/", &self.studio)] {
            let stream = path.strip_prefix(prefix);
            let is_stream =
                |stream: &str| hls::RenditionName::new(stream.trim_end_matches('/')).is_ok();
            if stream.is_some_and(is_stream) {
                return page.clone();
            }
        }
        self.by_path.get(path).cloned()
    }
}

impl Pages {
    /// The operators' page or asset at `path` of the admin listener.
    pub fn find_admin(&self, path: &str) -> Option<Page> {
        match path {
            "/filters" => self.filters.clone(),
            path if path.starts_with("/assets/") => self.by_path.get(path).cloned(),
            _ => None,
        }
    }
}

impl Page {
    fn new(name: &str, plain: Bytes, hash: &[u8; 32]) -> Self {
        let mime = mime_guess::from_path(name).first_or_octet_stream();
        let text = mime.type_() == mime_guess::mime::TEXT
            || matches!(mime.subtype().as_str(), "javascript" | "json" | "svg");
        let mut headers = HeaderMap::new();
        let content_type = if text && mime.get_param("charset").is_none() {
            format!("{mime}; charset=utf-8")
        } else {
            mime.to_string()
        };
        // Names under assets/ hold a hash of their content.
        let cache_control = if name.starts_with("assets/") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let tag: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        for (field, value) in [
            (header::CONTENT_TYPE, content_type.as_str()),
            (header::CACHE_CONTROL, cache_control),
            (header::ETAG, &format!("W/\"{tag}\"")),
            (header::VARY, "Accept-Encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(field, value);
            }
        }
        let gzip = if text { compress(&plain) } else { None };
        Self {
            headers,
            plain,
            gzip,
        }
    }

    /// Its fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body for a client, and its `Content-Encoding` if it has one.
    pub fn body(&self, request: &HeaderMap) -> (Bytes, Option<HeaderValue>) {
        match &self.gzip {
            Some(gzip) if negotiate(request, &[Coding::Gzip]) == Coding::Gzip => {
                (gzip.clone(), Some(HeaderValue::from_static("gzip")))
            }
            _ => (self.plain.clone(), None),
        }
    }
}

/// `None` if compression gains nothing.
fn compress(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    let gzip = encoder.finish().ok()?;
    (gzip.len() < plain.len()).then(|| Bytes::from(gzip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_at_one_path_of_one_listener() {
        let pages = Pages::embedded();
        for (path, viewers, operators) in [
            ("/", true, false),
            ("/watch/demo", true, false),
            ("/studio/demo", true, false),
            ("/admin", true, false),
            ("/filters", false, true),
            ("/index.html", false, false),
            ("/admin.html", false, false),
            ("/admin/", false, false),
            ("/admin/filters.html", false, false),
            ("/watch/", false, false),
            ("/watch/a/b", false, false),
        ] {
            let found = (pages.find(path), pages.find_admin(path));
            let are = (found.0.is_some(), found.1.is_some());
            assert_eq!(are, (viewers, operators), "{path}");
            for page in [found.0, found.1].into_iter().flatten() {
                let policy = page.headers().get(header::CONTENT_SECURITY_POLICY);
                let policy = policy.and_then(|value| value.to_str().ok());
                assert_eq!(policy, Some(CONTENT_SECURITY_POLICY), "{path}");
            }
        }
    }
}
