//! libFuzzer's door to `targets/profile.rs`.
#![no_main]

use std::time::Instant;

#[path = "../targets/profile.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input, Instant::now()));
