//! Weir's playback tokens, in the form of the crate `playback-token`:
//!
//! ```text
//! token   = payload "." base64url(HMAC-SHA256(key, payload as it stands here))
//! payload = base64url("v1|" ( stream / "*" ) "|" expiry in seconds of Unix time)
//! ```

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::refusal::Refusal;

const TOKEN_BYTES_MAX: usize = 256;

/// A token whose signature has not been looked at yet.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    /// What is signed.
    pub(crate) payload: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// What is in a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// `None`: every stream.
    pub(crate) stream: Option<String>,
    pub(crate) expires_unix: u64,
}

impl<'a> Token<'a> {
    pub(crate) fn split(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let (payload, signature) = text.split_once('.').ok_or(Refusal::Malformed)?;
        let signature = decode(signature)?;
        Ok(Self { payload, signature })
    }

    /// To be called when the signature has been found right, not before.
    pub(crate) fn contents(&self) -> Result<Contents, Refusal> {
        let payload = String::from_utf8(decode(self.payload)?).map_err(|_| Refusal::Malformed)?;
        let fields: Vec<&str> = payload.split('|').collect();
        let ["v1", name, expiry] = fields[..] else {
            return Err(Refusal::Malformed);
        };
        // `parse` alone would take "+1".
        if name.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Malformed);
        }
        Ok(Contents {
            stream: (name != "*").then(|| name.to_owned()),
            expires_unix: expiry.parse().map_err(|_| Refusal::Malformed)?,
        })
    }
}

impl Contents {
    pub(crate) fn open(&self, stream: &str, now_ms: u64) -> Result<(), Refusal> {
        if now_ms / 1000 >= self.expires_unix {
            return Err(Refusal::Expired);
        }
        match &self.stream {
            Some(name) if name != stream => Err(Refusal::WrongStream),
            _ => Ok(()),
        }
    }
}

/// No padding, no stray bits: each text has one spelling.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(payload: &str) -> Result<Contents, Refusal> {
        let text = format!("{}.AAAA", URL_SAFE_NO_PAD.encode(payload));
        Token::split(&text)?.contents()
    }

    #[test]
    fn forms() {
        let one = Contents {
            stream: Some("demo".to_owned()),
            expires_unix: 100,
        };
        assert_eq!(one.open("demo", 99_999), Ok(()));
        assert_eq!(one.open("demo", 100_000), Err(Refusal::Expired));
        assert_eq!(one.open("demo2", 0), Err(Refusal::WrongStream));
        assert_eq!(contents("v1|demo|100"), Ok(one));
        let all = contents("v1|*|100").expect("a token for all");
        assert_eq!(all.open("anything", 0), Ok(()));
        for spoilt in [
            "v2|demo|100",
            "v1|demo",
            "v1|demo|1|2",
            "v1|demo|+1",
            "v1||1",
            "v1|a|-1",
        ] {
            assert_eq!(contents(spoilt), Err(Refusal::Malformed), "{spoilt}");
        }
        assert!(Token::split("nodot").is_err());
        assert!(Token::split("a.A=").is_err());
        assert!(Token::split(&format!("{}.AAAA", "a".repeat(252))).is_err());
    }
}
