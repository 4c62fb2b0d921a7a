//! Who may have an object: the tiers by a token of their own, viewers as the auth filters say.
//!
//! Credentials end here: nothing of them goes to a parent or into the cache.
//!
//! The filters are asked once for what looks the same to them. After that a request costs a hash
//! and a lookup, until the grant ends or is revoked.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode, header};
use pingora_http::RequestHeader;
use playback_token::{COOKIE_NAME, Keyring, Presented, presented};
use wasm_filters::contract::auth::CredentialSource;
use wasm_filters::contract::types;
use wasm_filters::grants::{GrantKey, Granted};
use wasm_filters::host::{AuthAnswer, AuthCall, Credential, Denial, DenialKind};
use wasm_filters::manifest::Action;

use super::EdgeProxy;
use super::log::Context;
use super::route::Route;
use crate::clock;
use crate::config::PlaybackAuth;

/// Credentials of a request that are looked at; those behind them are left out.
const CREDENTIALS_MAX: usize = 8;
/// The longest cookie value that is set, in bytes. Browsers keep 4096 bytes of a cookie altogether.
const COOKIE_BYTES_MAX: usize = 3584;
/// The attribute of a grant with which a filter names the cookie to set.
const COOKIE_ATTR: &str = "cookie";

/// Codes of refusals that are labels of metrics: those of this node and of the filter that ships.
/// Any other one is [`OTHER_CODE`]: filters do not make labels.
const CODES: [&str; 18] = [
    "bad-signature",
    "denied",
    "expired",
    "filter-unavailable",
    "forbidden-address",
    "forbidden-origin",
    "forbidden-referer",
    "malformed-token",
    "missing-role",
    "missing-token",
    "no-filter",
    "no-opinion",
    "not-yet-valid",
    "redirected",
    "revoked",
    "unknown-publish-key",
    "wrong-issuer",
    "wrong-stream",
];
const OTHER_CODE: &str = "filter";

/// The label of a code.
pub(super) fn label_of(code: &str) -> &'static str {
    CODES
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or(OTHER_CODE)
}

/// What is to be done with a request for an object.
#[derive(Debug)]
pub(super) enum Admission {
    /// Serve it.
    Admitted {
        /// A `Set-Cookie` value for the answer: the credential came in the URL, and the playlist's
        /// relative URLs will not carry it on.
        set_cookie: Option<String>,
    },
    /// Refuse it.
    Refused(Refusal),
    /// Send the viewer there.
    Redirect(Arc<str>),
}

/// A refusal, ready to be written.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) denial: Arc<Denial>,
}

/// The credentials of a request, on the stack: this is done for every request.
#[derive(Debug)]
pub(super) struct Credentials<'a> {
    found: [Credential<'a>; CREDENTIALS_MAX],
    count: usize,
}

impl<'a> Credentials<'a> {
    /// Those in the query, then bearer tokens, then cookies.
    pub(super) fn of(request: &'a RequestHeader) -> Self {
        Self::from_parts(request.uri.query(), &request.headers)
    }

    fn from_parts(query: Option<&'a str>, headers: &'a HeaderMap) -> Self {
        let nothing = Credential {
            source: CredentialSource::Cookie,
            value: "",
        };
        let mut credentials = Self {
            found: [nothing; CREDENTIALS_MAX],
            count: 0,
        };
        let authorization = values(headers, &header::AUTHORIZATION);
        let cookie = values(headers, &header::COOKIE);
        let presented = presented(query, authorization, cookie);
        for (place, found) in credentials.found.iter_mut().zip(presented) {
            let source = match found {
                Presented::Query(_) => CredentialSource::Query,
                Presented::Header(_) => CredentialSource::Bearer,
                Presented::Cookie(_) => CredentialSource::Cookie,
            };
            *place = Credential {
                source,
                value: found.token(),
            };
            credentials.count += 1;
        }
        credentials
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[Credential<'a>] {
        self.found.get(..self.count).unwrap_or_default()
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<Credential<'a>> {
        self.as_slice().first().copied()
    }
}

impl EdgeProxy {
    /// Whether another tier asks, by the bearer token that tiers make for each other.
    pub(super) fn is_tier(&self, headers: &HeaderMap, route: &Route) -> bool {
        let stream = match route {
            Route::Object { stream, .. } => stream.as_deref(),
            Route::Relay { stream } => Some(stream.as_str()),
            _ => return false,
        };
        self.is_tier_for(headers, stream)
    }

    /// The same, for an object of `stream`.
    pub(super) fn is_tier_for(&self, headers: &HeaderMap, stream: Option<&str>) -> bool {
        let keys = self.playback.keys.as_ref();
        keys.is_some_and(|keys| is_tier(&keys.tiers, headers, stream, clock::unix_seconds()))
    }

    /// Whether the request may have an object of `stream`; `None` is an object of no stream, which
    /// everybody may have.
    pub(super) async fn admit(&self, request: &RequestHeader, context: &Context) -> Admission {
        let open = self.playback.auth == PlaybackAuth::Open || context.tier;
        let Some(stream) = context.stream.as_deref().filter(|_| !open) else {
            return Admission::Admitted { set_cookie: None };
        };
        let credentials = Credentials::of(request);
        let credentials = credentials.as_slice();
        let Some(answer) = self.ask_auth(request, context, Action::Play, stream).await else {
            // The configuration lets nobody get here; nobody gets past here either.
            return refused_by_node(DenialKind::NoFilter, false);
        };
        let tls = context.filtering.as_ref().is_some_and(|it| it.tls);
        match answer {
            AuthAnswer::Granted(granted) => admitted(&granted, stream, credentials, tls),
            AuthAnswer::Redirect(to) => Admission::Redirect(to),
            AuthAnswer::Denied(denial) => Admission::Refused(Refusal {
                status: status_of(denial.kind, !credentials.is_empty()),
                denial,
            }),
        }
    }
}

impl EdgeProxy {
    /// What the auth filters say about `action` on `stream`; `None`: there are none on this edge.
    pub(super) async fn ask_auth(
        &self,
        request: &RequestHeader,
        context: &Context,
        action: Action,
        stream: &str,
    ) -> Option<AuthAnswer> {
        let (Some(filters), Some(filtering)) = (&self.filters, &context.filtering) else {
            return None;
        };
        let credentials = Credentials::of(request);
        let call = AuthCall {
            info: filtering.info(filters, Some(stream)),
            action,
            app: "live",
            stream,
            credentials: credentials.as_slice(),
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            client: filtering.client(),
        };
        let (host, table) = (filters.host(), &filtering.table);
        let key = GrantKey::of(table, &call);
        Some(match host.cached_grant(&key, context.started) {
            Some(granted) => AuthAnswer::Granted(granted),
            None => host.authorize(table, call).await,
        })
    }
}

fn is_tier(tiers: &Keyring, headers: &HeaderMap, stream: Option<&str>, now_unix: u64) -> bool {
    let bearer = presented(
        None,
        values(headers, &header::AUTHORIZATION),
        [].into_iter(),
    );
    // A token for all streams opens what belongs to none; no stream has an empty name.
    let stream = stream.unwrap_or_default();
    bearer
        .take(CREDENTIALS_MAX)
        .any(|found| tiers.verify(found.token(), stream, now_unix).is_ok())
}

fn admitted(
    granted: &Granted,
    stream: &str,
    credentials: &[Credential<'_>],
    secure: bool,
) -> Admission {
    if granted
        .stream
        .as_deref()
        .is_some_and(|opened| opened != stream)
    {
        return refused_by_node(DenialKind::Filter, true);
    }
    let value = cookie_for(granted.accepted, &granted.attrs, credentials);
    Admission::Admitted {
        set_cookie: value.map(|value| set_cookie(value, stream, secure)),
    }
}

/// What the viewer's cookie is to be: what the filter names, or the credential out of the URL that
/// was good.
fn cookie_for<'a>(
    accepted: Option<usize>,
    attrs: &'a [types::Attr],
    credentials: &[Credential<'a>],
) -> Option<&'a str> {
    let named = attrs.iter().find(|attr| attr.key == COOKIE_ATTR);
    let from_url = || {
        let accepted = credentials.get(accepted?)?;
        (accepted.source == CredentialSource::Query).then_some(accepted.value)
    };
    named
        .map(|attr| attr.value.as_str())
        .or_else(from_url)
        .filter(|value| is_cookie_value(value))
}

fn refused_by_node(kind: DenialKind, presented: bool) -> Admission {
    let (code, message) = match kind {
        DenialKind::Filter => ("wrong-stream", "it opens another stream"),
        kind => (kind.code(), "nobody here can decide this"),
    };
    Admission::Refused(Refusal {
        status: status_of(kind, presented),
        denial: Arc::new(Denial {
            kind,
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after_ms: None,
            filter: None,
        }),
    })
}

/// `presented`: the request had a credential.
pub(super) fn status_of(kind: DenialKind, presented: bool) -> StatusCode {
    match kind {
        DenialKind::Filter | DenialKind::NoOpinion if !presented => StatusCode::UNAUTHORIZED,
        DenialKind::Filter | DenialKind::NoOpinion | DenialKind::Revoked => StatusCode::FORBIDDEN,
        DenialKind::NoFilter | DenialKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

/// RFC 6265 section 4.1.1: whatever a viewer put into a URL, it ends neither the value nor the field.
fn is_cookie_value(value: &str) -> bool {
    let octet = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    (1..=COOKIE_BYTES_MAX).contains(&value.len()) && value.bytes().all(octet)
}

fn set_cookie(value: &str, stream: &str, secure: bool) -> String {
    // A page of another site may embed the player: that needs SameSite=None, which browsers take
    // only with Secure.
    let site = if secure {
        "Secure; SameSite=None"
    } else {
        "SameSite=Lax"
    };
    format!("{COOKIE_NAME}={value}; Path=/live/{stream}/; HttpOnly; {site}")
}

#[cfg(test)]
mod tests;
