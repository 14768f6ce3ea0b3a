//! Packets of any kind into the control channel of either side.
//!
//! The first byte chooses the side (bit 0), the wrapping (bits 1 and 2), TCP (bit 3), whether the session is open
//! before (bit 4), whether dynamic tls-crypt is installed (bit 5) and whether the session ids of unwrapped packets are
//! made right (bit 6). Then come packets, each behind a byte with its length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Transport, Wrapping};
use crate::control::channel::{Channel, ChannelSetup};
use crate::control::wrap::Side;
#[cfg(test)]
use crate::control::wrap::Wrapper;
use crate::crypto::client_key::ClientKey;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::secret::Secret;
use crate::wire::control::{ControlBody, EarlyNegotiation, SessionId};
use crate::wire::data::DataHead;
use crate::wire::head::{KeyId, PacketHead};

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], now: Instant) {
    let Some((choice, mut rest)) = input.split_first() else {
        return;
    };
    codecs_agree(rest);
    let side = if choice & 1 == 0 {
        Side::Client
    } else {
        Side::Server
    };
    let mut channel = channel(*choice, side, now);
    if choice & 16 != 0 {
        open(&mut channel, *choice, side, now);
    }
    if choice & 32 != 0 {
        channel.install_dynamic_tls_crypt(&Secret::new([3; 256]));
    }
    channel.expect_key_state(KeyId::new(1));
    let mut time = now;
    while let Some((len, following)) = rest.split_first() {
        let (packet, following) = following.split_at(usize::from(*len).min(following.len()));
        rest = following;
        time += Duration::from_millis(u64::from(*len));
        let mut packet = packet.to_vec();
        if choice & 64 != 0 {
            if let Some(sender) = packet.get_mut(1..9) {
                sender.fill(own_byte(other(side)));
            }
        }
        let _ = channel.receive(time, &packet);
        channel.write(KeyId::FIRST, &packet);
        for key_id in (0..8).filter_map(KeyId::new) {
            assert!(
                channel.read(key_id).len() <= 12 * 255,
                "no more than a window of messages"
            );
        }
        drain(&mut channel, time);
    }
}

/// Whether the first packet of an input was made with the key that the channel has.
#[cfg(test)]
pub(super) fn first_is_authentic(input: &[u8]) -> bool {
    let [choice, len, rest @ ..] = input else {
        return false;
    };
    let mut wrapper = Wrapper::new(Arc::new(wrapping(*choice)), Side::Client);
    let packet = rest.get(..usize::from(*len));
    packet.is_some_and(|packet| wrapper.open(crate::testing::start(), packet).is_ok())
}

/// What a decoder takes, its encoder gives back.
fn codecs_agree(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    if let Ok(head) = PacketHead::decode(*first) {
        assert_eq!(head.encode(), *first);
        if let Ok(decoded) = ControlBody::decode(head.opcode, body) {
            let mut encoded = Vec::new();
            decoded.encode(&mut encoded);
            assert_eq!(encoded, body);
        }
    }
    if let Some((key_id, len)) = DataHead::read(bytes) {
        let peer_id = bytes.first_chunk().map(|word| u32::from_be_bytes(*word));
        let head = DataHead::new(key_id, peer_id.filter(|_| len == 4));
        assert!(bytes.len() < len || head.is_some_and(|head| head.bytes() == &bytes[..len]));
    }
    if let Ok(early) = EarlyNegotiation::decode(body) {
        assert_eq!(EarlyNegotiation::decode(&early.encode()), Ok(early));
    }
}

fn wrapping(choice: u8) -> Wrapping {
    let key = || StaticKey(Secret::new([7; 256]));
    match choice >> 1 & 3 {
        0 => Wrapping::None,
        1 => Wrapping::TlsAuth {
            key: key(),
            direction: KeyDirection::Bidirectional,
            digest: Digest::Sha1,
        },
        2 => Wrapping::TlsCrypt { key: key() },
        _ => Wrapping::TlsCryptV2 {
            key: ClientKey {
                key: key(),
                wrapped: [vec![9; 298], vec![1, 44]].concat(),
            },
        },
    }
}

fn channel(choice: u8, side: Side, now: Instant) -> Channel {
    let setup = ChannelSetup {
        side,
        wrapping: Arc::new(wrapping(choice)),
        transport: if choice & 8 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        ipv6: true,
        packet_size: 1250,
        tls_timeout: Duration::from_secs(1),
        session_id: SessionId::new([own_byte(side); 8]).expect("not zero"),
    };
    Channel::new(setup, now)
}

/// Lets the channel meet its other end.
fn open(channel: &mut Channel, choice: u8, side: Side, now: Instant) {
    let mut peer = self::channel(choice, other(side), now);
    for _ in 0..2 {
        for packet in drain(&mut peer, now) {
            channel
                .receive(now, &packet)
                .expect("the other end behaves");
        }
        for packet in drain(channel, now) {
            peer.receive(now, &packet).expect("the other end behaves");
        }
    }
    assert!(channel.is_open(KeyId::FIRST));
}

fn drain(channel: &mut Channel, now: Instant) -> Vec<Vec<u8>> {
    let packets: Vec<_> = std::iter::from_fn(|| channel.poll_transmit(now, 1))
        .take(100)
        .collect();
    assert!(packets.len() < 100, "the drain ends");
    assert!(packets.iter().all(|packet| packet.len() <= 1250 - 48));
    packets
}

const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

const fn own_byte(side: Side) -> u8 {
    match side {
        Side::Client => 0xc1,
        Side::Server => 0x5e,
    }
}
