//! The laws and examples of this room.

use proptest::prelude::*;

use super::*;

fn names(text: &str) -> Vec<String> {
    let lexed = lex("p.ovpn", text);
    assert_eq!(lexed.errors, []);
    lexed
        .directives
        .into_iter()
        .map(|directive| directive.name)
        .collect()
}

fn content(directive: &Directive) -> &str {
    directive.content.as_ref().map_or("", SecretText::expose)
}

#[test]
fn bom_line_ends_of_windows_and_tabs_are_accepted() {
    assert_eq!(
        names("\u{feff}client\r\n\tdev\ttun\r\n\r\n--proto udp\r\n"),
        ["client", "dev", "proto"]
    );
}

#[test]
fn line_ends_of_the_old_macintosh_and_a_last_nul_are_accepted() {
    let text = "client\r# a comment\r<ca>\rx\r</ca>\rverb 3\r\0";
    assert_eq!(names(text), ["client", "ca", "verb"]);
    assert_eq!(content(&lex("p", text).directives[1]), "x\n");
    assert_eq!(names("client\n# \0\nverb 3\n\0"), ["client", "verb"]);
}

#[test]
fn an_inline_block_keeps_its_lines_and_its_place() {
    let lexed = lex(
        "p.ovpn",
        "client\n<ca>\r\n-----BEGIN\r\n # no comment\r\n  </ca>\nverb 3\n",
    );

    assert_eq!(lexed.errors, []);
    let ca = &lexed.directives[1];
    assert_eq!((ca.name.as_str(), ca.line, ca.column), ("ca", 2, 1));
    assert_eq!(content(ca), "-----BEGIN\n # no comment\n");
    assert_eq!(lexed.directives[2].line, 6);
}

#[test]
fn a_block_without_end_is_an_error_at_its_begin() {
    let lexed = lex("p.ovpn", "client\n<key>\nabc\n");

    assert_eq!(lexed.errors.len(), 1);
    assert_eq!(
        lexed.errors[0].to_string(),
        "p.ovpn:2:1: key: the block <key> has no end (a line </key>)"
    );
}

#[test]
fn an_end_without_a_begin_is_an_error() {
    assert_eq!(lex("p", "</ca>\n").errors.len(), 1);
}

#[test]
fn all_bad_lines_are_reported_at_once() {
    let lexed = lex("p", "a 'x\nb\0\nok\nc \"y\n");

    assert_eq!(
        lexed
            .errors
            .iter()
            .map(|error| error.place.line)
            .collect::<Vec<_>>(),
        [1, 2, 4]
    );
    assert_eq!(lexed.directives.len(), 1);
}

#[test]
fn what_access_server_writes_into_comments_is_read() {
    let text = "# OVPN_ACCESS_SERVER_AUTOLOGIN=1\n\
        # OVPN_ACCESS_SERVER_HOST_LIST_START\n# a.example\n# b.example\n# OVPN_ACCESS_SERVER_HOST_LIST_STOP\n\
        # a comment\nclient\n";
    let lexed = lex("p", text);

    assert_eq!(lexed.directives.len(), 3);
    assert_eq!(lexed.directives[0].origin, Origin::Meta);
    assert_eq!(lexed.directives[0].args[0].text, "1");
    assert_eq!(lexed.directives[1].name, "HOST_LIST");
    assert_eq!(content(&lexed.directives[1]), "a.example\nb.example\n");
    assert_eq!(lexed.directives[2].name, "client");
}

#[test]
fn setenv_opt_makes_a_directive_optional() {
    let lexed = lex(
        "p",
        "setenv opt tls-version-min 1.0 or-highest\nsetenv UV_X opt\n",
    );

    let first = &lexed.directives[0];
    assert_eq!(
        (first.name.as_str(), first.origin, first.args.len()),
        ("tls-version-min", Origin::Optional, 2)
    );
    assert_eq!(first.column, 12);
    assert_eq!(lexed.directives[1].name, "setenv");
}

#[test]
fn a_profile_over_its_limit_is_refused_and_one_at_it_is_not() {
    assert_eq!(lex("p", &"#".repeat(MAX_PROFILE)).errors, []);
    assert_eq!(lex("p", &"#".repeat(MAX_PROFILE + 1)).errors.len(), 1);
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|[\n\r\t<>/#;'\"\\\\])*") {
        let _ = lex("p", &text);
    }
}

#[test]
fn a_key_outside_of_a_block_is_one_error_that_shows_nothing_of_it() {
    let lexed = lex(
        "p",
        "verb 3\n-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----\nnobind\n\
         -----BEGIN CERTIFICATE-----\nMIIcut\n<ca>\nx\n</ca>\n",
    );
    let names: Vec<&str> = lexed.directives.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["verb", "nobind", "ca"]);
    let lines: Vec<usize> = lexed.errors.iter().map(|error| error.place.line).collect();
    assert_eq!(lines, [2, 6]);
    assert!(!format!("{:?}", lexed.errors).contains("MII"));
}
