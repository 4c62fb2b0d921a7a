use proptest::prelude::*;

use super::*;
use crate::Key;

const NOW: u64 = 1_795_255_200;

fn ring(secrets: &[u8]) -> Keyring {
    Keyring::new(
        secrets
            .iter()
            .map(|byte| Key::new(None, &[*byte; 32]).unwrap()),
    )
    .unwrap()
}

fn stream(name: &str) -> Scope {
    Scope::Stream(name.to_owned())
}

/// A token with a right signature around any payload.
fn signed(ring: &Keyring, payload: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = URL_SAFE_NO_PAD.encode(ring.signer().sign(payload.as_bytes()));
    format!("{payload}.{signature}")
}

#[test]
fn a_token_opens_its_stream_until_it_expires() {
    let ring = ring(&[1]);
    let token = ring.sign(&stream("demo"), NOW).unwrap();
    let claims = Claims {
        scope: stream("demo"),
        expires_at_unix: NOW,
    };
    assert_eq!(ring.verify(&token, "demo", NOW - 1), Ok(claims));
    assert_eq!(ring.verify(&token, "demo", NOW), Err(TokenError::Expired));
    assert_eq!(
        ring.verify(&token, "other", NOW - 1),
        Err(TokenError::WrongStream)
    );
    assert_eq!(
        ring.verify(&token, "*", NOW - 1),
        Err(TokenError::WrongStream)
    );
}

#[test]
fn a_token_for_all_streams_opens_every_one() {
    let ring = ring(&[1]);
    let token = ring.sign(&Scope::All, NOW).unwrap();
    assert_eq!(ring.verify(&token, "demo", 0).unwrap().scope, Scope::All);
    assert_eq!(ring.verify(&token, "demo", NOW), Err(TokenError::Expired));
}

#[test]
fn a_viewers_token_is_never_a_tiers() {
    let viewers = ring(&[1, 2]);
    let tiers = viewers.for_tiers();
    let (viewer, tier) = (
        viewers.sign(&Scope::All, NOW).unwrap(),
        tiers.sign(&Scope::All, NOW).unwrap(),
    );
    assert!(viewers.verify(&viewer, "demo", 0).is_ok());
    assert!(tiers.verify(&tier, "demo", 0).is_ok());
    for refused in [
        tiers.verify(&viewer, "demo", 0),
        viewers.verify(&tier, "demo", 0),
        tiers.for_tiers().verify(&tier, "demo", 0),
        ring(&[3]).for_tiers().verify(&tier, "demo", 0),
    ] {
        assert_eq!(refused, Err(TokenError::BadSignature));
    }
}

#[test]
fn tiers_agree_through_a_rotation() {
    let token = ring(&[1]).for_tiers().sign(&stream("demo"), NOW).unwrap();
    let rotated = ring(&[2, 1]).for_tiers();
    assert!(rotated.verify(&token, "demo", NOW - 1).is_ok());
}

#[test]
fn the_format_is_the_documented_one() {
    // Computed with the shell commands in the crate's documentation.
    let secret = b"0123456789abcdef0123456789abcdef";
    let ring = Keyring::new([Key::new(None, secret).unwrap()]).unwrap();
    let token = ring.sign(&stream("demo"), 1_800_000_000).unwrap();
    assert_eq!(
        token,
        "djF8ZGVtb3wxODAwMDAwMDAw.80lurfTumOJRoMyBR7BVAqhdwdXIe-v2HaOBMSPIqa8"
    );
}

#[test]
fn the_first_key_signs_and_all_verify() {
    let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    let token = old.sign(&stream("demo"), NOW).unwrap();
    assert!(both.verify(&token, "demo", 0).is_ok());
    assert_eq!(new.verify(&token, "demo", 0), Err(TokenError::BadSignature));
    let token = both.sign(&stream("demo"), NOW).unwrap();
    assert!(new.verify(&token, "demo", 0).is_ok());
    assert_eq!(old.verify(&token, "demo", 0), Err(TokenError::BadSignature));
}

#[test]
fn names_that_would_be_ambiguous_cannot_be_signed() {
    let longest = "s".repeat(STREAM_BYTES_MAX);
    for name in ["", "*", "a|b", &format!("{longest}s")] {
        assert_eq!(
            ring(&[1]).sign(&stream(name), NOW),
            Err(SignError),
            "{name}"
        );
    }
    let token = ring(&[1]).sign(&stream(&longest), u64::MAX).unwrap();
    assert!(token.len() <= TOKEN_BYTES_MAX, "{}", token.len());
    assert!(ring(&[1]).verify(&token, &longest, NOW).is_ok());
}

#[test]
fn texts_that_are_no_tokens_are_refused() {
    let ring = ring(&[1]);
    let good = ring.sign(&stream("demo"), NOW).unwrap();
    let table = [
        (String::new(), TokenError::Malformed),
        (".".to_owned(), TokenError::BadSignature),
        ("no-dot".to_owned(), TokenError::Malformed),
        (format!("{good}."), TokenError::Malformed),
        (format!("{good}="), TokenError::Malformed),
        (format!(" {good}"), TokenError::BadSignature),
        ("A".repeat(TOKEN_BYTES_MAX + 1), TokenError::Malformed),
        (good.replace('.', ".+"), TokenError::Malformed),
        (signed(&ring, "v2|demo|9999999999"), TokenError::Malformed),
        (signed(&ring, "v1|demo"), TokenError::Malformed),
        (signed(&ring, "v1|demo|"), TokenError::Malformed),
        (signed(&ring, "v1||9999999999"), TokenError::Malformed),
        (signed(&ring, "v1|demo|+999999999"), TokenError::Malformed),
        (
            signed(&ring, "v1|demo|99999999999999999999"),
            TokenError::Malformed,
        ),
        (signed(&ring, "v1|demo|9999999999|x"), TokenError::Malformed),
    ];
    for (token, expect) in table {
        assert_eq!(
            ring.verify(&token, "demo", 0),
            Err(expect),
            "{token} {}",
            expect.as_str()
        );
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(name in "[^|]{1,32}", expiry in 1u64.., key in 0u8..3) {
        prop_assume!(name != ALL_STREAMS && name.len() <= STREAM_BYTES_MAX);
        let token = ring(&[key]).sign(&stream(&name), expiry).unwrap();
        prop_assert!(token.len() <= TOKEN_BYTES_MAX);
        let claims = ring(&[0, 1, 2]).verify(&token, &name, expiry - 1);
        prop_assert_eq!(claims, Ok(Claims { scope: stream(&name), expires_at_unix: expiry }));
    }

    #[test]
    fn a_flipped_bit_never_verifies(name in "[a-z0-9]{1,20}", expiry in NOW.., bit in any::<prop::sample::Index>()) {
        let ring = ring(&[1, 2]);
        let mut bytes = ring.sign(&stream(&name), expiry).unwrap().into_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(token) = String::from_utf8(bytes) {
            prop_assert!(ring.verify(&token, &name, 0).is_err());
        }
    }

    #[test]
    fn any_text_is_refused(token in ".{0,80}") {
        prop_assert!(ring(&[1]).verify(&token, "demo", 0).is_err());
    }
}
