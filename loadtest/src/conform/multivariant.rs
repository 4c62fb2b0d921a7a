//! What a Multivariant Playlist lists (RFC 8216bis section 4.4.6).

use super::playlist::Attributes;

/// A Media Playlist that belongs to the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its path on the server, with query.
    pub path: String,
    /// The URI as written.
    pub uri: String,
    /// BANDWIDTH of a variant; `None` for a Rendition.
    pub bandwidth: Option<u64>,
}

/// The Media Playlists, each once, in the order they are listed.
pub fn listed(base: &str, text: &str) -> Vec<Listed> {
    let mut found: Vec<Listed> = Vec::new();
    let mut add = |uri: &str, bandwidth| {
        let path = resolve(base, uri);
        if !found.iter().any(|known| known.path == path) {
            let uri = uri.to_owned();
            found.push(Listed {
                path,
                uri,
                bandwidth,
            });
        }
    };
    let mut variant = None;
    for line in text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        if let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            variant = Some(Attributes::parse(attributes).integer("BANDWIDTH"));
        } else if let Some(attributes) = line.strip_prefix("#EXT-X-MEDIA:") {
            let attributes = Attributes::parse(attributes);
            if let Some(uri) = attributes.get("URI") {
                add(uri, None);
            }
        } else if !line.starts_with('#') {
            add(line, variant.take().flatten());
        }
    }
    found
}

/// The path of `reference` in the document at `base` (RFC 3986 section 5.2). A token in the
/// query of `base` goes with it.
pub fn resolve(base: &str, reference: &str) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let reference = match reference.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => reference,
    };
    let (wanted, asked) = reference.split_once('?').unwrap_or((reference, ""));
    let mut parts: Vec<&str> = Vec::new();
    if !wanted.starts_with('/') {
        parts.extend(path.split('/').skip(1));
        parts.pop();
    }
    for part in wanted.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let token = query.split('&').filter(|pair| pair.starts_with("token="));
    let query: Vec<&str> = asked
        .split('&')
        .chain(token)
        .filter(|pair| !pair.is_empty())
        .collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/{}{mark}{}", parts.join("/"), query.join("&"))
}

/// Whether `reference` names a server.
pub fn is_absolute(reference: &str) -> bool {
    reference.contains("://") || reference.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_and_renditions_each_once() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"a/i.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=5,CODECS=\"x,y\"\nhi/i.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=6\nhi/i.m3u8\n";
        let listed = listed("/live/x/m.m3u8?token=t", text);
        let paths: Vec<_> = listed
            .iter()
            .map(|it| (it.path.as_str(), it.bandwidth))
            .collect();
        assert_eq!(
            paths,
            [
                ("/live/x/a/i.m3u8?token=t", None),
                ("/live/x/hi/i.m3u8?token=t", Some(5))
            ]
        );
    }

    #[test]
    fn references_are_resolved() {
        assert_eq!(resolve("/a/b/c.m3u8", "../d/e"), "/a/d/e");
        assert_eq!(resolve("/a/b/c.m3u8?x=1", "/e?y=2"), "/e?y=2");
        assert_eq!(resolve("/a/c", "https://h:1/p/q"), "/p/q");
    }
}
