//! Tests of cutting.

use proptest::prelude::*;

use super::*;
use crate::data::model::{Model, any_model, assert_sound};

pub(crate) fn cut(header: &VnetHeader, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Segments::new(header, packet).unwrap();
    let mut out = Vec::new();
    while let Some(length) = segments.next_length() {
        let mut segment = vec![0xaa; length];
        segments.write_next(&mut segment).unwrap();
        out.push(segment);
    }
    out
}

proptest! {
    #[test]
    fn each_segment_is_the_packet_that_the_sender_would_have_sent(
        model in any_model(proptest::collection::vec(any::<u8>(), 1..4000)),
        size in 1_u16..1500,
    ) {
        let size = size.max(50);
        let (header, packet) = model.build_super(size);
        let pieces: Vec<_> = model.payload.chunks(usize::from(size)).collect();
        let got = cut(&header, &packet);
        prop_assert_eq!(got.len(), pieces.len());
        for (number, (segment, payload)) in got.iter().zip(&pieces).enumerate() {
            assert_sound(segment);
            let last = number + 1 == pieces.len();
            let step = u16::try_from(number).unwrap();
            let expected = Model {
                id: model.id.wrapping_add(step),
                sequence: model.sequence.wrapping_add(u32::from(step) * u32::from(size)),
                flags: if last { model.flags } else { model.flags & !0x09 },
                payload: payload.to_vec(),
                ..model.clone()
            };
            prop_assert_eq!(segment, &expected.build());
        }
    }

    #[test]
    fn any_header_with_any_bytes_is_cut_or_refused_but_never_panics(
        head in any::<[u8; 10]>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        version in prop_oneof![Just(0x45_u8), Just(0x60), Just(0x4f), any::<u8>()],
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        if let Some(header) = VnetHeader::decode(head) {
            if Segments::new(&header, &bytes).is_ok() {
                let total: usize = cut(&header, &bytes).iter().map(Vec::len).sum();
                prop_assert!(total >= bytes.len());
            }
        }
    }
}

#[test]
fn an_uncut_packet_with_a_partial_checksum_gets_a_whole_one() {
    for model in [Model::tcp(b"hello"), Model::udp(b"hello")] {
        let (header, packet) = model.build_super(0);
        let header = VnetHeader {
            gso: Gso::None,
            ..header
        };
        assert_eq!(cut(&header, &packet), [model.build()]);
    }
}

#[test]
fn a_checksum_of_zero_is_sent_as_all_ones() {
    let is_one = |word: &u16| {
        let packet = Model::udp(&word.to_be_bytes()).build();
        packet[26..28] == [0xff; 2]
    };
    let word = (0..=u16::MAX).find(is_one).unwrap();
    let model = Model::udp(&word.to_be_bytes());
    let (header, packet) = model.build_super(1000);
    assert_eq!(cut(&header, &packet), [model.build()]);
}

#[test]
fn an_uncut_packet_with_a_whole_checksum_passes_unchanged() {
    let packet = Model::udp(b"hello").build();
    assert_eq!(cut(&VnetHeader::default(), &packet), [packet]);
}

#[test]
fn fin_comes_with_the_last_segment_and_cwr_with_the_first() {
    let mut model = Model::tcp(&[1; 30]);
    model.flags = 0x10 | flag::FIN | flag::PSH | flag::CWR;
    let (header, packet) = model.build_super(10);
    let flags: Vec<u8> = cut(&header, &packet)
        .iter()
        .map(|segment| segment[33])
        .collect();
    assert_eq!(flags, [0x90, 0x10, 0x19]);
}

#[test]
fn a_super_packet_without_payload_or_segment_size_is_refused() {
    let (header, packet) = Model::tcp(b"").build_super(10);
    assert_eq!(Segments::new(&header, &packet).err(), Some(BadSuperPacket));
    let (header, packet) = Model::tcp(b"x").build_super(0);
    assert_eq!(Segments::new(&header, &packet).err(), Some(BadSuperPacket));
}
