//! The hot path under a counting allocator: once keys are installed, no packet allocates anything.
#![expect(unsafe_code, reason = "a global allocator is unsafe by its nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[path = "common/data_plane.rs"]
mod data_plane;

use data_plane::{moment, plane};
use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::Digest;
use openvpn_engine::crypto::KeyDirection;
use openvpn_engine::data::Format;
use openvpn_engine::data::Segments;
use openvpn_engine::data::{Coalescer, Join};
use openvpn_engine::data::{Gso, VnetHeader};
use openvpn_engine::settings::Framing;

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

/// A TCP super-packet over IPv4, with the checksum left partial, of 30 000 bytes of payload.
fn super_packet() -> (VnetHeader, Vec<u8>) {
    let mut packet = vec![0; 40 + 30_000];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&30_040_u16.to_be_bytes());
    packet[8] = 64;
    packet[9] = 6;
    packet[12..20].copy_from_slice(&[10, 8, 0, 2, 10, 8, 0, 1]);
    packet[32] = 0x50;
    packet[33] = 0x10;
    let header = VnetHeader {
        partial_checksum: true,
        gso: Gso::TcpV4,
        header_length: 40,
        segment_size: 1360,
        checksum_start: 20,
        checksum_offset: 16,
    };
    (header, packet)
}

#[test]
fn cutting_sealing_opening_and_joining_allocate_nothing() {
    let now = moment();
    let (header, packet) = super_packet();
    let legacy = |digest| Format::Legacy { digest };
    let kinds = [
        (Cipher::Aes256Gcm, Format::Classic),
        (Cipher::ChaCha20Poly1305, Format::Classic),
        (Cipher::Aes192Gcm, Format::Classic),
        (Cipher::Aes256Gcm, Format::Epoch),
        (Cipher::Aes256Cbc, legacy(Digest::Sha1)),
        (Cipher::Aes128Cbc, legacy(Digest::Sha256)),
    ];
    for (cipher, format) in kinds {
        for framing in [Framing::None, Framing::Lzo, Framing::Swap] {
            let mut client = plane(cipher, format, framing, KeyDirection::Normal);
            let mut server = plane(cipher, format, framing, KeyDirection::Inverse);
            let mut arena = vec![0; 64 * 1024];
            let mut coalescer = Coalescer::new(Join::TcpAndUdp, 64);
            let before = allocations();
            let mut joined = 0;
            for _ in 0..50 {
                let mut end = 0;
                let mut segments = Segments::new(&header, &packet).expect("a sound packet");
                while let Some(length) = segments.next_length() {
                    let payload = end + client.seal_room().0..end + client.seal_room().0 + length;
                    segments
                        .write_next(&mut arena[payload.clone()])
                        .expect("a next one");
                    let sealed = client.seal(now, &mut arena, payload).expect("a key");
                    let opened = server
                        .open(now, &mut arena[sealed.clone()])
                        .expect("the same key");
                    coalescer.push(
                        &arena,
                        sealed.start + opened.start..sealed.start + opened.end,
                    );
                    end = sealed.end;
                }
                coalescer.finish(&mut arena);
                joined += coalescer.groups().count();
                coalescer.clear();
                server.ping(now).expect("a key");
                assert_eq!(
                    server.open(now, &mut arena[..40]),
                    None,
                    "no longer a sealed packet"
                );
                assert_eq!(client.poll(now), None);
            }
            assert_eq!(allocations() - before, 0, "{cipher} {format:?} {framing:?}");
            assert_eq!(joined, 50, "{cipher} {format:?} {framing:?}");
        }
    }
}

#[test]
fn decompressing_allocates_nothing() {
    let now = moment();
    let (cipher, format) = (Cipher::Aes256Gcm, Format::Classic);
    let kinds: [(Framing, &[u8]); 2] = [
        (
            Framing::Lzo,
            &[0x66, 21, 0x45, 0, 0, 0, 0x20, 113, 0, 0, 0x11, 0, 0],
        ),
        (
            Framing::V2,
            &[0x50, 1, 0x1f, 0x45, 1, 0, 125, 0x50, 0, 0, 0, 0, 0],
        ),
    ];
    for (framing, compressed) in kinds {
        let mut server = plane(cipher, format, Framing::None, KeyDirection::Normal);
        let mut client = plane(cipher, format, framing, KeyDirection::Inverse);
        let mut arena = [0; 100];
        let payload = server.seal_room().0..server.seal_room().0 + compressed.len();
        let before = allocations();
        for _ in 0..50 {
            arena[payload.clone()].copy_from_slice(compressed);
            let sealed = server
                .seal(now, &mut arena, payload.clone())
                .expect("a key");
            assert_eq!(client.open(now, &mut arena[sealed]), None);
            let packet = client.take_inflated().expect("a compressed packet");
            assert_eq!(packet.len(), 150, "{framing:?}");
        }
        assert_eq!(allocations() - before, 0, "{framing:?}");
    }
}
