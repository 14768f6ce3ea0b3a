//! libFuzzer's door to `targets/session.rs`.
#![no_main]

use std::time::Instant;

#[path = "../targets/session.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input, Instant::now()));
