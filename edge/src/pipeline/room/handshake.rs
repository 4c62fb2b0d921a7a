//! Which WebSockets are answered: RFC 6455 section 4 over HTTP/1.1, RFC 8441 over HTTP/2.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use pingora_http::RequestHeader;
use rooms::Codec;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::pipeline::filter::host_of;
use crate::problem::Problem;

/// Subprotocols (RFC 6455 section 1.9), by what is written.
const PROTOCOLS: [(&str, Codec); 2] = [
    ("weir.room.v1.json", Codec::Json),
    ("weir.room.v1.binary", Codec::Binary),
];
/// Bytes of a handshake's key (RFC 6455 section 4.1).
const KEY_BYTES: usize = 16;

/// A handshake that can be answered.
pub(super) struct Handshake {
    pub(super) codec: Codec,
    /// The subprotocol, if the client named some.
    pub(super) named: Option<&'static str>,
    /// `Sec-WebSocket-Accept`; none over HTTP/2 (RFC 8441 section 5).
    pub(super) accept: Option<String>,
}

pub(super) fn handshake(request: &RequestHeader) -> Result<Handshake, Problem> {
    let bad = |detail| Problem::new(StatusCode::BAD_REQUEST, detail);
    let is_extended = request.method == Method::CONNECT;
    if !is_extended && !is_upgrade(&request.headers) {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket: ask for an upgrade (RFC 6455)",
        ));
    }
    let version = request.headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "Sec-WebSocket-Version has to be 13",
        ));
    }
    let accept = if is_extended {
        None
    } else {
        let key = request.headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.map(http::HeaderValue::as_bytes).unwrap_or_default();
        let decoded = BASE64_STANDARD.decode(key);
        if decoded.is_ok_and(|decoded| decoded.len() == KEY_BYTES) {
            Some(derive_accept_key(key))
        } else {
            return Err(bad("Sec-WebSocket-Key has to be 16 bytes in base64"));
        }
    };
    let mut named = tokens(&request.headers, &header::SEC_WEBSOCKET_PROTOCOL).peekable();
    if named.peek().is_none() {
        return Ok(Handshake {
            codec: Codec::Json,
            named: None,
            accept,
        });
    }
    let found = named.find_map(|name| PROTOCOLS.into_iter().find(|(known, _)| *known == name));
    let (name, codec) = found.ok_or_else(|| {
        bad("none of the subprotocols is known: weir.room.v1.json, weir.room.v1.binary")
    })?;
    Ok(Handshake {
        codec,
        named: Some(name),
        accept,
    })
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
        && tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Browsers say whose page asks, and let any page ask: cookies would come along (RFC 6455 section
/// 10.2). Whoever is no browser says nothing.
pub(in crate::pipeline) fn is_own_site(
    request: &RequestHeader,
    is_secure: bool,
    allowed: &[String],
) -> bool {
    let Some(origin) = request.headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if allowed.iter().any(|allowed| allowed == origin) {
        return true;
    }
    let host = host_of(&request.uri, &request.headers);
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => ":443",
        // Whoever can change a page on its way is another site (RFC 6454 section 4). A proxy that speaks
        // TLS for us makes https of it, not the other way around.
        "http" if !is_secure => ":80",
        _ => return false,
    };
    let bare = |authority: &str| {
        let bare = authority.strip_suffix(default_port).unwrap_or(authority);
        bare.to_ascii_lowercase()
    };
    !host.is_empty() && bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/api/rooms/demo/socket", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const UPGRADE: (&str, &str) = ("upgrade", "websocket");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    #[test]
    fn the_handshake_of_the_rfc() {
        let handshake = handshake(&request(&[KEY, VERSION, UPGRADE, CONNECTION])).unwrap();
        let accept = handshake.accept.as_deref();
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!((handshake.codec, handshake.named), (Codec::Json, None));
    }

    #[test]
    fn what_is_no_handshake_is_told_why() {
        let status = |fields: &[_]| {
            handshake(&request(fields))
                .err()
                .map(|it| it.status.as_u16())
        };
        assert_eq!(status(&[]), Some(426));
        assert_eq!(status(&[KEY, UPGRADE, CONNECTION]), Some(426));
        assert_eq!(status(&[VERSION, UPGRADE, CONNECTION]), Some(400));
        let short = ("sec-websocket-key", "YWJj");
        assert_eq!(status(&[short, VERSION, UPGRADE, CONNECTION]), Some(400));
        let other = ("sec-websocket-protocol", "mqtt");
        assert_eq!(
            status(&[KEY, VERSION, UPGRADE, CONNECTION, other]),
            Some(400)
        );
    }

    #[test]
    fn the_first_subprotocol_that_is_known() {
        let offered = ("sec-websocket-protocol", "x, weir.room.v1.binary");
        let more = ("sec-websocket-protocol", "weir.room.v1.json");
        let fields = [KEY, VERSION, UPGRADE, CONNECTION, offered, more];
        let handshake = handshake(&request(&fields)).unwrap();
        assert_eq!(handshake.named, Some("weir.room.v1.binary"));
        assert_eq!(handshake.codec, Codec::Binary);
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let allowed = ["https://club.example".to_owned()];
        let own = |host, origin| {
            is_own_site(
                &request(&[("host", host), ("origin", origin)]),
                true,
                &allowed,
            )
        };
        assert!(own("edge:8443", "https://edge:8443"));
        assert!(own("edge", "https://edge:443"));
        assert!(own("Edge", "https://edge"));
        assert!(own("edge", "https://club.example"));
        for other in [
            "https://evil.example",
            "https://edge:444",
            "null",
            "https://edge.evil.example",
            "file://edge",
            "http://edge",
            "",
        ] {
            assert!(!own("edge", other), "{other}");
        }
        assert!(is_own_site(&request(&[("host", "edge")]), true, &allowed));
        let plain = request(&[("host", "edge"), ("origin", "http://edge")]);
        assert!(is_own_site(&plain, false, &allowed));
    }
}
