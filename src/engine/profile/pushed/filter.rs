//! Which pushed options are let in: `pull-filter` and `route-nopull`.

use zeroize::Zeroizing;

use super::{LONGEST_NAME, PullAction, PushError, PushedOption, beginning};
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

/// Judges one option by its words as they are understood, so that quotes and spacing make no difference.
///
/// # Errors
///
/// [`PushError::Rejected`] if a filter says so.
pub(super) fn judge(rules: &PullRules, option: &PushedOption) -> Result<Verdict, PushError> {
    let words = Zeroizing::new(words(option));
    let filter = rules
        .filters
        .iter()
        .find(|filter| words.starts_with(&single_spaced(&filter.text)));
    match filter.map(|filter| filter.action) {
        Some(PullAction::Accept) => Ok(Verdict::In),
        Some(PullAction::Ignore) => Ok(Verdict::Out("left out by pull-filter")),
        Some(PullAction::Reject) => Err(PushError::Rejected(beginning(&option.name, LONGEST_NAME))),
        None if rules.no_routes && ROUTES.contains(&option.name.as_str()) => {
            Ok(Verdict::Out("left out by route-nopull"))
        }
        None => Ok(Verdict::In),
    }
}

/// The words of an option with a space after each, so that a filter that ends with a space means a whole word.
fn words(option: &PushedOption) -> String {
    let all = std::iter::once(&option.name).chain(&option.args);
    // Its final size: a token among the words leaves no shorter copies behind.
    let mut joined = Zeroizing::new(String::with_capacity(
        all.clone().map(|word| word.len() + 1).sum(),
    ));
    for word in all {
        joined.push_str(word);
        joined.push(' ');
    }
    single_spaced(&joined)
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
    use proptest::prelude::*;

    use super::super::{PullFilter, PushedOptions, tokens};
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
        judge(rules, &tokens(item).unwrap()).unwrap() == Verdict::In
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
            judge(&rules, &tokens("\"redirect-gateway\" def1").unwrap()),
            Err(PushError::Rejected("redirect-gateway".into()))
        );
    }

    #[test]
    fn quotes_and_spacing_evade_no_filter() {
        let gateway = rules(&[(PullAction::Ignore, "redirect-gateway")], false);
        assert!(!let_in(&gateway, "\"redirect-gateway\" def1"));
        assert!(!let_in(&gateway, "re'direct'-gate\"way\""));
        let route = rules(&[(PullAction::Ignore, "route ")], false);
        assert!(!let_in(&route, "'route' 1.2.3.4"));
        let dns = rules(&[(PullAction::Ignore, "dhcp-option DNS ")], false);
        assert!(!let_in(&dns, "\"dhcp-option\"   \"DNS\" 10.0.0.1"));
        assert!(let_in(&dns, "dhcp-option DNS6 fd00::1"));
    }

    #[test]
    fn an_accepting_filter_is_not_deceived_by_quotes_either() {
        let rules = rules(
            &[
                (PullAction::Accept, "route 10."),
                (PullAction::Ignore, "route"),
            ],
            false,
        );
        assert!(let_in(&rules, "\"route\" '10.0.0.0' 255.0.0.0"));
        assert!(!let_in(&rules, "route \"11.0.0.0\""));
    }

    /// A word as a server could write it: parts of it plain, in double quotes, or in single ones.
    fn quoted(word: &str, styles: &[u8]) -> String {
        let mut text = String::new();
        for (at, c) in word.chars().enumerate() {
            match styles.get(at % styles.len().max(1)) {
                Some(1) => text.push_str(&format!("\"{c}\"")),
                Some(2) => text.push_str(&format!("'{c}'")),
                Some(3) if !c.is_alphanumeric() => text.push_str(&format!("\\{c}")),
                _ => text.push(c),
            }
        }
        text
    }

    proptest! {
        #[test]
        fn no_quoting_of_a_filtered_option_lets_it_in(
            option in proptest::sample::select(vec![
                vec!["redirect-gateway", "def1"],
                vec!["redirect-gateway"],
                vec!["route", "10.0.0.0", "255.0.0.0"],
                vec!["route-ipv6", "fd00::/64"],
                vec!["dhcp-option", "DNS", "10.0.0.1"],
                vec!["dns", "server", "0", "address", "10.0.0.1"],
                vec!["block-ipv6"],
                vec!["ifconfig", "10.8.0.2", "255.255.255.0"],
            ]),
            styles in proptest::collection::vec(0_u8..4, 1..12),
            gap in "[ \t]{1,3}",
            count in 1_usize..4,
        ) {
            let item = option.iter().map(|word| quoted(word, &styles)).collect::<Vec<_>>().join(&gap);
            let named = option.iter().take(count).copied().collect::<Vec<_>>().join(" ");
            let open = PullRules::default();
            let (before, _) = PushedOptions::from_reply(std::slice::from_ref(&item), &open).unwrap();
            prop_assert_eq!(before.list.len(), 1, "{} is an option", &item);
            for text in [named.clone(), format!("{named} ")] {
                let ignoring = rules(&[(PullAction::Ignore, &text)], false);
                let (options, _) = PushedOptions::from_reply(std::slice::from_ref(&item), &ignoring).unwrap();
                prop_assert!(options.list.is_empty(), "{} by {}", &item, &text);
                let rejecting = rules(&[(PullAction::Reject, &text)], false);
                prop_assert!(PushedOptions::from_reply(std::slice::from_ref(&item), &rejecting).is_err());
                let update = [item.clone()];
                let after = PushedOptions::default().updated(&update, &ignoring);
                prop_assert!(after.is_ok_and(|(options, _)| options.list.is_empty()));
            }
        }

        #[test]
        fn whatever_is_let_in_is_not_what_a_filter_names(
            item in "[a-z '\"\\\\\t#-]{0,24}|(route|'route'|\"ro\"ute)[ \t]*[0-9.'\"\\\\]{0,12}",
        ) {
            let ignoring = rules(&[(PullAction::Ignore, "route"), (PullAction::Ignore, "dns ")], false);
            if let Ok((options, _)) = PushedOptions::from_reply(&[item], &ignoring) {
                for option in options.list {
                    prop_assert!(!option.name.starts_with("route") && option.name != "dns");
                }
            }
        }
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
