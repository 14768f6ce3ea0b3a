//! libFuzzer's door to `openvpn_engine::fuzzing::profile`.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|input: &[u8]| openvpn_engine::fuzzing::profile::run(input, Instant::now()));
