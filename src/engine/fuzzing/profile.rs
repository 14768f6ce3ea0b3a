//! Any text as a profile: understood, or refused with errors that have their place.

use std::time::Instant;

use crate::profile::model::Profile;

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], _now: Instant) {
    let text = String::from_utf8_lossy(input);
    let lines = text.lines().count();
    let mut load = |file: &str| match file.len() % 3 {
        0 => Ok(b"user\npassword\n".to_vec()),
        1 => Ok(file.as_bytes().to_vec()),
        _ => Err("no such file".to_owned()),
    };
    match Profile::parse("profile", &text, &mut load) {
        Ok((profile, notes)) => {
            assert!(!profile.remotes.is_empty());
            assert!(!profile.data.ciphers.is_empty());
            assert!(notes.iter().all(|note| note.place.line <= lines));
            for remote in &profile.remotes {
                let data = profile.data(remote);
                assert!(data.tun_mtu <= data.tun_mtu_max && data.tun_mtu >= 100);
                assert!(!profile.timing(remote).server_poll.is_zero());
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in &errors {
                assert!(error.place.line <= lines);
                assert!(!error.reason.is_empty());
            }
        }
    }
}
