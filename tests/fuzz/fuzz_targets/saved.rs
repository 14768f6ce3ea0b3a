//! libFuzzer's door to `targets/saved.rs`.
#![no_main]

use std::time::Instant;

#[path = "../targets/saved.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input, Instant::now()));
