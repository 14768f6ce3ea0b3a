//! Micro-benchmarks of the data plane, one packet at a time: sealing and opening beside bare *ring*, cutting and joining.
//!
//! `cargo bench --bench seal`. Throughput is that of tunnelled bytes.

use std::hint::black_box;
use std::time::Duration;

#[path = "../common/data_plane.rs"]
mod data_plane;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use data_plane::{moment, plane};
use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::KeyDirection;
use openvpn_engine::data::Format;
use openvpn_engine::data::Segments;
use openvpn_engine::data::{Coalescer, Join};
use openvpn_engine::data::{Gso, VnetHeader};
use openvpn_engine::settings::Framing;
use ring::aead::{
    AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey,
};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let kinds = [
        ("AES-256-GCM", Cipher::Aes256Gcm, &AES_256_GCM),
        (
            "CHACHA20-POLY1305",
            Cipher::ChaCha20Poly1305,
            &CHACHA20_POLY1305,
        ),
    ];
    for (name, cipher, algorithm) in kinds {
        let mut group = criterion.benchmark_group(name);
        for length in [64, 512, 1400, 9000] {
            group.throughput(Throughput::Bytes(length as u64));
            sealing(&mut group, cipher, algorithm, length);
            opening(&mut group, cipher, algorithm, length);
        }
        group.finish();
    }
    cutting_and_joining(&mut criterion);
    criterion.final_summary();
}

fn sealing(
    group: &mut BenchmarkGroup<'_, WallTime>,
    cipher: Cipher,
    algorithm: &'static Algorithm,
    length: usize,
) {
    let formats = [("seal", Format::Classic), ("seal, epoch", Format::Epoch)];
    for (name, format) in formats {
        let mut client = plane(cipher, format, Framing::None, KeyDirection::Normal);
        let (front, back) = client.seal_room();
        let mut buffer = vec![0; front + length + back];
        group.bench_function(BenchmarkId::new(name, length), |bencher| {
            let now = moment();
            bencher.iter(|| client.seal(now, black_box(&mut buffer), front..front + length));
        });
    }
    let key = bare_key(algorithm);
    let mut text = vec![0; length];
    group.bench_function(BenchmarkId::new("seal, bare ring", length), |bencher| {
        bencher.iter(|| seal_bare(&key, black_box(&mut text)));
    });
}

fn opening(
    group: &mut BenchmarkGroup<'_, WallTime>,
    cipher: Cipher,
    algorithm: &'static Algorithm,
    length: usize,
) {
    let formats = [("open", Format::Classic), ("open, epoch", Format::Epoch)];
    for (name, format) in formats {
        let mut client = plane(cipher, format, Framing::None, KeyDirection::Normal);
        let mut server = plane(cipher, format, Framing::None, KeyDirection::Inverse);
        let (front, back) = client.seal_room();
        let now = moment();
        let mut sealed = || {
            let mut buffer = vec![0; front + length + back];
            // An IP packet, as far as anybody looks.
            buffer[front] = 0x45;
            let packet = client.seal(now, &mut buffer, front..front + length);
            assert_eq!(packet, Some(0..buffer.len()));
            buffer
        };
        group.bench_function(BenchmarkId::new(name, length), |bencher| {
            bencher.iter_batched_ref(
                &mut sealed,
                |packet| server.open(now, packet).expect("it is authentic"),
                BatchSize::NumIterations(BATCH),
            );
        });
    }
    let key = bare_key(algorithm);
    let mut text = vec![0; length];
    let tag = seal_bare(&key, &mut text);
    group.bench_function(BenchmarkId::new("open, bare ring", length), |bencher| {
        bencher.iter_batched_ref(
            || text.clone(),
            |text| {
                let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
                key.open_in_place_separate_tag(nonce, Aad::from(ASSOCIATED), tag, text, 0..)
                    .map(|text| text.len())
                    .expect("it is authentic")
            },
            BatchSize::NumIterations(BATCH),
        );
    });
}

/// A super-packet of the device on its way out, and its packets on their way in.
fn cutting_and_joining(criterion: &mut Criterion) {
    let (header, packet) = super_packet();
    let mut arena = vec![0; 80 * 1024];
    let mut group = criterion.benchmark_group("super-packet of 48 segments");
    group.throughput(Throughput::Bytes(packet.len() as u64));
    group.bench_function("cut", |bencher| {
        bencher.iter(|| cut(&header, &packet, black_box(&mut arena)).len());
    });
    let places = cut(&header, &packet, &mut arena);
    let mut coalescer = Coalescer::new(Join::TcpAndUdp, 64);
    group.bench_function("join", |bencher| {
        bencher.iter_batched_ref(
            || arena.clone(),
            |arena| {
                for place in &places {
                    coalescer.push(arena, place.clone());
                }
                coalescer.finish(arena);
                assert_eq!(coalescer.groups().count(), 1);
                coalescer.clear();
            },
            BatchSize::NumIterations(BATCH),
        );
    });
    group.finish();
}

/// The packets' places in the arena, with room for sealing between them.
fn cut(header: &VnetHeader, packet: &[u8], arena: &mut [u8]) -> Vec<std::ops::Range<usize>> {
    let mut places = Vec::with_capacity(48);
    let mut segments = Segments::new(header, packet).expect("a sound packet");
    let mut end = 0;
    while let Some(length) = segments.next_length() {
        let place = end + 24..end + 24 + length;
        segments
            .write_next(&mut arena[place.clone()])
            .expect("a next one");
        end = place.end;
        places.push(place);
    }
    places
}

/// TCP over IPv4, with time stamps, cut at 1348 bytes.
fn super_packet() -> (VnetHeader, Vec<u8>) {
    let mut packet = vec![7; 52 + 48 * 1348];
    let length = u16::try_from(packet.len()).expect("a packet has less than 64 KiB");
    packet[..52].fill(0);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[8] = 64;
    packet[9] = 6;
    packet[12..20].copy_from_slice(&[10, 8, 0, 2, 10, 8, 0, 1]);
    packet[32] = 0x80;
    packet[33] = 0x10;
    let header = VnetHeader {
        partial_checksum: true,
        gso: Gso::TcpV4,
        header_length: 52,
        segment_size: 1348,
        checksum_start: 20,
        checksum_offset: 16,
    };
    (header, packet)
}

fn bare_key(algorithm: &'static Algorithm) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, &[3; 32]).expect("the key has its length"))
}

fn seal_bare(key: &LessSafeKey, text: &mut [u8]) -> Tag {
    let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
    key.seal_in_place_separate_tag(nonce, Aad::from(ASSOCIATED), text)
        .expect("the text is short")
}

/// As much as the head of a data packet and its packet id.
const ASSOCIATED: [u8; 8] = [0x48, 0, 0, 1, 0, 0, 0, 1];
/// So many packets are prepared at a time: they stay in the cache.
const BATCH: u64 = 32;
