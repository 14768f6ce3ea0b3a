//! libFuzzer's door to `openvpn_engine::fuzzing::session`.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|input: &[u8]| openvpn_engine::fuzzing::session::run(input, Instant::now()));
