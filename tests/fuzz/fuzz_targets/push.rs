//! libFuzzer's door to `openvpn_engine::fuzzing::push`.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|input: &[u8]| openvpn_engine::fuzzing::push::run(input, Instant::now()));
