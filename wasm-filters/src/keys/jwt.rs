//! JSON Web Tokens in compact form (RFC 7515 7.1, RFC 7519), verified.
//!
//! It checks the signature, `exp` and `nbf`. Who issued it, for whom and for what is the filter's
//! to decide, from the claims.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use super::jwk::Algorithm;
use super::jwks::{Candidates, KeySet};
use super::secrets::Secrets;
use super::strict::{self, Text};

/// Longest token, in bytes; a longer one is refused unread.
pub const JWT_BYTES_MAX: usize = 8 * 1024;

/// How far clocks may be apart, in milliseconds: so much longer a token is taken after `exp`, and
/// so much earlier before `nbf`.
pub const JWT_LEEWAY_MS: u64 = 10_000;

/// The longest signature, in bytes: RSA with 8192 bits. Three more, because base64 is decoded in
/// blocks of three.
const SIGNATURE_BUFFER_BYTES: usize = 1_024 + 3;

/// Why a token is refused. For logs and metrics: filters are told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than [`JWT_BYTES_MAX`].
    #[error("the token is too long")]
    TooLong,
    /// Not three parts in base64url, or header or claims are not an unambiguous JSON object, or a
    /// member is not of its type.
    #[error("the token is malformed")]
    Malformed,
    /// Its header has `crit`: it demands an extension to be understood, and none is.
    #[error("the token demands an extension")]
    Critical,
    /// Its `alg` is `none`, is unknown, or belongs to another kind of key.
    #[error("the token's algorithm is not one of the key's")]
    Algorithm,
    /// The set has no key that it names, and none without a name made it. A newer set may.
    #[error("no key of the set made the token")]
    UnknownKid,
    /// The key that it names did not make it.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// There is no set of keys: it never came, or became too old.
    #[error("there are no keys to verify the token with")]
    NoKeys,
}

impl JwtError {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::UnknownKid => "unknown_kid",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NoKeys => "no_keys",
        }
    }
}

/// A token taken apart; nothing of it is verified.
struct Token<'a> {
    signed: &'a [u8],
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// Only what is needed. `jku`, `jwk`, `x5u` and `x5c` are not even looked at: a token does not bring
/// its own key.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow, default, deserialize_with = "strict::some")]
    kid: Option<Text<'a>>,
    #[serde(default, deserialize_with = "strict::some")]
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Times {
    #[serde(default, deserialize_with = "strict::some")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "strict::some")]
    nbf: Option<NumericDate>,
}

/// Seconds since the Unix epoch, possibly with a fraction (RFC 7519 2); kept in milliseconds, those
/// before 1970 as 0.
struct NumericDate(u64);

struct NumericDateVisitor;

/// The claims of a token that a key of `set` signed, as JSON. `now_ms` is Unix time.
pub fn verify_with_set(token: &str, set: &KeySet, now_ms: u64) -> Result<String, JwtError> {
    claims(authentic_by_set(token, set)?, now_ms)
}

/// The claims of a token that one of `secrets` signed with HS256, as JSON. `now_ms` is Unix time.
pub fn verify_with_secrets(
    token: &str,
    secrets: &Secrets,
    now_ms: u64,
) -> Result<String, JwtError> {
    let token = Token::parse(token)?;
    let header = token.header()?;
    let (algorithm, _) = read_header(&header)?;
    if algorithm != Algorithm::Hs256 {
        return Err(JwtError::Algorithm);
    }
    let by_secret = token.with_signature(|signature| secrets.verify(token.signed, signature))?;
    if !by_secret {
        return Err(JwtError::BadSignature);
    }
    claims(token.payload()?, now_ms)
}

/// The payload, whose signature is good and of which nothing else is known.
pub(super) fn authentic_by_set(token: &str, set: &KeySet) -> Result<Vec<u8>, JwtError> {
    let token = Token::parse(token)?;
    let header = token.header()?;
    let (algorithm, kid) = read_header(&header)?;
    if algorithm == Algorithm::Hs256 {
        return Err(JwtError::Algorithm);
    }
    let (keys, otherwise) = match set.candidates(algorithm, kid.as_deref()) {
        // The key that it names is of another algorithm.
        Candidates::Named(keys) if keys.is_empty() => return Err(JwtError::Algorithm),
        Candidates::Named(keys) => (keys, JwtError::BadSignature),
        Candidates::Unnamed(keys) => (keys, JwtError::UnknownKid),
    };
    let by_key = token
        .with_signature(|signature| keys.iter().any(|key| key.verify(token.signed, signature)))?;
    if !by_key {
        return Err(otherwise);
    }
    token.payload()
}

fn read_header(json: &str) -> Result<(Algorithm, Option<Cow<'_, str>>), JwtError> {
    let header: Header<'_> = object(json)?;
    if header.crit.is_some() {
        return Err(JwtError::Critical);
    }
    let algorithm = Algorithm::from_name(&header.alg.0).ok_or(JwtError::Algorithm)?;
    Ok((algorithm, header.kid.map(|kid| kid.0)))
}

fn claims(payload: Vec<u8>, now_ms: u64) -> Result<String, JwtError> {
    let claims = String::from_utf8(payload).map_err(|_| JwtError::Malformed)?;
    let times: Times = object(&claims)?;
    if let Some(NumericDate(exp_ms)) = times.exp
        && now_ms >= exp_ms.saturating_add(JWT_LEEWAY_MS)
    {
        return Err(JwtError::Expired);
    }
    if let Some(NumericDate(nbf_ms)) = times.nbf
        && now_ms.saturating_add(JWT_LEEWAY_MS) < nbf_ms
    {
        return Err(JwtError::NotYetValid);
    }
    Ok(claims)
}

fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, JwtError> {
    // Also keeps an array from passing for an object, which serde would allow.
    if !strict::is_unambiguous_object(json) {
        return Err(JwtError::Malformed);
    }
    serde_json::from_str(json).map_err(|_| JwtError::Malformed)
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > JWT_BYTES_MAX {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        if payload.contains('.') {
            return Err(JwtError::Malformed);
        }
        Ok(Self {
            signed: signed.as_bytes(),
            header,
            payload,
            signature,
        })
    }

    fn header(&self) -> Result<String, JwtError> {
        String::from_utf8(decode(self.header)?).map_err(|_| JwtError::Malformed)
    }

    fn payload(&self) -> Result<Vec<u8>, JwtError> {
        decode(self.payload)
    }

    fn with_signature<T>(&self, check: impl FnOnce(&[u8]) -> T) -> Result<T, JwtError> {
        let mut buffer = [0; SIGNATURE_BUFFER_BYTES];
        let bytes = URL_SAFE_NO_PAD
            .decode_slice(self.signature, &mut buffer)
            .map_err(|_| JwtError::Malformed)?;
        buffer.get(..bytes).map(check).ok_or(JwtError::Malformed)
    }
}

/// Strict: no padding, no white space, no stray bits at the end, so that a token has one form only.
fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JwtError::Malformed)
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(NumericDateVisitor)
    }
}

impl Visitor<'_> for NumericDateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<NumericDate, E> {
        Ok(NumericDate(seconds.saturating_mul(1_000)))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<NumericDate, E> {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Ok(NumericDate(seconds.saturating_mul(1_000)))
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<NumericDate, E> {
        // `as` saturates: what is negative becomes 0, what is too large u64::MAX.
        Ok(NumericDate((seconds * 1_000.0) as u64))
    }
}
