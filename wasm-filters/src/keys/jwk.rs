//! One public key of a JWK set (RFC 7517, 7518, 8037).
//!
//! **The algorithm belongs to the key.** It is settled here, when the key is read; a token's header
//! can only agree with it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Longest key id, in bytes.
pub const KID_BYTES_MAX: usize = 256;

const RSA_BITS_MIN: usize = 2_048;
const RSA_BITS_MAX: usize = 8_192;
/// ring takes no larger public exponent.
const RSA_EXPONENT_MAX: u64 = (1 << 33) - 1;

/// A signature algorithm of RFC 7518 that this node verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519. `EdDSA` in RFC 8037, `Ed25519` in RFC 9864.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256: for secrets only, never a key of a set.
    Hs256,
}

/// A public key, ready to verify with.
pub struct PublicKey {
    kid: Option<Box<str>>,
    material: Material,
}

enum Material {
    Ed25519(UnparsedPublicKey<[u8; 32]>),
    P256(UnparsedPublicKey<[u8; 65]>),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
}

/// Why a key of a set is left out. The others of the set are used nevertheless (RFC 7517 5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Not of the form of a JWK.
    #[error("not a JWK: {0}")]
    Form(String),
    /// A key type or curve that is not known here.
    #[error("key type {kty:?} with curve {crv:?} is not supported")]
    Unsupported {
        /// Its `kty`.
        kty: String,
        /// Its `crv`.
        crv: Option<String>,
    },
    /// A secret or a private key: it has no place in a public set, and is compromised.
    #[error("a private or secret key in a public set")]
    Private,
    /// `use` or `key_ops` says that it does not verify signatures.
    #[error("not meant for verifying signatures")]
    Purpose,
    /// `alg` is for another type of key, or none that is known here.
    #[error("algorithm {0:?} is not supported for a key of this type")]
    Algorithm(String),
    /// A member is missing, or not what its type demands.
    #[error("member {0:?} is missing or malformed")]
    Member(&'static str),
    /// An RSA modulus that is too small or too large.
    #[error("an RSA key of {bits} bits; {RSA_BITS_MIN} to {RSA_BITS_MAX} are allowed")]
    RsaBits {
        /// Its length.
        bits: usize,
    },
}

/// As it stands in the set.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// What makes it private, or a secret.
    d: Option<Value>,
    k: Option<Value>,
}

impl Algorithm {
    /// From `alg` of a token or a key.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "HS256" => Some(Self::Hs256),
            _ => None,
        }
    }
}

impl PublicKey {
    pub(super) fn from_value(value: Value) -> Result<Self, JwkError> {
        let jwk: Jwk =
            serde_json::from_value(value).map_err(|error| JwkError::Form(error.to_string()))?;
        if jwk.d.is_some() || jwk.k.is_some() || jwk.kty == "oct" {
            return Err(JwkError::Private);
        }
        let verifies = jwk
            .purpose
            .as_deref()
            .is_none_or(|purpose| purpose == "sig")
            && (jwk.key_ops.as_ref()).is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !verifies {
            return Err(JwkError::Purpose);
        }
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Material::ed25519(&jwk)?,
            ("EC", Some("P-256")) => Material::p256(&jwk)?,
            ("RSA", _) => Material::rsa(&jwk)?,
            _ => {
                return Err(JwkError::Unsupported {
                    kty: jwk.kty,
                    crv: jwk.crv,
                });
            }
        };
        if let Some(alg) = jwk.alg
            && Algorithm::from_name(&alg) != Some(material.algorithm())
        {
            return Err(JwkError::Algorithm(alg));
        }
        if jwk
            .kid
            .as_ref()
            .is_some_and(|kid| kid.len() > KID_BYTES_MAX)
        {
            return Err(JwkError::Member("kid"));
        }
        Ok(Self {
            kid: jwk.kid.map(String::into_boxed_str),
            material,
        })
    }

    /// Its name within the set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.material.algorithm()
    }

    /// Whether this key made the signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(key) => key.verify(message, signature),
            Material::P256(key) => key.verify(message, signature),
            Material::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        }
        .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl Material {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    fn ed25519(jwk: &Jwk) -> Result<Self, JwkError> {
        let x = coordinate(jwk.x.as_deref(), "x")?;
        Ok(Self::Ed25519(UnparsedPublicKey::new(&ED25519, x)))
    }

    fn p256(jwk: &Jwk) -> Result<Self, JwkError> {
        // SEC 1 2.3.3, uncompressed: 4, x, y.
        let mut point = [4; 65];
        let (x, y) = point[1..].split_at_mut(32);
        x.copy_from_slice(&coordinate(jwk.x.as_deref(), "x")?);
        y.copy_from_slice(&coordinate(jwk.y.as_deref(), "y")?);
        Ok(Self::P256(UnparsedPublicKey::new(
            &ECDSA_P256_SHA256_FIXED,
            point,
        )))
    }

    fn rsa(jwk: &Jwk) -> Result<Self, JwkError> {
        let n = unsigned(jwk.n.as_deref(), "n")?;
        let e = unsigned(jwk.e.as_deref(), "e")?;
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(JwkError::RsaBits { bits });
        }
        let exponent = match e.len() {
            0..=8 => e.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            _ => u64::MAX,
        };
        if !(3..=RSA_EXPONENT_MAX).contains(&exponent) || exponent % 2 == 0 {
            return Err(JwkError::Member("e"));
        }
        if n.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(JwkError::Member("n"));
        }
        Ok(Self::Rsa(RsaPublicKeyComponents { n, e }))
    }
}

/// A coordinate has the full length of its curve, leading zeros included (RFC 7518 6.2.1.2).
fn coordinate(text: Option<&str>, name: &'static str) -> Result<[u8; 32], JwkError> {
    decode(text, name)?
        .try_into()
        .map_err(|_| JwkError::Member(name))
}

/// A number has no leading zeros (RFC 7518 6.3.1); some software writes one nevertheless.
fn unsigned(text: Option<&str>, name: &'static str) -> Result<Box<[u8]>, JwkError> {
    let bytes = decode(text, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes.into_iter().skip(zeros).collect())
}

fn decode(text: Option<&str>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(JwkError::Member(name))
}
