//! Sessions as metrics: the text format of OpenMetrics 1.0, for the textfile collector of Prometheus and its kin.

use std::fmt::Write;

use crate::cli::show::SessionReport;

/// One family of metrics: its name, kind, unit and help; and the value of a session, if it has one.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    fn(&SessionReport) -> Option<u64>,
);

/// All families. Names and units follow the conventions of OpenMetrics: base units, `_total` behind counters.
const FAMILIES: [Family; 6] = [
    (
        "openvpn3_session_connected",
        "gauge",
        "",
        "Whether the tunnel carries traffic: 1 or 0.",
        |session| Some(u64::from(session.is_connected())),
    ),
    (
        "openvpn3_session_state_since_timestamp_seconds",
        "gauge",
        "seconds",
        "Since when the session is at what it is at, in seconds since 1970.",
        |session| session.number("since_seconds"),
    ),
    (
        "openvpn3_session_handshake_age_seconds",
        "gauge",
        "seconds",
        "How long ago the handshake of the present key was.",
        |session| session.number("handshake_age_seconds"),
    ),
    (
        "openvpn3_session_received_bytes",
        "counter",
        "bytes",
        "Bytes from the server since the process began.",
        |session| session.number("bytes_received"),
    ),
    (
        "openvpn3_session_sent_bytes",
        "counter",
        "bytes",
        "Bytes to the server since the process began.",
        |session| session.number("bytes_sent"),
    ),
    (
        "openvpn3_session_question_open",
        "gauge",
        "",
        "Whether a person is waited for: 1 or 0.",
        |session| Some(u64::from(!session.text("question").is_empty())),
    ),
];

/// All sessions, in the text format, with its end mark.
#[must_use]
pub fn text(sessions: &[SessionReport]) -> String {
    let mut text = String::new();
    for (name, kind, unit, help, value) in FAMILIES {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        let ending = if kind == "counter" { "_total" } else { "" };
        for session in sessions {
            if let Some(value) = value(session) {
                let instance = escaped(session.text("instance"));
                let _ = writeln!(text, "{name}{ending}{{instance=\"{instance}\"}} {value}");
            }
        }
    }
    text.push_str("# EOF");
    text
}

/// A label's value: `\`, `"` and line ends escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::tests::session_report;

    #[test]
    fn every_family_is_described_once_and_counters_end_in_total() {
        let text = text(&[session_report()]);
        assert!(text.ends_with("# EOF"));
        assert!(
            text.contains("openvpn3_session_connected{instance=\"office\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "openvpn3_session_state_since_timestamp_seconds{instance=\"office\"} 951782400\n"
            ),
            "{text}"
        );
        for (name, kind, unit, ..) in FAMILIES {
            assert_eq!(text.matches(&format!("# TYPE {name} {kind}\n")).count(), 1);
            assert!(unit.is_empty() || name.ends_with(unit), "{name}");
        }
        assert!(
            !text.contains("received_bytes_total"),
            "it has none: {text}"
        );
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
