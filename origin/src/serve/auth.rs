//! Who may play: everybody, or who presents a token.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Uri};
use playback_token::{Presented, presented};

use super::ServeError;
use crate::config::PlaybackSettings;

/// Checks playback tokens, when the settings ask for them.
#[derive(Debug)]
pub(super) struct Gate {
    playback: PlaybackSettings,
}

impl Gate {
    pub(super) fn new(playback: PlaybackSettings) -> Self {
        Self { playback }
    }

    /// Lets a request for a stream pass, or not. Any valid token among those presented will do.
    pub(super) fn admit(
        &self,
        stream: &str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ServeError> {
        let PlaybackSettings::Signed(keys) = &self.playback else {
            return Ok(());
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_unix = now.unwrap_or_default().as_secs();
        let text = |name| {
            let values = headers.get_all(name).iter();
            values.filter_map(|value| value.to_str().ok())
        };
        let valid = |found: Presented<'_>| match keys.verify(found.token(), stream, now_unix) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(stream, reason = error.as_str(), "a token is refused");
                false
            }
        };
        if presented(uri.query(), text(AUTHORIZATION), text(COOKIE)).any(valid) {
            Ok(())
        } else {
            Err(ServeError::Token)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use playback_token::{Key, Keyring, Scope};

    use super::*;

    #[test]
    fn a_token_may_come_in_three_ways() {
        let key = Key::new(None, &[7; 32]).unwrap();
        let keys = Keyring::new([key]).unwrap();
        let token = keys
            .sign(&Scope::Stream("demo".to_owned()), u64::MAX)
            .unwrap();
        let gate = Gate::new(PlaybackSettings::Signed(Arc::new(keys)));
        let plain = Uri::from_static("/live/demo/index.m3u8");
        let none = HeaderMap::new();
        assert_eq!(gate.admit("demo", &plain, &none), Err(ServeError::Token));

        let query: Uri = format!("/x?_HLS_msn=1&token={token}").parse().unwrap();
        assert_eq!(gate.admit("demo", &query, &none), Ok(()));
        assert_eq!(gate.admit("other", &query, &none), Err(ServeError::Token));

        let with = |name, value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
            headers
        };
        let bearer = with(AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(gate.admit("demo", &plain, &bearer), Ok(()));
        let cookie = with(COOKIE, format!("a=b; weir_token={token}"));
        assert_eq!(gate.admit("demo", &plain, &cookie), Ok(()));
        let spoilt = with(COOKIE, format!("weir_token={token}x"));
        assert_eq!(gate.admit("demo", &plain, &spoilt), Err(ServeError::Token));
    }
}
