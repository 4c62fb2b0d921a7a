//! How this edge shows its parents, where playback is signed, that it is a tier.

use playback_token::{Keyring, Scope};

/// How long a token lives that this edge signs for its own request to a parent, in seconds.
const TOKEN_SECONDS: u64 = 60;

/// The `Authorization` value of a request for something of `stream`, or of none in particular. `None`:
/// no token can hold the stream's name; the route lets none of that kind through.
pub fn authorization(tiers: &Keyring, stream: Option<&str>, now_unix: u64) -> Option<String> {
    let scope = stream.map_or(Scope::All, |stream| Scope::Stream(stream.to_owned()));
    let token = tiers.sign(&scope, now_unix + TOKEN_SECONDS).ok()?;
    Some(format!("Bearer {token}"))
}
