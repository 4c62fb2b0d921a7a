//! Identities that this origin signs: JWTs (RFC 7519) by EdDSA (RFC 8037), and the JWK set to check
//! them by.
//!
//! The key is made at the first start. To change it: move `identity.pk8` to `identity.old.pk8` and
//! start again; when the last identity of the old one has expired, remove that.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// `iss` of every identity.
pub(super) const ISSUER: &str = "weir-origin";
/// The longest identity that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 4 << 10;

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no Ed25519 key.
    #[error("{path}: no Ed25519 key in PKCS #8")]
    Key {
        /// Which.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// What an identity says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    /// User id.
    pub(super) sub: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    /// Rooms and streams that it opens; patterns.
    pub(super) streams: Vec<String>,
    /// What it allows there: "join:demo play:demo".
    #[serde(default)]
    pub(super) scope: String,
    /// Seconds.
    pub(super) iat: u64,
    /// Seconds.
    pub(super) exp: u64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The keys: the first signs.
#[derive(Debug)]
pub(super) struct Identity {
    pair: Ed25519KeyPair,
    kid: String,
    /// Public keys by their ids, the one that signs included.
    known: Vec<(String, Vec<u8>)>,
}

impl Identity {
    /// Opens the key at `path`, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, IdentityError> {
        let pair = match read(path)? {
            Some(pair) => pair,
            None => make(path)?,
        };
        let mut known = vec![public(&pair)];
        if let Some(old) = read(&path.with_extension("old.pk8"))? {
            known.push(public(&old));
        }
        Ok(Self {
            kid: public(&pair).0,
            pair,
            known,
        })
    }

    /// The set to publish (RFC 7517).
    pub(super) fn jwks(&self) -> serde_json::Value {
        let keys = self.known.iter().map(|(kid, key)| {
            serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": kid,
                "x": BASE64.encode(key),
            })
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// Signs.
    pub(super) fn sign(&self, claims: &Claims) -> String {
        let header = Header {
            alg: "EdDSA".to_owned(),
            typ: "JWT".to_owned(),
            kid: self.kid.clone(),
        };
        let part = |bytes: Result<Vec<u8>, _>| BASE64.encode(bytes.unwrap_or_default());
        let signed = format!(
            "{}.{}",
            part(serde_json::to_vec(&header)),
            part(serde_json::to_vec(claims))
        );
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.as_ref()))
    }

    /// Reads one of our own, expired or not.
    pub(super) fn read(&self, token: &str) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
        if header.alg != "EdDSA" {
            return None;
        }
        let (_, key) = self.known.iter().find(|(kid, _)| *kid == header.kid)?;
        let signature = BASE64.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        (claims.iss == ISSUER).then_some(claims)
    }
}

/// A public key, and its id: its thumbprint, as short as it has to be.
fn public(pair: &Ed25519KeyPair) -> (String, Vec<u8>) {
    let key = pair.public_key().as_ref().to_vec();
    let hash = digest(&SHA256, &key);
    let short = hash.as_ref().get(..9).unwrap_or_default();
    (BASE64.encode(short), key)
}

fn read(path: &Path) -> Result<Option<Ed25519KeyPair>, IdentityError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(IdentityError::File { path, source });
        }
    };
    let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| IdentityError::Key {
        path: path.to_owned(),
    });
    pair.map(Some)
}

fn make(path: &Path) -> Result<Ed25519KeyPair, IdentityError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let document = document.map_err(|_| IdentityError::Random)?;
    let failed = |source| IdentityError::File {
        path: path.to_owned(),
        source,
    };
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true).mode(0o600);
    let mut file = options.open(path).map_err(failed)?;
    io::Write::write_all(&mut file, document.as_ref()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| IdentityError::Key {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use wasm_filters::keys::{KeySet, verify_with_set};

    use super::*;

    fn claims(exp: u64) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            sub: "g-1".to_owned(),
            name: "Ana".to_owned(),
            roles: vec!["moderator".to_owned()],
            streams: vec!["*".to_owned()],
            scope: "join:*".to_owned(),
            iat: 1,
            exp,
        }
    }

    #[test]
    fn filters_read_what_is_signed_by_the_published_set() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pk8");
        let identity = Identity::open(&path).unwrap();
        let token = identity.sign(&claims(1_000));
        let set = KeySet::parse(identity.jwks().to_string().as_bytes()).unwrap();
        let read = verify_with_set(&token, &set, 999_000).unwrap();
        assert_eq!(
            serde_json::from_str::<Claims>(&read).unwrap(),
            claims(1_000)
        );
        assert!(verify_with_set(&token, &set, 2_000_000).is_err(), "expired");
        // Kept, and then exchanged: both are known for a while.
        let again = Identity::open(&path).unwrap();
        assert_eq!(again.read(&token), Some(claims(1_000)));
        fs::rename(&path, path.with_extension("old.pk8")).unwrap();
        let next = Identity::open(&path).unwrap();
        assert_eq!(next.read(&token), Some(claims(1_000)));
        assert_ne!(next.kid, again.kid);
    }

    #[test]
    fn nobody_elses_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(&dir.path().join("a.pk8")).unwrap();
        let other = Identity::open(&dir.path().join("b.pk8")).unwrap();
        let token = identity.sign(&claims(5));
        assert_eq!(other.read(&token), None);
        let (signed, _) = token.rsplit_once('.').unwrap();
        assert_eq!(identity.read(&format!("{signed}.AAAA")), None);
        for nonsense in ["", ".", "..", "a.b.c", &"x".repeat(10_000)] {
            assert_eq!(identity.read(nonsense), None);
        }
    }
}
