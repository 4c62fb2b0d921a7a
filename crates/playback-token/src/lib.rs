//! Playback tokens: a signed permission to watch one stream, or all, until a given time.
//!
//! It decides on tokens, and knows where a request carries them. What a refusal looks like is the
//! server's business.
//!
//! ```text
//! token     = payload "." signature         both in base64url without padding (RFC 4648 5)
//! payload   = "v1|" ( stream / "*" ) "|" expiry in seconds since the Unix epoch
//! signature = HMAC-SHA256(secret, payload as it stands in the token, that is, in base64url)
//! ```
//!
//! So that an operator's own site can sign without this crate:
//!
//! ```text
//! payload=$(printf 'v1|%s|%d' "$stream" "$expiry" | basenc --base64url | tr -d '=\n')
//! signature=$(printf %s "$payload" | openssl dgst -sha256 -hmac "$secret" -binary \
//!     | basenc --base64url | tr -d '=\n')
//! token=$payload.$signature
//! ```
//!
//! The tiers ask each other with tokens of the same format, signed with keys that are derived from
//! the viewers' ([`Keyring::for_tiers`]).
//!
//! **Nothing of a token is interpreted before its signature has been found right.**

mod key;
mod presented;
mod token;

pub use key::{KEYS_MAX, Key, KeyError, Keyring, KeyringError, SECRET_BYTES_MIN};
pub use presented::{COOKIE_NAME, Presented, presented};
pub use token::{Claims, STREAM_BYTES_MAX, Scope, SignError, TOKEN_BYTES_MAX, TokenError};
