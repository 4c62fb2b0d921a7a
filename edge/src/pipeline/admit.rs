//! Who may have an object: playback tokens, checked here and stripped from everything behind.

use http::{HeaderMap, HeaderName, StatusCode, header};
use playback_token::{COOKIE_NAME, Keyring, Presented, Scope, TokenError, presented};

use crate::problem::Problem;

/// How long a token lives that this edge signs for its own request to a parent, in seconds.
const PARENT_TOKEN_SECONDS: u64 = 60;

/// An admitted viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Admission {
    /// A `Set-Cookie` value for the answer: the token came in the URL, and the playlist's relative
    /// URLs will not carry it on.
    pub(super) set_cookie: Option<String>,
}

/// Checks the tokens of a request for an object of `stream`; any valid one will do. `secure`: the
/// request came over TLS.
///
/// # Errors
/// 401 without a token, 403 with none that opens this stream; and the label for metrics.
pub(super) fn admit(
    keyring: &Keyring,
    stream: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    secure: bool,
    now_unix: u64,
) -> Result<Admission, (Problem, &'static str)> {
    let mut first_refusal = None;
    let authorization = values(headers, &header::AUTHORIZATION);
    let cookie = values(headers, &header::COOKIE);
    for found in presented(query, authorization, cookie) {
        match keyring.verify(found.token(), stream, now_unix) {
            Ok(_) => {
                let set_cookie = match found {
                    Presented::Query(token) => Some(set_cookie(token, stream, secure)),
                    Presented::Cookie(_) | Presented::Header(_) => None,
                };
                return Ok(Admission { set_cookie });
            }
            Err(error) => {
                first_refusal.get_or_insert(error);
            }
        }
    }
    Err(first_refusal.map_or_else(missing, refusal))
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

fn missing() -> (Problem, &'static str) {
    let detail = "this stream needs a playback token";
    (Problem::new(StatusCode::UNAUTHORIZED, detail), "missing")
}

/// The `Authorization` value for this edge's own request to a parent. `None` for a stream whose
/// name no token can hold; the route lets none of that kind through.
pub(super) fn parent_authorization(
    keyring: &Keyring,
    stream: Option<&str>,
    now_unix: u64,
) -> Option<String> {
    let scope = stream.map_or(Scope::All, |stream| Scope::Stream(stream.to_owned()));
    let token = keyring.sign(&scope, now_unix + PARENT_TOKEN_SECONDS).ok()?;
    Some(format!("Bearer {token}"))
}

fn refusal(error: TokenError) -> (Problem, &'static str) {
    let detail = match error {
        TokenError::Expired => "the playback token has expired",
        TokenError::WrongStream => "the playback token is for another stream",
        TokenError::BadSignature => "the playback token is not signed by a key of ours",
        _ => "the playback token is malformed",
    };
    (Problem::new(StatusCode::FORBIDDEN, detail), error.as_str())
}

fn set_cookie(token: &str, stream: &str, secure: bool) -> String {
    // A page of another site may embed the player: that needs SameSite=None, which browsers take
    // only with Secure.
    let site = if secure {
        "Secure; SameSite=None"
    } else {
        "SameSite=Lax"
    };
    format!("{COOKIE_NAME}={token}; Path=/live/{stream}/; HttpOnly; {site}")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use playback_token::Key;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keyring() -> Keyring {
        Keyring::new([Key::new(None, &[7; 32]).unwrap()]).unwrap()
    }

    fn token(stream: &str, expires: u64) -> String {
        keyring()
            .sign(&Scope::Stream(stream.to_owned()), expires)
            .unwrap()
    }

    fn status(query: Option<&str>, fields: &[(HeaderName, String)]) -> Result<Admission, u16> {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        admit(&keyring(), "demo", query, &headers, true, NOW)
            .map_err(|(problem, _)| problem.status.as_u16())
    }

    #[test]
    fn a_token_is_found_in_the_query_a_bearer_or_the_cookie() {
        let good = token("demo", NOW + 60);
        let in_query = status(Some(&format!("x=1&token={good}")), &[]).unwrap();
        let cookie = in_query.set_cookie.unwrap();
        assert!(cookie.starts_with(&format!("weir_token={good}; Path=/live/demo/; HttpOnly")));
        let bearer = (header::AUTHORIZATION, format!("bearer {good}"));
        assert_eq!(status(None, &[bearer]), Ok(Admission::default()));
        let cookie = (header::COOKIE, format!("a=b; weir_token={good}"));
        assert_eq!(status(None, &[cookie]), Ok(Admission::default()));
    }

    #[test]
    fn an_old_token_does_not_spoil_a_new_one() {
        let cookie = (
            header::COOKIE,
            format!("weir_token={}", token("demo", NOW + 60)),
        );
        let old = format!("token={}", token("demo", NOW));
        assert_eq!(status(Some(&old), &[cookie]), Ok(Admission::default()));
    }

    #[test]
    fn without_a_good_token_nobody_gets_in() {
        assert_eq!(status(None, &[]), Err(401));
        for bad in [
            token("demo", NOW),
            token("other", NOW + 60),
            "rubbish".to_owned(),
            format!("{}x", token("demo", NOW + 60)),
        ] {
            assert_eq!(
                status(Some(&format!("token={bad}")), &[]),
                Err(403),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_tiers_own_token_opens_the_stream() {
        let authorization = parent_authorization(&keyring(), Some("demo"), NOW).unwrap();
        assert!(status(None, &[(header::AUTHORIZATION, authorization)]).is_ok());
    }
}
