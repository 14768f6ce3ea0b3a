//! The rows, by topic.

mod certificates;
mod conversations;
mod data;
mod framing;
mod lifetime;
mod logins;
mod network;
mod profiles;
mod renewal;
mod tls;
mod transport;
mod wrapping;

use super::row::Row;

/// All rows, as they stand in the table.
pub(crate) fn all() -> Vec<Row> {
    let topics = [
        ("Transport", transport::rows()),
        ("Control channel", wrapping::rows()),
        ("TLS", tls::rows()),
        ("Certificates", certificates::rows()),
        ("Data channel", data::rows()),
        ("Keys renewed", renewal::rows()),
        ("Compression", framing::rows()),
        ("Logins", logins::rows()),
        ("Conversations", conversations::rows()),
        ("Network", network::rows()),
        ("Lifetime", lifetime::rows()),
        ("Profiles", profiles::rows()),
    ];
    let mut rows = Vec::new();
    for (topic, of_topic) in topics {
        rows.extend(of_topic.into_iter().map(|row| row.under(topic)));
    }
    rows
}
