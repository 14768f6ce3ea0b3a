//! libFuzzer's door to `targets/control_packet.rs`.
#![no_main]

use std::time::Instant;

#[path = "../targets/control_packet.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input, Instant::now()));
