//! libFuzzer's door to `targets/tcp_frames.rs`.
#![no_main]

use std::time::Instant;

#[path = "../targets/tcp_frames.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input, Instant::now()));
