//! What `check` has found out about a profile: as lines for people, and as JSON for programs.

use crate::sys::json::quoted;
use openvpn_engine::profile::Note;
use openvpn_engine::profile::Place;
use openvpn_engine::profile::ProfileError;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The profile cannot be used.
    Error,
    /// It works otherwise than one might expect.
    Note,
    /// The same, and nobody needs to act on it.
    Minor,
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// Where; the default place if it is about no line.
    place: Place,
    /// The option; empty if it is about none.
    option: String,
    /// What is to be said.
    text: String,
    /// What would be right; may be empty.
    right: String,
    /// All of it, in one line.
    line: String,
}

impl Finding {
    /// A finding that only its text describes.
    pub fn new(severity: Severity, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            severity,
            place: Place::default(),
            option: String::new(),
            line: text.clone(),
            text,
            right: String::new(),
        }
    }

    /// All of it in one line, without its weight.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    fn json(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Note => "note",
            Severity::Minor => "minor",
        };
        let texts = [
            ("severity", severity),
            ("file", &self.place.file),
            ("option", &self.option),
            ("text", &self.text),
            ("right", &self.right),
        ];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let mut members: Vec<String> = texts
            .map(|(name, text)| format!("{}:{}", quoted(name), quoted(text)))
            .collect();
        for (name, number) in [("line", self.place.line), ("column", self.place.column)] {
            if number > 0 {
                members.push(format!("{}:{number}", quoted(name)));
            }
        }
        format!("{{{}}}", members.join(","))
    }
}

impl From<&ProfileError> for Finding {
    fn from(error: &ProfileError) -> Self {
        Self {
            severity: Severity::Error,
            place: error.place.clone(),
            option: error.directive.clone(),
            text: error.reason.clone(),
            right: error.right.clone(),
            line: error.to_string(),
        }
    }
}

impl From<&Note> for Finding {
    fn from(note: &Note) -> Self {
        Self {
            severity: if note.minor {
                Severity::Minor
            } else {
                Severity::Note
            },
            place: note.place.clone(),
            option: note.directive.clone(),
            text: note.text.clone(),
            right: String::new(),
            line: note.to_string(),
        }
    }
}

/// One line for each finding. Those that nobody needs to act on are one line together, unless all are wanted.
#[must_use]
pub fn lines(findings: &[Finding], verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut minor: Vec<&str> = Vec::new();
    for finding in findings {
        match finding.severity {
            Severity::Error => lines.push(format!("error: {}", finding.line)),
            Severity::Note => lines.push(format!("note: {}", finding.line)),
            Severity::Minor if verbose => lines.push(format!("note: {}", finding.line)),
            Severity::Minor if minor.contains(&finding.option.as_str()) => {}
            Severity::Minor => minor.push(&finding.option),
        }
    }
    if !minor.is_empty() {
        let (count, noun) = match minor.len() {
            1 => (1, "option has"),
            more => (more, "options have"),
        };
        lines.push(format!(
            "note: {count} {noun} no effect here, which is harmless: {} (--verbose says why)",
            minor.join(", ")
        ));
    }
    lines
}

/// One JSON object.
#[must_use]
pub fn json(profile: &str, usable: bool, findings: &[Finding]) -> String {
    let findings: Vec<String> = findings.iter().map(Finding::json).collect();
    format!(
        "{{\"profile\":{},\"usable\":{usable},\"findings\":[{}]}}",
        quoted(profile),
        findings.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(directive: &str, minor: bool) -> Finding {
        let place = Place {
            file: "p.ovpn".to_owned(),
            line: 3,
            column: 1,
        };
        Finding::from(&Note {
            place,
            directive: directive.to_owned(),
            text: "it has \"no\" effect".to_owned(),
            minor,
        })
    }

    #[test]
    fn what_nobody_acts_on_is_one_line_unless_all_is_wanted() {
        let findings = [
            note("mute", true),
            note("up", false),
            note("mute", true),
            note("nice", true),
            Finding::new(Severity::Error, "p.ovpn: no remote"),
        ];
        assert_eq!(
            lines(&findings, false),
            [
                "note: p.ovpn:3:1: up: it has \"no\" effect",
                "error: p.ovpn: no remote",
                "note: 2 options have no effect here, which is harmless: mute, nice (--verbose says why)",
            ]
        );
        assert_eq!(lines(&findings, true).len(), 5);
    }

    #[test]
    fn the_json_holds_what_is_known_and_is_escaped() {
        let findings = [note("up", false), Finding::new(Severity::Error, "a\nb")];
        assert_eq!(
            json("p.ovpn", false, &findings),
            r#"{"profile":"p.ovpn","usable":false,"findings":[{"severity":"note","file":"p.ovpn","option":"up","text":"it has \"no\" effect","line":3,"column":1},{"severity":"error","text":"a\u000ab"}]}"#
        );
    }
}
