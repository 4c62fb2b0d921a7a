//! Who may play: everybody, or the tiers and whom the auth filters let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use playback_token::{Keyring, presented};

use super::ServeError;
use crate::filters::Filters;

/// Decides who may play.
#[derive(Clone, Debug)]
pub enum Gate {
    /// Everybody.
    Open,
    /// The tiers by their own tokens, everybody else as the filters say.
    Filters {
        /// Verifies what tiers present to each other.
        tiers: Arc<Keyring>,
        /// Asked about everybody else. The configuration's checks see to it that they are there.
        filters: Option<Filters>,
    },
}

impl Gate {
    /// Lets a request for a stream pass, or not.
    pub(super) async fn admit(
        &self,
        stream: &str,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> Result<(), ServeError> {
        match self {
            Self::Open => Ok(()),
            Self::Filters { tiers, filters } => {
                if is_tier(tiers, stream, headers) {
                    return Ok(());
                }
                match filters {
                    Some(filters) => filters.may_play(stream, uri, headers, peer).await,
                    None => Err(ServeError::AuthUnavailable),
                }
            }
        }
    }
}

/// Tiers present their tokens as bearers only.
fn is_tier(tiers: &Keyring, stream: &str, headers: &HeaderMap) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_unix = now.unwrap_or_default().as_secs();
    let values = headers.get_all(AUTHORIZATION).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    presented(None, values, std::iter::empty())
        .any(|found| tiers.verify(found.token(), stream, now_unix).is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use playback_token::{Key, Scope};

    use super::*;

    #[test]
    fn a_tier_is_known_by_its_derived_key_alone() {
        let viewers = Keyring::new([Key::new(None, &[7; 32]).unwrap()]).unwrap();
        let tiers = viewers.for_tiers();
        let scope = Scope::Stream("demo".to_owned());
        let bearer = |keyring: &Keyring| {
            let token = keyring.sign(&scope, u64::MAX).unwrap();
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            HeaderMap::from_iter([(AUTHORIZATION, value)])
        };
        assert!(is_tier(&tiers, "demo", &bearer(&tiers)));
        assert!(!is_tier(&tiers, "other", &bearer(&tiers)));
        assert!(
            !is_tier(&tiers, "demo", &bearer(&viewers)),
            "a viewer's token"
        );
        assert!(!is_tier(&tiers, "demo", &HeaderMap::new()));
    }
}
