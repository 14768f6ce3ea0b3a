//! Tests of the data plane.

#[path = "plane_tests/fragments.rs"]
mod fragments;
#[path = "plane_tests/limits.rs"]
mod limits;
#[path = "plane_tests/peer_ids.rs"]
mod peer_ids;

use proptest::prelude::*;
use rustls::crypto::{GetRandomFailed, SecureRandom};

use super::*;
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::data::key::Format;
use crate::data::model::{Model, assert_sound};
use crate::data::packet::IpVersion;
use crate::secret::Secret;
use crate::settings::{Framing, MssFix, Transport};
use crate::testing::{hex, hex_array, start};

/// Gives 0, 1, 2 and so on.
#[derive(Debug)]
struct Counting;

impl SecureRandom for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        for (value, byte) in (0..).zip(bytes) {
            *byte = value;
        }
        Ok(())
    }
}

pub(in crate::data) fn setup() -> DataSetup {
    DataSetup {
        compression: CompressionPolicy::No,
        mssfix: MssFix::Off,
        outer_ipv6: false,
        random: &Counting,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        socks_header: 0,
        transport: Transport::Udp,
        tun_mtu: 1500,
        tun_mtu_max: 1600,
    }
}

/// A key of the derivation's known block.
pub(in crate::data) fn key(key_id: u8, cipher: Cipher, format: Format) -> DataKey {
    DataKey {
        key_id,
        cipher,
        format,
        block: StaticKey(Secret::new(hex_array(KEY_BLOCK))),
        direction: KeyDirection::Normal,
        peer_id: Some(7),
        framing: Framing::None,
    }
}

pub(in crate::data) fn mirrored(key: &DataKey) -> DataKey {
    DataKey {
        block: StaticKey(key.block.0.duplicate()),
        direction: KeyDirection::Inverse,
        ..*key
    }
}

fn plane(key: &DataKey) -> DataPlane {
    let mut plane = DataPlane::new(setup(), start());
    plane.install(key).unwrap();
    plane.switch_to(key.key_id);
    plane
}

/// Client and server with the same key.
fn pair(key: &DataKey) -> (DataPlane, DataPlane) {
    (plane(key), plane(&mirrored(key)))
}

pub(in crate::data) fn sealed(plane: &mut DataPlane, payload: &[u8]) -> Option<Vec<u8>> {
    let (front, back) = plane.seal_room();
    let mut buffer = vec![0xee; front + payload.len() + back];
    buffer[front..front + payload.len()].copy_from_slice(payload);
    let packet = plane.seal(start(), &mut buffer, front..front + payload.len())?;
    assert_eq!(packet.start, 0, "the room in front is exact");
    Some(buffer[packet].to_vec())
}

fn opened(plane: &mut DataPlane, packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    let payload = plane.open(start(), &mut packet)?;
    Some(packet[payload].to_vec())
}

const CBC: Format = Format::Legacy {
    digest: Digest::Sha1,
};

/// Every way in which a packet may look.
fn kinds() -> Vec<(Cipher, Format)> {
    let aead = [
        Cipher::Aes128Gcm,
        Cipher::Aes192Gcm,
        Cipher::Aes256Gcm,
        Cipher::ChaCha20Poly1305,
    ];
    let cbc = [Cipher::Aes128Cbc, Cipher::Aes192Cbc, Cipher::Aes256Cbc];
    let digests = [Digest::Md5, Digest::Sha1, Digest::Sha256, Digest::Sha512];
    let mut kinds = Vec::new();
    for cipher in aead {
        kinds.extend([(cipher, Format::Classic), (cipher, Format::Epoch)]);
    }
    for cipher in cbc {
        kinds.extend(digests.map(|digest| (cipher, Format::Legacy { digest })));
    }
    kinds
}

#[test]
fn pings_are_the_known_packets() {
    let known = [
        (
            Cipher::Aes256Gcm,
            Format::Classic,
            Some(7),
            "48000007000000015241d3dc8b1a344c5bfb7eceaad4501b2304a4ac206f125a750d4986efecf9d9",
        ),
        (
            Cipher::ChaCha20Poly1305,
            Format::Classic,
            Some(7),
            "4800000700000001583da838e2c0e0665a34b10d0d0e5471d90953e6cfcc0d00390897eb3dac84d9",
        ),
        (
            Cipher::Aes128Gcm,
            Format::Classic,
            None,
            "3000000001ff13963e7dcea4c35fa4a3347c857d73b00ccf055e0cbe281f1916b17fdb115f",
        ),
        (
            Cipher::Aes256Gcm,
            Format::Epoch,
            Some(7),
            "48000007000100000000000164e31a707f80dc507895f3d9d3b03009f93efe614e53ba1b1b04b28e30cea44c",
        ),
        (
            Cipher::Aes256Cbc,
            CBC,
            Some(7),
            "480000079774994e1f4aea02e30d186a29b87969c1618bb7000102030405060708090a0b0c0d0e0f67720644cc422d5ea2e999563e118ddac48e20138538e12c47d64ad8cb4ad0e4",
        ),
        (
            Cipher::Aes256Cbc,
            Format::Legacy {
                digest: Digest::Sha256,
            },
            Some(7),
            "480000074206d7f6829d4b3af0e698e0636554e7326c862c0f7b4b2434b2f62c9aeb3380000102030405060708090a0b0c0d0e0f67720644cc422d5ea2e999563e118ddac48e20138538e12c47d64ad8cb4ad0e4",
        ),
    ];
    for (cipher, format, peer_id, packet) in known {
        let key = DataKey {
            peer_id,
            ..key(0, cipher, format)
        };
        let (mut client, mut server) = pair(&key);
        assert_eq!(
            client.ping(start()),
            Some(&hex(packet)[..]),
            "{cipher} {format:?}"
        );
        assert_eq!(opened(&mut server, &hex(packet)), None);
        assert_eq!(
            server.stats().named().map(|(_, value)| value).sum::<u64>(),
            0,
            "a ping is no drop"
        );
    }
}

#[test]
fn a_packet_of_a_later_epoch_opens_and_moves_our_own_epoch() {
    let packet =
        "4800000700020000000000018c7023926d5b55942862f8038713025fd86a0f41271a83e0331ce798b0619762";
    let (mut client, _) = pair(&key(0, Cipher::ChaCha20Poly1305, Format::Epoch));
    assert_eq!(opened(&mut client, &hex(packet)), None);
    assert_eq!(client.stats().dropped(DropReason::Decrypt), 0);
    let own = client.ping(start()).unwrap();
    assert_eq!(own[4..12], hex("0002000000000001"));
    assert_eq!(opened(&mut client, &hex(packet)), None);
    assert_eq!(client.stats().dropped(DropReason::Replay), 1);
}

#[test]
fn the_vector_of_the_other_implementation_is_met() {
    let alphabet = b"abcdefgh01234567ABCDEFGHjkuchenl";
    let mut block = Secret::new([0; 256]);
    for (position, byte) in block.expose_mut().iter_mut().enumerate() {
        *byte = alphabet[position % 32] ^ position.to_le_bytes()[0];
    }
    let text = b"The quick little fox jumps over the bureaucratic hurdles";
    let key = DataKey {
        block: StaticKey(block),
        peer_id: Some(0x17),
        ..key(7, Cipher::Aes256Gcm, Format::Classic)
    };
    let head = DataHead::V2([7, 0, 0, 0x17]);
    let mut classic = super::super::classic::Classic::new(&setup(), &key).unwrap();
    let mut buffer = [[0; 24].as_slice(), text].concat();
    let packet = classic.seal(head, &mut buffer, 24..80).unwrap();
    assert_eq!(
        buffer[packet][4..],
        hex(
            "000000011fdd908f0e9dc25e79d832020d58e73f2262f977d6bb2118fa0ea82e6b1706d949aefcb5efcbbacd5c09a9ab45f4d391d3f68794cb0b82c3d33389b61622b3281598e2ff6d5cc38b"
        )
    );
    let mut epoch = super::super::epoch::Epoch::new(&setup(), &key).unwrap();
    let mut buffer = [[0; 12].as_slice(), text, &[0; 16]].concat();
    let packet = epoch.seal(head, &mut buffer, 12..68).unwrap();
    assert_eq!(
        buffer[packet][4..],
        hex(
            "00010000000000013d98ba5b55f68e455addd90eb573e51852f4b555cdefaa5aa3fa246166df411deba23d2bebe44484376cfb5a61417c9ff450169758a93820a0b54cdd93ff0b01a3265ecf19d56a06"
        )
    );
}

#[test]
fn every_format_and_framing_brings_a_packet_back() {
    for (cipher, format) in kinds() {
        for framing in [Framing::None, Framing::Lzo, Framing::Swap, Framing::V2] {
            for peer_id in [Some(0xff_fffe), None] {
                if format == Format::Epoch && peer_id.is_none() {
                    continue;
                }
                let key = DataKey {
                    framing,
                    peer_id,
                    ..key(3, cipher, format)
                };
                let (mut client, mut server) = pair(&key);
                for length in [1, 15, 16, 17, 1400] {
                    let text = Model::udp(&vec![9; length]).build();
                    let packet = sealed(&mut client, &text).unwrap();
                    assert_eq!(
                        opened(&mut server, &packet),
                        Some(text),
                        "{cipher} {format:?} {framing:?}"
                    );
                    assert_eq!(opened(&mut server, &packet), None, "a second time");
                }
                assert_eq!(server.stats().dropped(DropReason::Replay), 5);
                assert_eq!(client.stats().tun_read, server.stats().tun_written);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_changed_or_cut_packet_is_dropped_and_counted(
        kind in 0_usize..20,
        at in 0_usize..120,
        flip in 1_u8..=255,
        length in 0_usize..120,
    ) {
        let kinds = kinds();
        let (cipher, format) = kinds[kind % kinds.len()];
        let (mut client, mut server) = pair(&key(0, cipher, format));
        let packet = sealed(&mut client, &Model::udp(&[1; 40]).build()).unwrap();
        let at = at % packet.len();
        let mut changed = packet.clone();
        changed[at] ^= flip;
        // With CBC the head is not covered: a changed peer id means nothing.
        if !(matches!(format, Format::Legacy { .. }) && (1..4).contains(&at)) {
            prop_assert_eq!(opened(&mut server, &changed), None);
        }
        prop_assert_eq!(opened(&mut server, &packet[..length.min(packet.len() - 1)]), None);
        let drops: u64 = DropReason::ALL.iter().map(|reason| server.stats().dropped(*reason)).sum();
        prop_assert!(drops >= 1);
        if drops == 2 {
            prop_assert!(opened(&mut server, &packet).is_some(), "damage does not harm the real one");
        }
    }

    #[test]
    fn no_bytes_make_the_plane_panic(
        kind in 0_usize..20,
        framing in prop_oneof![Just(Framing::None), Just(Framing::Lzo), Just(Framing::Swap), Just(Framing::V2)],
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        v2 in any::<bool>(),
        range in (0_usize..220, 0_usize..220),
    ) {
        let kinds = kinds();
        let (cipher, format) = kinds[kind % kinds.len()];
        let mut client = plane(&DataKey { framing, ..key(0, cipher, format) });
        let mut bytes = bytes;
        prop_assert_eq!(client.open(start(), &mut bytes), None);
        if let Some(first) = bytes.first_mut() {
            *first = if v2 { 0x48 } else { 0x30 };
        }
        prop_assert_eq!(client.open(start(), &mut bytes), None);
        client.seal(start(), &mut bytes, range.0..range.1);
    }
}

#[test]
fn without_a_key_nothing_is_sealed_or_opened() {
    let mut plane = DataPlane::new(setup(), start());
    assert_eq!(plane.seal(start(), &mut [0x45; 100], 50..60), None);
    assert_eq!(plane.open(start(), &mut [0x48; 100]), None);
    assert_eq!(plane.ping(start()), None);
    assert_eq!(plane.stats().dropped(DropReason::KeyState), 2);
}

#[test]
fn contradicting_keys_are_refused() {
    let mut plane = DataPlane::new(setup(), start());
    let refused = |key: DataKey, plane: &mut DataPlane| plane.install(&key).unwrap_err();
    let cipher = Cipher::Aes256Cbc;
    assert_eq!(
        refused(key(0, cipher, Format::Classic), &mut plane),
        KeyError::Mismatch { cipher }
    );
    let cipher = Cipher::Aes256Gcm;
    assert_eq!(
        refused(key(0, cipher, CBC), &mut plane),
        KeyError::Mismatch { cipher }
    );
    assert_eq!(
        refused(key(8, cipher, Format::Classic), &mut plane),
        KeyError::KeyId(8)
    );
    let no_id = DataKey {
        peer_id: None,
        ..key(0, cipher, Format::Epoch)
    };
    assert_eq!(refused(no_id, &mut plane), KeyError::NoPeerId);
}

#[test]
fn a_key_heard_before_it_sends_is_announced_once() {
    let (first, second) = (
        key(0, Cipher::Aes256Gcm, Format::Classic),
        key(1, Cipher::Aes256Gcm, Format::Classic),
    );
    let mut client = plane(&first);
    client.install(&second).unwrap();
    let mut server = plane(&mirrored(&second));
    for _ in 0..2 {
        let packet = sealed(&mut server, &Model::udp(b"x").build()).unwrap();
        assert!(opened(&mut client, &packet).is_some());
    }
    assert_eq!(
        client.poll(start()),
        Some(Notice::NewerKeyHeard { key_id: 1 })
    );
    assert_eq!(client.poll(start()), None);
    client.switch_to(1);
    let mut old = plane(&mirrored(&first));
    let packet = sealed(&mut old, &Model::udp(b"x").build()).unwrap();
    assert!(
        opened(&mut client, &packet).is_some(),
        "the old key still opens"
    );
    assert_eq!(client.poll(start()), None, "and is no newer key");
    client.drop_key(0);
    let packet = sealed(&mut old, &Model::udp(b"x").build()).unwrap();
    assert_eq!(opened(&mut client, &packet), None);
    assert_eq!(client.sending_key(), Some(1));
    client.drop_key(1);
    assert_eq!(client.sending_key(), None);
}

#[test]
fn byte_and_packet_limits_are_said_once() {
    let base = key(0, Cipher::Aes256Gcm, Format::Classic);
    for limits in [(Some(1000), None), (None, Some(3))] {
        let mut client = DataPlane::new(
            DataSetup {
                reneg_bytes: limits.0,
                reneg_packets: limits.1,
                ..setup()
            },
            start(),
        );
        client.install(&base).unwrap();
        client.switch_to(0);
        let mut said = Vec::new();
        for _ in 0..5 {
            sealed(&mut client, &Model::udp(&[0; 400]).build()).unwrap();
            said.push(client.poll(start()));
        }
        let nearly = Some(Notice::KeyNearlyUsedUp { key_id: 0 });
        assert_eq!(said, [None, None, nearly, None, None]);
    }
}

#[test]
fn the_peers_goodbye_is_told() {
    let (mut client, mut server) = pair(&key(0, Cipher::Aes256Gcm, Format::Classic));
    let packet = server.exit_message(start()).unwrap().to_vec();
    assert_eq!(opened(&mut client, &packet), None);
    assert_eq!(client.poll(start()), Some(Notice::PeerExited));
    assert_eq!(client.poll(start()), None);
}

#[test]
fn pings_are_due_after_quiet_and_silence_is_told_once() {
    let begin = start();
    let after = |seconds| begin + Duration::from_secs(seconds);
    let (mut client, mut server) = pair(&key(0, Cipher::Aes256Gcm, Format::Classic));
    client.set_keepalive(
        begin,
        Some(Duration::from_secs(10)),
        Some(Duration::from_secs(25)),
    );
    assert_eq!(client.deadline(), Some(after(10)));
    assert_eq!(client.poll(after(9)), None);
    assert_eq!(client.poll(after(10)), Some(Notice::PingDue));
    assert_eq!(client.poll(after(10)), None);
    client.ping(after(11)).unwrap();
    assert_eq!(client.deadline(), Some(after(21)));
    let mut packet = server.ping(begin).unwrap().to_vec();
    client.open(after(20), &mut packet);
    assert_eq!(client.poll(after(44)), Some(Notice::PingDue));
    let silence = Duration::from_secs(25);
    assert_eq!(client.poll(after(45)), Some(Notice::PeerLost { silence }));
    assert_eq!(client.poll(after(46)), None);
    client.note_heard(after(47));
    assert_eq!(client.deadline(), Some(after(54)));
    assert_eq!(client.poll(after(72)), Some(Notice::PeerLost { silence }));
    client.set_keepalive(after(73), None, None);
    assert_eq!(client.deadline(), None);
}

#[test]
fn the_segment_size_is_clamped_in_both_directions_and_nowhere_else() {
    let key = key(0, Cipher::Aes256Gcm, Format::Classic);
    let setup = || DataSetup {
        mssfix: MssFix::Payload(1264),
        ..setup()
    };
    let mut client = DataPlane::new(setup(), start());
    client.install(&key).unwrap();
    client.switch_to(0);
    let mut server = plane(&mirrored(&key));
    for (version, at, limit) in [(IpVersion::V4, 44, 1200_u16), (IpVersion::V6, 64, 1180)] {
        let mut syn = Model {
            version,
            flags: 0x02,
            ..Model::tcp(b"")
        };
        // A byte of padding in front puts the size at an odd offset.
        for (options, at) in [
            (vec![2, 4, 5, 0xb4], at - 2),
            (vec![1, 2, 4, 5, 0xb4, 0, 0, 0], at - 1),
        ] {
            syn.options = options;
            let sent = sealed(&mut client, &syn.build()).unwrap();
            let passed = opened(&mut server, &sent).unwrap();
            assert_sound(&passed);
            assert_eq!(passed[at..at + 2], limit.to_be_bytes());
            let sent = sealed(&mut server, &syn.build()).unwrap();
            assert_eq!(opened(&mut client, &sent).unwrap(), passed);
            let small = Model {
                options: vec![2, 4, 4, 0],
                ..syn.clone()
            }
            .build();
            let sent = sealed(&mut client, &small).unwrap();
            assert_eq!(opened(&mut server, &sent).unwrap(), small);
            let plain = Model {
                flags: 0x10,
                ..syn.clone()
            }
            .build();
            let sent = sealed(&mut client, &plain).unwrap();
            assert_eq!(opened(&mut server, &sent).unwrap(), plain);
        }
    }
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
