//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem, section 4): a key exchange that whoever records it today
//! does not read with tomorrow's quantum computer.
//!
//! X25519 is ring's, ML-KEM-768 (FIPS 203) is libcrux's; here they are only put beside each other. Both
//! keys live for one handshake. What is agreed on is as strong as the stronger of the two, so that a
//! fault of the younger one leaves what X25519 alone would give.

use std::fmt;

use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768KeyPair, MlKem768PublicKey};
use libcrux_ml_kem::{KEY_GENERATION_SEED_SIZE, SHARED_SECRET_SIZE};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

/// The client's share of ML-KEM: its encapsulation key.
const ENCAPSULATION_KEY_LEN: usize = 1184;
/// The server's share of ML-KEM: the ciphertext.
const CIPHERTEXT_LEN: usize = 1088;

/// The group, for a provider's list.
pub(super) static X25519MLKEM768: &dyn SupportedKxGroup = &Hybrid;

#[derive(Debug)]
struct Hybrid;

/// A client's half of a handshake.
struct Started {
    classical: Box<dyn ActiveKeyExchange>,
    post_quantum: MlKem768KeyPair,
    /// Of both, ML-KEM's first.
    share: Vec<u8>,
}

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = X25519.start()?;
        let post_quantum = mlkem768::generate_key_pair(random::<KEY_GENERATION_SEED_SIZE>()?);
        let share = [&post_quantum.pk()[..], classical.pub_key()].concat();
        Ok(Box::new(Started {
            classical,
            post_quantum,
            share,
        }))
    }

    /// A server's half.
    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, classical_share) = client_share
            .split_first_chunk::<ENCAPSULATION_KEY_LEN>()
            .ok_or_else(invalid)?;
        // It refuses what is not of 32 bytes, or of a small order.
        let classical = X25519.start_and_complete(classical_share)?;
        let key = MlKem768PublicKey::from(key);
        // FIPS 203 section 7.2: coefficients beyond the modulus are no key.
        if !mlkem768::validate_public_key(&key) {
            return Err(invalid());
        }
        let (ciphertext, secret) = mlkem768::encapsulate(&key, random::<SHARED_SECRET_SIZE>()?);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext.as_slice()[..], &classical.pub_key].concat(),
            secret: joined(&secret, &classical.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, classical_share) = server_share
            .split_first_chunk::<CIPHERTEXT_LEN>()
            .ok_or_else(invalid)?;
        let classical = self.classical.complete(classical_share)?;
        let ciphertext = MlKem768Ciphertext::from(ciphertext);
        let secret = mlkem768::decapsulate(self.post_quantum.private_key(), &ciphertext);
        Ok(joined(&secret, &classical))
    }

    /// A server without ML-KEM takes this half, and nobody loses a round trip.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(
        self: Box<Self>,
        server_share: &[u8],
    ) -> Result<SharedSecret, Error> {
        self.classical.complete(server_share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// Without keys.
impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// ML-KEM's first, as in the shares.
fn joined(post_quantum: &[u8], classical: &SharedSecret) -> SharedSecret {
    SharedSecret::from([post_quantum, classical.secret_bytes()].concat())
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

fn invalid() -> Error {
    PeerMisbehaved::InvalidKeyShare.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Box<dyn ActiveKeyExchange> {
        X25519MLKEM768.start().unwrap()
    }

    #[test]
    fn both_sides_agree() {
        let client = started();
        assert_eq!(client.pub_key().len(), 1184 + 32);
        let server = X25519MLKEM768.start_and_complete(client.pub_key()).unwrap();
        assert_eq!(server.pub_key.len(), 1088 + 32);
        assert_eq!(server.secret.secret_bytes().len(), 64);
        let agreed = client.complete(&server.pub_key).unwrap();
        assert_eq!(agreed.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn both_halves_count() {
        for byte in [0, 1088] {
            let client = started();
            let server = X25519MLKEM768.start_and_complete(client.pub_key()).unwrap();
            let mut share = server.pub_key;
            share[byte] ^= 1;
            let agreed = client.complete(&share).unwrap();
            let (mine, theirs) = (agreed.secret_bytes(), server.secret.secret_bytes());
            assert_ne!(mine, theirs, "{byte}");
            // The other half is as it was.
            let other = if byte == 0 { 32..64 } else { 0..32 };
            assert_eq!(mine[other.clone()], theirs[other], "{byte}");
        }
    }

    #[test]
    fn the_classical_half_serves_alone() {
        let client = started();
        let (group, share) = client.hybrid_component().unwrap();
        assert_eq!(group, NamedGroup::X25519);
        assert_eq!(share, &client.pub_key()[1184..]);
        let server = X25519.start_and_complete(share).unwrap();
        let agreed = client.complete_hybrid_component(&server.pub_key).unwrap();
        assert_eq!(agreed.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn broken_shares_are_refused() {
        let client = started();
        let good = client.pub_key().to_vec();
        let mut beyond = good.clone();
        // The first coefficient is 4095, beyond the modulus of 3329.
        (beyond[0], beyond[1]) = (0xff, beyond[1] | 0x0f);
        let mut small_order = good.clone();
        small_order[1184..].fill(0);
        let longer = [&good[..], &[0]].concat();
        for (what, share) in [
            ("empty", &[][..]),
            ("short", &good[..1215]),
            ("ML-KEM alone", &good[..1184]),
            ("long", &longer),
            ("beyond the modulus", &beyond),
            ("of small order", &small_order),
        ] {
            assert!(X25519MLKEM768.start_and_complete(share).is_err(), "{what}");
        }
        let server = X25519MLKEM768.start_and_complete(&good).unwrap().pub_key;
        for length in [0, 1088, 1119] {
            assert!(started().complete(&server[..length]).is_err(), "{length}");
        }
        assert!(client.complete(&[&server[..], &[0]].concat()).is_err());
    }
}
