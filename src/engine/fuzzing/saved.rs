//! Any bytes as a saved session: what can be read comes back when it is written.

use std::time::Instant;

use crate::session::saved::Saved;

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], _now: Instant) {
    let Ok(saved) = Saved::from_bytes(input) else {
        return;
    };
    let again = Saved::from_bytes(saved.to_bytes().expose());
    assert_eq!(again.as_ref(), Ok(&saved));
}
