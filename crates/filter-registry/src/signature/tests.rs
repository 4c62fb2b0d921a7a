use super::*;

fn name(name: &str) -> FilterName {
    name.parse().unwrap()
}

fn id(byte: u8) -> VersionId {
    VersionId::from([byte; 32])
}

fn key() -> SigningKey {
    SigningKey::from_pem("ops", &SigningKey::generate_pem().unwrap()).unwrap()
}

fn policy(required: bool, key: &SigningKey) -> SignaturePolicy {
    SignaturePolicy::new(required, [("ops", key.public_key().as_str())]).unwrap()
}

#[test]
fn a_signature_is_good_for_exactly_what_was_signed() {
    let key = key();
    let policy = policy(true, &key);
    let signature = key.sign(&name("auth"), 7, id(1));
    let check = |filter: &str, serial, id, signature: &Signature| {
        policy.check(&name(filter), serial, id, Some(signature))
    };
    assert_eq!(check("auth", 7, id(1), &signature), Ok(()));
    assert_eq!(
        check("auth2", 7, id(1), &signature),
        Err(SignatureError::Wrong)
    );
    assert_eq!(
        check("auth", 8, id(1), &signature),
        Err(SignatureError::Wrong)
    );
    assert_eq!(
        check("auth", 7, id(2), &signature),
        Err(SignatureError::Wrong)
    );
}

#[test]
fn no_bit_of_a_signature_may_flip() {
    let key = key();
    let policy = policy(true, &key);
    let good = key.sign(&name("auth"), 7, id(1));
    let bytes = STANDARD.decode(&good.value).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let signature = Signature {
            value: STANDARD.encode(flipped),
            ..good.clone()
        };
        let result = policy.check(&name("auth"), 7, id(1), Some(&signature));
        assert_eq!(result, Err(SignatureError::Wrong), "bit {bit}");
    }
    for value in ["", "!", &good.value[..40]] {
        let signature = Signature {
            value: value.to_owned(),
            ..good.clone()
        };
        let result = policy.check(&name("auth"), 7, id(1), Some(&signature));
        assert_eq!(result, Err(SignatureError::Wrong), "{value:?}");
    }
}

#[test]
fn the_policy_decides_whether_none_will_do() {
    let key = key();
    let unsigned = |policy: &SignaturePolicy| policy.check(&name("auth"), 1, id(1), None);
    assert_eq!(unsigned(&policy(true, &key)), Err(SignatureError::Missing));
    assert_eq!(unsigned(&policy(false, &key)), Ok(()));
}

#[test]
fn a_stranger_is_refused_even_where_none_is_required() {
    let stranger = key();
    let policy = policy(false, &key());
    let forged = stranger.sign(&name("auth"), 1, id(1));
    let result = policy.check(&name("auth"), 1, id(1), Some(&forged));
    assert_eq!(result, Err(SignatureError::Wrong), "the id of a known key");
    let other = Signature {
        key_id: "mallory".to_owned(),
        ..forged
    };
    let result = policy.check(&name("auth"), 1, id(1), Some(&other));
    assert_eq!(
        result,
        Err(SignatureError::UnknownKey("mallory".to_owned()))
    );
}

#[test]
fn a_key_file_comes_back() {
    let pem = SigningKey::generate_pem().unwrap();
    let one = SigningKey::from_pem("ops", &pem).unwrap();
    let other = SigningKey::from_pem("ops", &pem).unwrap();
    assert_eq!(one.public_key(), other.public_key());
    assert!(!format!("{one:?}").contains(pem.lines().nth(1).unwrap()));
}

/// Made with `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout -outform der | tail -c 32 | base64`.
#[test]
fn a_key_of_openssl_is_read() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIG3JwSxiy/VPHog3NPSDwm8Ofakt6yftqJDFVt3BFRiq\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem("openssl", PEM).unwrap();
    assert_eq!(
        key.public_key(),
        "/hiCS6V2hT3CfnkD+iv0Yw0RH0Ceh/oXplbXLZH15rA="
    );
}

#[test]
fn what_is_no_key_is_refused() {
    let pem = SigningKey::generate_pem().unwrap();
    let refused = |pem: &str| SigningKey::from_pem("ops", pem).unwrap_err();
    assert_eq!(refused(""), KeyError::NotPem);
    assert_eq!(refused(&pem.replace("PRIVATE", "PUBLIC")), KeyError::NotPem);
    assert_eq!(refused(&pem[..pem.len() / 2]), KeyError::NotPem);
    let rsa = format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode("no key"));
    assert_eq!(refused(&rsa), KeyError::NotEd25519);
    assert!(matches!(
        SigningKey::from_pem("", &pem).unwrap_err(),
        KeyError::KeyId(_)
    ));
    assert!(matches!(
        SignaturePolicy::new(true, [("a", "AAAA")]).unwrap_err(),
        KeyError::PublicKey(_)
    ));
    let public = key().public_key();
    let twice = SignaturePolicy::new(true, [("a", public.as_str()), ("a", public.as_str())]);
    assert_eq!(twice.unwrap_err(), KeyError::Twice("a".to_owned()));
}
