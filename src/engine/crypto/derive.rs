//! Data keys from the old PRF, for servers without exporter keys.
//!
//! With the TLS exporter nothing is to derive: the 256 exported bytes are the [`StaticKey`], and so is what
//! [`expand_keys`] gives. The client sends with [`KeyDirection::Normal`](super::static_key::KeyDirection).

use super::hmac::{Digest, HmacKey};
use super::static_key::StaticKey;
use crate::secret::Secret;

/// The label under which TLS exports the keys of the data channel.
pub const DATA_KEYS_LABEL: &str = "EXPORTER-OpenVPN-datakeys";

/// The label under which TLS exports the key of dynamic tls-crypt.
pub const DYNAMIC_TLS_CRYPT_LABEL: &str = "EXPORTER-OpenVPN-dynamic-tls-crypt";

/// What both sides gave to the key exchange.
#[derive(Debug, Clone, Copy)]
pub struct KeySources<'a> {
    /// The client's secret.
    pub pre_master: &'a Secret<48>,
    /// The client's first and second random bytes.
    pub client_randoms: [&'a [u8; 32]; 2],
    /// The server's first and second random bytes.
    pub server_randoms: [&'a [u8; 32]; 2],
    /// The client's session id.
    pub client_session_id: [u8; 8],
    /// The server's session id.
    pub server_session_id: [u8; 8],
}

/// The 256 bytes of data keys from what both sides gave.
#[must_use]
pub fn expand_keys(sources: &KeySources<'_>) -> StaticKey {
    let mut master = Secret::new([0; 48]);
    tls1_prf(
        sources.pre_master.expose(),
        &[
            b"OpenVPN master secret",
            sources.client_randoms[0],
            sources.server_randoms[0],
        ],
        master.expose_mut(),
    );
    let mut keys = Secret::new([0; 256]);
    tls1_prf(
        master.expose(),
        &[
            b"OpenVPN key expansion",
            sources.client_randoms[1],
            sources.server_randoms[1],
            &sources.client_session_id,
            &sources.server_session_id,
        ],
        keys.expose_mut(),
    );
    StaticKey(keys)
}

/// The PRF of TLS 1.0 and 1.1: MD5 over the first half of the secret, combined with SHA-1 over the second half.
pub fn tls1_prf(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let half = secret.len().div_ceil(2);
    out.fill(0);
    mix_p_hash(&HmacKey::new(Digest::Md5, &secret[..half]), seed, out);
    let second = &secret[secret.len() - half..];
    mix_p_hash(&HmacKey::new(Digest::Sha1, second), seed, out);
}

/// Combines `out` with the expansion of `seed` (`P_hash` of RFC 2246) by exclusive or.
fn mix_p_hash(key: &HmacKey, seed: &[&[u8]], out: &mut [u8]) {
    let seed = seed.concat();
    let mut chain = key.sign(&[&seed]);
    let step = chain.as_ref().len();
    for part in out.chunks_mut(step) {
        let block = key.sign(&[chain.as_ref(), &seed]);
        for (byte, with) in part.iter_mut().zip(block.as_ref()) {
            *byte ^= with;
        }
        chain = key.sign(&[chain.as_ref()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hex, hex_array};

    #[test]
    fn the_prf_gives_the_known_answers() {
        let mut whole = [0; 32];
        tls1_prf(
            b"Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod tempor incidunt ut labore et \
              dolore magna aliqua.",
            &[b"Quis aute iure reprehenderit in voluptate velit esse cillum dolore"],
            &mut whole,
        );
        assert_eq!(
            whole[..],
            hex("d98c8518c85e946927916acfc2d592fbb1567e4b4b1459e6a904ac2ddab72d67")
        );
        let mut short = [0; 8];
        tls1_prf(
            b"tls1-prf-test-secret",
            &[b"tls1-prf", b"-test"],
            &mut short,
        );
        assert_eq!(short[..], hex("7144fe2540737595"));
    }

    #[test]
    fn the_keys_of_a_session_are_the_known_ones() {
        let mut pre_master = [0; 48];
        for (value, byte) in (0..).zip(&mut pre_master) {
            *byte = value;
        }
        let keys = expand_keys(&KeySources {
            pre_master: &Secret::new(pre_master),
            client_randoms: [&[0x11; 32], &[0x22; 32]],
            server_randoms: [&[0x33; 32], &[0x44; 32]],
            client_session_id: hex_array("0102030405060708"),
            server_session_id: hex_array("a1a2a3a4a5a6a7a8"),
        });
        assert_eq!(keys.0.expose()[..], hex(KEY_BLOCK));
    }

    const KEY_BLOCK: &str = "
        e209e0f20dccfec99c6245c57f6c82e14fa12bfa1fb82ce6257e3969e4f7716c
        21a490fee24e29f3e829e326be4a06407db14afaf89d70b5698a6215815d9c8e
        1b2fef4997aee38e5d7513dbd22b869e210d39bba5b3d6f921e7c449b1ef81aa
        cbcf552304c83295343757ac40083831db52fd5f1c3fe7da65c5d2dcda7fd5c7
        43f27392aa6924bbacc41a978b03d65b43fb646d13f943fd41a0be9dc67b7622
        207d82f21197be15077f2ffca097384bbf2d19dd186895db1e87dc541ed7e049
        993a878c52de10ad427af585c0b98cc354b9172f690a41b2dcd56067600390ff
        c278f78f5cb24de3106c09c532a4ca8d1c2cfc615ee49c888d665f1966d9c652";
}
