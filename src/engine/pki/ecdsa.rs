//! ECDSA that *ring* does not have: P-521, and the other hashes with P-256 and P-384.

use std::fmt;
use std::sync::Arc;

use p521::ecdsa::signature::hazmat::RandomizedPrehashSigner;
use p521::ecdsa::signature::rand_core::{self, CryptoRng, RngCore};
use rustls::crypto::SecureRandom;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use zeroize::Zeroizing;

use super::super::crypto::hmac::{Digest, HmacKey};
use super::PkiError;
use super::der::{Der, INTEGER, OCTET_STRING};
use super::hash::Hash;
use super::key_kind::KeyKind;

/// Whether `signature`, as DER, over `message` holds for a point of the curve; `None`: the key is on no curve of ours.
pub(super) fn verify(
    kind: &KeyKind,
    hash: Hash,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    macro_rules! holds {
        ($curve:ident, $length:literal) => {{
            use $curve::ecdsa::signature::hazmat::PrehashVerifier;
            use $curve::ecdsa::{Signature, VerifyingKey};
            let digest = widened(hash.digest(&[message]), $length);
            let key = VerifyingKey::from_sec1_bytes(point);
            let signature = Signature::from_der(signature);
            match (key, signature) {
                (Ok(key), Ok(signature)) => key.verify_prehash(&digest, &signature).is_ok(),
                _ => false,
            }
        }};
    }
    match kind {
        KeyKind::P256 => Some(holds!(p256, 32)),
        KeyKind::P384 => Some(holds!(p384, 48)),
        KeyKind::P521 => Some(holds!(p521, 66)),
        KeyKind::Ed25519 | KeyKind::Other(_) | KeyKind::Rsa { .. } => None,
    }
}

/// A hash shorter than the curve's numbers is a number with zeros in front; the library takes no hash that is shorter
/// than half of them.
fn widened(digest: Vec<u8>, length: usize) -> Vec<u8> {
    let missing = length.saturating_sub(digest.len());
    [vec![0; missing], digest].concat()
}

/// A private key of our own on P-521.
pub(super) struct P521Key {
    key: Arc<p521::ecdsa::SigningKey>,
    public: Vec<u8>,
    random: &'static dyn SecureRandom,
}

impl P521Key {
    /// Reads SEC1 or PKCS#8.
    ///
    /// # Errors
    ///
    /// [`PkiError::Malformed`] if it is no key on P-521.
    pub(super) fn read(
        key: &PrivateKeyDer<'_>,
        random: &'static dyn SecureRandom,
    ) -> Result<Self, PkiError> {
        let number = match key {
            PrivateKeyDer::Sec1(key) => sec1_number(key.secret_sec1_der())?,
            PrivateKeyDer::Pkcs8(key) => pkcs8_number(key.secret_pkcs8_der())?,
            PrivateKeyDer::Pkcs1(_) | _ => return Err(PkiError::Malformed(WHAT)),
        };
        let key =
            p521::ecdsa::SigningKey::from_slice(&*number).map_err(|_| PkiError::Malformed(WHAT))?;
        let point = p521::ecdsa::VerifyingKey::from(&key).to_encoded_point(false);
        Ok(Self {
            key: Arc::new(key),
            public: [PUBLIC_KEY_HEAD, point.as_bytes()].concat(),
            random,
        })
    }
}

impl fmt::Debug for P521Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P521Key(..)")
    }
}

impl SigningKey for P521Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = || P521Signer {
            key: Arc::clone(&self.key),
            random: self.random,
        };
        offered
            .contains(&SignatureScheme::ECDSA_NISTP521_SHA512)
            .then(|| Box::new(signer()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.public.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

struct P521Signer {
    key: Arc<p521::ecdsa::SigningKey>,
    random: &'static dyn SecureRandom,
}

impl fmt::Debug for P521Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P521Signer(..)")
    }
}

impl Signer for P521Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = Hash::Sha512.digest(&[message]);
        let mut salt = [0; 64];
        self.random.fill(&mut salt)?;
        let mut nonces = Nonces::new(&self.key, &digest, &salt);
        let signature = self
            .key
            .sign_prehash_with_rng(&mut nonces, &digest)
            .map_err(|_| Error::General("the private key cannot sign".to_owned()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}

/// The secret number of a signature, drawn from the key, the message and randomness: should randomness ever repeat, another
/// message still has another number, and the key stays secret.
struct Nonces {
    key: HmacKey,
    counter: u64,
}

impl Nonces {
    fn new(key: &p521::ecdsa::SigningKey, digest: &[u8], salt: &[u8]) -> Self {
        let number = Zeroizing::new(key.to_bytes());
        let seed = HmacKey::new(Digest::Sha512, &number).sign(&[salt, digest]);
        Self {
            key: HmacKey::new(Digest::Sha512, seed.as_ref()),
            counter: 0,
        }
    }
}

impl CryptoRng for Nonces {}

impl RngCore for Nonces {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(64) {
            self.counter += 1;
            let block = self.key.sign(&[&self.counter.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// The number of a key, which some programs write without its leading zeros.
fn sec1_number(der: &[u8]) -> Result<Zeroizing<[u8; 66]>, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let written = fields.value(OCTET_STRING, WHAT)?;
    let mut number = Zeroizing::new([0; 66]);
    let missing = number
        .len()
        .checked_sub(written.len())
        .ok_or(PkiError::Malformed(WHAT))?;
    number[missing..].copy_from_slice(written);
    Ok(number)
}

fn pkcs8_number(der: &[u8]) -> Result<Zeroizing<[u8; 66]>, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    fields.algorithm(WHAT)?;
    sec1_number(fields.value(OCTET_STRING, WHAT)?)
}

const WHAT: &str = "a private key";

/// A public key on P-521 in DER, up to its point.
const PUBLIC_KEY_HEAD: &[u8] =
    b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustls::crypto::GetRandomFailed;
    use rustls::crypto::ring::default_provider;

    use super::super::certificate::Certificate;
    use super::super::fixtures::fixture;
    use super::super::{certificates, private_key};
    use super::*;

    /// Always the same, or nothing at all.
    #[derive(Debug)]
    struct Broken(AtomicBool);

    impl SecureRandom for Broken {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
            bytes.fill(7);
            if self.0.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err(GetRandomFailed)
            }
        }
    }

    fn key(random: &'static dyn SecureRandom) -> P521Key {
        let key = private_key::from_pem(fixture!("client-p521.key"), None).unwrap();
        P521Key::read(&key, random).unwrap()
    }

    fn sign(random: &'static dyn SecureRandom, message: &[u8]) -> Result<Vec<u8>, Error> {
        let offered = [SignatureScheme::ECDSA_NISTP521_SHA512];
        key(random).choose_scheme(&offered).unwrap().sign(message)
    }

    fn holds(message: &[u8], signature: &[u8]) -> bool {
        let ders = certificates(fixture!("client-p521.crt")).unwrap();
        let certificate = Certificate::parse(&ders[0]).unwrap();
        let point = &certificate.key().subject_public_key.data;
        verify(&KeyKind::P521, Hash::Sha512, point, message, signature).unwrap()
    }

    #[test]
    fn what_a_key_signs_its_certificate_verifies() {
        let random = default_provider().secure_random;
        let (one, other) = (sign(random, b"one").unwrap(), sign(random, b"one").unwrap());
        assert_ne!(one, other);
        assert!(holds(b"one", &one) && holds(b"one", &other));
        assert!(!holds(b"two", &one));
        for place in 0..one.len() {
            let mut changed = one.clone();
            changed[place] ^= 1;
            assert!(!holds(b"one", &changed), "{place}");
            assert!(!holds(b"one", &one[..place]), "{place}");
        }
    }

    #[test]
    fn the_secret_number_is_another_for_each_message_even_if_randomness_repeats() {
        static BROKEN: Broken = Broken(AtomicBool::new(true));
        // The first half of a signature stands for its secret number.
        let first = |message| sign(&BROKEN, message).unwrap()[..60].to_vec();
        assert_eq!(first(b"one"), first(b"one"));
        assert_ne!(first(b"one"), first(b"two"));
    }

    #[test]
    fn nothing_is_signed_without_randomness() {
        static BROKEN: Broken = Broken(AtomicBool::new(false));
        assert_eq!(sign(&BROKEN, b"one"), Err(Error::FailedToGetRandomBytes));
    }

    #[test]
    fn the_public_key_is_the_certificates() {
        let ders = certificates(fixture!("client-p521.crt")).unwrap();
        let certificate = Certificate::parse(&ders[0]).unwrap();
        let key = key(default_provider().secure_random);
        assert_eq!(&*key.public_key().unwrap(), certificate.key().raw);
    }

    #[test]
    fn numbers_without_their_leading_zeros_and_of_other_lengths_are_told_apart() {
        let sec1 = |number: &[u8]| {
            let length = u8::try_from(number.len()).unwrap();
            let body = [&[2, 1, 1, 4, length], number].concat();
            let der = [&[0x30, length + 5], &body[..]].concat();
            sec1_number(&der)
        };
        let short = sec1(&[9; 65]).unwrap();
        assert_eq!((short[0], short[1]), (0, 9));
        assert!(sec1(&[9; 67]).is_err());
        let zero = PrivateKeyDer::Sec1([&[0x30, 6, 2, 1, 1, 4, 1][..], &[0]].concat().into());
        assert!(P521Key::read(&zero, default_provider().secure_random).is_err());
    }

    #[test]
    fn points_that_are_on_no_curve_are_refused() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::P521] {
            for point in [&[][..], &[0], &[4; 133], &[4; 97], &[4; 65]] {
                let signature = [0x30, 6, 2, 1, 1, 2, 1, 1];
                let verdict = verify(&kind, Hash::Sha512, point, b"", &signature);
                assert_eq!(verdict, Some(false), "{kind}");
            }
        }
    }
}
