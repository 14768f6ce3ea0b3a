//! What a host looks like, to compare before and after.

use super::namespace::Namespace;

/// Links, addresses, routes and rules of a namespace, without what changes by itself.
pub(crate) fn of(namespace: &Namespace) -> String {
    let listings = [
        "-o link show",
        "-o addr show",
        "-4 route show table all",
        "-6 route show table all",
        "-4 rule show",
        "-6 rule show",
    ];
    let mut text = String::new();
    for listing in listings {
        let mut lines: Vec<String> = namespace.ip(listing).lines().map(constant_part).collect();
        lines.sort();
        text += &format!("== ip {listing}\n{}\n", lines.join("\n"));
    }
    text
}

fn constant_part(line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "expires" | "valid_lft" | "preferred_lft" | "state" | "qdisc" => {
                words.next();
            }
            "linkdown" => {}
            other => kept.push(other.replace("NO-CARRIER,", "")),
        }
    }
    kept.join(" ")
}
