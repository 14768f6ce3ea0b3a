//! Payloads that the server compressed, decompressed into room that is theirs alone.

use super::stats::DropReason;

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// An LZ4 block.
    Lz4,
    /// LZO1X.
    Lzo,
}

/// Room for one decompressed payload; its size is the limit of what a compressed one may become.
#[derive(Debug)]
pub(super) struct Inflater {
    room: Box<[u8]>,
}

impl Inflater {
    /// For payloads of at most `longest` bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            room: vec![0; longest].into_boxed_slice(),
        }
    }

    /// Decompresses a payload; it lies in our room until the next one.
    ///
    /// # Errors
    ///
    /// [`DropReason::Compress`] if it is damaged, or becomes too long.
    pub(super) fn inflate(
        &mut self,
        algorithm: Algorithm,
        block: &[u8],
    ) -> Result<&mut [u8], DropReason> {
        let length = match algorithm {
            Algorithm::Lz4 => lz4_flex::block::decompress_into(block, &mut self.room).ok(),
            Algorithm::Lzo => lzokay::decompress::decompress(block, &mut self.room).ok(),
        };
        self.inflated(length.ok_or(DropReason::Compress)?)
            .ok_or(DropReason::Compress)
    }

    /// The first `length` bytes of what was decompressed last.
    pub(super) fn inflated(&mut self, length: usize) -> Option<&mut [u8]> {
        self.room.get_mut(..length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::cipher::Cipher;
    use crate::data::key::Format;
    use crate::data::plane::DataPlane;
    use crate::data::plane::tests::{key, mirrored, sealed, setup};
    use crate::data::setup::DataSetup;
    use crate::settings::{CompressionPolicy, Framing};
    use crate::testing::start;

    /// An IPv4 packet's first byte and 149 more of the same, as an LZ4 block: one literal, the rest copied from one
    /// byte back, the last five literal as they must be.
    const LZ4: [u8; 11] = [0x1f, 0x45, 1, 0, 125, 0x50, 0x45, 0x45, 0x45, 0x45, 0x45];
    /// The same as LZO1X: four literal, the rest copied from one byte back, the end.
    const LZO: [u8; 12] = [21, 0x45, 0x45, 0x45, 0x45, 0x20, 113, 0, 0, 0x11, 0, 0];
    const PACKET: [u8; 150] = [0x45; 150];

    #[test]
    fn both_algorithms_give_back_what_was_compressed() {
        let mut inflater = Inflater::new(150);
        for (algorithm, block) in [
            (Algorithm::Lz4, LZ4.as_slice()),
            (Algorithm::Lzo, LZO.as_slice()),
        ] {
            let payload = inflater.inflate(algorithm, block);
            assert_eq!(payload.map(|payload| &*payload), Ok(PACKET.as_slice()));
        }
    }

    #[test]
    fn what_becomes_too_long_is_refused() {
        let mut inflater = Inflater::new(149);
        for (algorithm, block) in [
            (Algorithm::Lz4, LZ4.as_slice()),
            (Algorithm::Lzo, LZO.as_slice()),
        ] {
            assert_eq!(
                inflater.inflate(algorithm, block),
                Err(DropReason::Compress)
            );
        }
    }

    /// A client with this policy and framing, and a server whose payloads are framed by the test.
    fn pair(compression: CompressionPolicy, framing: Framing) -> (DataPlane, DataPlane) {
        let mut server_key = key(1, Cipher::Aes256Gcm, Format::Classic);
        let mut client_key = mirrored(&server_key);
        client_key.framing = framing;
        server_key.framing = Framing::None;
        let [client, server] = [client_key, server_key].map(|key| {
            let setup = DataSetup {
                compression,
                ..setup()
            };
            let mut plane = DataPlane::new(setup, start());
            plane.install(&key).unwrap();
            plane.switch_to(1);
            plane
        });
        (client, server)
    }

    fn framed() -> [(Framing, Vec<u8>); 5] {
        let swapped = |marker: u8, block: &[u8]| {
            let (first, rest) = block.split_first().unwrap();
            [&[marker], rest, &[*first]].concat()
        };
        [
            (Framing::Lzo, [&[0x66], LZO.as_slice()].concat()),
            (Framing::Swap, swapped(0x67, &LZO)),
            (Framing::Swap, swapped(0x69, &LZ4)),
            (Framing::V2, [&[0x50, 1], LZ4.as_slice()].concat()),
            (Framing::V2, [&[0x50, 2], LZO.as_slice()].concat()),
        ]
    }

    #[test]
    fn a_compressed_packet_is_given_once_if_it_is_let_in() {
        for (framing, payload) in framed() {
            let (mut client, mut server) = pair(CompressionPolicy::Asymmetric, framing);
            let mut packet = sealed(&mut server, &payload).unwrap();
            assert_eq!(client.open(start(), &mut packet), None);
            assert_eq!(client.take_inflated().as_deref(), Some(PACKET.as_slice()));
            assert_eq!(client.take_inflated(), None);
            assert_eq!(client.stats().tun_written.bytes, 150);
            assert_eq!(client.stats().dropped(DropReason::Compress), 0);
        }
    }

    #[test]
    fn a_compressed_packet_is_counted_and_dropped_if_it_is_not_let_in() {
        for (framing, payload) in framed() {
            let (mut client, mut server) = pair(CompressionPolicy::No, framing);
            let mut packet = sealed(&mut server, &payload).unwrap();
            assert_eq!(client.open(start(), &mut packet), None);
            assert_eq!(client.take_inflated(), None);
            assert_eq!(client.stats().dropped(DropReason::Compress), 1);
        }
    }

    #[test]
    fn a_damaged_block_is_counted_and_the_next_packet_gets_through() {
        let (mut client, mut server) = pair(CompressionPolicy::Asymmetric, Framing::V2);
        let mut packet = sealed(&mut server, &[0x50, 1, 0xff, 0xff]).unwrap();
        assert_eq!(client.open(start(), &mut packet), None);
        assert_eq!(client.take_inflated(), None);
        assert_eq!(client.stats().dropped(DropReason::Compress), 1);
        let mut packet = sealed(&mut server, &PACKET).unwrap();
        assert!(client.open(start(), &mut packet).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(block in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut inflater = Inflater::new(1700);
            for algorithm in [Algorithm::Lz4, Algorithm::Lzo] {
                let _ = inflater.inflate(algorithm, &block);
            }
        }
    }
}
