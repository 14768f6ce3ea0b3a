//! libFuzzer's door to `openvpn_engine::fuzzing::control_packet`.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|input: &[u8]| openvpn_engine::fuzzing::control_packet::run(input, Instant::now()));
