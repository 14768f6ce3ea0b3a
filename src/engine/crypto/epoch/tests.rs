//! The known answers and state traces of the epoch format.

use super::*;
use crate::testing::{hex, hex_array};

const PRK: &str = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5";

fn expanded(secret: &str, info: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    hkdf_expand(&hex_array(secret), &[info], &mut out);
    out
}

#[test]
fn hkdf_gives_the_known_answers() {
    assert_eq!(
        expanded(PRK, &hex("f0f1f2f3f4f5f6f7f8f9"), 42),
        hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    );
    let long: Vec<u8> = (0xb0..=0xff).collect();
    assert_eq!(
        expanded("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244", &long, 82),
        hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87")
    );
    assert_eq!(
        expanded(
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            &[],
            42
        ),
        hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    );
}

#[test]
fn labels_expand_to_the_known_answers() {
    let mut out = [0; 27];
    expand_label(&hex_array(PRK), "unit test", &mut out);
    assert_eq!(
        out[..],
        hex("875a8eec18556380b8d933ed323c2df8e8eccf4972e683f06a83ac")
    );
    let mut out = [0; 16];
    expand_label(&hex_array(PRK), "unit test", &mut out);
    assert_eq!(out[..], hex("185eaa1c7f228ab8eb29773214d92046"));
    let mut secret = [0; 32];
    secret[..2].copy_from_slice(&[0x13, 0x0c]);
    let mut key = [0; 24];
    expand_label(&secret, "data_key", &mut key);
    assert_eq!(
        key[..],
        hex("ed8533db1c28ace418e9006ab29c17417d60ebe6cd90bf0a")
    );
    let mut iv = [0; 12];
    expand_label(&secret, "data_iv", &mut iv);
    assert_eq!(iv[..], hex("86890aabf032cb59f4cfa34e"));
}

fn epochs() -> Epochs {
    Epochs::new(
        Cipher::Aes256Gcm,
        Secret::new([1; 32]),
        Secret::new([2; 32]),
        64,
    )
    .unwrap()
}

fn receive_keys(ahead: u16) -> ReceiveKeys {
    ReceiveKeys::new(
        Ratchet::new(Cipher::Aes128Gcm, Secret::new([3; 32])),
        ahead,
        64,
    )
    .unwrap()
}

fn id(epoch: u16, counter: u64) -> u64 {
    u64::from(epoch) << 48 | counter
}

fn usable(keys: &ReceiveKeys) -> Vec<u16> {
    (0..=u16::MAX)
        .filter(|epoch| keys.key(*epoch).is_some())
        .collect()
}

#[test]
fn sixteen_future_keys_follow_the_current_one() {
    let mut epochs = epochs();
    assert_eq!(epochs.receive.future_epochs(), Some(2..=17));
    assert_eq!(epochs.send_epoch(), 1);
    assert!(epochs.accept(id(8, 1), 10));
    assert_eq!(epochs.receive.future_epochs(), Some(9..=24));
}

#[test]
fn both_directions_go_through_the_known_trace() {
    let mut epochs = epochs();
    let shown = |epochs: &Epochs| {
        let retiring = epochs.receive.retiring.as_ref().map(|old| old.key.epoch);
        (epochs.receive_epoch(), epochs.send_epoch(), retiring)
    };
    assert!(epochs.accept(id(9, 1), 10));
    assert_eq!(shown(&epochs), (9, 9, Some(1)));
    for _ in 0..4 {
        assert!(epochs.send.advance());
    }
    assert_eq!(epochs.send_epoch(), 13);
    assert!(epochs.accept(id(10, 1), 10));
    assert_eq!(shown(&epochs), (10, 13, Some(9)));
    assert!(epochs.accept(id(12, 1), 10));
    assert_eq!(shown(&epochs), (12, 13, Some(10)));
    assert!(epochs.send.advance());
    assert_eq!(epochs.send_epoch(), 14);
}

#[test]
fn only_the_current_the_retiring_and_the_future_epochs_have_keys() {
    let mut keys = receive_keys(13);
    assert_eq!(usable(&keys), (1..=14).collect::<Vec<_>>());
    assert!(keys.accept(id(7, 1), 1));
    assert_eq!(usable(&keys), [vec![1], (7..=20).collect()].concat());
    assert!(keys.accept(id(8, 1), 1));
    assert_eq!(usable(&keys), (7..=21).collect::<Vec<_>>());
}

#[test]
fn a_jump_goes_as_far_as_the_future_keys_and_no_further() {
    let mut keys = receive_keys(13);
    assert!(keys.accept(id(14, 1), 1));
    assert!(keys.accept(id(27, 1), 1));
    assert!(!keys.accept(id(41, 1), 1));
    assert_eq!(keys.current.key.epoch, 27);
}

#[test]
fn the_last_epochs_are_never_used_for_receiving() {
    let mut keys = receive_keys(32);
    while let Some(ahead) = keys.future_epochs() {
        assert!(keys.accept(id(*ahead.end(), 1), 1));
    }
    assert_eq!(keys.current.key.epoch, 65502);
    assert!(keys.key(65503).is_none());
}

#[test]
fn a_packet_is_accepted_once_also_under_the_retiring_key() {
    let mut epochs = epochs();
    assert!(epochs.accept(id(1, 5), 1));
    assert!(epochs.accept(id(2, 5), 1));
    assert!(!epochs.is_new(id(1, 5)));
    assert!(!epochs.accept(id(1, 5), 1));
    assert!(epochs.accept(id(1, 6), 1));
    assert!(!epochs.is_new(id(3, 0)), "zero is no counter");
    assert!(!epochs.is_new(id(0, 1)), "zero is no epoch");
}

#[test]
fn a_used_up_key_is_left_for_the_next_epoch() {
    let mut epochs = epochs();
    assert_eq!(epochs.next_packet(100).unwrap().1, id(1, 1));
    epochs.send.usage = 1 << 36;
    assert_eq!(epochs.next_packet(100).unwrap().1, id(2, 1));
    epochs.send.counter = COUNTER_MAX;
    assert_eq!(epochs.next_packet(100).unwrap().1, id(3, 1));
}

#[test]
fn a_peer_that_stays_on_a_used_up_key_is_nudged() {
    let mut epochs = epochs();
    epochs.receive.current.usage = 1 << 36;
    assert_eq!(epochs.next_packet(1).unwrap().1, id(2, 1));
    assert_eq!(epochs.next_packet(1).unwrap().1, id(2, 2), "only once");
    assert!(epochs.accept(id(2, 1), 1));
    epochs.receive.current.forgeries = FORGERIES_NUDGE;
    epochs.forged(id(2, 9));
    assert_eq!(epochs.next_packet(1).unwrap().1, id(3, 1));
}

#[test]
fn the_nonce_is_the_packet_id_over_the_vector() {
    let big: Vec<u8> = (0..=255_u8)
        .map(|i| b"abcdefgh01234567ABCDEFGHjkuchenl"[usize::from(i) % 32] ^ i)
        .collect();
    let secret = Secret::new(*big.first_chunk().unwrap());
    let mut ratchet = Ratchet::new(Cipher::Aes256Gcm, secret);
    assert_eq!(
        ratchet.key().unwrap().iv[..],
        hex("82cb0094a2cdbecff132333c")
    );
    while ratchet.epoch < 4 {
        assert!(ratchet.advance());
    }
    assert_eq!(
        ratchet.secret.expose()[..],
        hex("10f7f2bf8543e6492f6915fa82457fae6144709679d5dfbd219c495f75e717b5")
    );
    let key = ratchet.key().unwrap();
    assert_eq!(key.iv[..], hex("b2e7dce36da8d32f22b97da8"));
    let mut text = *b"The quick little fox jumps over the bureaucratic hurdles";
    let aad = hex("07000017 0004000000000001");
    let tag = key
        .aead()
        .seal_in_place(key.nonce(id(4, 1).to_be_bytes()), &aad, &mut text);
    assert_eq!(
        [&text[..], &tag].concat(),
        hex("6eacea349ca836aab4d49ce685399a9bab964526e9cd11ece8cb7d77bdbc5c6ac4f49f36ea02e9c1f5d97644afa9118b
             a9f9a892623f1a130ffff5913d39d75b18573b5748589a7d")
    );
}
