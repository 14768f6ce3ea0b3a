//! Tests of joining.

use proptest::prelude::*;

use super::*;
use crate::data::model::{Model, any_model, assert_sound};
use crate::data::segment::tests::cut;

/// What goes to the device, one vector for each write: its header and its bytes.
fn join(what: Join, packets: &[Vec<u8>]) -> Vec<(VnetHeader, Vec<u8>)> {
    let mut arena = Vec::new();
    let mut coalescer = Coalescer::new(what, packets.len() + 1);
    let mut places = Vec::new();
    for packet in packets {
        arena.extend_from_slice(&[0xee; 24]);
        places.push(arena.len()..arena.len() + packet.len());
        arena.extend_from_slice(packet);
    }
    for place in places {
        coalescer.push(&arena, place);
    }
    coalescer.finish(&mut arena);
    let joined = |group: Joined<'_>| {
        let bytes: Vec<u8> = group
            .pieces()
            .flat_map(|piece| arena[piece].to_vec())
            .collect();
        assert_eq!(bytes.len(), group.len());
        (VnetHeader::decode(group.vnet()).unwrap(), bytes)
    };
    coalescer.groups().map(joined).collect()
}

fn tcp_at(sequence: u32, id: u16, payload: &[u8]) -> Model {
    Model {
        sequence,
        id,
        ..Model::tcp(payload)
    }
}

proptest! {
    #[test]
    fn cutting_and_joining_gives_the_super_packet_back(
        model in any_model(proptest::collection::vec(any::<u8>(), 1..6000)),
        size in 100_u16..1500,
    ) {
        let (header, packet) = model.build_super(size);
        let segments = cut(&header, &packet);
        let joined = join(Join::TcpAndUdp, &segments);
        if segments.len() == 1 {
            prop_assert_eq!(joined, vec![(VnetHeader::default(), model.build())]);
        } else {
            prop_assert_eq!(joined, vec![(header, packet)]);
        }
    }

    /// Several flows, with gaps, repetitions, acknowledgements, pings and damage between: what leaves, cut again, is
    /// for each flow what came, in the same order.
    #[test]
    fn no_flow_is_reordered_and_nothing_is_lost_or_made_up(
        steps in proptest::collection::vec((0_u16..4, 0_u8..12, 1_usize..400), 1..120),
        what in prop_oneof![Just(Join::Nothing), Just(Join::Tcp), Just(Join::TcpAndUdp)],
    ) {
        let mut sequences = [1000_u32; 4];
        let mut packets = Vec::new();
        for (number, (flow, kind, length)) in (0_u16..).zip(steps) {
            let length = if kind < 8 { 300 } else { length };
            let mut model = tcp_at(sequences[usize::from(flow)], number, &vec![flow.to_le_bytes()[0]; length]);
            model.port = 5000 + flow;
            model.tcp = flow != 3;
            model.options.truncate(if model.tcp { 12 } else { 0 });
            match kind {
                9 => model.flags |= 0x08,
                10 => model.sequence += 50,
                11 => model.payload.clear(),
                _ => {}
            }
            sequences[usize::from(flow)] = model.sequence.wrapping_add(u32::try_from(model.payload.len()).unwrap());
            let mut packet = model.build();
            if kind == 8 {
                let last = packet.len() - 1;
                packet[last] ^= 1;
            }
            packets.push(packet);
        }
        let mut out = Vec::new();
        for (header, packet) in join(what, &packets) {
            out.extend(cut(&header, &packet));
        }
        for port in 5000_u16..5004 {
            let of = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
                packets
                    .iter()
                    .filter(|packet| packet[20..22] == port.to_be_bytes())
                    .map(|packet| without_id(packet))
                    .collect()
            };
            prop_assert_eq!(of(&out), of(&packets));
        }
        prop_assert_eq!(out.len(), packets.len());
    }

    #[test]
    fn any_bytes_pass_unchanged_and_never_panic(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..20),
    ) {
        let out: Vec<_> = join(Join::TcpAndUdp, &packets).into_iter().map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(out, packets);
    }
}

/// The same packet with the IPv4 identification zeroed and a header checksum to match.
fn without_id(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    set_ip_length(IpVersion::V4, &mut packet[..20], 0, Some(0));
    packet
}

#[test]
fn a_short_segment_ends_its_group() {
    let packets = [
        tcp_at(0, 1, &[1; 100]).build(),
        tcp_at(100, 2, &[2; 100]).build(),
        tcp_at(200, 3, &[3; 60]).build(),
        tcp_at(260, 4, &[4; 60]).build(),
    ];
    let joined = join(Join::Tcp, &packets);
    let counts: Vec<usize> = joined.iter().map(|(_, bytes)| bytes.len() - 52).collect();
    assert_eq!(counts, [260, 60]);
    assert_sound(&joined[1].1);
}

#[test]
fn a_damaged_packet_is_never_hidden_in_a_group() {
    let mut damaged = tcp_at(100, 2, &[2; 100]).build();
    damaged[60] ^= 0x10;
    let packets = [
        tcp_at(0, 1, &[1; 100]).build(),
        damaged.clone(),
        tcp_at(200, 3, &[3; 100]).build(),
    ];
    let joined: Vec<_> = join(Join::Tcp, &packets)
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(joined, packets);
    assert_eq!(joined[1], damaged);
}

#[test]
fn interleaved_flows_each_make_one_group() {
    let mut packets = Vec::new();
    for number in 0..5_u16 {
        for flow in 0..3 {
            let mut model = tcp_at(u32::from(number) * 100, number, &[7; 100]);
            model.port = 6000 + flow;
            packets.push(model.build());
        }
    }
    let joined = join(Join::Tcp, &packets);
    assert_eq!(joined.len(), 3);
    assert!(
        joined
            .iter()
            .all(|(header, bytes)| header.gso == Gso::TcpV4 && bytes.len() == 552)
    );
}

#[test]
fn a_group_stays_within_the_length_that_ip_can_name() {
    let packets: Vec<_> = (0..60_u16)
        .map(|number| tcp_at(u32::from(number) * 1400, number, &[1; 1400]).build())
        .collect();
    let lengths: Vec<_> = join(Join::Tcp, &packets)
        .iter()
        .map(|(_, bytes)| bytes.len())
        .collect();
    assert_eq!(lengths, [52 + 46 * 1400, 52 + 14 * 1400]);
}

#[test]
fn a_full_batch_takes_nothing_more() {
    let packet = Model::udp(b"one").build();
    let mut coalescer = Coalescer::new(Join::Nothing, 1);
    coalescer.push(&packet, 0..packet.len());
    assert!(coalescer.is_full());
    coalescer.push(&packet, 0..packet.len());
    assert_eq!(coalescer.groups().count(), 1);
    coalescer.clear();
    assert!(coalescer.is_empty());
}
