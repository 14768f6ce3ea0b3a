//! The options string that old servers compare.

use crate::config::{ConnectionConfig, Framing, Transport, Wrapping};
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::KeyDirection;

/// Our options string. The cipher it names is the one for servers that negotiate none.
#[must_use]
pub fn options_string(config: &ConnectionConfig) -> String {
    let tcp = config.endpoint.transport == Transport::Tcp;
    let lzo = has_framing_byte(config.data.framing);
    let cipher = config
        .data
        .fallback
        .or_else(|| config.data.ciphers.first().copied());
    let mtu = config.data.tun_mtu;
    let fragment = if config.data.fragment.is_some() { 4 } else { 0 };
    let link_mtu = link_mtu(mtu, tcp, lzo, cipher, config.data.digest) + fragment;
    let proto = if tcp { "TCPv4_CLIENT" } else { "UDPv4" };
    let mut text = format!("V4,dev-type tun,link-mtu {link_mtu},tun-mtu {mtu},proto {proto}");
    if lzo {
        text.push_str(",comp-lzo");
    }
    if fragment > 0 {
        text.push_str(",mtu-dynamic");
    }
    if let Some(direction) = key_direction(&config.wrapping) {
        text.push_str(",keydir ");
        text.push(direction);
    }
    if let Some(cipher) = cipher {
        let digest = if cipher.is_aead() {
            "[null-digest]"
        } else {
            digest_name(config.data.digest)
        };
        let bits = cipher.key_len() * 8;
        text.push_str(&format!(",cipher {cipher},auth {digest},keysize {bits}"));
    }
    if matches!(*config.wrapping, Wrapping::TlsAuth { .. }) {
        text.push_str(",tls-auth");
    }
    text.push_str(",key-method 2,tls-client");
    text
}

/// The value of `cipher` in a server's options string, as it is written there.
#[must_use]
pub fn server_cipher(options: &str) -> Option<&str> {
    item(options, "cipher")
}

/// The value of `auth` in a server's options string, as it is written there.
#[must_use]
pub fn server_digest(options: &str) -> Option<&str> {
    item(options, "auth")
}

fn item<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    options
        .split(',')
        .filter_map(|item| item.split_once(' '))
        .find_map(|(word, value)| (word == name).then_some(value))
}

/// The link MTU as old peers reckon it: the worst case, headers that are never on the wire included.
fn link_mtu(tun_mtu: u16, tcp: bool, lzo: bool, cipher: Option<Cipher>, digest: Digest) -> usize {
    let opcode = 1;
    let packet_id = 4;
    usize::from(tun_mtu)
        + opcode
        + packet_id
        + if tcp { 2 } else { 0 }
        + usize::from(lzo)
        + cipher.map_or(0, |cipher| crypto_overhead(cipher, digest))
}

const fn crypto_overhead(cipher: Cipher, digest: Digest) -> usize {
    match cipher {
        Cipher::Aes128Cbc | Cipher::Aes192Cbc | Cipher::Aes256Cbc => 16 + 16 + digest.output_len(),
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => 16 + 12 + 16,
        Cipher::ChaCha20Poly1305 => 16 + 12 + 1,
    }
}

const fn has_framing_byte(framing: Framing) -> bool {
    match framing {
        Framing::Lzo | Framing::Swap => true,
        Framing::None | Framing::V2 => false,
    }
}

fn key_direction(wrapping: &Wrapping) -> Option<char> {
    match wrapping {
        Wrapping::TlsAuth { direction, .. } => match direction {
            KeyDirection::Bidirectional => None,
            KeyDirection::Inverse => Some('1'),
            KeyDirection::Normal => Some('0'),
        },
        Wrapping::None | Wrapping::TlsCrypt { .. } | Wrapping::TlsCryptV2 { .. } => None,
    }
}

/// A digest's name as OpenVPN writes it.
#[must_use]
pub const fn digest_name(digest: Digest) -> &'static str {
    match digest {
        Digest::Md5 => "MD5",
        Digest::Sha1 => "SHA1",
        Digest::Sha224 => "SHA224",
        Digest::Sha256 => "SHA256",
        Digest::Sha384 => "SHA384",
        Digest::Sha512 => "SHA512",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_mtu_is_what_old_peers_expect() {
        let mtu = |tcp, lzo, cipher| link_mtu(1400, tcp, lzo, cipher, Digest::Sha1);
        assert_eq!(mtu(false, false, None), 1405);
        assert_eq!(mtu(false, false, Some(Cipher::Aes128Cbc)), 1457);
        assert_eq!(mtu(false, true, Some(Cipher::Aes128Cbc)), 1458);
        assert_eq!(mtu(false, false, Some(Cipher::Aes256Gcm)), 1449);
        assert_eq!(mtu(true, true, Some(Cipher::Aes256Gcm)), 1452);
    }

    #[test]
    fn a_server_string_gives_its_cipher_and_digest() {
        let string = "V4,dev-type tun,link-mtu 1557,tun-mtu 1500,proto UDPv4,cipher AES-256-CBC,auth SHA256,\
                      keysize 256,key-method 2,tls-server";
        assert_eq!(server_cipher(string), Some("AES-256-CBC"));
        assert_eq!(server_digest(string), Some("SHA256"));
        assert_eq!(server_cipher("V4"), None);
        assert_eq!(server_cipher(""), None);
    }
}
