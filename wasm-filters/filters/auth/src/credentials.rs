//! The credentials of a request: recognised by their form, checked with the node's keys. The keys
//! themselves stay in the node.

use crate::claims;
use crate::exports::weir::filter::auth::{Action, Credential, CredentialSource, Request};
use crate::playback::Token;
use crate::policy::{Policy, PublishKey};
use crate::refusal::Refusal;
use crate::signed_url::SignedUrl;
use crate::weir::filter::crypto::{self, CryptoError};
use crate::weir::filter::types::{Attr, FilterError, Roles, User};
use crate::{Opened, attr, guest};

/// Why a credential did not open the stream.
pub(crate) enum Failure {
    /// It is not good for this.
    Refused(Refusal),
    /// It could not be checked.
    Fault(FilterError),
}

/// One credential of a request.
pub(crate) enum Presented<'a> {
    /// With its index, which tells the node what to strip and what to carry on.
    Listed(usize, &'a Credential),
    Url(SignedUrl),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// All of them, the most trusted first.
pub(crate) fn presented(request: &Request) -> impl Iterator<Item = Presented<'_>> {
    let url = SignedUrl::from_query(&request.query).map(Presented::Url);
    let listed = request.credentials.iter().enumerate();
    listed
        .map(|(index, it)| Presented::Listed(index, it))
        .chain(url)
}

impl Presented<'_> {
    pub(crate) fn open(
        &self,
        policy: &Policy,
        request: &Request,
        now_ms: u64,
    ) -> Result<Opened, Failure> {
        let credential = match self {
            Self::Url(url) => return open_url(url, policy, request, now_ms),
            Self::Listed(_, credential) => credential,
        };
        let value = credential.value.as_str();
        if credential.source == CredentialSource::PublishKey {
            return Ok(open_publish_key(value, policy, request.action, now_ms)?);
        }
        if let Some(url) = SignedUrl::from_cookie(value) {
            return open_url(&url?, policy, request, now_ms);
        }
        match value.matches('.').count() {
            2 => open_jwt(value, policy, request),
            1 => open_playback_token(value, policy, request, now_ms),
            _ => Err(Refusal::Malformed.into()),
        }
    }

    pub(crate) fn index(&self) -> Option<u32> {
        match self {
            Self::Listed(index, _) => u32::try_from(*index).ok(),
            Self::Url(_) => None,
        }
    }

    /// What the node is to give the viewer as its cookie, for the requests to come.
    pub(crate) fn cookie(&self) -> Option<Attr> {
        match self {
            Self::Url(url) => Some(attr("cookie", &url.cookie())),
            Self::Listed(..) => None,
        }
    }
}

fn open_jwt(token: &str, policy: &Policy, request: &Request) -> Result<Opened, Failure> {
    let mut failure = None;
    for issuer in &policy.jwt {
        match crypto::verify_jwt(&issuer.key, token) {
            Ok(claims) => match claims::open(policy, issuer, &claims, request) {
                // Two issuers can share a set of keys: it may be by the next.
                Err(Refusal::WrongIssuer) => failure = Some(Refusal::WrongIssuer.into()),
                opened => return Ok(opened?),
            },
            // By another issuer, perhaps. What that one's key says counts for more.
            Err(CryptoError::BadSignature) => {
                _ = failure.get_or_insert(Refusal::BadSignature.into())
            }
            Err(error) => failure = Some(refused(error, &issuer.key)),
        }
    }
    Err(failure.unwrap_or(Refusal::Malformed.into()))
}

fn open_playback_token(
    text: &str,
    policy: &Policy,
    request: &Request,
    now_ms: u64,
) -> Result<Opened, Failure> {
    let key = policy.playback_tokens.as_ref().ok_or(Refusal::Malformed)?;
    let token = Token::split(text)?;
    verify(&key.key, token.payload, &token.signature)?;
    let contents = token.contents()?;
    contents.open(&request.stream, now_ms)?;
    Ok(bearer(text, contents.expires_unix, request.action)?)
}

fn open_url(
    url: &SignedUrl,
    policy: &Policy,
    request: &Request,
    now_ms: u64,
) -> Result<Opened, Failure> {
    let key = policy.signed_urls.as_ref().ok_or(Refusal::Malformed)?;
    let canonical = url.canonical()?;
    verify(&key.key, &canonical, &url.signature()?)?;
    let expires_unix = url.open(&request.app, &request.stream, now_ms)?;
    Ok(bearer(&canonical, expires_unix, request.action)?)
}

fn open_publish_key(
    key: &str,
    policy: &Policy,
    action: Action,
    now_ms: u64,
) -> Result<Opened, Refusal> {
    if action != Action::Publish {
        return Err(Refusal::Malformed);
    }
    let digest = hex(&crypto::sha256(key.as_bytes()));
    // Hashes are compared: how far two of them agree tells nobody anything about a key.
    let found = policy.publish_keys.iter().find(|it| it.sha256 == digest);
    let found = found.ok_or(Refusal::UnknownPublishKey)?;
    found.is_good_at(now_ms)?;
    Ok(Opened {
        user: User {
            roles: Roles::BROADCASTER,
            name: found.stream.clone(),
            ..guest(found.user.as_ref().unwrap_or(&found.stream))
        },
        stream: Some(found.stream.clone()),
        // It says when a broadcast may begin; one that has begun goes on.
        expires_at_ms: None,
    })
}

impl PublishKey {
    fn is_good_at(&self, now_ms: u64) -> Result<(), Refusal> {
        let now = now_ms / 1000;
        if self.expires_unix.is_some_and(|end| now >= end) {
            return Err(Refusal::Expired);
        }
        if self.not_before_unix.is_some_and(|start| now < start) {
            return Err(Refusal::NotYetValid);
        }
        Ok(())
    }
}

/// Whoever holds a playback token or a signed URL may watch, and listen to the room. It has no name
/// in it: the id is made from it, so that one holder can be told from another.
fn bearer(secret: &str, expires_unix: u64, action: Action) -> Result<Opened, Refusal> {
    if !matches!(action, Action::Play | Action::Join) {
        return Err(Refusal::MissingRole);
    }
    let mut id = hex(&crypto::sha256(secret.as_bytes()));
    id.truncate(16);
    Ok(Opened {
        expires_at_ms: Some(expires_unix.saturating_mul(1000)),
        ..Opened::to(guest(&format!("guest-{id}")))
    })
}

fn verify(key: &str, signed: &str, signature: &[u8]) -> Result<(), Failure> {
    match crypto::verify_hmac_sha256(key, signed.as_bytes(), signature) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::BadSignature.into()),
        Err(error) => Err(refused(error, key)),
    }
}

fn refused(error: CryptoError, key: &str) -> Failure {
    match error {
        CryptoError::Malformed => Refusal::Malformed.into(),
        CryptoError::BadSignature => Refusal::BadSignature.into(),
        CryptoError::Expired => Refusal::Expired.into(),
        CryptoError::UnknownKey => {
            let reason = format!("the node has no key '{key}', or the manifest does not list it");
            Failure::Fault(FilterError::BadConfig(reason))
        }
        CryptoError::WrongKind => {
            let reason = format!("the key '{key}' is of another kind than this needs");
            Failure::Fault(FilterError::BadConfig(reason))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
