//! What sessions tell of themselves, written for people and for programs.

use std::collections::BTreeMap;

use zbus::zvariant::{OwnedValue, Value};

use crate::cli::style::{Mood, Style};
use crate::control::call::StatusField;
use crate::control::status_report::TABLE;
use crate::sys::json::quoted;
use crate::sys::wall_time;

/// What one session told over the bus.
#[derive(Debug, Default)]
pub(crate) struct SessionReport(BTreeMap<String, StatusField>);

impl SessionReport {
    /// What the bus told. A value of a kind that no fact has is left out.
    pub(crate) fn from_bus(told: BTreeMap<String, OwnedValue>) -> Self {
        let told = told.into_iter();
        Self(
            told.filter_map(|(name, value)| Some((name, from_value(&value)?)))
                .collect(),
        )
    }

    /// Counters.
    pub(crate) fn from_counters(counters: BTreeMap<String, i64>) -> Self {
        let counters = counters.into_iter();
        Self(
            counters
                .map(|(name, count)| (name, StatusField::Number(count.try_into().unwrap_or(0))))
                .collect(),
        )
    }

    /// A text; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(StatusField::Text(text)) => text,
            Some(StatusField::List(_) | StatusField::Number(_)) | None => "",
        }
    }

    /// A number, if there is one of this name.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name) {
            Some(StatusField::Number(number)) => Some(*number),
            Some(StatusField::List(_) | StatusField::Text(_)) | None => None,
        }
    }

    fn list(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(StatusField::List(list)) => list,
            Some(StatusField::Number(_) | StatusField::Text(_)) | None => &[],
        }
    }

    /// One JSON object; facts in the order of their table, then others by name.
    pub(crate) fn json(&self) -> String {
        let known = TABLE.iter().map(|(name, ..)| *name);
        let others = self.0.keys().map(String::as_str);
        let others = others.filter(|name| TABLE.iter().all(|(known, ..)| known != name));
        let pairs: Vec<String> = known
            .chain(others)
            .filter_map(|name| Some(format!("{}:{}", quoted(name), written(self.0.get(name)?))))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// One fact a line.
    pub(crate) fn lines(&self) -> String {
        let width = self.0.keys().map(String::len).max().unwrap_or(0);
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(name, fact)| match fact {
                StatusField::List(list) => format!("{name:width$}  {}", list.join(" ")),
                StatusField::Number(number) => format!("{name:width$}  {number}"),
                StatusField::Text(text) => format!("{name:width$}  {text}"),
            })
            .collect();
        lines.join("\n")
    }

    /// Whether the tunnel carries traffic.
    pub(crate) fn is_connected(&self) -> bool {
        self.text("state").starts_with("connected")
    }

    /// What the state means to a person.
    pub(crate) fn mood(&self) -> Mood {
        if !self.text("question").is_empty() {
            Mood::Bad
        } else if self.is_connected() {
            Mood::Good
        } else {
            Mood::Waiting
        }
    }

    /// What an administrator wants to know, in the form of `systemctl status`. `now` is in seconds since 1970.
    pub(crate) fn status(&self, now: Option<u64>, style: Style) -> String {
        let heading = format!(
            "{} {}: {}",
            style.dot(self.mood()),
            self.text("instance"),
            self.state(now)
        );
        let mut lines = vec![heading];
        let rows = [
            ("Profile", self.profile()),
            ("Doing", self.activity()),
            ("Question", self.question()),
            ("Server", self.server()),
            ("Cipher", self.cipher()),
            ("Handshake", self.handshake()),
            ("Device", self.device()),
            ("Addresses", self.list("addresses").join(" ")),
            ("Routes", self.list("routes").join(" ")),
            ("Beside", self.list("routes_beside").join(" ")),
            ("DNS", self.dns()),
            ("Rates", self.rates()),
            ("Traffic", self.traffic()),
        ];
        let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
        lines.extend(rows.map(|(name, value)| style.wrap(&format!("{name:>11}: "), &value)));
        lines.join("\n")
    }

    /// What it is at and since when.
    pub(crate) fn state(&self, now: Option<u64>) -> String {
        let state = self.text("state");
        match (self.number("since_seconds"), now) {
            (Some(since), Some(now)) => {
                let ago = wall_time::span(now.saturating_sub(since));
                format!("{state} since {} ({ago})", wall_time::readable(since))
            }
            _ => state.to_owned(),
        }
    }

    /// Of a session that the session manager drives: the instance names the others.
    fn profile(&self) -> String {
        match self.text("session_path") {
            "" => String::new(),
            path => format!("{} ({path})", self.text("profile")),
        }
    }

    fn activity(&self) -> String {
        let detail = self.text("detail");
        if detail == self.text("question") {
            return String::new();
        }
        detail.to_owned()
    }

    fn question(&self) -> String {
        match self.text("question") {
            "" => String::new(),
            question => format!(
                "{question} (answer with: openvpn3-backend login {})",
                self.text("instance")
            ),
        }
    }

    fn server(&self) -> String {
        let mut words = ["server", "address", "protocol"].map(|name| self.text(name).to_owned());
        if words[0] == words[1] {
            words[1].clear();
        }
        let port = self.number("port").map(|port| format!("port {port}"));
        let words = words.into_iter().chain(port);
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn cipher(&self) -> String {
        match (self.text("cipher"), self.text("tls")) {
            (cipher, "") => cipher.to_owned(),
            (cipher, tls) => format!("{cipher}, {tls}"),
        }
    }

    fn handshake(&self) -> String {
        let Some(age) = self.number("handshake_age_seconds") else {
            return String::new();
        };
        let age = wall_time::span(age);
        match self.number("renegotiation_in_seconds") {
            Some(left) => format!("{age} ago, the next in {}", wall_time::span(left)),
            None => format!("{age} ago, the next when the server wants it"),
        }
    }

    fn device(&self) -> String {
        match (self.text("device"), self.number("mtu")) {
            (device, Some(mtu)) if !device.is_empty() => format!("{device}, MTU {mtu}"),
            (device, _) => device.to_owned(),
        }
    }

    fn dns(&self) -> String {
        let mut text = self.list("dns_servers").join(" ");
        for (what, name) in [("for", "dns_domains"), ("search", "dns_search")] {
            let list = self.list(name);
            if !list.is_empty() {
                text.push_str(&format!(" {what} {}", list.join(" ")));
            }
        }
        text.trim_start().to_owned()
    }

    fn rates(&self) -> String {
        let rate = |name| Some(format!("{}/s", bytes(self.number(name)?)));
        match (
            rate("bytes_received_per_second"),
            rate("bytes_sent_per_second"),
        ) {
            (Some(received), Some(sent)) => format!("in {received}, out {sent}"),
            _ => String::new(),
        }
    }

    fn traffic(&self) -> String {
        let total = |name| self.number(name).map(bytes);
        match (total("bytes_received"), total("bytes_sent")) {
            (Some(received), Some(sent)) => format!("in {received}, out {sent}"),
            _ => String::new(),
        }
    }
}

/// A table of sessions, within the columns of a terminal.
pub(crate) fn table(sessions: &[SessionReport], style: Style) -> String {
    let width = sessions
        .iter()
        .map(|session| session.text("instance").chars().count())
        .chain(["INSTANCE".len()])
        .max()
        .unwrap_or(0)
        .min(24);
    let row = |instance: &str, device: &str, age: &str, state: &str| {
        style.cut(&format!("{instance:width$} {device:8} {age:>8} {state}"))
    };
    let mut lines = vec![row("INSTANCE", "DEVICE", "FOR", "STATE")];
    let now = wall_time::now();
    lines.extend(sessions.iter().map(|session| {
        let age = match (session.number("since_seconds"), now) {
            (Some(since), Some(now)) => wall_time::span(now.saturating_sub(since)),
            _ => String::new(),
        };
        let [instance, device, state] =
            ["instance", "device", "state"].map(|name| session.text(name));
        style.paint(session.mood(), &row(instance, device, &age, state))
    }));
    lines.join("\n")
}

/// `1.2 MB`, by powers of a thousand.
pub(crate) fn bytes(count: u64) -> String {
    let mut unit = 1;
    for name in ["B", "kB", "MB", "GB", "TB"] {
        if count / unit < 1000 || name == "TB" {
            return match (unit, count / unit) {
                (1, whole) => format!("{whole} {name}"),
                (_, whole @ 0..100) => format!("{whole}.{} {name}", count % unit * 10 / unit),
                (_, whole) => format!("{whole} {name}"),
            };
        }
        unit *= 1000;
    }
    String::new()
}

fn from_value(value: &Value<'_>) -> Option<StatusField> {
    if let Value::Array(list) = value {
        let items: Option<Vec<String>> = list.iter().map(text_of).collect();
        return items.map(StatusField::List);
    }
    if let Value::U64(number) = value {
        return Some(StatusField::Number(*number));
    }
    text_of(value).map(StatusField::Text)
}

fn text_of(value: &Value<'_>) -> Option<String> {
    if let Value::Str(text) = value {
        Some(text.to_string())
    } else {
        None
    }
}

fn written(fact: &StatusField) -> String {
    match fact {
        StatusField::List(list) => {
            let items: Vec<String> = list.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(","))
        }
        StatusField::Number(number) => number.to_string(),
        StatusField::Text(text) => quoted(text),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn session_report() -> SessionReport {
        let text = |text: &str| StatusField::Text(text.to_owned());
        let list =
            |items: &[&str]| StatusField::List(items.iter().map(ToString::to_string).collect());
        let status_report = [
            ("instance", text("office")),
            ("state", text("connected to vpn.example by tun0")),
            ("since_seconds", StatusField::Number(951_782_400)),
            ("server", text("vpn.example")),
            ("address", text("192.0.2.1")),
            ("port", StatusField::Number(1194)),
            ("protocol", text("udp")),
            ("cipher", text("AES-256-GCM")),
            ("addresses", list(&["10.8.0.2/24"])),
            ("dns_servers", list(&["10.8.0.1"])),
            ("dns_domains", list(&["corp.example"])),
            ("bytes_received_per_second", StatusField::Number(1_234_567)),
            ("bytes_sent_per_second", StatusField::Number(999)),
            ("handshake_age_seconds", StatusField::Number(600)),
            ("renegotiation_in_seconds", StatusField::Number(3000)),
        ];
        let status_report = status_report.into_iter();
        SessionReport(
            status_report
                .map(|(name, fact)| (name.to_owned(), fact))
                .collect(),
        )
    }

    #[test]
    fn json_has_types_and_is_escaped() {
        let mut report = session_report();
        let strange = StatusField::Text("a \"b\"\n".to_owned());
        report.0.insert("detail".to_owned(), strange);
        let json = report.json();
        assert!(
            json.starts_with("{\"instance\":\"office\",\"state\":"),
            "{json}"
        );
        for part in [
            "\"detail\":\"a \\\"b\\\"\\u000a\"",
            "\"port\":1194",
            "\"addresses\":[\"10.8.0.2/24\"]",
        ] {
            assert!(json.contains(part), "{part}: {json}");
        }
    }

    #[test]
    fn people_read_what_an_administrator_asks_first() {
        let text = session_report().status(Some(951_782_460), Style::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "\u{25cf} office: connected to vpn.example by tun0 since 2000-02-29 00:00:00 UTC (60 s)",
                "     Server: vpn.example 192.0.2.1 udp port 1194",
                "     Cipher: AES-256-GCM",
                "  Handshake: 10 min ago, the next in 50 min",
                "  Addresses: 10.8.0.2/24",
                "        DNS: 10.8.0.1 for corp.example",
                "      Rates: in 1.2 MB/s, out 999 B/s",
            ]
        );
    }

    #[test]
    fn every_fact_comes_over_the_bus_as_what_the_table_says() {
        let told = BTreeMap::from([
            (
                "a".to_owned(),
                OwnedValue::try_from(Value::from("x")).unwrap(),
            ),
            ("b".to_owned(), OwnedValue::from(7_u64)),
            (
                "c".to_owned(),
                OwnedValue::try_from(Value::from(vec!["y".to_owned()])).unwrap(),
            ),
        ]);
        assert_eq!(
            SessionReport::from_bus(told).json(),
            "{\"a\":\"x\",\"b\":7,\"c\":[\"y\"]}"
        );
    }
}
