//! The reference provider: what a provider's adapter has to do, and enough for one's own shop.
//!
//! `Weir-Signature: t=<unix seconds>,v1=<hex of HMAC-SHA256 of "t.body">`. docs/payments.md says how to
//! sign.

use std::time::Duration;

use http::HeaderMap;
use ring::hmac;
use serde::Deserialize;
use settings::Secret;

use super::{Paid, Provider, Refusal};

const NAME: &str = "reference";
const HEADER: &str = "weir-signature";
/// A signature is good for so long, and as long before by another clock: what was overheard is worth
/// little later.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Signatures of one request that are looked at: by the present secret, and by the one before.
const SIGNATURES_MAX: usize = 4;
/// The longest id of a payment, in bytes.
const ID_BYTES_MAX: usize = 96;

/// Whoever knows a secret.
#[derive(Debug)]
pub(super) struct Webhook {
    keys: Vec<hmac::Key>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: String,
    user: String,
    coins: u64,
}

impl Webhook {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self {
            keys: secrets.iter().map(key).collect(),
        }
    }

    /// Whether one of the signatures is by one of the keys. It takes as long, whichever it is.
    fn is_ours(&self, message: &[u8], signatures: &[Vec<u8>]) -> bool {
        let pairs = self.keys.iter().flat_map(|key| {
            let verify = move |it: &Vec<u8>| hmac::verify(key, message, it).is_ok();
            signatures.iter().map(verify)
        });
        pairs.fold(false, |found, is_good| found | is_good)
    }
}

impl Provider for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, headers: &HeaderMap, body: &[u8], now_ms: u64) -> Result<Paid, Refusal> {
        let header = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let (time, signatures) = header.and_then(parts).ok_or(Refusal::Signature)?;
        let mut message = format!("{time}.").into_bytes();
        message.extend_from_slice(body);
        if !self.is_ours(&message, &signatures) {
            return Err(Refusal::Signature);
        }
        // As it was typed, so that it was signed; now it is a number.
        let seconds: u64 = time.parse().map_err(|_| Refusal::Signature)?;
        let at_ms = seconds.saturating_mul(1_000);
        let tolerance = u64::try_from(TOLERANCE.as_millis()).unwrap_or(u64::MAX);
        if now_ms.abs_diff(at_ms) > tolerance {
            return Err(Refusal::Stale);
        }
        let Body { id, user, coins } =
            serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let is_id = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain);
        if !is_id || coins == 0 {
            return Err(Refusal::Malformed);
        }
        Ok(Paid {
            id,
            user,
            coins,
            at_ms,
        })
    }
}

/// The time as typed, and the signatures.
fn parts(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value) if time.is_none() => time = Some(value),
            ("v1", value) if signatures.len() < SIGNATURES_MAX => signatures.push(unhex(value)?),
            // Two times, too many signatures.
            ("t" | "v1", _) => return None,
            // Of another version: for others.
            _ => {}
        }
    }
    let is_number = |time: &&str| !time.is_empty() && time.bytes().all(|it| it.is_ascii_digit());
    Some((time.filter(is_number)?, signatures))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const BODY: &str = r#"{"id":"p-1","user":"u-1","coins":500}"#;

    fn sign(secret: &str, time: &str, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        tag.as_ref().iter().map(|it| format!("{it:02x}")).collect()
    }

    fn read(header: &str, body: &str) -> Result<Paid, Refusal> {
        let secrets = [Secret::new("the new secret"), Secret::new("the old secret")];
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(header).unwrap());
        Webhook::new(&secrets).read(&headers, body.as_bytes(), NOW * 1_000)
    }

    fn signed(secret: &str, time: u64, body: &str) -> Result<Paid, Refusal> {
        let time = time.to_string();
        let signature = sign(secret, &time, body);
        read(&format!("t={time},v1={signature}"), body)
    }

    #[test]
    fn who_knows_a_secret_is_believed() {
        let paid = Paid {
            id: "p-1".to_owned(),
            user: "u-1".to_owned(),
            coins: 500,
            at_ms: NOW * 1_000,
        };
        for secret in ["the new secret", "the old secret"] {
            assert_eq!(signed(secret, NOW, BODY), Ok(paid.clone()));
        }
        let good = sign("the old secret", &NOW.to_string(), BODY);
        let bad = "00".repeat(32);
        let both = format!("t={NOW}, v1={bad}, v1={}, v2=later", good.to_uppercase());
        assert_eq!(read(&both, BODY), Ok(paid));
        assert_eq!(signed("another", NOW, BODY), Err(Refusal::Signature));
        let other = BODY.replace("500", "501");
        let moved = read(&format!("t={NOW},v1={good}"), &other);
        assert_eq!(moved, Err(Refusal::Signature));
        let later = format!("t={},v1={good}", NOW + 1);
        assert_eq!(read(&later, BODY), Err(Refusal::Signature));
    }

    #[test]
    fn what_is_not_signed_is_not_read() {
        let good = sign("the new secret", &NOW.to_string(), BODY);
        for header in [
            "",
            "t=1",
            "v1=00",
            &format!("v1={good}"),
            &format!("t={NOW}"),
            &format!("t={NOW},v1="),
            &format!("t={NOW},v1={}", &good[1..]),
            &format!("t={NOW},v1={}", &good[2..]),
            &format!("t=+{NOW},v1={good}"),
            &format!("t={NOW},t={NOW},v1={good}"),
            &format!("t={NOW}{}", format!(",v1={good}").repeat(5)),
            &format!("t={NOW},v1=é{good}"),
        ] {
            assert_eq!(read(header, BODY), Err(Refusal::Signature), "{header}");
        }
        let none = Webhook::new(&[]).read(&HeaderMap::new(), BODY.as_bytes(), 0);
        assert_eq!(none, Err(Refusal::Signature));
    }

    #[test]
    fn old_ones_are_not_believed() {
        let at = |time| signed("the new secret", time, BODY);
        assert!(at(NOW - 300).is_ok() && at(NOW + 300).is_ok());
        for time in [NOW - 301, NOW + 301, 0, u64::MAX] {
            assert_eq!(at(time), Err(Refusal::Stale));
        }
    }

    #[test]
    fn bodies_are_read_strictly() {
        for body in [
            "",
            "{}",
            r#"{"id":"","user":"u","coins":1}"#,
            r#"{"id":"a/b","user":"u","coins":1}"#,
            r#"{"id":"a","user":"u","coins":0}"#,
            r#"{"id":"a","user":"u","coins":-1}"#,
            r#"{"id":"a","user":"u","coins":1.5}"#,
            r#"{"id":"a","user":"u","coins":18446744073709551616}"#,
            r#"{"id":"a","user":"u","coins":1,"more":1}"#,
            &format!(r#"{{"id":"{}","user":"u","coins":1}}"#, "a".repeat(97)),
        ] {
            let read = signed("the new secret", NOW, body);
            assert_eq!(read, Err(Refusal::Malformed), "{body}");
        }
    }
}
