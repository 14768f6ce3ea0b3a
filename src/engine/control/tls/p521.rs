//! secp521r1: the group that servers of TLS 1.2 with a certificate on P-521 want to see in the hello.

use p521::elliptic_curve::sec1::ToEncodedPoint;
use p521::{PublicKey, SecretKey};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

/// The group secp521r1.
pub(super) static SECP521R1: &dyn SupportedKxGroup = &Curve;

#[derive(Debug)]
struct Curve;

impl SupportedKxGroup for Curve {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let key = secret_key()?;
        let share = key.public_key().to_encoded_point(false).as_bytes().to_vec();
        Ok(Box::new(Exchange { key, share }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// Our half, until the server's share comes.
struct Exchange {
    key: SecretKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let theirs = match share {
            // Other forms of a point are none of TLS (RFC 8446, section 4.2.8.2).
            [4, ..] => PublicKey::from_sec1_bytes(share).ok(),
            _ => None,
        };
        let theirs = theirs.ok_or(PeerMisbehaved::InvalidKeyShare)?;
        let secret = p521::ecdh::diffie_hellman(self.key.to_nonzero_scalar(), theirs.as_affine());
        Ok(SharedSecret::from(secret.raw_secret_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// A number below the curve's order. One of 521 bits is not only once in 2^260.
fn secret_key() -> Result<SecretKey, GetRandomFailed> {
    let mut bytes = Zeroizing::new([0; 66]);
    for _ in 0..4 {
        // A group is handed no randomness by rustls: this is the source that its own groups draw from as well.
        default_provider().secure_random.fill(&mut *bytes)?;
        bytes[0] &= 1;
        if let Ok(key) = SecretKey::from_slice(&*bytes) {
            return Ok(key);
        }
    }
    Err(GetRandomFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_one_secret_and_the_next_exchange_another() {
        let exchange = || {
            let ours = SECP521R1.start().unwrap();
            assert_eq!((ours.pub_key().len(), ours.pub_key()[0]), (133, 4));
            let theirs = SECP521R1.start_and_complete(ours.pub_key()).unwrap();
            let secret = ours.complete(&theirs.pub_key).unwrap();
            assert_eq!(secret.secret_bytes(), theirs.secret.secret_bytes());
            assert_eq!(secret.secret_bytes().len(), 66);
            secret.secret_bytes().to_vec()
        };
        assert_ne!(exchange(), exchange());
    }

    #[test]
    fn points_that_are_not_on_the_curve_are_the_peers_fault() {
        let share = SECP521R1.start().unwrap().pub_key().to_vec();
        let mut off = share.clone();
        off[132] ^= 1;
        let compressed = [&[2 + (share[132] & 1)], &share[1..67]].concat();
        for share in [&[][..], &[0], &[4], &off, &compressed, &share[..132]] {
            let ours = SECP521R1.start().unwrap();
            let invalid = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
            assert_eq!(ours.complete(share).map(drop), Err(invalid));
        }
    }
}
