//! Which pushed options are let in: `pull-filter` and `route-nopull`.

use zeroize::Zeroizing;

use super::{PullAction, PushError};
use crate::settings::PullRules;

/// What becomes of one pushed option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is let in.
    In,
    /// It is left out, for this reason.
    Out(&'static str),
}

/// What `route-nopull` leaves out.
const ROUTES: &[&str] = &[
    "block-ipv4",
    "block-ipv6",
    "block-outside-dns",
    "client-nat",
    "dhcp-option",
    "dhcp-pre-release",
    "dhcp-release",
    "dhcp-renew",
    "dns",
    "ip-win32",
    "redirect-gateway",
    "redirect-private",
    "register-dns",
    "route",
    "route-delay",
    "route-ipv6",
    "route-method",
    "route-metric",
    "tap-sleep",
];

/// Judges one option as it was pushed; `name` is its first word.
///
/// # Errors
///
/// [`PushError::Rejected`] if a filter says so.
pub(super) fn judge(rules: &PullRules, name: &str, item: &str) -> Result<Verdict, PushError> {
    let plain = Zeroizing::new(single_spaced(item));
    let filter = rules.filters.iter().find(|filter| {
        item.starts_with(&filter.text) || plain.starts_with(&single_spaced(&filter.text))
    });
    match filter.map(|filter| filter.action) {
        Some(PullAction::Accept) => Ok(Verdict::In),
        Some(PullAction::Ignore) => Ok(Verdict::Out("left out by pull-filter")),
        Some(PullAction::Reject) => Err(PushError::Rejected(name.to_owned())),
        None if rules.no_routes && ROUTES.contains(&name) => {
            Ok(Verdict::Out("left out by route-nopull"))
        }
        None => Ok(Verdict::In),
    }
}

/// The text with every run of white space as one space; one at the end stays, for it means a whole word.
fn single_spaced(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text
        .trim_start()
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
    {
        if c != ' ' || !plain.ends_with(' ') {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::PullFilter;
    use super::*;

    fn rules(filters: &[(PullAction, &str)], no_routes: bool) -> PullRules {
        let filters = filters
            .iter()
            .map(|(action, text)| PullFilter {
                action: *action,
                text: (*text).to_owned(),
            })
            .collect();
        PullRules {
            filters,
            no_routes,
            ..PullRules::default()
        }
    }

    fn let_in(rules: &PullRules, item: &str) -> bool {
        let name = item.split(' ').next().unwrap();
        judge(rules, name, item).unwrap() == Verdict::In
    }

    #[test]
    fn a_filter_matches_the_beginning_of_the_option() {
        let rules = rules(&[(PullAction::Ignore, "route 1.2")], false);
        assert!(!let_in(&rules, "route 1.2.3.4"));
        assert!(!let_in(&rules, "route   1.2.3.4"));
        assert!(let_in(&rules, "route 1.3.3.4"));
        assert!(let_in(&rules, "route-ipv6 1.2::/64"));
    }

    #[test]
    fn a_space_at_the_end_of_a_filter_means_the_whole_word() {
        let route = rules(&[(PullAction::Ignore, "route ")], false);
        assert!(!let_in(&route, "route 1.2.3.4"));
        assert!(let_in(&route, "route-gateway 1.2.3.4"));
        let prefix = rules(&[(PullAction::Ignore, "route")], false);
        assert!(!let_in(&prefix, "route-gateway 1.2.3.4"));
    }

    #[test]
    fn the_first_match_decides() {
        let rules = rules(
            &[
                (PullAction::Accept, "dhcp-option DNS"),
                (PullAction::Ignore, "dhcp-option"),
            ],
            false,
        );
        assert!(let_in(&rules, "dhcp-option DNS 1.2.3.4"));
        assert!(!let_in(&rules, "dhcp-option DOMAIN x"));
    }

    #[test]
    fn reject_ends_the_attempt() {
        let rules = rules(&[(PullAction::Reject, "redirect-gateway")], false);
        assert_eq!(
            judge(&rules, "redirect-gateway", "redirect-gateway def1"),
            Err(PushError::Rejected("redirect-gateway".into()))
        );
    }

    #[test]
    fn route_nopull_leaves_routes_and_dns_out_unless_accepted() {
        let rules = rules(&[(PullAction::Accept, "route 10.")], true);
        assert!(let_in(&rules, "route 10.0.0.0 255.0.0.0"));
        assert!(!let_in(&rules, "route 11.0.0.0 255.0.0.0"));
        assert!(!let_in(&rules, "dns server 1 address 1.2.3.4"));
        assert!(let_in(&rules, "ifconfig 10.8.0.2 255.255.255.0"));
        assert!(let_in(&rules, "route-gateway 10.8.0.1"));
    }
}
