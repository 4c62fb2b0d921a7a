//! Where a request carries tokens: the same three places on every tier.

/// The query parameter.
const QUERY_PARAMETER: &str = "token";

/// The cookie with which an edge carries a token from the first request of a viewing to the next.
pub const COOKIE_NAME: &str = "weir_token";

/// A token that a request carries. It is not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// In a `weir_token` cookie.
    Cookie(&'a str),
    /// As a bearer token (RFC 6750 2.1).
    Header(&'a str),
    /// As the query parameter `token`.
    Query(&'a str),
}

impl<'a> Presented<'a> {
    /// The token itself.
    pub const fn token(self) -> &'a str {
        match self {
            Self::Cookie(token) | Self::Header(token) | Self::Query(token) => token,
        }
    }
}

/// The tokens of a request, given its query and the values of its `Authorization` and `Cookie`
/// fields: query first, then header, then cookies.
///
/// A request may carry several, such as a new one in the URL beside the cookie of an old one: any
/// that is valid will do.
pub fn presented<'a>(
    query: Option<&'a str>,
    authorization: impl Iterator<Item = &'a str>,
    cookie: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Presented<'a>> {
    let query = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| named(pair, QUERY_PARAMETER))
        .map(Presented::Query);
    let header = authorization.filter_map(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        bearer.then(|| Presented::Header(token.trim()))
    });
    let cookies = cookie
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| named(pair.trim(), COOKIE_NAME))
        .map(Presented::Cookie);
    query.chain(header).chain(cookies)
}

fn named<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = pair.split_once('=')?;
    (key == name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_places_in_order() {
        let found: Vec<_> = presented(
            Some("x=1&token=a&mytoken=b"),
            ["Basic c", "bearer  d "].into_iter(),
            ["weir_token=e; other=f", "g; weir_token=h"].into_iter(),
        )
        .collect();
        assert_eq!(
            found,
            [
                Presented::Query("a"),
                Presented::Header("d"),
                Presented::Cookie("e"),
                Presented::Cookie("h"),
            ]
        );
        assert_eq!(presented(None, [].into_iter(), [].into_iter()).next(), None);
    }
}
