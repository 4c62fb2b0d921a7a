//! What of a request a filter is given, and no more: its manifest's `sees`.
//!
//! The same list says what an answer depends on, and so which requests an answer may be given to
//! again: [`Sights::hash`] and [`Sights::client_info`] look at the same things.

use http::header::{ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName};

use crate::contract::types;
use crate::host::Client;
use crate::keyed::KeyHasher;
use crate::manifest::Sight;

/// Things of a request that a filter sees, ready to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sights {
    ip: bool,
    country: bool,
    user_agent: bool,
    referer: bool,
    origin: bool,
    query: bool,
    /// Sorted, each once.
    headers: Vec<HeaderName>,
}

impl Sights {
    /// Adds what a manifest lists.
    pub(crate) fn add(&mut self, sees: &[Sight]) {
        for sight in sees {
            match sight {
                Sight::Ip => self.ip = true,
                Sight::Country => self.country = true,
                Sight::UserAgent => self.user_agent = true,
                Sight::Referer => self.referer = true,
                Sight::Origin => self.origin = true,
                Sight::Query => self.query = true,
                Sight::Header(name) => {
                    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                        self.headers.push(name);
                    }
                }
            }
        }
        self.headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        self.headers.dedup();
    }

    /// What a manifest lists.
    pub(crate) fn of(sees: &[Sight]) -> Self {
        let mut sights = Self::default();
        sights.add(sees);
        sights
    }

    /// Feeds everything that is seen of who asks. Each thing is fed with its length, so that no two
    /// requests that differ feed the same bytes.
    pub(crate) fn hash(&self, hasher: &mut KeyHasher, client: &Client<'_>, headers: &HeaderMap) {
        hasher.text(client.protocol);
        hasher.byte(u8::from(client.tls));
        if self.ip {
            match client.ip {
                std::net::IpAddr::V4(ip) => hasher.bytes(&ip.octets()),
                std::net::IpAddr::V6(ip) => hasher.bytes(&ip.octets()),
            }
        }
        if self.country {
            hasher.text(client.country.unwrap_or_default());
        }
        for (seen, name) in [
            (self.user_agent, &USER_AGENT),
            (self.referer, &REFERER),
            (self.origin, &ORIGIN),
        ] {
            if seen {
                // A field that is absent differs from one that is empty.
                let value = headers.get(name);
                hasher.byte(u8::from(value.is_some()));
                hasher.bytes(value.map_or(&[], |value| value.as_bytes()));
            }
        }
        self.hash_fields(hasher, headers);
    }

    /// Feeds the listed header fields.
    pub(crate) fn hash_fields(&self, hasher: &mut KeyHasher, headers: &HeaderMap) {
        for name in &self.headers {
            for value in headers.get_all(name) {
                hasher.byte(1);
                hasher.bytes(value.as_bytes());
            }
            hasher.byte(0);
        }
    }

    /// Feeds the query as it stands, where it is seen.
    pub(crate) fn hash_query(&self, hasher: &mut KeyHasher, query: &str) {
        if self.query {
            hasher.text(query);
        }
    }

    /// Feeds those parameters that auth filters are given.
    pub(crate) fn hash_parameters(&self, hasher: &mut KeyHasher, query: &str) {
        if self.query {
            for parameter in parameters(query) {
                hasher.byte(1);
                hasher.text(parameter);
            }
            hasher.byte(0);
        }
    }

    /// Who asks, as far as it is seen.
    pub(crate) fn client_info(
        &self,
        client: &Client<'_>,
        headers: &HeaderMap,
    ) -> types::ClientInfo {
        let field = |seen: bool, name| {
            headers
                .get(name)
                .filter(|_| seen)
                .map(|value| text(value.as_bytes()))
        };
        types::ClientInfo {
            ip: if self.ip {
                client.ip.to_string()
            } else {
                String::new()
            },
            country: client.country.filter(|_| self.country).map(str::to_owned),
            user_agent: field(self.user_agent, USER_AGENT),
            referer: field(self.referer, REFERER),
            origin: field(self.origin, ORIGIN),
            protocol: client.protocol.to_owned(),
            tls: client.tls,
            attrs: Vec::new(),
        }
    }

    /// The listed header fields.
    pub(crate) fn fields(&self, headers: &HeaderMap) -> Vec<types::Attr> {
        let mut fields = Vec::new();
        for name in &self.headers {
            fields.extend(headers.get_all(name).iter().map(|value| types::Attr {
                key: name.as_str().to_owned(),
                value: text(value.as_bytes()),
            }));
        }
        fields
    }

    /// The query, where it is seen.
    pub(crate) fn query(&self, query: &str) -> String {
        if self.query {
            query.to_owned()
        } else {
            String::new()
        }
    }

    /// The parameters that auth filters are given, decoded.
    pub(crate) fn decoded_parameters(&self, query: &str) -> Vec<types::Attr> {
        if !self.query {
            return Vec::new();
        }
        parameters(query)
            .map(|parameter| {
                let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                types::Attr {
                    key: decode(key),
                    value: decode(value),
                }
            })
            .collect()
    }
}

/// Parameters of a query that say something about the viewer: not the token, which is a credential,
/// not the delivery directives (RFC 8216bis), which differ from request to request, nor CMCD
/// (CTA-5004), which does too.
fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        !(name.is_empty() || matches!(name, "token" | "CMCD") || name.starts_with("_HLS_"))
    })
}

/// Percent decoding; `+` is a space (HTML forms). What is no text becomes U+FFFD.
fn decode(text: &str) -> String {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return text.to_owned();
    }
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| text_of(error.as_bytes()))
}

fn text(bytes: &[u8]) -> String {
    text_of(bytes)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::keyed::HashKey;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn client() -> Client<'static> {
        Client {
            ip: "192.0.2.7".parse().unwrap(),
            country: Some("NO"),
            protocol: "h3",
            tls: true,
        }
    }

    fn key(sights: &Sights, client: &Client<'_>, headers: &HeaderMap, query: &str) -> u128 {
        let mut hasher = HashKey::fixed().hasher();
        sights.hash(&mut hasher, client, headers);
        sights.hash_parameters(&mut hasher, query);
        hasher.finish()
    }

    fn sights(sees: &[&str]) -> Sights {
        let sees: Vec<Sight> = sees.iter().map(|sight| sight.parse().unwrap()).collect();
        Sights::of(&sees)
    }

    #[test]
    fn a_filter_is_given_what_it_lists_and_nothing_else() {
        let fields = headers(&[
            ("user-agent", "a"),
            ("origin", "o"),
            ("x-a", "1"),
            ("x-b", "2"),
        ]);
        let none = sights(&[]);
        let info = none.client_info(&client(), &fields);
        assert_eq!(
            (info.ip.as_str(), info.country, info.user_agent),
            ("", None, None)
        );
        assert_eq!(none.fields(&fields), []);
        assert_eq!(none.query("a=1"), "");
        assert_eq!(none.decoded_parameters("a=1"), []);
        let some = sights(&["ip", "origin", "header:x-b", "query"]);
        let info = some.client_info(&client(), &fields);
        assert_eq!(
            (info.ip.as_str(), info.origin.as_deref()),
            ("192.0.2.7", Some("o"))
        );
        assert_eq!(some.fields(&fields).len(), 1);
    }

    #[test]
    fn the_key_depends_on_exactly_what_is_seen() {
        let base = headers(&[("user-agent", "a")]);
        let other = headers(&[("user-agent", "b")]);
        let absent = HeaderMap::new();
        let empty = headers(&[("user-agent", "")]);
        let elsewhere = Client {
            country: Some("SE"),
            ..client()
        };
        for (sees, differs) in [(&["user-agent"][..], true), (&["ip", "country"][..], false)] {
            let sights = sights(sees);
            let key = |headers| key(&sights, &client(), headers, "");
            assert_eq!(key(&base) != key(&other), differs);
            assert_eq!(key(&empty) != key(&absent), differs);
        }
        let sights = sights(&["country"]);
        assert_ne!(
            key(&sights, &client(), &base, ""),
            key(&sights, &elsewhere, &base, "")
        );
    }

    #[test]
    fn parameters_that_change_with_every_request_are_not_seen_by_auth() {
        let sights = sights(&["query"]);
        let key = |query| key(&sights, &client(), &HeaderMap::new(), query);
        assert_eq!(key("a=1&_HLS_msn=4&token=x&CMCD=y"), key("_HLS_msn=5&a=1"));
        assert_ne!(key("a=1"), key("a=2"));
        // Two parameters are not one that looks like both.
        assert_ne!(key("a=1&b=2"), key("a=1%26b=2"));
        let seen = sights.decoded_parameters("a=%41+b%2&_HLS_skip=YES&c");
        let seen: Vec<_> = seen
            .iter()
            .map(|a| (a.key.as_str(), a.value.as_str()))
            .collect();
        assert_eq!(seen, [("a", "A b%2"), ("c", "")]);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let sights = sights(&["header:x-a", "header:x-b"]);
        let key =
            |fields: &[(&'static str, &'static str)]| key(&sights, &client(), &headers(fields), "");
        assert_ne!(
            key(&[("x-a", "1"), ("x-a", "2")]),
            key(&[("x-a", "1"), ("x-b", "2")])
        );
        assert_ne!(key(&[("x-a", "12")]), key(&[("x-a", "1"), ("x-a", "2")]));
    }
}
