//! Stable message ids of the journal: what an administrator may search for, and the catalogue explains.

/// The message id of what is logged under this message.
#[must_use]
pub fn of(message: &str) -> Option<&'static str> {
    let known = ALL.iter().find(|(known, _)| *known == message);
    known.map(|(_, id)| *id)
}

/// Messages and their ids. The catalogue has an entry for each.
pub const ALL: &[(&str, &str)] = &[
    (
        "the session of this profile begins",
        "3df5878c1c1b461e8100a554d8346c1e",
    ),
    ("connected", "140a2db5968240e5a9734b413b6dc0c8"),
    ("trying again", "f6780755228a4c5d8d6edf132dcc6132"),
    (
        "the session cannot go on",
        "0d6ffba050754ae9bad5307d240a13aa",
    ),
    ("disconnecting", "200728d2bbd849bd8bf25949662cef29"),
    (
        "asking whoever answers systemd's password agents",
        "5ba24e40971e495c9bbf30b87f787e0e",
    ),
    (
        "the profile cannot be used",
        "3c06f146441b4f7191cc6513eaf0a9bb",
    ),
    (
        "there is no profile for this instance",
        "4b8b0574e6e6492c808e4bc1d2a3c550",
    ),
    (
        "the new profile is refused",
        "c83aeb59a60440d49ec1df2dcb3e4a1d",
    ),
    (
        "to log in, open this page",
        "d507cbaaea2b411abf202a2301faa319",
    ),
    ("the session is over", "00192c1500684ba485a5ff60a7af98c8"),
    (
        "packets that are not the server's, or came twice, are dropped",
        "22c3084f9a43483cbdae60739fe49076",
    ),
    ("keys renewed", "717b0d4b716a4d6cb0179db38583289f"),
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

    #[test]
    fn the_catalogue_explains_each() {
        let catalogue = include_str!("../../packaging/catalog/openvpn3-backend.catalog");
        for (message, message_id) in ALL {
            assert!(
                catalogue.contains(&format!("-- {message_id}\n")),
                "{message}"
            );
        }
    }
}
