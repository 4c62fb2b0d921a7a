//! Signing and verifying.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Keyring;

/// The longest stream name, in bytes.
pub const STREAM_BYTES_MAX: usize = 128;

/// The longest token, in bytes; a longer text is refused unread. Holds the longest name and the
/// largest expiry: 203 bytes of payload, the dot, 43 of signature.
pub const TOKEN_BYTES_MAX: usize = 256;

const VERSION: &str = "v1";
const SEPARATOR: char = '|';
const ALL_STREAMS: &str = "*";

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every stream.
    All,
    /// The stream of this name.
    Stream(String),
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it opens.
    pub scope: Scope,
    /// The first second, since the Unix epoch, in which it is no longer valid.
    pub expires_at_unix: u64,
}

/// Why a token cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream name in a token has 1 to {STREAM_BYTES_MAX} bytes, no `|`, and is not `*`")]
#[non_exhaustive]
pub struct SignError;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No key of ours made the signature.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It has not the form of a token.
    #[error("the token is malformed")]
    Malformed,
    /// It opens another stream.
    #[error("the token is for another stream")]
    WrongStream,
}

impl TokenError {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::WrongStream => "wrong_stream",
        }
    }
}

impl Scope {
    /// Whether a token of this scope opens `stream`.
    pub fn covers(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::Stream(name) => name == stream,
        }
    }

    fn name(&self) -> Result<&str, SignError> {
        match self {
            Self::All => Ok(ALL_STREAMS),
            Self::Stream(name) if is_stream_name(name) => Ok(name),
            Self::Stream(_) => Err(SignError),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            ALL_STREAMS => Some(Self::All),
            name if is_stream_name(name) => Some(Self::Stream(name.to_owned())),
            _ => None,
        }
    }
}

impl Keyring {
    /// Makes a token that is valid before `expires_at_unix`, signed with the first key.
    pub fn sign(&self, scope: &Scope, expires_at_unix: u64) -> Result<String, SignError> {
        let name = scope.name()?;
        let payload = format!("{VERSION}{SEPARATOR}{name}{SEPARATOR}{expires_at_unix}");
        let mut token = URL_SAFE_NO_PAD.encode(payload);
        let signature = self.signer().sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Checks that a token opens `stream` at `now_unix`.
    ///
    /// The signature is compared in constant time, against every key whether or not an earlier
    /// one matched.
    pub fn verify(&self, token: &str, stream: &str, now_unix: u64) -> Result<Claims, TokenError> {
        let claims = self.authentic(token)?;
        if now_unix >= claims.expires_at_unix {
            return Err(TokenError::Expired);
        }
        if !claims.scope.covers(stream) {
            return Err(TokenError::WrongStream);
        }
        Ok(claims)
    }

    fn authentic(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (payload, signature) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let signature = decode(signature)?;
        let by_any_key = self.iter().fold(false, |found, key| {
            found | key.verifies(payload.as_bytes(), &signature)
        });
        if !by_any_key {
            return Err(TokenError::BadSignature);
        }
        let payload = String::from_utf8(decode(payload)?).map_err(|_| TokenError::Malformed)?;
        parse(&payload).ok_or(TokenError::Malformed)
    }
}

fn parse(payload: &str) -> Option<Claims> {
    let mut fields = payload.split(SEPARATOR);
    let (version, name, expiry) = (fields.next()?, fields.next()?, fields.next()?);
    let well_formed = version == VERSION
        && fields.next().is_none()
        && expiry.bytes().all(|byte| byte.is_ascii_digit());
    if !well_formed {
        return None;
    }
    Some(Claims {
        scope: Scope::from_name(name)?,
        expires_at_unix: expiry.parse().ok()?,
    })
}

fn is_stream_name(name: &str) -> bool {
    (1..=STREAM_BYTES_MAX).contains(&name.len()) && name != ALL_STREAMS && !name.contains(SEPARATOR)
}

/// Only the one canonical spelling of each text is decoded: no padding, no stray bits.
fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
