//! Packets with the header of `fragment`, whole and in pieces.

use super::*;
use crate::settings::PacketLimit;

/// A client that expects pieces, and a server whose payloads are made by the test.
fn client_and_server(cipher: Cipher, format: Format, framing: Framing) -> (DataPlane, DataPlane) {
    let ours = key(0, cipher, format);
    let mut client = DataPlane::new(setup(), start());
    client.use_fragments(PacketLimit::Payload(1200));
    let with_framing = DataKey {
        framing,
        ..key(0, cipher, format)
    };
    client.install(&with_framing).unwrap();
    client.switch_to(0);
    (client, plane(&mirrored(&ours)))
}

#[test]
fn what_fits_travels_whole_behind_an_empty_header() {
    for (cipher, format) in kinds() {
        let (mut client, mut server) = client_and_server(cipher, format, Framing::Lzo);
        let largest = client.largest_whole().unwrap();
        let payload = [&[0x45], vec![7; largest - 1].as_slice()].concat();
        let packet = sealed(&mut client, &payload).unwrap();
        assert!(
            packet.len() <= 1200 && packet.len() > 1200 - 17,
            "{}",
            packet.len()
        );
        // To one that knows nothing of it, the header is no packet; its own is put there by hand.
        let framed = [&[0, 0, 0, 0, 0xfa], payload.as_slice()].concat();
        let mut packet = sealed(&mut server, &framed).unwrap();
        let place = client.open(start(), &mut packet).unwrap();
        assert_eq!(packet[place], payload);
    }
}

#[test]
fn pieces_become_a_packet_that_is_given_once() {
    let (mut client, mut server) =
        client_and_server(Cipher::Aes256Gcm, Format::Classic, Framing::None);
    let payload = [&[0x45], vec![7; 150].as_slice()].concat();
    // The second piece is the last, and says how long the others are: 100 bytes.
    for (header, piece) in [
        (2_u32 | 9 << 2 | 1 << 10 | 25 << 15, &payload[100..]),
        (1 | 9 << 2, &payload[..100]),
    ] {
        assert_eq!(client.take_inflated(), None);
        let text = [&header.to_be_bytes(), piece].concat();
        let mut packet = sealed(&mut server, &text).unwrap();
        assert_eq!(client.open(start(), &mut packet), None);
    }
    assert_eq!(client.take_inflated().as_deref(), Some(payload.as_slice()));
    assert_eq!(client.take_inflated(), None);
    assert_eq!(client.stats().tun_written.packets, 1);
}

#[test]
fn a_ping_is_understood_behind_the_header() {
    let (mut client, mut server) =
        client_and_server(Cipher::Aes256Gcm, Format::Classic, Framing::None);
    client.set_keepalive(start(), None, Some(Duration::from_secs(5)));
    let text = [&[0; 4], PING.as_slice()].concat();
    let mut packet = sealed(&mut server, &text).unwrap();
    let later = start() + Duration::from_secs(4);
    assert_eq!(client.open(later, &mut packet), None);
    assert_eq!(client.deadline(), Some(later + Duration::from_secs(5)));
    assert_eq!(client.stats().dropped(DropReason::TunFraming), 0);
}
