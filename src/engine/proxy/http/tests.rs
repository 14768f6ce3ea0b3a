//! Whole conversations with HTTP proxies.

use proptest::prelude::*;

use super::*;
use crate::proxy::tests::{environment, login};

fn proxy(auth: HttpAuth) -> HttpProxy {
    HttpProxy {
        auth,
        login: Some(login("user", "pass")),
        ..HttpProxy::new("proxy.example".to_owned(), 3128)
    }
}

fn connect(proxy: &HttpProxy) -> Connect {
    Connect::new(proxy, "vpn.example.com", 1194, environment())
}

fn text(bytes: &SecretBytes) -> String {
    String::from_utf8(bytes.expose().to_vec()).unwrap()
}

fn begun(connect: &mut Connect) -> String {
    text(&connect.begin().unwrap())
}

fn wanted(challenges: &str) -> Vec<u8> {
    format!("HTTP/1.1 407 Login\r\n{challenges}\r\nContent-Length: 5\r\n\r\nhello").into_bytes()
}

fn authorization(request: &str) -> &str {
    let mut lines = request.lines();
    lines
        .find_map(|line| line.strip_prefix("Proxy-Authorization: "))
        .unwrap_or("none")
}

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn a_plain_request_has_its_lines_in_order_and_what_follows_the_answer_is_the_servers() {
    let mut options = HttpProxy::new("proxy.example".to_owned(), 3128);
    options.version = "1.1".to_owned();
    options.agent = Some("browser".to_owned());
    options.headers = vec![
        ("X-One".to_owned(), Some("a b".to_owned())),
        ("X-Two: whole line".to_owned(), None),
    ];
    let mut connect = connect(&options);
    assert_eq!(
        begun(&mut connect),
        "CONNECT vpn.example.com:1194 HTTP/1.1\r\n\
         X-One: a b\r\n\
         X-Two: whole line\r\n\
         Host: vpn.example.com\r\n\
         User-Agent: browser\r\n\r\n"
    );
    assert!(matches!(connect.hear(&ESTABLISHED[..20]), Ok(Step::Listen)));
    let rest = [&ESTABLISHED[20..], b"server"].concat();
    let Ok(Step::Open(opened)) = connect.hear(&rest) else {
        panic!("it is not open");
    };
    assert_eq!(opened.rest, b"server");
}

#[test]
fn a_host_header_of_the_profile_takes_the_place_of_ours() {
    for header in [
        ("host".to_owned(), Some("front".to_owned())),
        ("Host: front".to_owned(), None),
    ] {
        let mut options = HttpProxy::new("proxy.example".to_owned(), 3128);
        options.headers = vec![header];
        let request = begun(&mut connect(&options));
        assert_eq!(request.matches("ost: ").count(), 1, "{request}");
    }
}

#[test]
fn an_ipv6_address_is_bracketed() {
    let options = HttpProxy::new("proxy.example".to_owned(), 3128);
    let mut connect = Connect::new(&options, "2001:db8::1", 443, environment());
    let request = begun(&mut connect);
    assert!(
        request.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.0\r\nHost: [2001:db8::1]\r\n"),
        "{request}"
    );
}

#[test]
fn basic_is_said_at_once_when_the_profile_names_it_and_refused_once() {
    let mut connect = connect(&proxy(HttpAuth::Basic));
    assert_eq!(authorization(&begun(&mut connect)), "Basic dXNlcjpwYXNz");
    assert_eq!(
        connect
            .hear(&wanted("Proxy-Authenticate: Basic realm=x"))
            .unwrap_err(),
        ProxyError::CredentialsRefused
    );
}

#[test]
fn the_best_method_that_is_offered_and_allowed_is_taken_on_a_fresh_connection() {
    let all = "Proxy-Authenticate: Basic realm=x\r\n\
               Proxy-Authenticate: Digest realm=x, nonce=y, qop=auth\r\n\
               Proxy-Authenticate: NTLM";
    let two = "Proxy-Authenticate: Basic realm=x, Digest realm=x, nonce=y";
    let basic = "Proxy-Authenticate: Basic realm=x";
    let cases = [
        (HttpAuth::Auto, all, "NTLM TlRM"),
        (HttpAuth::Auto, two, "Digest us"),
        (HttpAuth::Auto, basic, "Basic dX"),
        (HttpAuth::AutoNoClearText, two, "Digest us"),
        (HttpAuth::Digest, all, "Digest us"),
    ];
    for (auth, challenges, expected) in cases {
        let mut connect = connect(&proxy(auth));
        assert_eq!(authorization(&begun(&mut connect)), "none");
        let step = connect.hear(&wanted(challenges));
        assert!(matches!(step, Ok(Step::Reconnect)), "{step:?}");
        let request = begun(&mut connect);
        assert_eq!(&authorization(&request)[..expected.len()], expected);
        assert!(matches!(connect.hear(ESTABLISHED), Ok(Step::Open(_))));
    }
}

#[test]
fn a_method_that_is_not_allowed_is_not_used() {
    let basic = "Proxy-Authenticate: Basic realm=x";
    for auth in [HttpAuth::AutoNoClearText, HttpAuth::Digest, HttpAuth::None] {
        let mut connect = connect(&proxy(auth));
        begun(&mut connect);
        assert_eq!(
            connect.hear(&wanted(basic)).unwrap_err(),
            ProxyError::NoCommonMethod {
                offered: "basic".to_owned()
            }
        );
    }
}

#[test]
fn credentials_are_asked_for_when_the_proxy_wants_them() {
    for auth in [HttpAuth::Auto, HttpAuth::Basic] {
        let options = HttpProxy {
            login: None,
            ..proxy(auth)
        };
        let mut connect = connect(&options);
        assert_eq!(authorization(&begun(&mut connect)), "none");
        assert_eq!(
            connect
                .hear(&wanted("Proxy-Authenticate: Basic realm=x"))
                .unwrap_err(),
            ProxyError::CredentialsNeeded
        );
    }
}

#[test]
fn a_digest_that_is_refused_is_not_said_again_but_a_stale_one_is() {
    let challenge = |more: &str| {
        wanted(&format!(
            "Proxy-Authenticate: Digest realm=x, nonce=y, qop=auth{more}"
        ))
    };
    let mut connect = connect(&proxy(HttpAuth::Auto));
    begun(&mut connect);
    connect.hear(&challenge("")).unwrap();
    begun(&mut connect);
    assert!(matches!(
        connect.hear(&challenge(", stale=true")),
        Ok(Step::Reconnect)
    ));
    begun(&mut connect);
    assert_eq!(
        connect.hear(&challenge(", stale=true")).unwrap_err(),
        ProxyError::CredentialsRefused
    );
}

/// A second message: flags without target information.
fn question() -> String {
    let message = [
        b"NTLMSSP\0".as_slice(),
        &[2, 0, 0, 0],
        &[0; 12],
        &[7; 8],
        &[0; 16],
    ]
    .concat();
    format!("Proxy-Authenticate: NTLM {}", STANDARD.encode(message))
}

#[test]
fn ntlm_is_finished_on_the_same_connection_once_the_body_is_over() {
    let mut connect = connect(&proxy(HttpAuth::Ntlm));
    let greeting = begun(&mut connect);
    assert_eq!(authorization(&greeting), "NTLM TlRMTVNTUAABAAAAAgIAAA==");
    assert!(greeting.contains("Proxy-Connection: Keep-Alive\r\n"));
    let answer = wanted(&question());
    let (most, last) = answer.split_at(answer.len() - 1);
    assert!(matches!(connect.hear(most), Ok(Step::Listen)));
    let Ok(Step::Say(request)) = connect.hear(last) else {
        panic!("it said nothing");
    };
    let request = text(&request);
    assert!(
        authorization(&request).starts_with("NTLM TlRMTVNTUAAD"),
        "{request}"
    );
    assert!(matches!(connect.hear(ESTABLISHED), Ok(Step::Open(_))));
}

#[test]
fn ntlm_that_is_refused_is_the_end() {
    for answers in [
        vec![wanted("Proxy-Authenticate: NTLM")],
        vec![wanted(&question()), wanted("Proxy-Authenticate: NTLM")],
    ] {
        let mut connect = connect(&proxy(HttpAuth::Ntlm));
        begun(&mut connect);
        let last = answers.iter().map(|answer| connect.hear(answer)).last();
        assert_eq!(last.unwrap().unwrap_err(), ProxyError::CredentialsRefused);
    }
}

#[test]
fn any_other_status_is_a_refusal_with_its_words() {
    let mut connect = connect(&proxy(HttpAuth::Auto));
    begun(&mut connect);
    let error = connect
        .hear(b"HTTP/1.1 403 Forbidden\r\n\r\n<html>")
        .unwrap_err();
    assert_eq!(error.to_string(), "the HTTP proxy refuses: 403 Forbidden");
}

proptest! {
    #[test]
    fn no_answers_make_it_panic(
        answers in proptest::collection::vec(
            prop_oneof![
                Just(wanted(&question())),
                Just(wanted("Proxy-Authenticate: Digest realm=x, nonce=y, Basic realm=x")),
                proptest::collection::vec(any::<u8>(), 0..60),
                "HTTP/1.1 (200|407|503) x\r\n[A-Za-z:=\" \r\n]{0,60}\r\n\r\n".prop_map(String::into_bytes),
            ],
            0..6
        )
    ) {
        let mut connect = connect(&proxy(HttpAuth::Auto));
        begun(&mut connect);
        for answer in answers {
            match connect.hear(&answer) {
                Ok(Step::Listen | Step::Say(_)) => {}
                Ok(Step::Reconnect) => drop(begun(&mut connect)),
                Ok(Step::Open(_)) | Err(_) => break,
            }
        }
    }
}
