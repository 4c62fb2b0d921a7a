//! Access tokens: JWTs (RFC 7519) by EdDSA (RFC 8037), checked as RFC 8725 wants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Invalid};
use crate::limits::ACCESS_SECONDS_LIMIT;
use crate::random;

/// The only algorithm.
pub(crate) const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "JWT";
const ID_BYTES: usize = 16;
/// What everybody who is signed in may open.
const STREAMS: &str = "*";
/// Longest `iss` and `aud`, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// What every token of this Weir says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `iss`, 1 to 256 bytes.
    pub issuer: String,
    /// `aud`, 1 to 256 bytes.
    pub audience: String,
    /// Lifetime in seconds, 1 to [`ACCESS_SECONDS_LIMIT`].
    pub lifetime_seconds: u64,
}

impl TokenSettings {
    /// Checks the ranges.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        for name in [&self.issuer, &self.audience] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Invalid::Options("issuer and audience have 1 to 256 bytes"));
            }
        }
        if !(1..=ACCESS_SECONDS_LIMIT).contains(&self.lifetime_seconds) {
            return Err(Invalid::Options("access tokens live 1 to 3600 seconds"));
        }
        Ok(())
    }
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// User id.
    pub sub: String,
    /// Display name.
    pub name: String,
    /// Platform-wide roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Rooms and streams that it opens; patterns. There is no `scope`, which would narrow what it
    /// allows there.
    #[serde(default)]
    pub streams: Vec<String>,
    /// Roles in rooms, by the room's name, in order: `{"demo": ["moderator"]}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub room_roles: BTreeMap<String, Vec<String>>,
    /// Signed at, in seconds since 1970.
    pub iat: u64,
    /// Ends at, in seconds since 1970.
    pub exp: u64,
    /// Its own id, random.
    pub jti: String,
}

impl Claims {
    /// Of a person who has these roles, everywhere and in rooms, from now on.
    pub(crate) fn new(
        settings: &TokenSettings,
        (sub, name): (String, String),
        (roles, room_roles): (Vec<String>, BTreeMap<String, Vec<String>>),
        now_ms: u64,
    ) -> Result<Self, Error> {
        let id: [u8; ID_BYTES] = random::bytes()?;
        let iat = now_ms / 1_000;
        Ok(Self {
            iss: settings.issuer.clone(),
            aud: settings.audience.clone(),
            sub,
            name,
            roles,
            streams: vec![STREAMS.to_owned()],
            room_roles,
            iat,
            exp: iat.saturating_add(settings.lifetime_seconds),
            jti: random::hex(&id),
        })
    }
}

/// Nothing else may be in it: a `crit`, `jwk` or `x5u` that is not understood is refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Header {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            alg: ALGORITHM.to_owned(),
            typ: TYPE.to_owned(),
            kid: kid.to_owned(),
        }
    }

    /// The key that it names.
    pub(crate) fn kid(&self) -> Result<&str, TokenError> {
        if self.alg != ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        if self.typ != TYPE {
            return Err(TokenError::Malformed);
        }
        Ok(&self.kid)
    }
}

/// Why an access token is refused. Answered by 401 all of them; for the log, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is too long, or no JWT as this crate signs them.
    #[error("no access token")]
    Malformed,
    /// `alg` is not `EdDSA`.
    #[error("signed by another algorithm")]
    Algorithm,
    /// `kid` names no key of ours, or one whose time is over.
    #[error("signed by an unknown key")]
    Key,
    /// The signature is not the key's.
    #[error("the signature is wrong")]
    Signature,
    /// `iss` is another.
    #[error("of another issuer")]
    Issuer,
    /// `aud` is another.
    #[error("for another audience")]
    Audience,
    /// `exp` is over.
    #[error("expired")]
    Expired,
    /// `iat` is still to come, or after `exp`, or longer before it than tokens live.
    #[error("its times are impossible")]
    Times,
}
