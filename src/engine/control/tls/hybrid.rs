//! X25519MLKEM768: ML-KEM-768 (FIPS 203) beside X25519, so that what is recorded today stays closed to a quantum computer.
//!
//! Both shares and both secrets stand behind each other, ML-KEM's first. Whoever breaks one of them has nothing.

use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::ml_kem_768::{DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, Seed};
use rustls::crypto::ring::{default_provider, kx_group::X25519};
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

/// The group X25519MLKEM768, of TLS 1.3 alone.
pub static X25519_MLKEM768: &dyn SupportedKxGroup = &Hybrid;

#[derive(Debug)]
struct Hybrid;

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = X25519.start()?;
        let seed = random::<64>()?;
        let key = DecapsulationKey::from_seed(Seed::from(*seed));
        let mut share = key.encapsulation_key().to_bytes().to_vec();
        share.extend_from_slice(classical.pub_key());
        Ok(Box::new(Exchange {
            classical,
            key,
            share,
        }))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (post_quantum, classical) = split::<ENCAPSULATION_KEY>(client_share)?;
        let key = <&[u8; ENCAPSULATION_KEY]>::try_from(post_quantum)
            .ok()
            .and_then(|bytes| EncapsulationKey::new(&(*bytes).into()).ok())
            .ok_or(PeerMisbehaved::InvalidKeyShare)?;
        let message = random::<32>()?;
        let (ciphertext, secret) = key.encapsulate_deterministic(&B32::from(*message));
        let classical = X25519.start_and_complete(classical)?;
        Ok(CompletedKeyExchange {
            group: NamedGroup::X25519MLKEM768,
            pub_key: [&ciphertext[..], &classical.pub_key].concat(),
            secret: join(&Zeroizing::new(secret.0), &classical.secret),
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

/// Our half, until the server's share comes.
struct Exchange {
    classical: Box<dyn ActiveKeyExchange>,
    key: DecapsulationKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, classical) = split::<CIPHERTEXT>(server_share)?;
        let secret = self
            .key
            .decapsulate_slice(ciphertext)
            .map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let secret = Zeroizing::new(secret.0);
        Ok(join(&secret, &self.classical.complete(classical)?))
    }

    /// A server without ML-KEM takes the share of X25519, which costs nothing more and saves a round trip.
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

/// The bytes of an ML-KEM-768 encapsulation key.
const ENCAPSULATION_KEY: usize = 1184;
/// The bytes of an ML-KEM-768 ciphertext.
const CIPHERTEXT: usize = 1088;
/// The bytes of an X25519 share.
const CLASSICAL: usize = 32;

/// A share of `LENGTH` bytes of ML-KEM and those of X25519.
fn split<const LENGTH: usize>(share: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    match share.split_at_checked(LENGTH) {
        Some((post_quantum, classical)) if classical.len() == CLASSICAL => {
            Ok((post_quantum, classical))
        }
        _ => Err(PeerMisbehaved::InvalidKeyShare.into()),
    }
}

fn join(post_quantum: &[u8; 32], classical: &SharedSecret) -> SharedSecret {
    SharedSecret::from([post_quantum, classical.secret_bytes()].concat())
}

/// A group is handed no randomness by rustls: this is the source that X25519 draws its keys from as well.
fn random<const LENGTH: usize>() -> Result<Zeroizing<[u8; LENGTH]>, GetRandomFailed> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    default_provider().secure_random.fill(&mut *bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::super::super::pki::fixtures::fixture_bytes;
    use super::*;

    const KEY: [u8; ENCAPSULATION_KEY] = *fixture_bytes!("mlkem", "encapsulation-key.bin");
    const CHANGED: [u8; CIPHERTEXT] = *fixture_bytes!("mlkem", "changed.bin");
    const SENT: [u8; CIPHERTEXT] = *fixture_bytes!("mlkem", "ciphertext.bin");
    const REJECTED: [u8; 32] = *fixture_bytes!("mlkem", "rejected.bin");
    const SECRET: [u8; 32] = *fixture_bytes!("mlkem", "secret.bin");

    /// The bytes that `tests/data/mlkem/make` gives to OpenSSL.
    fn multiples<const LENGTH: usize>(of: u8) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut last = 0;
        for byte in &mut bytes {
            last += of;
            *byte = last;
        }
        bytes
    }

    fn known_key() -> DecapsulationKey {
        DecapsulationKey::from_seed(Seed::from(multiples::<64>(3)))
    }

    #[test]
    fn keys_ciphertexts_and_secrets_are_those_of_openssl() {
        let key = known_key();
        assert_eq!(key.encapsulation_key().to_bytes().0, KEY);
        let sender = EncapsulationKey::new(&KEY.into()).unwrap();
        let (ciphertext, secret) = sender.encapsulate_deterministic(&B32::from(multiples(7)));
        assert_eq!(ciphertext.0, SENT);
        assert_eq!(secret.0, SECRET);
        assert_eq!(key.decapsulate_slice(&SENT).unwrap().0, SECRET);
    }

    #[test]
    fn a_changed_ciphertext_gives_the_secret_of_a_rejection() {
        assert_ne!(SENT, CHANGED);
        let secret = known_key().decapsulate_slice(&CHANGED).unwrap();
        assert_eq!(secret.0, REJECTED);
        assert_ne!(REJECTED, SECRET);
    }

    #[test]
    fn the_exchange_joins_both_secrets_in_the_order_of_the_shares() {
        let classical = X25519.start().unwrap();
        let theirs = X25519.start_and_complete(classical.pub_key()).unwrap();
        let share = [KEY.as_slice(), classical.pub_key()].concat();
        let ours = Box::new(Exchange {
            classical,
            key: known_key(),
            share,
        });
        let answer = [SENT.as_slice(), &theirs.pub_key].concat();
        let secret = ours.complete(&answer).unwrap();
        let expected = [SECRET.as_slice(), theirs.secret.secret_bytes()].concat();
        assert_eq!(secret.secret_bytes(), expected);
    }

    #[test]
    fn both_sides_have_one_secret_and_the_next_exchange_another() {
        let exchange = || {
            let ours = X25519_MLKEM768.start().unwrap();
            let share = ours.pub_key().to_vec();
            assert_eq!(share.len(), 1216);
            let theirs = X25519_MLKEM768.start_and_complete(&share).unwrap();
            assert_eq!(theirs.pub_key.len(), 1120);
            let secret = ours.complete(&theirs.pub_key).unwrap();
            assert_eq!(secret.secret_bytes(), theirs.secret.secret_bytes());
            (share, secret.secret_bytes().to_vec())
        };
        let (first, second) = (exchange(), exchange());
        assert_ne!(first.0[..ENCAPSULATION_KEY], second.0[..ENCAPSULATION_KEY]);
        assert_ne!(first.1, second.1);
    }

    #[test]
    fn the_share_of_x25519_alone_is_enough() {
        let ours = X25519_MLKEM768.start().unwrap();
        let (group, share) = ours.hybrid_component().unwrap();
        assert_eq!(group, NamedGroup::X25519);
        let theirs = X25519.start_and_complete(share).unwrap();
        let secret = ours.complete_hybrid_component(&theirs.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), theirs.secret.secret_bytes());
    }

    #[test]
    fn shares_of_another_length_and_keys_out_of_range_are_the_peers_fault() {
        let invalid = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        for length in [0, 31, 32, 1088, 1119, 1121, 1216] {
            let ours = X25519_MLKEM768.start().unwrap();
            let outcome = ours.complete(&vec![7; length]).map(drop);
            assert_eq!(outcome, Err(invalid.clone()), "{length}");
        }
        for length in [0, 32, 1120, 1215, 1217] {
            let outcome = X25519_MLKEM768.start_and_complete(&vec![7; length]);
            assert_eq!(outcome.map(drop), Err(invalid.clone()), "{length}");
        }
        // Coefficients of 12 bits that are not below the modulus.
        let outcome = X25519_MLKEM768.start_and_complete(&[0xff; 1216]);
        assert_eq!(outcome.map(drop), Err(invalid.clone()));
        // A point of small order.
        let ours = X25519_MLKEM768.start().unwrap();
        let outcome = ours.complete(&[0; 1120]).map(drop);
        assert_eq!(outcome, Err(invalid));
    }
}
