//! libFuzzer's door to `openvpn_engine::fuzzing::tcp_frames`.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|input: &[u8]| openvpn_engine::fuzzing::tcp_frames::run(input, Instant::now()));
