//! Whole handshakes in memory, against the library's own server.

mod groups;
mod keys;

use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::*;
use crate::config::{CertProfile, CertType, PeerChecks, TlsVersion};
use crate::pki::fixtures::fixture;
use crate::pki::{Trust, certificates};
use crate::secret::SecretText;

#[derive(Debug)]
struct In2030;

impl TimeProvider for In2030 {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            1_893_456_000,
        )))
    }
}

fn environment() -> Environment {
    Environment {
        provider: Arc::new(default_provider()),
        wall_clock: Arc::new(In2030),
        clock_trust: None,
    }
}

fn profile() -> TlsConfig {
    TlsConfig {
        identity: None,
        trust: Trust::from_pem(Some(fixture!("ca.crt")), None, Vec::new()).unwrap(),
        checks: PeerChecks {
            cert_type: Some(CertType::Server),
            ..PeerChecks::default()
        },
        version_min: TlsVersion::V1_2,
        version_max: TlsVersion::V1_3,
        cipher_list: None,
        cipher_suites: None,
        groups: None,
        cert_profile: CertProfile::Legacy,
        sni: None,
    }
}

fn identity(cert: &str, key: &str) -> Identity {
    let passphrase = SecretText::from("sesame");
    Identity::from_pem(cert, key, Some(&passphrase), None).unwrap()
}

/// A server with the certificate of `cert`; `ca`, if given, is what its clients' certificates must come from.
fn server(
    cert: &str,
    key: &str,
    ca: Option<&str>,
    version: &'static SupportedProtocolVersion,
) -> ServerConnection {
    server_of(default_provider(), cert, key, ca, version)
}

fn server_of(
    provider: CryptoProvider,
    cert: &str,
    key: &str,
    ca: Option<&str>,
    version: &'static SupportedProtocolVersion,
) -> ServerConnection {
    let builder = ServerConfig::builder_with_details(Arc::new(provider), Arc::new(In2030))
        .with_protocol_versions(&[version])
        .unwrap();
    let identity = identity(cert, key);
    let builder = match ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(ca).unwrap());
            let provider = Arc::new(default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

fn rsa_server(version: &'static SupportedProtocolVersion) -> ServerConnection {
    server(
        fixture!("server.crt"),
        fixture!("server.key"),
        None,
        version,
    )
}

/// Carries bytes both ways until nobody has any; in pieces, as control packets do.
fn exchange(client: &mut Tls, server: &mut ServerConnection) -> Result<(), TlsError> {
    let mut outcome = Ok(());
    loop {
        let from_client = client.write_tls().unwrap_or_default();
        for mut piece in from_client.chunks(100) {
            server.read_tls(&mut piece).unwrap();
            // What the server thinks of it, its alert tells.
            drop(server.process_new_packets());
        }
        let mut from_server = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut from_server).unwrap();
        }
        if from_client.is_empty() && from_server.is_empty() {
            return outcome;
        }
        for piece in from_server.chunks(100) {
            if outcome.is_ok() {
                outcome = client.read_tls(piece);
            }
        }
    }
}

fn connect(profile: &TlsConfig, mut server: ServerConnection) -> Result<Tls, TlsError> {
    let factory = TlsFactory::new(profile, &environment()).unwrap();
    let mut client = factory.start().unwrap();
    exchange(&mut client, &mut server)?;
    assert!(!client.is_handshaking());
    Ok(client)
}

#[track_caller]
fn refused(outcome: Result<Tls, TlsError>) -> TlsError {
    outcome
        .map(|tls| tls.describe())
        .expect_err("must be refused")
}

#[test]
fn both_sides_agree_on_messages_and_exported_keys() {
    for (version, text) in [
        (
            &TLS12,
            "TLSv1.2, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, X25519",
        ),
        (&TLS13, "TLSv1.3, TLS_AES_256_GCM_SHA384, X25519"),
    ] {
        let factory = TlsFactory::new(&profile(), &environment()).unwrap();
        let mut client = factory.start().unwrap();
        let mut server = rsa_server(version);
        assert!(client.is_handshaking());
        assert!(
            client
                .export("EXPORTER-OpenVPN-datakeys", &mut [0; 16])
                .is_err()
        );
        client.send(b"waits for the handshake").unwrap();
        exchange(&mut client, &mut server).unwrap();
        assert!(!client.is_handshaking());
        assert_eq!(client.describe(), text);
        assert_eq!(client.server_subject().unwrap(), "O=Test, CN=server");

        let mut ours = [0; 256];
        let mut theirs = [0; 256];
        client
            .export("EXPORTER-OpenVPN-datakeys", &mut ours)
            .unwrap();
        server
            .export_keying_material(&mut theirs, b"EXPORTER-OpenVPN-datakeys", None)
            .unwrap();
        assert_eq!(ours, theirs);

        let mut reader = server.reader();
        assert_eq!(reader.fill_buf().unwrap(), b"waits for the handshake");
        server.writer().write_all(b"one").unwrap();
        server.writer().write_all(b"two").unwrap();
        server.send_close_notify();
        exchange(&mut client, &mut server).unwrap();
        assert_eq!(client.receive().unwrap().expose(), b"one");
        assert_eq!(client.receive().unwrap().expose(), b"two");
        assert!(client.receive().is_none());
        assert!(client.is_closed_by_peer());
    }
}

#[test]
fn a_message_is_one_record_and_no_longer() {
    let factory = TlsFactory::new(&profile(), &environment()).unwrap();
    let mut client = factory.start().unwrap();
    let mut server = rsa_server(&TLS13);
    exchange(&mut client, &mut server).unwrap();
    client.send(&[7; LONGEST_MESSAGE]).unwrap();
    let sent = client.write_tls().unwrap();
    let [length_high, length_low] = [sent[3], sent[4]];
    assert_eq!(
        usize::from(u16::from_be_bytes([length_high, length_low])) + 5,
        sent.len()
    );
    assert!(client.send(&[7; LONGEST_MESSAGE + 1]).is_err());
    assert!(client.write_tls().is_none());
}

#[test]
fn servers_of_every_kind_are_accepted() {
    let mut curve = profile();
    curve.trust = Trust::from_pem(Some(fixture!("ca-ec.crt")), None, Vec::new()).unwrap();
    for version in [&TLS12, &TLS13] {
        let ed = server(
            fixture!("server-ed.crt"),
            fixture!("server-ed.key"),
            None,
            version,
        );
        connect(&profile(), ed).unwrap();
        let p256 = server(
            fixture!("server-ec.crt"),
            fixture!("server-ec.key"),
            None,
            version,
        );
        connect(&curve, p256).unwrap();
        let p384 = server(
            fixture!("server-p384.crt"),
            fixture!("server-p384.key"),
            None,
            version,
        );
        connect(&curve, p384).unwrap();
    }
}

#[test]
fn our_certificate_is_shown_when_asked_for() {
    let identities = [
        (fixture!("client.crt"), fixture!("client.aes256.key")),
        (fixture!("client-ec.crt"), fixture!("client-ec.sec1.key")),
        (fixture!("client-p384.crt"), fixture!("client-p384.key")),
        (fixture!("client-ed.crt"), fixture!("client-ed.pbes2.key")),
    ];
    for version in [&TLS12, &TLS13] {
        for (cert, key) in identities {
            let mut profile = profile();
            profile.identity = Some(identity(cert, key));
            let strict = server(
                fixture!("server.crt"),
                fixture!("server.key"),
                Some(fixture!("ca.crt")),
                version,
            );
            connect(&profile, strict).unwrap();
        }
    }
}

#[test]
fn our_chain_is_completed_from_ca() {
    let mut profile = profile();
    profile.identity = Some(identity(
        fixture!("client-int.crt"),
        fixture!("client-int.key"),
    ));
    let ca = [fixture!("ca.crt"), fixture!("int.crt")].concat();
    profile.trust = Trust::from_pem(Some(&ca), None, Vec::new()).unwrap();
    let strict = server(
        fixture!("server.crt"),
        fixture!("server.key"),
        Some(fixture!("ca.crt")),
        &TLS13,
    );
    connect(&profile, strict).unwrap();
}

#[test]
fn a_certificate_of_version_1_can_be_our_own() {
    let mut profile = profile();
    profile.identity = Some(identity(fixture!("client-v1.crt"), fixture!("client.key")));
    assert!(TlsFactory::new(&profile, &environment()).is_ok());
}

#[test]
fn a_server_that_wants_a_certificate_says_so_by_alert() {
    for version in [&TLS12, &TLS13] {
        let strict = server(
            fixture!("server.crt"),
            fixture!("server.key"),
            Some(fixture!("ca.crt")),
            version,
        );
        let error = refused(connect(&profile(), strict));
        assert_eq!(
            error,
            TlsError::Alert(
                "certificate required (alert 116): the server wants a certificate, and the profile has none".into()
            )
        );
    }
    let mut stranger = profile();
    stranger.identity = Some(identity(fixture!("client.crt"), fixture!("client.key")));
    let strict = server(
        fixture!("server.crt"),
        fixture!("server.key"),
        Some(fixture!("ca-other.crt")),
        &TLS13,
    );
    let error = refused(connect(&stranger, strict));
    assert_eq!(
        error,
        TlsError::Alert(
            "unknown CA (alert 48): the server does not trust our certificate's issuer".into()
        )
    );
}

#[test]
fn a_refused_certificate_says_why_and_the_server_hears_of_it() {
    let mut profile = profile();
    profile.checks.cert_type = Some(CertType::Client);
    let factory = TlsFactory::new(&profile, &environment()).unwrap();
    let mut client = factory.start().unwrap();
    let mut server = rsa_server(&TLS13);
    let mut hello = &client.write_tls().unwrap()[..];
    server.read_tls(&mut hello).unwrap();
    server.process_new_packets().unwrap();
    let mut answer = Vec::new();
    server.write_tls(&mut answer).unwrap();
    let error = client.read_tls(&answer).unwrap_err();
    assert_eq!(
        error,
        TlsError::CertificateRefused(
            "remote-cert-tls client: the certificate's extended key usage lacks \
             TLS Web Client Authentication; subject: O=Test, CN=server"
                .into()
        )
    );
    let mut alert = &client.write_tls().expect("an alert waits to be sent")[..];
    server.read_tls(&mut alert).unwrap();
    assert!(matches!(
        server.process_new_packets(),
        Err(rustls::Error::AlertReceived(_))
    ));
}

#[test]
fn the_wrong_authority_is_refused() {
    let mut profile = profile();
    profile.trust = Trust::from_pem(Some(fixture!("ca-other.crt")), None, Vec::new()).unwrap();
    let TlsError::CertificateRefused(text) = refused(connect(&profile, rsa_server(&TLS12))) else {
        panic!("another error was expected");
    };
    assert!(
        text.contains("not in ca (O=Test, CN=Test CA); subject: O=Test, CN=server"),
        "{text}"
    );
}

#[test]
fn versions_suites_and_groups_are_as_the_profile_wants() {
    let described = |change: &dyn Fn(&mut TlsConfig)| {
        let mut profile = profile();
        change(&mut profile);
        let both = if profile.version_max == TlsVersion::V1_2 {
            &TLS12
        } else {
            &TLS13
        };
        connect(&profile, rsa_server(both)).map(|tls| tls.describe())
    };
    let list = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(
        described(&|profile| {
            profile.cipher_suites = list("TLS-CHACHA20-POLY1305-SHA256:TLS_AES_128_CCM_SHA256");
            profile.groups = list("nonsense:secp384r1:X25519");
        })
        .unwrap(),
        "TLSv1.3, TLS_CHACHA20_POLY1305_SHA256, secp384r1"
    );
    assert_eq!(
        described(&|profile| {
            profile.version_max = TlsVersion::V1_2;
            profile.cipher_list = list("TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256");
            profile.groups = list("P-256");
        })
        .unwrap(),
        "TLSv1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, secp256r1"
    );
    let incompatible = described(&|profile| {
        profile.version_max = TlsVersion::V1_2;
        profile.cipher_list = list("ECDHE-ECDSA-AES128-GCM-SHA256");
    });
    assert!(
        matches!(incompatible, Err(TlsError::Alert(_))),
        "{incompatible:?}"
    );
}

#[test]
fn settings_that_leave_nothing_are_refused() {
    let setup = |change: &dyn Fn(&mut TlsConfig)| {
        let mut profile = profile();
        change(&mut profile);
        let factory = TlsFactory::new(&profile, &environment());
        factory.map(|factory| factory.ignored().to_vec())
    };
    let list = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(
        setup(&|profile| profile.groups = list("X448:ffdhe2048")),
        Err(TlsSetupError::NoGroup("X448:ffdhe2048".into()))
    );
    assert_eq!(
        setup(&|profile| {
            profile.version_max = TlsVersion::V1_2;
            profile.cipher_list = list("AES256-SHA");
        }),
        Err(TlsSetupError::NoSuite("AES256-SHA ".into()))
    );
    assert_eq!(
        setup(&|profile| profile.cipher_list = list("DHE-RSA-AES256-SHA:DEFAULT")),
        Ok(vec!["DHE-RSA-AES256-SHA".to_owned()])
    );
    assert_eq!(
        setup(&|profile| {
            profile.version_min = TlsVersion::V1_3;
            profile.version_max = TlsVersion::V1_2;
        }),
        Err(TlsSetupError::NoVersion)
    );
    assert!(matches!(
        setup(&|profile| profile.sni = Some("no name".into())),
        Err(TlsSetupError::ServerName(_))
    ));
}

#[test]
fn the_server_name_is_sent_only_if_the_profile_has_one() {
    let hello = |sni: Option<&str>| {
        let mut profile = profile();
        profile.sni = sni.map(str::to_owned);
        let factory = TlsFactory::new(&profile, &environment()).unwrap();
        let hello = factory.start().unwrap().write_tls().unwrap();
        hello.windows(11).any(|window| window == b"vpn.example")
    };
    assert!(hello(Some("vpn.example")));
    assert!(!hello(None));
}

#[test]
fn nonsense_from_the_server_is_an_error_and_no_panic() {
    let factory = TlsFactory::new(&profile(), &environment()).unwrap();
    let mut client = factory.start().unwrap();
    let error = client.read_tls(&[0x47; 600]).unwrap_err();
    assert!(matches!(error, TlsError::PeerMisbehaved(_)), "{error:?}");
    assert!(client.read_tls(&[0; 10]).is_err());
    assert!(client.receive().is_none());
}
