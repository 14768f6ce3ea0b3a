//! The rules of the handshake one by one, and two channels over a bad link.

mod link;

use proptest::prelude::*;

use super::*;
use crate::crypto::client_key::ClientKey;
use crate::crypto::static_key::StaticKey;
use crate::testing::{hex, start};

const TIMEOUT: Duration = Duration::from_secs(1);
const WALL: u32 = 1_700_000_000;

fn session_id(byte: u8) -> SessionId {
    SessionId::new([byte; 8]).unwrap()
}

fn setup(side: Side, wrapping: &Arc<Wrapping>) -> ChannelSetup {
    ChannelSetup {
        side,
        wrapping: wrapping.clone(),
        transport: Transport::Udp,
        ipv6: false,
        packet_size: 1250,
        tls_timeout: TIMEOUT,
        session_id: session_id(match side {
            Side::Client => 0xc1,
            Side::Server => 0x5e,
        }),
    }
}

fn plain() -> Arc<Wrapping> {
    Arc::new(Wrapping::None)
}

fn tls_crypt() -> Arc<Wrapping> {
    let key = StaticKey(Secret::new([7; 256]));
    Arc::new(Wrapping::TlsCrypt { key })
}

fn tls_crypt_v2() -> Arc<Wrapping> {
    let key = ClientKey {
        key: StaticKey(Secret::new([7; 256])),
        wrapped: [vec![9; 298], vec![1, 44]].concat(),
    };
    Arc::new(Wrapping::TlsCryptV2 { key })
}

fn sent(channel: &mut Channel, now: Instant) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| channel.poll_transmit(now, WALL)).collect()
}

/// Carries everything both have to say at `now`, until they are silent.
fn exchange(client: &mut Channel, server: &mut Channel, now: Instant) {
    loop {
        let (up, down) = (sent(client, now), sent(server, now));
        if up.is_empty() && down.is_empty() {
            return;
        }
        for packet in up {
            server.receive(now, &packet).unwrap();
        }
        for packet in down {
            client.receive(now, &packet).unwrap();
        }
    }
}

fn connected(wrapping: &Arc<Wrapping>, now: Instant) -> (Channel, Channel) {
    let mut client = Channel::new(setup(Side::Client, wrapping), now);
    let mut server = Channel::new(setup(Side::Server, wrapping), now);
    exchange(&mut client, &mut server, now);
    assert!(client.is_open(KeyId::FIRST) && server.is_open(KeyId::FIRST));
    (client, server)
}

/// What a server would send, made by hand.
fn from_server(
    wrapper: &mut Wrapper,
    opcode: Opcode,
    acks: &[u32],
    message: Option<(u32, &[u8])>,
) -> Vec<u8> {
    let acks = (!acks.is_empty()).then(|| Acks {
        ids: acks.iter().copied().collect(),
        peer_session_id: session_id(0xc1),
    });
    let message = message.map(|(message_id, payload)| Message {
        message_id,
        payload,
    });
    let head = PacketHead {
        opcode,
        key_id: KeyId::FIRST,
    };
    wrapper.seal(WALL, head, session_id(0x5e), &ControlBody { acks, message })
}

#[test]
fn a_client_begins_with_a_reset_and_repeats_it_with_doubling_pauses() {
    let begin = start();
    let mut client = Channel::new(setup(Side::Client, &plain()), begin);
    let reset = hex("38 c1c1c1c1c1c1c1c1 00 00000000");
    let mut times = Vec::new();
    for _ in 0..5 {
        let now = client.deadline().unwrap();
        times.push((now - begin).as_secs());
        assert_eq!(sent(&mut client, now), [&reset[..]]);
    }
    assert_eq!(times, [0, 1, 3, 7, 15]);
}

#[test]
fn the_servers_reset_opens_the_channel_and_is_acknowledged_with_the_first_message() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &plain()), now);
    let mut server = Wrapper::new(plain(), Side::Server);
    sent(&mut client, now);
    let reset = from_server(&mut server, Opcode::HardResetServerV2, &[0], Some((0, b"")));
    let opened = Received::Opened {
        key_id: KeyId::FIRST,
        by_peer: false,
    };
    assert_eq!(client.receive(now, &reset), Ok(opened));
    assert!(client.all_acknowledged(KeyId::FIRST));
    assert!(client.write(KeyId::FIRST, b"hello"));
    assert!(!client.all_acknowledged(KeyId::FIRST));
    let packets = sent(&mut client, now);
    let known = hex("20 c1c1c1c1c1c1c1c1 01 00000000 5e5e5e5e5e5e5e5e 00000001 68656c6c6f");
    assert_eq!(packets, [&known[..]]);

    let nothing = Received::Nothing {
        key_id: KeyId::FIRST,
    };
    assert_eq!(
        client.receive(now, &reset),
        Ok(nothing),
        "the peer lost our acknowledgement"
    );
    let known = hex("28 c1c1c1c1c1c1c1c1 01 00000000 5e5e5e5e5e5e5e5e");
    assert_eq!(sent(&mut client, now), [&known[..]]);
}

#[test]
fn an_acknowledged_reset_is_not_needed_to_open_the_channel() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &plain()), now);
    sent(&mut client, now);
    let mut server = Wrapper::new(plain(), Side::Server);
    let reset = from_server(&mut server, Opcode::HardResetServerV2, &[], Some((0, b"")));
    client.receive(now, &reset).unwrap();
    assert_eq!(
        sent(&mut client, now).len(),
        1,
        "our reset goes out again at once"
    );
}

#[test]
fn a_server_without_state_gets_the_client_key_with_message_one() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &tls_crypt_v2()), now);
    let mut server = Wrapper::new(tls_crypt_v2(), Side::Server);
    sent(&mut client, now);
    let early = EarlyNegotiation { resend_wkc: true }.encode();
    let reset = from_server(
        &mut server,
        Opcode::HardResetServerV2,
        &[0],
        Some((0, &early)),
    );
    client.receive(now, &reset).unwrap();
    client.write(KeyId::FIRST, &[5; 1400]);
    let packets = sent(&mut client, now);
    assert_eq!(packets[0][0], 0x58);
    assert_eq!(packets[1][0], 0x20);
    assert!(packets.iter().all(|packet| packet.len() <= 1222));
    assert!(
        packets[0].len() > 1200,
        "the packet is used up to its limit"
    );
    let read: Vec<u8> = packets
        .iter()
        .flat_map(|packet| {
            let opened = server.open(now, packet).unwrap();
            let body = ControlBody::decode(opened.head.opcode, &opened.body).unwrap();
            body.message.unwrap().payload.to_vec()
        })
        .collect();
    assert_eq!(read, [5; 1400]);

    let again = sent(&mut client, now + TIMEOUT);
    assert_eq!(again[0][0], 0x58, "a repetition brings the key again");
}

#[test]
fn a_server_without_state_gets_the_client_key_even_before_tls_has_something_to_say() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &tls_crypt_v2()), now);
    let mut server = Wrapper::new(tls_crypt_v2(), Side::Server);
    sent(&mut client, now);
    let early = EarlyNegotiation { resend_wkc: true }.encode();
    let reset = from_server(
        &mut server,
        Opcode::HardResetServerV2,
        &[0],
        Some((0, &early)),
    );
    client.receive(now, &reset).unwrap();
    let packets = sent(&mut client, now);
    assert_eq!(packets.len(), 1);
    let opened = server.open(now, &packets[0]).unwrap();
    let body = ControlBody::decode(opened.head.opcode, &opened.body).unwrap();
    assert_eq!(opened.head.opcode, Opcode::ControlWkc);
    assert_eq!(body.acks.unwrap().ids[..], [0]);
    assert_eq!(
        body.message.unwrap(),
        Message {
            message_id: 1,
            payload: b""
        }
    );
}

#[test]
fn what_is_out_of_place_is_dropped_and_changes_nothing() {
    let now = start();
    let hand = || Wrapper::new(plain(), Side::Server);
    let mut client = Channel::new(setup(Side::Client, &plain()), now);
    let before = [
        (
            from_server(&mut hand(), Opcode::Control, &[], Some((1, b"x"))),
            Rejected::UnknownSession,
        ),
        (
            from_server(&mut hand(), Opcode::HardResetClientV2, &[], Some((0, b""))),
            Rejected::UnknownSession,
        ),
        (
            from_server(&mut hand(), Opcode::HardResetServerV2, &[], Some((1, b""))),
            Rejected::Misplaced,
        ),
        (
            hex("40 5e5e5e5e5e5e5e5e 01 00000000 c0c0c0c0c0c0c0c0 00000000"),
            Rejected::ForAnother,
        ),
        (hex("41 5e5e5e5e5e5e5e5e 00 00000000"), Rejected::Misplaced),
    ];
    for (packet, why) in before {
        assert_eq!(client.receive(now, &packet), Err(why));
        assert_eq!(client.peer_session_id(), None);
    }
    let reset = from_server(&mut hand(), Opcode::HardResetServerV2, &[0], Some((0, b"")));
    client.receive(now, &reset).unwrap();
    let after = [
        (
            hex("20 aaaaaaaaaaaaaaaa 00 00000001"),
            Rejected::UnknownSession,
        ),
        (
            hex("40 aaaaaaaaaaaaaaaa 00 00000000"),
            Rejected::UnknownSession,
        ),
        (hex("20 5e5e5e5e5e5e5e5e 00 00000000"), Rejected::Misplaced),
        (hex("58 5e5e5e5e5e5e5e5e 00 00000001"), Rejected::Misplaced),
        (hex("18 5e5e5e5e5e5e5e5e 00 00000000"), Rejected::Misplaced),
        (hex("21 5e5e5e5e5e5e5e5e 00 00000001"), Rejected::UnknownKey),
        (hex("19 5e5e5e5e5e5e5e5e 00 00000000"), Rejected::UnknownKey),
        (hex("20 5e5e5e5e5e5e5e5e 00 0000000d"), Rejected::TooFar),
    ];
    for (packet, why) in after {
        assert_eq!(client.receive(now, &packet), Err(why));
        assert!(!why.is_fatal(Transport::Udp));
    }
}

#[test]
fn early_negotiation_that_cannot_be_read_is_fatal() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &plain()), now);
    let mut server = Wrapper::new(plain(), Side::Server);
    let reset = from_server(
        &mut server,
        Opcode::HardResetServerV2,
        &[0],
        Some((0, b"\0\x01\0")),
    );
    let rejected = client.receive(now, &reset).unwrap_err();
    assert!(matches!(rejected, Rejected::EarlyNegotiation(_)));
    assert!(rejected.is_fatal(Transport::Udp));
    assert_eq!(client.peer_session_id(), None);
}

#[test]
fn four_acks_go_at_once_until_the_server_is_known_to_take_eight() {
    let now = start();
    for (long, counts) in [(false, vec![4, 4]), (true, vec![8])] {
        let (mut client, _) = connected(&plain(), now);
        let mut server = Wrapper::new(plain(), Side::Server);
        if long {
            client.allow_long_acks();
        }
        for message_id in 1..9 {
            let packet = from_server(&mut server, Opcode::Control, &[], Some((message_id, b"x")));
            client.receive(now, &packet).unwrap();
        }
        let counted: Vec<u8> = sent(&mut client, now)
            .iter()
            .map(|packet| packet[9])
            .collect();
        assert_eq!(counted, counts);
    }
}

#[test]
fn only_the_expected_key_may_be_begun_by_the_peer() {
    let now = start();
    let (mut client, mut server) = connected(&tls_crypt(), now);
    let second = KeyId::FIRST.next();
    server.open_key_state(now, second);
    let asks = sent(&mut server, now);
    assert_eq!(client.receive(now, &asks[0]), Err(Rejected::UnknownKey));
    client.expect_key_state(Some(second));
    let asks = sent(&mut server, now + TIMEOUT);
    let opened = Received::Opened {
        key_id: second,
        by_peer: true,
    };
    assert_eq!(client.receive(now + TIMEOUT, &asks[0]), Ok(opened));
    exchange(&mut client, &mut server, now + TIMEOUT);
    assert!(client.is_open(second) && server.is_open(second));
}

#[test]
fn both_may_begin_the_same_key_at_once() {
    let now = start();
    let (mut client, mut server) = connected(&plain(), now);
    let second = KeyId::FIRST.next();
    for channel in [&mut client, &mut server] {
        channel.expect_key_state(Some(second));
        channel.open_key_state(now, second);
    }
    exchange(&mut client, &mut server, now);
    client.write(second, b"over the second key");
    client.write(KeyId::FIRST, b"over the first");
    exchange(&mut client, &mut server, now);
    assert_eq!(server.read(second), b"over the second key");
    assert_eq!(server.read(KeyId::FIRST), b"over the first");
    assert!(client.all_acknowledged(second));
    client.close_key_state(second);
    assert!(!client.write(second, b"x"));
    assert_eq!(client.read(second), b"");
}

#[test]
fn on_tcp_everything_is_sent_once() {
    let now = start();
    let tcp = |side| ChannelSetup {
        transport: Transport::Tcp,
        ..setup(side, &plain())
    };
    let mut client = Channel::new(tcp(Side::Client), now);
    assert_eq!(sent(&mut client, now).len(), 1);
    assert_eq!(client.deadline(), None);
    assert!(sent(&mut client, now + 100 * TIMEOUT).is_empty());
}

#[test]
fn a_forged_packet_is_fatal_on_tcp_alone() {
    let now = start();
    let mut client = Channel::new(setup(Side::Client, &tls_crypt()), now);
    let rejected = client.receive(now, &[0x40; 60]).unwrap_err();
    assert_eq!(rejected, Rejected::Wrapping(WrapError::Unauthentic));
    assert!(rejected.is_fatal(Transport::Tcp));
    assert!(!rejected.is_fatal(Transport::Udp));
}

proptest! {
    #[test]
    fn no_packet_panics(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        is_open: bool,
    ) {
        let now = start();
        for side in [Side::Client, Side::Server] {
            let mut channel = if is_open {
                let (client, server) = connected(&plain(), now);
                if side == Side::Client { client } else { server }
            } else {
                Channel::new(setup(side, &plain()), now)
            };
            for packet in &packets {
                let _ = channel.receive(now, packet);
                // The same with the session ids right, which goes deeper.
                let mut packet = packet.clone();
                if let Some(sender) = packet.get_mut(1..9) {
                    sender.fill(if side == Side::Client { 0x5e } else { 0xc1 });
                }
                let _ = channel.receive(now, &packet);
                let _ = channel.read(KeyId::FIRST);
                sent(&mut channel, now);
            }
        }
    }
}
