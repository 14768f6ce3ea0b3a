//! Known packets of every scheme, and what must not pass.

use proptest::prelude::*;

use super::*;
use crate::crypto::client_key::ClientKey;
use crate::testing::{hex, hex_array, start};
use crate::wire::control::Message;
use crate::wire::head::Opcode;

const STATIC_KEY: &str = "
    37268ea8f95d7f71f9fb8fc03770c460daf714a483d815c013ce0a537efc18f2
    8f4f172669d9e6a413bac6741d8ea05400f49b7fd6326470f23798c606bf53d4
    de63ebc64ec59d57ce5d04d5b62e68b53ca6e5354351097fa370446c4d269f18
    7bb6ae54af2dc70ff7317fe2f8754b8282aad4202f9fa42c8640245d883e2c54
    a0c1c489a036cf3a8964d8d289c1583b9447c262b1da5fd167a5d27bd5ac5143
    17bc2343a31a2efc38dd920d910375f51c2e27f3afd36c49269da079f7ce466e
    bb0f9ad13e9bbb4665974e6bc24b513c5700393bf4a3e7f967e2f384069ac8a8
    e78b18b15604993fd16515cce9c0f3e42b4126b999005ade802797b0eeb8b9e6";

const WRAPPED_CLIENT_KEY: &str = "
    177da5c074a94619b16be4acb71f1a6ccf24f33c6bbaf498459d5f06c369d4952c78396efd93c2598f4771e068cafca3
    d2d387d87151392b1f74b43df29137072ca3ceae6bf741153c97b0cf6d8386b0ddd4baa201fd024693fa44510e035c29
    691009bc2624ad8995f9171c1c1b02d9a7efc02436e868e90085a8276a19a6f7ce1daf85e16a18c3dd1a9ba46c5ad3de
    b70edd52f151e1be45dcd788c4c2a494a8bc504fd650e46306093e7cfa75a1218f44f3277055aeef56dc2a68b5d36dee
    ed3d927c407e90b18edacfdec7a6b037b0fe04c1b5c7d0fcea131721479cde64459faad7b482e276dadcfa7cfc5b34fa
    149bbf6b49a33a03f1212516aed221626c7224d887cabc7f9c90c6376de16c6efd9e70b4f080674b4ece3e08b5323bed
    f04e6114df11acb31e012b";

const SECOND_WRAPPED_CLIENT_KEY: &str = "
    69eda75582aa170b8c9418fe28248cdb7761bea2d277aa1647eb3a9d94083733e91489b4f2d96ef38e2941e4daac313d
    852c1429f3fc8595ebf6622d1ada6f35294bca123751d2e8feeaa8076b1ca81f8554c76ac7527f651d3133c2ec70609c
    ff4b97416128dd21eef4b36dbb7b40cef01fd9abd5e71cfccb744985b6969c0068939b6064f293a8538169b483f30baf
    0a2b2eb7b34ea507059cd5b2ef8b0f2a8b58ad65cc935deba32e34eb060386057db0ac0e1f27dc7f82c3593960d0590d
    86093ad55480159785e3babe0a0e9aa0dd234740437855a3d0c4f9290216381f978158db22c487d655659ae5d5e0f53b
    087f5f5efc0a41eb049625f4b3504b24042a50c65b004b43fa58deab6372daf7a55eb630f41d068fb595cb230c225540
    0e9753296d6ace0129";

fn static_key() -> StaticKey {
    StaticKey(Secret::new(hex_array(STATIC_KEY)))
}

fn counting_key() -> Secret<256> {
    let mut bytes = [0; 256];
    for (value, byte) in (0..=u8::MAX).zip(&mut bytes) {
        *byte = value;
    }
    Secret::new(bytes)
}

fn tls_auth(direction: KeyDirection, digest: Digest) -> Arc<Wrapping> {
    let key = static_key();
    Arc::new(Wrapping::TlsAuth {
        key,
        direction,
        digest,
    })
}

fn tls_crypt() -> Arc<Wrapping> {
    Arc::new(Wrapping::TlsCrypt { key: static_key() })
}

fn tls_crypt_v2() -> Arc<Wrapping> {
    Arc::new(Wrapping::TlsCryptV2 {
        key: ClientKey {
            key: StaticKey(counting_key()),
            wrapped: hex(WRAPPED_CLIENT_KEY),
        },
    })
}

fn schemes() -> [Arc<Wrapping>; 4] {
    let auth = tls_auth(KeyDirection::Bidirectional, Digest::Md5);
    [Arc::new(Wrapping::None), auth, tls_crypt(), tls_crypt_v2()]
}

fn head(opcode: Opcode, key_id: u8) -> PacketHead {
    let key_id = KeyId::new(key_id).unwrap();
    PacketHead { opcode, key_id }
}

fn session(text: &str) -> SessionId {
    SessionId::new(hex_array(text)).unwrap()
}

/// A message without acknowledgements.
const fn message(message_id: u32, payload: &[u8]) -> ControlBody<'_> {
    ControlBody {
        acks: None,
        message: Some(Message {
            message_id,
            payload,
        }),
    }
}

#[test]
fn tls_auth_makes_and_accepts_the_known_reset() {
    let cases = [
        (
            Digest::Sha1,
            "38de694c5c7bfba27493537c1ded4e781529ae7cfe4b8c6d6b2b51f05a0000000161d3bf6c0000000000",
        ),
        (
            Digest::Sha256,
            "38de694c5c7bfba274a8b9addc537f02cce0be760ef9d78fb445504321bb7e25730fcf031c9dec6950
             0000000161d3bf6c0000000000",
        ),
    ];
    for (digest, known) in cases {
        let client = tls_auth(KeyDirection::Inverse, digest);
        let packet = Wrapper::new(client.clone(), Side::Client).seal(
            0x61d3_bf6c,
            head(Opcode::HardResetClientV2, 0),
            session("de694c5c7bfba274"),
            &message(0, b""),
        );
        assert_eq!(packet, hex(known));
        let server = tls_auth(KeyDirection::Normal, digest);
        let opened = Wrapper::new(server, Side::Server).open(start(), &packet);
        assert_eq!(opened.unwrap().body, [0; 5]);
        let wrong = Wrapper::new(client, Side::Server).open(start(), &packet);
        assert_eq!(wrong, Err(WrapError::Unauthentic));
    }
}

#[test]
fn tls_auth_accepts_the_known_client_hello_and_nothing_like_it() {
    let mut packet = hex("
        2014014ebc80c6142b7bc876fbc52e27b1c507355bb6006bae71ba4e380000000361d3ff530000000001160301010c01
        00010803038caaac3a1a07bde7b750069b940c344b5a35cac479bdc909b07bd9eebb7de725203938e2183336149f34f0
        4459968d0ed24776648859e9380397969845fbf5ff230032130213031301c02cc030009fcca9cca8ccaac02bc02f009e
        c024c028006bc023c0270067c00ac0140039c009c013003300ff0100008d000b000403000102000a000c000a001d0017
        001e001900180016000000170000000d0030002e040305030603080708080809080a080b080408050806040105010601
        030302030301020103020202040205020602002b00050403040303002d00020101003300260024001d00200ec97aff58
        db56f640d1eddb9181d6ef83868ab23d88923fd8519cd62656336b");
    let mut server = Wrapper::new(tls_auth(KeyDirection::Normal, Digest::Sha1), Side::Server);
    packet[20] ^= 1;
    assert_eq!(server.open(start(), &packet), Err(WrapError::Unauthentic));
    packet[20] ^= 1;
    let opened = server.open(start(), &packet).unwrap();
    let body = ControlBody::decode(opened.head.opcode, &opened.body).unwrap();
    let message = body.message.unwrap();
    assert_eq!(
        (message.message_id, &message.payload[..3]),
        (1, &[0x16, 3, 1][..])
    );
    assert_eq!(server.open(start(), &packet), Err(WrapError::Replayed));
}

#[test]
fn tls_crypt_makes_the_known_reset_and_accepts_it_only_unchanged() {
    let packet = Wrapper::new(tls_crypt(), Side::Client).seal(
        0x61d3_f8e1,
        head(Opcode::HardResetClientV2, 0),
        session("f419cb12d1f9e48f"),
        &message(0, b""),
    );
    assert_eq!(
        packet,
        hex("38f419cb12d1f9e48f0000000161d3f8e1330206f56802be44fbed905064e3db43416bec5e526719462b7eb90c96defc9b05
             c44879f7")
    );
    for at in 0..packet.len() {
        let mut changed = packet.clone();
        changed[at] = 0x23;
        let opened = Wrapper::new(tls_crypt(), Side::Server).open(start(), &changed);
        assert_eq!(opened, Err(WrapError::Unauthentic), "byte {at}");
    }
    let mut server = Wrapper::new(tls_crypt(), Side::Server);
    assert_eq!(server.open(start(), &packet).unwrap().body, [0; 5]);
    assert_eq!(server.open(start(), &packet), Err(WrapError::Replayed));
}

#[test]
fn tls_crypt_v2_sends_its_client_key_with_a_reset_and_counts_from_a_mark() {
    let mut client = Wrapper::new(tls_crypt_v2(), Side::Client);
    let mut server = Wrapper::new(tls_crypt_v2(), Side::Server);
    let own = session("0102030405060708");
    for (number, opcode) in [
        Opcode::HardResetClientV3,
        Opcode::ControlWkc,
        Opcode::Control,
    ]
    .into_iter()
    .enumerate()
    {
        let head = head(opcode, 0);
        let packet = client.seal(7, head, own, &message(1, b"hello"));
        let stamp = [0x0f, 0, 0, 1 + u8::try_from(number).unwrap(), 0, 0, 0, 7];
        assert_eq!(packet[9..17], stamp);
        assert_eq!(
            packet.ends_with(&hex(WRAPPED_CLIENT_KEY)),
            opcode.carries_client_key()
        );
        assert_eq!(packet.len(), 8 + client.overhead(head) + 5 + 5);
        let opened = server.open(start(), &packet).unwrap();
        assert_eq!(opened.body, b"\0\0\0\0\x01hello");
        assert_eq!(opened.session_id, own);
    }
}

#[test]
fn the_known_wrapped_client_keys_open_with_the_server_key() {
    let counting = counting_key();
    // A server key is one pair: the first two slots.
    let server = CryptKey::new(StaticKey(counting.duplicate()).sending(KeyDirection::Normal));
    for (wrapped, metadata) in [
        (WRAPPED_CLIENT_KEY, "010000000000000000"),
        (SECOND_WRAPPED_CLIENT_KEY, "000000410820c3"),
    ] {
        let wrapped = hex(wrapped);
        let (rest, len) = wrapped.split_last_chunk::<2>().unwrap();
        let (tag, text) = rest.split_first_chunk::<32>().unwrap();
        assert_eq!(usize::from(u16::from_be_bytes(*len)), wrapped.len());
        let opened = server.open(&[len, &[]], *tag, text).unwrap();
        assert_eq!(opened[..256], counting.expose()[..]);
        assert_eq!(opened[256..], hex(metadata));
    }
}

#[test]
fn dynamic_tls_crypt_makes_the_known_soft_reset() {
    let mut client = Wrapper::new(tls_crypt(), Side::Client);
    client.install_dynamic(&counting_key());
    let packet = client.seal(
        0x61d3_f8e1,
        head(Opcode::SoftReset, 1),
        session("f419cb12d1f9e48f"),
        &message(0, b""),
    );
    assert_eq!(
        packet,
        hex("19f419cb12d1f9e48f0000000161d3f8e129ef585348a1da7bb44d2850518f8d937efd6cb2678cacd69a1c0802e0da4b4759
             406a58a8")
    );
}

#[test]
fn the_dynamic_key_is_mixed_with_the_static_one() {
    let wrapped = |exported: StaticKey| {
        let key = CryptKey::new(exported.sending(KeyDirection::Inverse));
        let mut text = *b"1234567890";
        let tag = key.seal(&hex("0000000100000000"), &mut text);
        [&tag[..], &text].concat()
    };
    let key = |byte| StaticKey(Secret::new([byte; 256]));
    let known =
        hex("e319277f1c8d6e6a7796a855337b9cfb56e1f13a870e6647dfa195c92c17a015ba4967a11d55ea1a06a7");
    assert_eq!(wrapped(key(0xba)), known);
    assert_eq!(wrapped(key(0xba).xor(&key(0))), known);
    assert_ne!(wrapped(key(0xba).xor(&key(42))), known);
}

#[test]
fn after_the_change_the_first_key_is_heard_under_both_protections() {
    for wrapping in [Arc::new(Wrapping::None), tls_crypt()] {
        let own = session("0102030405060708");
        let mut client = Wrapper::new(wrapping.clone(), Side::Client);
        let mut usual = Wrapper::new(wrapping.clone(), Side::Server);
        let mut dynamic = Wrapper::new(wrapping, Side::Server);
        client.install_dynamic(&counting_key());
        dynamic.install_dynamic(&counting_key());

        let old = usual.seal(1, head(Opcode::Control, 0), own, &message(1, b"old"));
        assert_eq!(client.open(start(), &old).unwrap().body, b"\0\0\0\0\x01old");

        // A peer that changes over altogether protects the first key like a later one, but for the key id.
        let protection = dynamic.dynamic.as_mut().unwrap();
        let mut front = [0; FRONT];
        front[0] = head(Opcode::Control, 0).encode();
        front[1..].copy_from_slice(&own.to_bytes());
        let new = protection.seal(1, front, &message(1, b"new"));
        assert_eq!(client.open(start(), &new).unwrap().body, b"\0\0\0\0\x01new");
        assert_eq!(client.open(start(), &new), Err(WrapError::Replayed));

        let later = usual.seal(1, head(Opcode::Control, 1), own, &message(1, b"old"));
        assert!(
            client.open(start(), &later).is_err(),
            "later keys must use the dynamic one"
        );
    }
}

#[test]
fn ids_count_up_with_one_time_until_they_are_used_up() {
    let mut ids = PacketIds {
        next: u32::MAX - 1,
        time: None,
    };
    let mut take = |wall| {
        let stamp = ids.take(wall);
        let (packet_id, time) = stamp.split_at(4);
        [packet_id, time].map(|half| u32::from_be_bytes(half.try_into().unwrap()))
    };
    assert_eq!(take(100), [u32::MAX - 1, 100]);
    assert_eq!(take(90), [u32::MAX, 100]);
    assert_eq!(
        take(90),
        [1, 101],
        "the time never goes back, whatever the clock says"
    );
}

#[test]
fn a_packet_of_the_data_channel_is_refused() {
    let mut wrapper = Wrapper::new(Arc::new(Wrapping::None), Side::Client);
    assert!(matches!(
        wrapper.open(start(), &[0x48; 40]),
        Err(WrapError::Malformed(_))
    ));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_at_the_other_end(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        scheme in 0..4_usize,
        key_id in 0..8_u8,
        dynamic: bool,
    ) {
        let wrapping = schemes()[scheme].clone();
        let mut client = Wrapper::new(wrapping.clone(), Side::Client);
        let mut server = Wrapper::new(wrapping, Side::Server);
        if dynamic {
            client.install_dynamic(&counting_key());
            server.install_dynamic(&counting_key());
        }
        let head = head(Opcode::Control, key_id);
        let own = session("0102030405060708");
        let mut expected = Vec::new();
        message(9, &payload).encode(&mut expected);
        for wall_seconds in 0..3 {
            let packet = client.seal(wall_seconds, head, own, &message(9, &payload));
            prop_assert_eq!(packet.len(), 8 + client.overhead(head) + expected.len());
            prop_assert_eq!(&server.open(start(), &packet).unwrap().body, &expected);
            let packet = server.seal(wall_seconds, head, own, &message(9, &payload));
            prop_assert_eq!(&client.open(start(), &packet).unwrap().body, &expected);
        }
    }

    #[test]
    fn no_packet_panics(packet in proptest::collection::vec(any::<u8>(), 0..400), scheme in 0..4_usize) {
        let wrapping = schemes()[scheme].clone();
        for side in [Side::Client, Side::Server] {
            let _ = Wrapper::new(wrapping.clone(), side).open(start(), &packet);
        }
    }
}
