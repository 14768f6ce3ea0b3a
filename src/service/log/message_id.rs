//! Stable message ids of the journal: what an administrator may search for, and the catalogue explains.
//!
//! Used as `info!(MESSAGE_ID = message_id::CONNECTED, "connected")`.

/// A session's process is there and has been taken on, or has its profile.
pub const SESSION_STARTED: &str = "3df5878c1c1b461e8100a554d8346c1e";
/// The tunnel carries traffic.
pub const CONNECTED: &str = "140a2db5968240e5a9734b413b6dc0c8";
/// The connection was lost, another attempt follows.
pub const RECONNECTING: &str = "f6780755228a4c5d8d6edf132dcc6132";
/// The server refused the credentials.
pub const AUTHENTICATION_FAILED: &str = "4b8b0574e6e6492c808e4bc1d2a3c550";
/// The session ended with an error.
pub const SESSION_FAILED: &str = "0d6ffba050754ae9bad5307d240a13aa";
/// The session ended as asked.
pub const SESSION_ENDED: &str = "200728d2bbd849bd8bf25949662cef29";
/// Somebody is asked for something.
pub const INPUT_NEEDED: &str = "5ba24e40971e495c9bbf30b87f787e0e";
/// A profile cannot be used.
pub const PROFILE_UNUSABLE: &str = "3c06f146441b4f7191cc6513eaf0a9bb";

/// All of them, for the catalogue.
pub const ALL: &[(&str, &str)] = &[
    ("session started", SESSION_STARTED),
    ("connected", CONNECTED),
    ("reconnecting", RECONNECTING),
    ("authentication failed", AUTHENTICATION_FAILED),
    ("session failed", SESSION_FAILED),
    ("session ended", SESSION_ENDED),
    ("input needed", INPUT_NEEDED),
    ("profile unusable", PROFILE_UNUSABLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_128_bits_and_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, message_id) in ALL {
            assert_eq!(message_id.len(), 32, "{name}");
            assert!(message_id.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
            assert!(seen.insert(message_id), "{name}");
        }
    }
}
