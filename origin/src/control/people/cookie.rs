//! The cookie in which a browser keeps a refresh token: no script reads it, and no other site sends it.

use accounts::limits::REFRESH_MS;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

const NAME: &str = "weir_refresh";
/// As browsers see it, at the edge: nothing else is sent the token.
const PATH: &str = "/api/session";

/// The token that a browser sent.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(COOKIE).into_iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    let mut named = pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    named.next()
}

/// For a token of letters and digits.
pub(super) fn kept(token: &str, is_secure: bool) -> Option<HeaderValue> {
    field(token, REFRESH_MS / 1_000, is_secure)
}

/// Takes it away.
pub(super) fn removed(is_secure: bool) -> Option<HeaderValue> {
    field("", 0, is_secure)
}

fn field(value: &str, seconds: u64, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let field = format!(
        "{NAME}={value}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    let mut field = HeaderValue::from_str(&field).ok()?;
    field.set_sensitive(true);
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read() {
        let field = kept("wr1.abc", true).unwrap();
        assert_eq!(
            field.to_str().unwrap(),
            "weir_refresh=wr1.abc; Path=/api/session; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(
            !kept("a", false)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
        assert!(
            removed(false)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Max-Age=0;")
        );
        assert_eq!(kept("a\r\nSet-Cookie: b", true), None);
        for (cookies, token) in [
            (&["weir_refresh=wr1.abc"][..], Some("wr1.abc")),
            (&["a=b; weir_refresh=c", "weir_refresh=d"], Some("c")),
            (&["a=b", "weir_refresh=d"], Some("d")),
            (&["weir_refresh2=a; xweir_refresh=b; weir_refresh"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            assert_eq!(read(&headers), token, "{cookies:?}");
        }
    }
}
